package road

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestTheRoad takes one platform from its first start through the commits that a team makes: a good one,
// one whose test fails, one that is not healthy, and those that must not pass.
func TestTheRoad(t *testing.T) {
	prog, state := program(t), filepath.Join(t.TempDir(), "state")
	p := up(t, prog, state)
	first := p.await("delivered")
	c := clone{t, filepath.Join(state, "work", "hello")}
	page, _ := first["url"].(string)
	if page == "" {
		t.Fatalf("the sample has no address: %v", first)
	}

	t.Run("the first commit is live and attributed", func(t *testing.T) {
		sha := c.git("rev-parse", "HEAD")
		p.with(t).leadTimeIsExact(c, sha)
		if text := body(t, page); !strings.Contains(text, sha[:12]) {
			t.Errorf("the page does not show the commit %s:\n%s", sha, text)
		}
		if n := first["deployments"]; n != 1.0 {
			t.Errorf("the first start counts %v deployments, want 1", n)
		}
		for _, s := range first["stages"].([]any) {
			stage := s.(map[string]any)
			if stage["status"] != "passed" && stage["name"] != "image-scan" {
				t.Errorf("stage %v", stage)
			}
		}
	})

	t.Run("a commit that is pushed is live, with the lead time that its times say", func(t *testing.T) {
		p, c := p.with(t), c.with(t)
		c.edit("page.go", `"Hello from "`, `"Good day from "`)
		c.edit("page_test.go", "Hello from", "Good day from")
		c.edit("behavior/behavior_test.go", "Hello from", "Good day from")
		sha := c.push("hello: a warmer greeting")
		p.healthyAt(sha)
		if text := body(t, page); !strings.Contains(text, "Good day from") || !strings.Contains(text, sha[:12]) {
			t.Errorf("the page is not of %s:\n%s", sha, text)
		}
		p.leadTimeIsExact(c, sha)
	})

	good := c.git("rev-parse", "HEAD")
	t.Run("a commit whose test fails stops there and is counted", func(t *testing.T) {
		p, c := p.with(t), c.with(t)
		c.edit("page.go", `"Good day from "`, `"Good night from "`)
		sha := c.push("hello: a greeting that the tests do not expect")
		r := p.runOf(sha)
		if r.Status != "failed" || stage(r, "unit-test") != "failed" || stage(r, "promote") == "passed" {
			t.Errorf("the run is %+v, want it failed in unit-test and not promoted", r)
		}
		if a := p.application("hello-production"); a.Source.Revision != good {
			t.Errorf("%s runs, want %s still", a.Source.Revision, good)
		}
		p.build(sha, "failure")
		c.git("revert", "--no-edit", "HEAD")
		c.git("push", "-q", "origin", "HEAD:main")
		good = c.git("rev-parse", "HEAD")
		p.healthyAt(good)
	})

	t.Run("a commit that is not healthy is taken back while the old version answers", func(t *testing.T) {
		p, c := p.with(t), c.with(t)
		asked := askAllTheTime(page)
		c.edit("deploy/configmap.yaml", "HEALTH: passing", "HEALTH: failing")
		c.edit("deploy/deployment.yaml", "progressDeadlineSeconds: 30", "progressDeadlineSeconds: 4")
		bad := c.push("hello: fail the health check")
		var failed deploymentView
		eventually(t, "the failed deployment to be counted and restored", func() (bool, string) {
			rows := p.deployments()
			for _, d := range rows {
				if d.SHA == bad && d.Failed && d.RestoredAt != nil {
					failed = d
					return true, ""
				}
			}
			return false, fmt.Sprintf("%+v; %+v", rows, p.application("hello-production"))
		})
		eventually(t, "the version before to be what runs", func() (bool, string) {
			a := p.application("hello-production")
			return a.Source.Revision == good && a.Health.Status == "Healthy" && a.Operation.Phase == "Succeeded", fmt.Sprintf("%+v", a)
		})
		if n, faults := asked(); len(faults) > 0 || n < 20 {
			t.Errorf("of %d requests during the roll-out %d failed: %v", n, len(faults), faults[:min(3, len(faults))])
		}
		rows := p.deployments()
		last := slices.MaxFunc(rows, func(a, b deploymentView) int { return a.StartedAt.Compare(b.StartedAt) })
		// What failed never was the version that served: the deployment after it brings the same one again.
		if last.SHA != good || last.Outcome != "success" {
			t.Errorf("the last deployment is %+v, want %s again", last, good)
		}
		var report struct {
			Metrics []struct {
				Metric string
				Value  *float64
				N      int
			}
		}
		p.must("/api/dora/v1/metrics", url.Values{"project": {"hello"}}, &report)
		for _, m := range report.Metrics {
			switch m.Metric {
			case "change_fail_rate":
				if want := 1 / float64(len(rows)); m.Value == nil || *m.Value < want-1e-9 || *m.Value > want+1e-9 {
					t.Errorf("the change fail rate is %v, want 1 of %d", m.Value, len(rows))
				}
			case "failed_deployment_recovery_time":
				want := last.FinishedAt.Sub(*failed.FinishedAt).Seconds()
				if m.Value == nil || *m.Value != want {
					t.Errorf("the recovery time is %v, want %v s", m.Value, want)
				}
			}
		}
		out, err := p.fawkes("dora", "evidence", "--project", "hello", "--metric", "change_fail_rate", "-o", "json")
		if err != nil || !strings.Contains(out, bad) {
			t.Errorf("the evidence does not name the commit %s: %v\n%s", bad, err, out)
		}
		c.git("revert", "--no-edit", "HEAD")
		c.git("push", "-q", "origin", "HEAD:main")
		p.healthyAt(c.git("rev-parse", "HEAD"))
	})

	t.Run("what must not pass is refused, and says what and where", func(t *testing.T) {
		p, c := p.with(t), c.with(t)
		before := c.git("rev-parse", "HEAD")
		for _, bad := range []struct {
			name, stage string
			change      func()
			says        []string
		}{
			{"a leaked key", "secrets", func() {
				// Put together here, so that this file leaks none.
				c.write("settings.go", "package main\n\nconst awsSecret = \"AKIA"+"Z7VRSQ5TJN2XMPLE"[:16]+"\"\n\nvar _ = awsSecret\n")
			}, []string{"settings.go", "aws"}},
			{"a vulnerable pattern", "static-analysis", func() {
				c.write("shell.go", "package main\n\nimport (\n\t\"net/http\"\n\t\"os/exec\"\n)\n\nfunc shell(r *http.Request) ([]byte, error) {\n\treturn exec.Command(\"sh\", \"-c\", r.FormValue(\"cmd\")).Output() // a visitor's command\n}\n\nvar _ = shell\n")
			}, []string{"shell.go", "G204"}},
			{"a manifest that needs a container", "", func() {
				c.edit("deploy/deployment.yaml", "      automountServiceAccountToken: false", "      automountServiceAccountToken: false\n      hostNetwork: true")
			}, []string{"hostNetwork"}},
		} {
			bad.change()
			sha := c.push("hello: " + bad.name)
			r := p.runOf(sha)
			if bad.stage != "" {
				text, err := p.fawkes("runs", "show", r.ID, "-o", "json")
				logs, lerr := p.fawkes("runs", "logs", r.ID)
				if err != nil || lerr != nil {
					t.Errorf("%s: %v %v", bad.name, err, lerr)
				}
				if r.Status != "failed" {
					t.Errorf("%s: the run is %s, want failed", bad.name, r.Status)
				}
				for _, word := range bad.says {
					if !strings.Contains(text+logs, word) {
						t.Errorf("%s: neither the run nor its log says %q:\n%s\n%s", bad.name, word, text, logs)
					}
				}
			} else {
				eventually(t, bad.name+" to be refused", func() (bool, string) {
					text, err := p.fawkes("apps", "show", "hello-production", "-o", "json")
					return err == nil && strings.Contains(text, bad.says[0]), text
				})
			}
			if text := body(t, page); !strings.Contains(text, before[:12]) {
				t.Errorf("%s: the page is no longer of %s:\n%s", bad.name, before, text)
			}
			c.git("revert", "--no-edit", "HEAD")
			c.git("push", "-q", "origin", "HEAD:main")
			before = c.git("rev-parse", "HEAD")
			p.healthyAt(before)
		}
	})

	t.Run("images that are not the platform's are refused", func(t *testing.T) { imagesAreRefused(p.with(t), page) })
	t.Run("a language that is not known is said", func(t *testing.T) { unknownLanguageSaysSo(p.with(t)) })

	t.Run("a push without a token is refused", func(t *testing.T) {
		other := clone{t, t.TempDir()}
		other.git("init", "-q", "-b", "main")
		other.write("x", "x")
		other.git("add", "x")
		other.git("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "commit", "-q", "-m", "x")
		out, err := other.try("push", p.url+"/git/fawkes/hello.git", "main:other")
		if err == nil || !strings.Contains(out, "uthenti") && !strings.Contains(out, "could not read Username") {
			t.Errorf("the push ended with %v:\n%s", err, out)
		}
	})

	p.stop()
	if left := kept(t, state); len(left) > 0 {
		t.Errorf("processes of the platform are left after its end: %v", left)
	}
}

// with is the clone for another test.
func (c clone) with(t *testing.T) clone { return clone{t, c.dir} }

// with is the platform for another test.
func (p *platform) with(t *testing.T) *platform {
	q := *p
	q.t = t
	return &q
}

// runOf waits for the end of a commit's run.
func (p *platform) runOf(sha string) (r runView) {
	p.t.Helper()
	eventually(p.t, "the run of "+sha+" to end", func() (bool, string) {
		var ok bool
		r, ok = p.run(sha)
		return ok && r.Status != "queued" && r.Status != "running", fmt.Sprintf("%+v", r)
	})
	return r
}

// healthyAt waits until the sample runs a commit in production.
func (p *platform) healthyAt(sha string) {
	p.t.Helper()
	eventually(p.t, sha+" to be healthy", func() (bool, string) {
		a := p.application("hello-production")
		if r, ok := p.run(sha); ok && r.Status == "failed" {
			p.t.Fatalf("the run of %s failed: %+v\n%s", sha, r, p.log())
		}
		return a.Source.Revision == sha && a.Health.Status == "Healthy" && a.Operation.Phase == "Succeeded", fmt.Sprintf("%+v", a)
	})
}

// leadTimeIsExact compares the lead time of a commit with its author's time and the end of its roll-out.
func (p *platform) leadTimeIsExact(c clone, sha string) {
	p.t.Helper()
	authored, err := time.Parse(time.RFC3339, c.git("show", "-s", "--format=%aI", sha))
	if err != nil {
		p.t.Fatal(err)
	}
	var deployed deploymentView
	eventually(p.t, "the metrics to know the deployment of "+sha, func() (bool, string) {
		rows := p.deployments()
		for _, d := range rows {
			if d.SHA == sha && d.FinishedAt != nil {
				deployed = d
				return true, ""
			}
		}
		return false, fmt.Sprintf("%+v", rows)
	})
	a := p.application("hello-production")
	if a.Operation.FinishedAt == nil || !a.Operation.FinishedAt.Truncate(time.Second).Equal(deployed.FinishedAt.Truncate(time.Second)) {
		p.t.Errorf("the metrics say that the roll-out ended at %v, GitOps says %v", deployed.FinishedAt, a.Operation.FinishedAt)
	}
	var changes struct {
		Items []struct {
			SHA      string
			LeadTime *float64 `json:"lead_time_seconds"`
			Reason   *string
		}
	}
	eventually(p.t, "the lead time of "+sha, func() (bool, string) {
		p.must("/api/dora/v1/changes", url.Values{"project": {"hello"}, "limit": {"100"}}, &changes)
		for _, change := range changes.Items {
			if change.SHA == sha && change.LeadTime != nil {
				if want := deployed.FinishedAt.Sub(authored).Seconds(); int64(*change.LeadTime) != int64(want) {
					p.t.Fatalf("the lead time of %s is %v s, want %v from %s to %s", sha, *change.LeadTime, want, authored, deployed.FinishedAt)
				}
				return true, ""
			}
		}
		return false, fmt.Sprintf("%+v", changes.Items)
	})
}

// build waits until the metrics know how a commit's build ended.
func (p *platform) build(sha, outcome string) {
	p.t.Helper()
	eventually(p.t, "the build of "+sha+" to be counted as "+outcome, func() (bool, string) {
		var log struct {
			Items []struct {
				Event map[string]any
			}
		}
		p.must("/api/dora/v1/events", url.Values{"project": {"hello"}, "type": {"build"}, "limit": {"500"}}, &log)
		for _, e := range log.Items {
			if e.Event["sha"] == sha && e.Event["outcome"] == outcome {
				return true, ""
			}
		}
		return false, fmt.Sprintf("%+v", log)
	})
}

func stage(r runView, name string) string {
	for _, s := range r.Stages {
		if s.Name == name {
			return s.Status
		}
	}
	return ""
}

// ask opens an address by way of the loopback interface, whatever its host is called.
func ask(client *http.Client, page string) (string, error) {
	u, err := url.Parse(page)
	if err != nil {
		return "", err
	}
	r, err := http.NewRequest(http.MethodGet, page, nil)
	if err != nil {
		return "", err
	}
	r.Host = u.Host
	r.URL.Host = "127.0.0.1:" + u.Port()
	answer, err := client.Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", answer.Status, text)
	}
	return string(text), err
}

func body(t *testing.T, page string) string {
	t.Helper()
	text, err := ask(http.DefaultClient, page)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// askAllTheTime asks for a page without pause, over connections that are kept and over new ones, until
// the function that it returns is called, which tells how often and what went wrong.
func askAllTheTime(page string) func() (int, []error) {
	stop := make(chan struct{})
	var (
		mu     sync.Mutex
		n      int
		faults []error
		wg     sync.WaitGroup
	)
	for _, keep := range []bool{true, false} {
		client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: !keep}}
		wg.Go(func() {
			defer client.CloseIdleConnections()
			tick := time.NewTicker(5 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-stop:
					return
				case <-tick.C:
				}
				_, err := ask(client, page)
				mu.Lock()
				n++
				if err != nil {
					faults = append(faults, err)
				}
				mu.Unlock()
			}
		})
	}
	return func() (int, []error) {
		close(stop)
		wg.Wait()
		return n, faults
	}
}

// The address that is printed is one for git, with the program to ask for its credential.
func TestThePrintedAddressIsOneForGit(t *testing.T) {
	prog, state := program(t), filepath.Join(t.TempDir(), "state")
	p := up(t, prog, state, "--no-sample")
	out, err := p.fawkes("git", "url", "fawkes/environments")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "clone")
	cmd := exec.Command("git", "-c", "credential.helper=", "-c", "credential.helper=!"+prog+" --state "+state+" git credential",
		"clone", "-q", "--depth", "1", strings.TrimSpace(out), dir)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git clone %s: %v\n%s", out, err, text)
	}
	if _, err := os.Stat(filepath.Join(dir, "environments.yaml")); err != nil {
		t.Fatal(err)
	}
}
