//go:build linux

package kit

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fawkes-idp/fawkes/internal/app"
	"github.com/fawkes-idp/fawkes/samples"
)

// The sample application: its Application, and the repository that people push to.
const (
	sampleApplication = "sample"
	sampleRepository  = "fawkes/hello"
	// SampleProject is the sample as the delivery metrics know it.
	SampleProject = "hello"
)

// connect lets the forge and Argo CD report to the services in the cluster: what `fawkes up` does on one machine, by the same APIs.
func (k *Kit) connect(ctx context.Context) error {
	var services []string
	for _, m := range app.Modules() {
		services = append(services, m.Name)
	}
	var err error
	if k.WayIn, err = openWayIn(ctx, k.Cluster, services); err != nil {
		return err
	}
	k.client = client{base: k.WayIn.URL, token: k.secrets.operator, http: &http.Client{Timeout: time.Minute}}
	if err := k.insist(ctx, http.MethodPut, "/api/dora/v1/projects/"+SampleProject, map[string]any{
		"project": SampleProject, "description": "The sample application", "first_deployment": "attribute",
		"services": []map[string]any{{"name": "hello", "repo": k.Forge.Repository(sampleRepository)}},
	}, nil); err != nil {
		return err
	}
	var argocd, github struct{ Secret string }
	for kind, into := range map[string]any{"argocd": &argocd, "github": &github} {
		if err := k.insist(ctx, http.MethodPost, "/api/dora/v1/sources", map[string]any{"kind": kind, "name": "kit"}, into); err != nil {
			return err
		}
	}
	var reporter struct{ Token string }
	if err := k.insist(ctx, http.MethodPost, "/api/identity/v1/tokens", map[string]any{"name": "the forge", "scopes": []string{"dora:write"}}, &reporter); err != nil {
		return err
	}
	text, err := json.Marshal(secret(argocdNamespace, "argocd-notifications-secret", map[string]string{"fawkes-token": argocd.Secret}))
	if err != nil {
		return err
	}
	if err := k.Cluster.Apply(ctx, string(text)); err != nil {
		return err
	}
	const inside = "http://" + wayInAddress
	if err := k.Forge.Send(ctx, http.MethodPut, "/api/git/v1/hooks/dora", map[string]any{
		"url": inside + "/webhooks/dora/github", "secret": github.Secret, "events": []string{"push", "create", "delete"},
		"repository": sampleRepository, "active": true,
	}, nil); err != nil {
		return err
	}
	var now struct {
		Git          struct{ URL string }         `json:"git"`
		Registry     struct{ Host string }        `json:"registry"`
		Environments struct{ URL, Branch string } `json:"environments"`
		Signing      struct {
			KeyFile string `json:"key_file"`
		} `json:"signing"`
	}
	const connections = "/api/runner/v1/connections"
	if err := k.Forge.Get(ctx, connections, &now); err != nil {
		return err
	}
	// Secrets that are left out stay as they are.
	if err := k.Forge.Send(ctx, http.MethodPut, connections, map[string]any{
		"git": map[string]any{"url": now.Git.URL}, "registry": map[string]any{"host": now.Registry.Host},
		"environments": map[string]any{"url": now.Environments.URL, "branch": now.Environments.Branch},
		"signing":      map[string]any{"key_file": now.Signing.KeyFile},
		"events":       map[string]any{"url": inside + "/webhooks/dora/cloudevents", "token": reporter.Token},
	}, nil); err != nil {
		return err
	}
	k.mark("the forge and Argo CD report to the services in the cluster")
	return nil
}

// sample pushes the sample application, and waits until Argo CD runs it.
func (k *Kit) sample(ctx context.Context) error {
	dir := filepath.Join(k.dir, "hello")
	if err := samples.Write(dir, "hello", samples.Params{}); err != nil {
		return err
	}
	sha, err := k.Forge.Publish(ctx, sampleRepository, dir, "hello: a page, its health, its metrics")
	if err != nil {
		return err
	}
	k.mark("the sample is pushed: %s", sha)
	if err := k.UntilDelivered(ctx, sha, 5*time.Minute); err != nil {
		return err
	}
	return k.untilHealthy(ctx, 2*time.Minute, sampleApplication, "fawkes-platform")
}

// Push commits a change of the sample's page and pushes it. It gives the commit and when it was authored.
func (k *Kit) Push(ctx context.Context, text string) (sha string, authored time.Time, err error) {
	sha, err = k.Forge.Change(ctx, sampleRepository, "hello: "+text, func(dir string) error {
		file := filepath.Join(dir, "page.html")
		page, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		authored = time.Now()
		return os.WriteFile(file, append(page, "<p>"+text+"</p>\n"...), 0o644)
	})
	return sha, authored.Truncate(time.Second), err
}

// UntilDelivered waits until Argo CD has carried out the promotion of a commit of the sample, and all is healthy.
func (k *Kit) UntilDelivered(ctx context.Context, sha string, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	last := "nothing"
	for {
		deployed, err := k.Cluster.Kubectl(ctx, "--namespace", servicesNamespace, "get", "deployment", "hello", "--ignore-not-found",
			"-o", `jsonpath={.spec.template.metadata.annotations.fawkes\.dev/revision}`)
		apps, aerr := Applications(ctx, k.Cluster)
		if err == nil && aerr == nil {
			i := slices.IndexFunc(apps, func(a Application) bool { return a.Name == sampleApplication })
			if i >= 0 {
				last = fmt.Sprintf("%+v, with the commit %q", apps[i], deployed)
				if deployed == sha && apps[i].Healthy() && apps[i].Operation == "Succeeded" {
					return nil
				}
			}
		}
		if werr := pause(ctx, 250*time.Millisecond); werr != nil {
			return fmt.Errorf("the commit %s is not live within %s: the sample is %s; %w\n%s", sha, limit, last, werr, k.runs())
		}
	}
}

// runs is what the forge says of its pipelines.
func (k *Kit) runs() string {
	var list struct{ Items []map[string]any }
	if err := k.Forge.Get(context.Background(), "/api/runner/v1/runs", &list); err != nil {
		return err.Error()
	}
	text, err := json.MarshalIndent(list.Items, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(text)
}
