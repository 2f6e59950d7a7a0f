package road

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/templates"
)

// mostResident is how much memory the platform's own process may ever have had under the load: what it holds
// must not grow with what waits. At rest it has about 100 MiB.
const mostResident = 384 << 20

// served is one of the services under load.
type served struct {
	name, repository string
	work             clone
	commits          []string // as they were pushed
}

// TestEveryPushOfManyServicesIsDelivered pushes the commits of many services at once, as fast as git goes. No run
// is lost, each head runs in production, every commit has a lead time, the queue shows what waits, and the
// platform's memory stays bounded.
func TestEveryPushOfManyServicesIsDelivered(t *testing.T) {
	services, commits, limit := 4, 3, patience
	if os.Getenv("FAWKES_SOAK") != "" {
		services, commits, limit = 20, 10, 40*time.Minute
	}
	prog, state := program(t), filepath.Join(t.TempDir(), "state")
	p := up(t, prog, state, "--no-sample", "--listen", "127.0.0.1:0")
	var all []*served
	for i := range services {
		all = append(all, p.serve(fmt.Sprintf("load-%02d", i)))
	}
	seen := p.watchLoad()
	began := time.Now()
	faults := make([]error, services)
	var pushing sync.WaitGroup
	for i, s := range all {
		pushing.Go(func() { faults[i] = s.pushAll(commits) })
	}
	pushing.Wait()
	if err := errors.Join(faults...); err != nil {
		t.Fatal(err)
	}
	pushed := time.Since(began)
	within(t, limit, "every run to end", func() (bool, string) {
		var q queueView
		p.must("/api/runner/v1/queue", nil, &q)
		return q.Running == 0 && q.Waiting == 0, fmt.Sprintf("%d run and %d wait", q.Running, q.Waiting)
	})
	runs := 0
	for _, s := range all {
		runs += p.everyRunEnded(s)
	}
	for _, s := range all {
		p.headRuns(s)
	}
	took := time.Since(began)
	for _, s := range all {
		p.everyCommitIsAttributed(s)
	}
	load := seen()
	t.Logf("%d commits of %d services pushed in %s, all delivered after %s by %d runs; at most %d waited", services*commits, services,
		pushed.Round(time.Second), took.Round(time.Second), runs, load.waited)
	t.Logf("the platform's process had %d MiB at most, those that it started %d MiB", load.peak>>20, load.children>>20)
	if load.waited < services-2 {
		t.Errorf("at most %d runs were seen to wait, want nearly one for each of the %d services", load.waited, services)
	}
	for _, fault := range load.faults {
		t.Error(fault)
	}
	if load.peak == 0 || load.peak > mostResident {
		t.Errorf("the platform had %d MiB at most, want some and no more than %d", load.peak>>20, mostResident>>20)
	}
	p.stop()
	if left := kept(t, state); len(left) > 0 {
		t.Errorf("processes of the platform are left after its end: %v", left)
	}
}

// serve makes a repository for a service, which goes straight to production, and its clone.
func (p *platform) serve(name string) *served {
	p.t.Helper()
	s := &served{name: name, repository: "fawkes/" + name, work: clone{p.t, filepath.Join(p.t.TempDir(), name)}}
	var made struct {
		CloneURL string `json:"clone_url"`
	}
	p.set("/api/git/v1/repositories/"+s.repository, map[string]any{"default_branch": "main"}, &made)
	p.set("/api/dora/v1/projects/"+name, map[string]any{
		"project": name, "services": []map[string]any{{"name": name, "repo": made.CloneURL}}, "first_deployment": "attribute",
	}, nil)
	if err := templates.Write(s.work.dir, "go", templates.Params{Service: name, Promote: []string{"production"}}); err != nil {
		p.t.Fatal(err)
	}
	s.work.git("init", "-q", "-b", "main")
	s.work.git("remote", "add", "origin", made.CloneURL)
	s.work.git("config", "credential.helper", "!"+p.program+" --state "+p.state+" git credential")
	return s
}

// pushAll commits and pushes again and again; each commit shows another page.
func (s *served) pushAll(commits int) error {
	file := filepath.Join(s.work.dir, "service.go")
	before, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	for n := range commits {
		text := strings.Replace(string(before), "<h1>"+s.name, fmt.Sprintf("<h1>%s, edition %d", s.name, n+1), 1)
		if text == string(before) {
			return fmt.Errorf("%s has no heading", file)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return err
		}
		var sha string
		for _, args := range [][]string{
			{"add", "-A"}, {"commit", "-q", "-m", fmt.Sprintf("%s: edition %d", s.name, n+1)}, {"rev-parse", "HEAD"}, {"push", "-q", "origin", "HEAD:main"},
		} {
			out, err := s.work.try(args...)
			if err != nil {
				return fmt.Errorf("%s: git %s: %w\n%s", s.name, args[0], err, out)
			}
			if args[0] == "rev-parse" {
				sha = strings.TrimSpace(out)
			}
		}
		s.commits = append(s.commits, sha)
	}
	return nil
}

func (s *served) head() string { return s.commits[len(s.commits)-1] }

// everyRunEnded wants one run for each push: that of the head has succeeded, and the others have, or say which
// later push took their place. It counts those that were worked on.
func (p *platform) everyRunEnded(s *served) (worked int) {
	p.t.Helper()
	var runs struct {
		Items []struct{ SHA, Status, Reason string }
	}
	p.must("/api/runner/v1/runs", url.Values{"repository": {s.repository}, "limit": {"100"}}, &runs)
	place := map[string]int{}
	for i, sha := range s.commits {
		place[sha] = i
	}
	found := map[string]int{}
	for _, r := range runs.Items {
		i, ok := place[r.SHA]
		found[r.SHA]++
		switch {
		case !ok:
			p.t.Errorf("%s: a run of %s, which was never pushed", s.name, r.SHA)
		case r.Status == "succeeded":
			worked++
		case r.Status == "superseded" && r.SHA != s.head():
			by := -1
			for j, sha := range s.commits {
				if strings.Contains(r.Reason, sha[:12]) {
					by = j
				}
			}
			if by <= i {
				p.t.Errorf("%s: the run of commit %d was superseded, and does not say by which later one: %q", s.name, i+1, r.Reason)
			}
		default:
			p.t.Errorf("%s: the run of commit %d is %s: %s", s.name, i+1, r.Status, r.Reason)
		}
	}
	for i, sha := range s.commits {
		if found[sha] != 1 {
			p.t.Errorf("%s: commit %d has %d runs, want 1", s.name, i+1, found[sha])
		}
	}
	return worked
}

// headRuns wants the last commit in production, healthy and answering.
func (p *platform) headRuns(s *served) {
	p.t.Helper()
	var a applicationView
	within(p.t, patience, s.name+" to run its last commit", func() (bool, string) {
		a = p.application(s.name + "-production")
		return a.Source.Revision == s.head() && a.Health.Status == "Healthy" && a.Operation.Phase == "Succeeded", fmt.Sprintf("%+v, want %s", a, s.head())
	})
	text, err := ask(http.DefaultClient, a.URL)
	if err != nil || !strings.Contains(text, fmt.Sprintf("edition %d<", len(s.commits))) {
		p.t.Errorf("%s: the page at %s is not of the last commit: %v\n%s", s.name, a.URL, err, text)
	}
}

// everyCommitIsAttributed wants a lead time for each commit, of a deployment that was.
func (p *platform) everyCommitIsAttributed(s *served) {
	p.t.Helper()
	within(p.t, patience, "a lead time for every commit of "+s.name, func() (bool, string) {
		var changes struct {
			Items []struct {
				SHA        string
				Deployment *string
				LeadTime   *float64 `json:"lead_time_seconds"`
				Reason     *string
			}
		}
		p.must("/api/dora/v1/changes", url.Values{"project": {s.name}, "limit": {"100"}}, &changes)
		known := map[string]bool{}
		for _, c := range changes.Items {
			if c.LeadTime != nil && *c.LeadTime >= 0 && c.Deployment != nil {
				known[c.SHA] = true
			}
		}
		for _, sha := range s.commits {
			if !known[sha] {
				return false, fmt.Sprintf("%s of %+v", sha, changes.Items)
			}
		}
		return len(changes.Items) == len(s.commits), fmt.Sprintf("%d changes of %d commits", len(changes.Items), len(s.commits))
	})
}

// queueView is what is read of the runner's queue.
type queueView struct {
	Running, Limit, Waiting int
	Queued                  []struct {
		Repository string
		Status     string
		Position   *int
	}
}

// loadSeen is what was seen while the load lasted.
type loadSeen struct {
	waited         int
	peak, children int64 // bytes
	faults         []string
}

// watchLoad looks at the queue and at memory until the function that it returns is called, which tells of them.
func (p *platform) watchLoad() func() loadSeen {
	var seen loadSeen
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			var q queueView
			if err := p.get("/api/runner/v1/queue", nil, &q); err != nil {
				seen.faults = append(seen.faults, err.Error())
				continue
			}
			seen.waited = max(seen.waited, q.Waiting)
			if fault := q.fault(); fault != "" && len(seen.faults) < 10 {
				seen.faults = append(seen.faults, fault)
			}
			own, children := memory(p.cmd.Process.Pid)
			seen.peak, seen.children = max(seen.peak, own), max(seen.children, children)
		}
	}()
	return func() loadSeen {
		close(stop)
		<-done
		return seen
	}
}

// fault says what is wrong with a queue: more runs than may be, a place that is not told, a branch that waits twice.
func (q queueView) fault() string {
	if q.Running > q.Limit {
		return fmt.Sprintf("%d runs at once, and %d may be", q.Running, q.Limit)
	}
	waits := map[string]bool{}
	for i, r := range q.Queued {
		if r.Position == nil || *r.Position != i+1 {
			return fmt.Sprintf("the run at place %d of the queue has another position: %+v", i+1, r)
		}
		if waits[r.Repository] {
			return "two runs of one branch wait: " + r.Repository
		}
		waits[r.Repository] = true
	}
	return ""
}

// within is eventually with a time of its own.
func within(t *testing.T, limit time.Duration, what string, holds func() (bool, string)) {
	t.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(limit)
	for {
		ok, last := holds()
		if ok {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("did not happen within %s: %s (%s)", limit, what, last)
		case <-tick.C:
		}
	}
}

// set writes by the API, and fails the test when it cannot.
func (p *platform) set(path string, body, into any) {
	p.t.Helper()
	if err := p.send(http.MethodPut, path, body, into); err != nil {
		p.t.Fatal(err)
	}
}
