package road

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestAServiceGoesThroughTheEnvironments starts a service from a template and takes it from environment to
// environment as a team does: it has an address in each, somebody approves production, and takes it back.
func TestAServiceGoesThroughTheEnvironments(t *testing.T) {
	prog, state := program(t), filepath.Join(t.TempDir(), "state")
	p := up(t, prog, state, "--no-sample")
	dir := filepath.Join(t.TempDir(), "shop")
	if _, err := p.fawkes("new", "service", "shop", "--template", "go", "--push", "--dir", dir); err != nil {
		t.Fatal(err)
	}
	c := clone{t, dir}
	first := c.git("rev-parse", "HEAD")
	p.serves("shop-dev", first)
	p.serves("shop-staging", first)
	if a := p.application("shop-production"); a.URL != "" {
		t.Fatalf("production has it before it was approved: %+v", a)
	}
	// Approved on the command line, which finds what waits.
	if out, err := p.fawkes("apps", "approve", p.waiting(first)); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	p.serves("shop-production", first)
	hosts := map[string]bool{}
	for _, env := range []string{"dev", "staging", "production"} {
		hosts[p.application("shop-"+env).URL] = true
	}
	if len(hosts) != 3 {
		t.Errorf("the environments share an address: %v", hosts)
	}

	// The clone that was made pushes as it is, and the API approves.
	c.edit("README.md", "shop", "Shop")
	second := c.push("shop: a better page")
	if err := p.send(http.MethodPost, "/api/gitops/v1/promotions/"+p.waiting(second)+"/approve", struct{}{}, nil); err != nil {
		t.Fatal(err)
	}
	p.serves("shop-production", second)

	var history struct {
		Items []struct {
			ID             int
			SourceRevision string `json:"source_revision"`
		}
	}
	p.must("/api/gitops/v1/applications/shop-production/history", nil, &history)
	last := history.Items[len(history.Items)-1]
	if last.SourceRevision != first {
		t.Fatalf("the history is %+v", history)
	}
	if out, err := p.fawkes("apps", "rollback", "shop-production", "--to", fmt.Sprint(last.ID)); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	p.serves("shop-production", first)
	eventually(t, "the metrics to know the rollback", func() (bool, string) {
		var rows struct{ Items []deploymentView }
		if err := p.get("/api/dora/v1/deployments", url.Values{"project": {"shop"}, "environment": {"production"}, "limit": {"100"}}, &rows); err != nil {
			return false, err.Error()
		}
		var kinds []string
		for _, d := range rows.Items {
			kinds = append(kinds, d.Kind+" "+d.SHA)
		}
		return strings.Contains(strings.Join(kinds, "; "), "rollback "+first), strings.Join(kinds, "; ")
	})
	p.leadTimeIn("shop", c, second)
}

// waiting is the promotion of a commit to production that waits for approval.
func (p *platform) waiting(sha string) (id string) {
	p.t.Helper()
	eventually(p.t, "the promotion of "+sha+" to wait for approval", func() (bool, string) {
		var all struct {
			Items []struct {
				ID             int
				To             string
				State          string
				SourceRevision string `json:"source_revision"`
			}
		}
		if err := p.get("/api/gitops/v1/promotions", nil, &all); err != nil {
			return false, err.Error()
		}
		for _, one := range all.Items {
			if one.SourceRevision == sha && one.To == "production" && one.State == "waiting_approval" {
				id = fmt.Sprint(one.ID)
				return true, ""
			}
		}
		return false, fmt.Sprintf("%+v", all)
	})
	return id
}

// serves waits until an application is healthy at a commit and says so at its address.
func (p *platform) serves(application, sha string) {
	p.t.Helper()
	eventually(p.t, application+" to serve "+sha, func() (bool, string) {
		a := p.application(application)
		if a.Source.Revision != sha || a.Health.Status != "Healthy" || a.Operation.Phase != "Succeeded" || a.URL == "" {
			return false, fmt.Sprintf("%+v", a)
		}
		text, err := ask(http.DefaultClient, a.URL)
		return err == nil && strings.Contains(text, sha[:12]), fmt.Sprintf("%v %s", err, text)
	})
}

// leadTimeIn compares the lead time of a commit with its author's time and the end of its deployment.
func (p *platform) leadTimeIn(project string, c clone, sha string) {
	p.t.Helper()
	authored, err := time.Parse(time.RFC3339, c.git("show", "-s", "--format=%aI", sha))
	if err != nil {
		p.t.Fatal(err)
	}
	eventually(p.t, "the lead time of "+sha, func() (bool, string) {
		var changes struct {
			Items []struct {
				SHA      string
				LeadTime *float64  `json:"lead_time_seconds"`
				Deployed time.Time `json:"deployed_at"`
			}
		}
		if err := p.get("/api/dora/v1/changes", url.Values{"project": {project}, "limit": {"100"}}, &changes); err != nil {
			return false, err.Error()
		}
		for _, change := range changes.Items {
			if change.SHA == sha && change.LeadTime != nil {
				if want := change.Deployed.Sub(authored).Seconds(); *change.LeadTime != want {
					p.t.Fatalf("the lead time of %s is %v s, want %v", sha, *change.LeadTime, want)
				}
				return true, ""
			}
		}
		return false, fmt.Sprintf("%+v", changes)
	})
}

// TestEveryTemplateRuns builds, deploys and asks a service of each language.
func TestEveryTemplateRuns(t *testing.T) {
	if os.Getenv("FAWKES_SOAK") == "" {
		t.Log("one template is taken down the road by TestAServiceGoesThroughTheEnvironments; the others with FAWKES_SOAK=1")
		return
	}
	prog, state := program(t), filepath.Join(t.TempDir(), "state")
	p := up(t, prog, state, "--no-sample")
	services := map[string]string{}
	for _, language := range []string{"node", "python", "java"} {
		dir := filepath.Join(t.TempDir(), language)
		if _, err := p.fawkes("new", "service", "shop-"+language, "--template", language, "--push", "--dir", dir); err != nil {
			t.Fatal(err)
		}
		services["shop-"+language+"-staging"] = clone{t, dir}.git("rev-parse", "HEAD")
	}
	for application, sha := range services {
		p.serves(application, sha)
	}
}
