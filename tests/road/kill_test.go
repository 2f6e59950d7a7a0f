package road

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// moment is a point on the road at which the platform is killed.
type moment struct {
	name string
	// come says whether the commit has come so far.
	come func(p *platform, sha string) bool
}

// atStage is the moment at which a stage of the commit's pipeline has begun.
func atStage(name string) moment {
	return moment{"in the stage " + name, func(p *platform, sha string) bool {
		r, ok := p.run(sha)
		if !ok {
			return false
		}
		for _, s := range r.Stages {
			if s.Name == name && s.Status != "pending" {
				return true
			}
		}
		return r.Status != "queued" && r.Status != "running" // it went by too fast to be seen
	}}
}

func moments() []moment {
	queued := moment{"right after the push", func(p *platform, sha string) bool { return true }}
	rolling := moment{"while it is rolled out", func(p *platform, sha string) bool {
		a := p.application("hello-production")
		return a.Source.Revision == sha
	}}
	healthy := moment{"right after it is healthy", func(p *platform, sha string) bool {
		a := p.application("hello-production")
		return a.Source.Revision == sha && a.Operation.Phase == "Succeeded"
	}}
	few := []moment{queued, atStage("unit-test"), atStage("push"), rolling}
	if os.Getenv("FAWKES_SOAK") == "" {
		return few
	}
	return []moment{
		queued, atStage("checkout"), atStage("build"), atStage("unit-test"), atStage("behavior-test"), atStage("secrets"),
		atStage("static-analysis"), atStage("image"), atStage("sbom"), atStage("sign"), atStage("push"), atStage("promote"), rolling, healthy,
	}
}

// TestKilledAnywhereOnTheRoad kills the whole platform with a commit under way, starts it again, and
// wants the commit delivered once, with nothing left of what was killed.
func TestKilledAnywhereOnTheRoad(t *testing.T) {
	prog, state := program(t), filepath.Join(t.TempDir(), "state")
	p := up(t, prog, state)
	p.await("delivered")
	for i, m := range moments() {
		c := clone{t, filepath.Join(state, "work", "hello")}
		c.write("KILLED.md", fmt.Sprintf("%d: %s\n", i, m.name))
		sha := c.push("hello: killed " + m.name)
		eventually(t, "the commit to be "+m.name, func() (bool, string) { return m.come(p, sha), "" })
		p.kill()
		p = up(t, prog, state)
		p.delivered(sha, m.name)
	}
	p.stop()
	if left := kept(t, state); len(left) > 0 {
		t.Errorf("processes of the platform are left after its end: %v", left)
	}
}

// delivered waits until the commit runs, and wants it deployed once and built to an end once.
func (p *platform) delivered(sha, when string) {
	p.t.Helper()
	eventually(p.t, "the commit killed "+when+" to be delivered", func() (bool, string) {
		a := p.application("hello-production")
		r, _ := p.run(sha)
		return r.Status == "succeeded" && a.Source.Revision == sha && a.Operation.Phase == "Succeeded" && a.Health.Status == "Healthy", fmt.Sprintf("%+v %+v", r, a)
	})
	var runs struct{ Items []runView }
	p.must("/api/runner/v1/runs", url.Values{"repository": {"fawkes/hello"}, "sha": {sha}}, &runs)
	good, others := 0, 0
	for _, r := range runs.Items {
		switch r.Status {
		case "succeeded":
			good++
		case "interrupted":
			others++
		default:
			p.t.Errorf("killed %s: a run of %s is %s", when, sha, r.Status)
		}
	}
	if good != 1 || others > 1 {
		p.t.Errorf("killed %s: %d runs succeeded and %d were interrupted, want 1 and at most 1", when, good, others)
	}
	eventually(p.t, "the metrics to know the deployment once", func() (bool, string) {
		rows := p.deployments()
		n := 0
		for _, d := range rows {
			if d.SHA == sha && d.Outcome == "success" {
				n++
			}
		}
		return n == 1, fmt.Sprintf("%d deployments of %s: %+v", n, sha, rows)
	})
}

// kept lists the processes that the platform of a state folder started and that still run.
func kept(t *testing.T, state string) []string {
	t.Helper()
	var out []string
	names, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		for _, kv := range strings.Split(string(text), "\x00") {
			if value, ok := strings.CutPrefix(kv, "FAWKES_KEPT="); ok && strings.HasPrefix(value, state) {
				pid := filepath.Base(filepath.Dir(name))
				cmd, _ := os.ReadFile("/proc/" + pid + "/cmdline")
				out = append(out, pid+" "+strings.ReplaceAll(string(cmd), "\x00", " "))
			}
		}
	}
	return out
}

// runView, applicationView and deploymentView are what the tests read of the platform's answers.
type runView struct {
	ID, Status string
	Reason     string
	Digest     string
	Stages     []struct {
		Name, Status, Reason string
	}
}

type applicationView struct {
	Health    struct{ Status, Message string }
	Sync      struct{ Status string }
	Operation struct {
		Phase, Message string
		FinishedAt     *time.Time `json:"finished_at"`
	}
	Source struct{ Revision string }
	Images []struct{ Digest string }
	URL    string
}

type deploymentView struct {
	ID, Service, Environment, SHA, Digest, Kind, Outcome string
	StartedAt                                            time.Time  `json:"started_at"`
	FinishedAt                                           *time.Time `json:"finished_at"`
	Failed                                               bool
	FailureReasons                                       []string   `json:"failure_reasons"`
	RestoredAt                                           *time.Time `json:"restored_at"`
}

// run is the latest run of a commit.
func (p *platform) run(sha string) (runView, bool) {
	var runs struct{ Items []runView }
	if err := p.get("/api/runner/v1/runs", url.Values{"repository": {"fawkes/hello"}, "sha": {sha}, "limit": {"1"}}, &runs); err != nil || len(runs.Items) == 0 {
		return runView{}, false
	}
	return runs.Items[0], true
}

func (p *platform) application(name string) applicationView {
	var a applicationView
	if err := p.get("/api/gitops/v1/applications/"+name, nil, &a); err != nil {
		return applicationView{}
	}
	return a
}

func (p *platform) deployments() []deploymentView {
	p.t.Helper()
	var rows struct{ Items []deploymentView }
	p.must("/api/dora/v1/deployments", url.Values{"project": {"hello"}, "limit": {strconv.Itoa(500)}}, &rows)
	return rows.Items
}
