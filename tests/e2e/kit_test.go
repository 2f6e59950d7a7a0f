//go:build e2e && linux

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/tests/e2e/cluster"
	"github.com/fawkes-idp/fawkes/tests/e2e/kit"
)

// TestTheKit goes from nothing to the profile "kit" on two nodes, brought by Argo CD, down the whole road on it, and through what goes
// wrong under load. A killed node does not come back, so it comes last.
func TestTheKit(t *testing.T) {
	c := cluster.Up(t, cluster.Options{Nodes: 2})
	k := kit.Up(t, c)
	ctx := t.Context()

	step(t, "each wave was begun when the one before was healthy", func(t *testing.T) { waves(t, ctx, c) })
	step(t, "a pushed commit is live, and its lead time is that of its timestamps", func(t *testing.T) {
		sha, authored, err := k.Push(ctx, "hello again")
		if err != nil {
			t.Fatal(err)
		}
		if err := k.UntilDelivered(ctx, sha, 3*time.Minute); err != nil {
			t.Fatal(err)
		}
		leadTime(t, ctx, k, sha, authored)
	})
	step(t, "Prometheus has the metrics of every service", func(t *testing.T) { scraped(t, ctx, c) })

	load := k.StartLoad(ctx, 4, 2)
	began := time.Now()
	step(t, "under load, all is well", func(t *testing.T) {
		calm(t, ctx, load, began, 5*time.Second)
		if f := load.Since(began); len(f) > 0 {
			t.Fatalf("%d requests failed without a cause, the first with %s", len(f), f[0].What)
		}
	})
	step(t, "a rolling upgrade of every service fails no request", func(t *testing.T) {
		from := time.Now()
		if err := k.Upgrade(ctx, "kit-2", 4*time.Minute); err != nil {
			t.Fatal(err)
		}
		took := time.Since(from)
		calm(t, ctx, load, from, 5*time.Second)
		if f := load.Since(from); len(f) > 0 {
			t.Errorf("%d requests failed, the first with %s", len(f), f[0].What)
		}
		t.Logf("upgraded in %.1f s, %d events acknowledged so far", took.Seconds(), load.Acknowledged())
	})
	for _, service := range []string{"dora", "identity"} {
		step(t, "a killed "+service+" is started again", func(t *testing.T) {
			name, err := k.Pod(ctx, "fawkes-apps", "app.kubernetes.io/name="+service+",app.kubernetes.io/component=service")
			if err != nil {
				t.Fatal(err)
			}
			recovered(t, ctx, k, load, func() error { return k.KillContainer(ctx, "fawkes-apps", name) })
		})
	}
	step(t, "PostgreSQL is killed and comes back", func(t *testing.T) {
		recovered(t, ctx, k, load, func() error { return k.KillContainer(ctx, "fawkes-platform", "postgresql-0") })
	})
	step(t, "the node that runs services is killed", func(t *testing.T) {
		apart(t, ctx, c)
		recovered(t, ctx, k, load, func() error { c.Nodes[1].Kill(); return nil })
	})
	step(t, "nothing that was acknowledged is lost or doubled", func(t *testing.T) {
		events, reads, err := load.End(ctx)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%d events acknowledged under load, each in the log once; %d reads answered; %d tries failed in all", events, reads, len(load.Since(began)))
	})
}

// calm waits until no request fails any more.
func calm(t *testing.T, ctx context.Context, load *kit.Load, from time.Time, quiet time.Duration) time.Duration {
	t.Helper()
	after, err := load.Calm(ctx, from, quiet, 3*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return after
}

// recovered does harm and says how long requests failed, and how long until every service was whole.
func recovered(t *testing.T, ctx context.Context, k *kit.Kit, load *kit.Load, harm func() error) {
	t.Helper()
	from := time.Now()
	if err := harm(); err != nil {
		t.Fatal(err)
	}
	type answer struct {
		after time.Duration
		err   error
	}
	whole := make(chan answer, 1)
	go func() {
		// Longer than it takes until a node is known to be lost.
		after, err := k.UntilWhole(ctx, from, 20*time.Second, 4*time.Minute)
		whole <- answer{after, err}
	}()
	after := calm(t, ctx, load, from, 10*time.Second)
	w := <-whole
	if w.err != nil {
		t.Fatal(w.err)
	}
	t.Logf("%d tries failed, the last after %.1f s; for %.1f s at most no event was acknowledged; every service was whole after %.1f s",
		len(load.Since(from)), after.Seconds(), load.Stall(from).Seconds(), w.after.Seconds())
}

// waves compares when Argo CD created the Applications of each wave with when those of the wave before were healthy.
func waves(t *testing.T, ctx context.Context, c *cluster.Cluster) {
	t.Helper()
	text, err := c.Kubectl(ctx, "--namespace", "argocd", "get", "applications.argoproj.io", "-o", "json")
	if err != nil {
		t.Fatal(err)
	}
	var list struct {
		Items []struct {
			Metadata struct {
				Name              string
				CreationTimestamp time.Time
				Annotations       map[string]string
			}
			Status struct {
				Health struct{ LastTransitionTime time.Time }
			}
		}
	}
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		t.Fatal(err)
	}
	created, healthy := map[string][]time.Time{}, map[string][]time.Time{}
	var numbers []string
	for _, a := range list.Items {
		wave, ok := a.Metadata.Annotations["argocd.argoproj.io/sync-wave"]
		if !ok {
			continue // the root
		}
		created[wave] = append(created[wave], a.Metadata.CreationTimestamp)
		healthy[wave] = append(healthy[wave], a.Status.Health.LastTransitionTime)
		if !slices.Contains(numbers, wave) {
			numbers = append(numbers, wave)
		}
	}
	slices.Sort(numbers)
	if len(numbers) < 5 {
		t.Fatalf("there are the waves %v; want five or more", numbers)
	}
	for i, wave := range numbers[1:] {
		before, begun := slices.MaxFunc(healthy[numbers[i]], time.Time.Compare), slices.MinFunc(created[wave], time.Time.Compare)
		if before.IsZero() || begun.Before(before) {
			t.Errorf("wave %s was begun at %s, and wave %s was healthy at %s", wave, begun, numbers[i], before)
		}
		t.Logf("wave %s was healthy at %s, wave %s was begun at %s", numbers[i], before.Format(time.TimeOnly), wave, begun.Format(time.TimeOnly))
	}
	for _, pod := range []struct{ namespace, label string }{{"fawkes-apps", "app.kubernetes.io/name=dora"}} {
		if ready, began := readyAt(t, ctx, c, "fawkes-platform", "app.kubernetes.io/name=postgresql"), createdAt(t, ctx, c, pod.namespace, pod.label); began.Before(ready.Add(-time.Second)) {
			t.Errorf("%s was begun at %s, and PostgreSQL was ready at %s", pod.label, began, ready)
		}
	}
}

// apart sees that the instances of each service are on both nodes, so that the loss of one is not the loss of all.
func apart(t *testing.T, ctx context.Context, c *cluster.Cluster) {
	t.Helper()
	for _, service := range []string{"dora", "identity"} {
		nodes, err := c.Kubectl(ctx, "--namespace", "fawkes-apps", "get", "pods", "--field-selector", "status.phase=Running", "--selector", "app.kubernetes.io/component=service,app.kubernetes.io/name="+service,
			"-o", "jsonpath={.items[*].spec.nodeName}")
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(nodes, "node1") || !strings.Contains(nodes, "node2") {
			t.Errorf("the instances of %s are on %s; want one on each node", service, nodes)
		}
	}
}

// readyAt is when the pods of a label were ready.
func readyAt(t *testing.T, ctx context.Context, c *cluster.Cluster, namespace, label string) time.Time {
	t.Helper()
	return stamp(t, ctx, c, namespace, label, `jsonpath={.items[0].status.conditions[?(@.type=="Ready")].lastTransitionTime}`)
}

// createdAt is when the first pod of a label was made.
func createdAt(t *testing.T, ctx context.Context, c *cluster.Cluster, namespace, label string) time.Time {
	t.Helper()
	return stamp(t, ctx, c, namespace, label, `jsonpath={.items[0].metadata.creationTimestamp}`)
}

func stamp(t *testing.T, ctx context.Context, c *cluster.Cluster, namespace, label, path string) time.Time {
	t.Helper()
	text, err := c.Kubectl(ctx, "--namespace", namespace, "get", "pods", "--selector", label, "-o", path)
	if err != nil {
		t.Fatal(err)
	}
	at, err := time.Parse(time.RFC3339, strings.TrimSpace(text))
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// leadTime compares what the metrics in the cluster say of a commit with when it was authored and when Argo CD had carried it out. That
// they know of the deployment at all is Argo CD's own notification: nothing else tells them.
func leadTime(t *testing.T, ctx context.Context, k *kit.Kit, sha string, authored time.Time) {
	t.Helper()
	apps, err := kit.Applications(ctx, k.Cluster)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(apps, func(a kit.Application) bool { return a.Name == "sample" })
	var deployment struct {
		Items []struct {
			SHA      string
			Finished *time.Time `json:"finished_at"`
			Source   string
		}
	}
	var finished time.Time
	eventually(t, 3*time.Minute, "the metrics know of the deployment", func() error {
		if err := k.Get(ctx, "/api/dora/v1/deployments?"+url.Values{"project": {kit.SampleProject}, "limit": {"50"}}.Encode(), &deployment); err != nil {
			return err
		}
		for _, d := range deployment.Items {
			if d.SHA == sha && d.Finished != nil {
				finished = *d.Finished
				return nil
			}
		}
		return fmt.Errorf("they know of %+v", deployment.Items)
	})
	if !finished.Equal(apps[i].Finished) {
		t.Errorf("the metrics say that the deployment ended at %s, Argo CD says %s", finished, apps[i].Finished)
	}
	var changes struct {
		Items []struct {
			SHA      string
			LeadTime *float64 `json:"lead_time_seconds"`
		}
	}
	eventually(t, 3*time.Minute, "the metrics know the lead time", func() error {
		if err := k.Get(ctx, "/api/dora/v1/changes?"+url.Values{"project": {kit.SampleProject}, "limit": {"50"}}.Encode(), &changes); err != nil {
			return err
		}
		for _, change := range changes.Items {
			if change.SHA == sha && change.LeadTime != nil {
				if want := finished.Sub(authored).Seconds(); *change.LeadTime != want {
					t.Errorf("the lead time of %s is %v s; from %s to %s it is %v s", sha, *change.LeadTime, authored, finished, want)
				}
				t.Logf("authored %s, carried out %s: a lead time of %v s", authored.UTC().Format(time.RFC3339), finished.UTC().Format(time.RFC3339), *change.LeadTime)
				return nil
			}
		}
		return fmt.Errorf("they know of %+v", changes.Items)
	})
}

// scraped asks Prometheus which services it has metrics of.
func scraped(t *testing.T, ctx context.Context, c *cluster.Cluster) {
	t.Helper()
	address, err := c.Kubectl(ctx, "--namespace", "fawkes-observability", "get", "service", "prometheus-server", "-o", "jsonpath={.spec.clusterIP}")
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DialContext: c.Nodes[0].DialContext, DisableKeepAlives: true}, Timeout: 10 * time.Second}
	eventually(t, time.Minute, "every service is scraped", func() error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/api/v1/query?"+url.Values{"query": {`sum by (service) (up{job="applications"})`}}.Encode(), nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		var answer struct {
			Data struct {
				Result []struct {
					Metric struct{ Service string }
					Value  [2]any
				}
			}
		}
		if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
			return err
		}
		up := map[string]any{}
		for _, r := range answer.Data.Result {
			up[r.Metric.Service] = r.Value[1]
		}
		for _, service := range []string{"dora", "identity", "hello"} {
			if up[service] != "2" {
				return fmt.Errorf("instances that are scraped: %v; want 2 of %s", up, service)
			}
		}
		return nil
	})
}
