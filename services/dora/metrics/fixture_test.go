package metrics

import (
	"fmt"
	"iter"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history"
	"github.com/fawkes-idp/fawkes/services/dora/project"
)

const hourMicros = history.Time(3600 * 1e6)

// at reads "2026-03-02 10:00" (or with seconds) as UTC; "" is unknown.
func at(t testing.TB, s string) history.Time {
	t.Helper()
	if s == "" {
		return 0
	}
	for _, layout := range []string{"2006-01-02 15:04", "2006-01-02 15:04:05", time.DateOnly} {
		if v, err := time.Parse(layout, s); err == nil {
			return event.Micros(v)
		}
	}
	t.Fatalf("no time: %q", s)
	return 0
}

func clockTime(t testing.TB, s string) time.Time { return at(t, s).Std() }

// build makes histories by hand.
type build struct {
	t     testing.TB
	spec  project.Spec
	p     *history.Projection
	lanes map[string]*history.Lane
}

func newBuild(t testing.TB) *build {
	return &build{t: t, spec: project.Spec{Project: "p"}, p: &history.Projection{Project: "p"}, lanes: map[string]*history.Lane{}}
}

// deploy appends a deployment to a lane; what follows is set by the caller.
func (b *build) deploy(service, id, finished, outcome string) *history.Deployment {
	return b.deployTo(service, "production", id, finished, outcome)
}

func (b *build) deployTo(service, environment, id, finished, outcome string) *history.Deployment {
	b.t.Helper()
	l := b.lanes[service+"/"+environment]
	if l == nil {
		l = &history.Lane{Service: service, Environment: environment, Production: b.spec.EnvironmentKind(environment) == project.KindProduction}
		b.lanes[service+"/"+environment] = l
		b.p.Lanes = append(b.p.Lanes, l)
	}
	d := &history.Deployment{
		Source: "ci", ID: id, Service: service, Environment: environment, Repo: "https://git.example/" + service + ".git",
		Production: l.Production, Kind: history.KindForward, Outcome: outcome, FinishedAt: at(b.t, finished),
	}
	if d.FinishedAt != 0 {
		d.StartedAt = d.FinishedAt - 5*60e6
	}
	l.Deployments = append(l.Deployments, d)
	return d
}

// change adds a commit to a deployment.
func (b *build) change(d *history.Deployment, authored string) *history.Change {
	b.t.Helper()
	var sha history.SHA
	copy(sha[:], fmt.Sprintf("%s%d", d.ID, len(d.Changes)))
	d.Changes = append(d.Changes, history.Change{SHA: sha, FirstAt: at(b.t, authored), CommittedAt: at(b.t, authored), PR: -1})
	return &d.Changes[len(d.Changes)-1]
}

// inRequest puts a change into a pull request of its own.
func (b *build) inRequest(d *history.Deployment, c *history.Change, created, reviewed, merged string) {
	b.t.Helper()
	c.PR = int32(len(d.PullRequests))
	d.PullRequests = append(d.PullRequests, history.PullRequestRef{
		Number: fmt.Sprint(len(d.PullRequests) + 1), CreatedAt: at(b.t, created), FirstReviewAt: at(b.t, reviewed), MergedAt: at(b.t, merged),
	})
}

func (b *build) incident(id, service, opened, resolved string) *history.Incident {
	b.t.Helper()
	i := &history.Incident{Source: "pager", ID: id, Service: service, Environment: "production", OpenedAt: at(b.t, opened), ResolvedAt: at(b.t, resolved), LinkedBy: history.LinkNone}
	b.p.Incidents = append(b.p.Incidents, i)
	return i
}

func (b *build) view(asOf string) *View {
	b.t.Helper()
	return NewView(b.spec, b.p, clockTime(b.t, asOf))
}

func (b *build) window(from, to string) Query {
	b.t.Helper()
	return Query{From: b.dayIn(from), To: b.dayIn(to)}
}

func (b *build) dayIn(s string) time.Time {
	b.t.Helper()
	d, err := Day("from", s, b.spec.Location())
	if err != nil {
		b.t.Fatal(err)
	}
	return d
}

func compute(t testing.TB, v *View, q Query, p Profile) Report {
	t.Helper()
	r, err := Compute(v, q, p)
	if err != nil {
		t.Fatalf("Compute(%+v): %v", q, err)
	}
	return r
}

// show writes a pointer's value, "null" for nil.
func show[T any](p *T) string {
	if p == nil {
		return "null"
	}
	return fmt.Sprint(*p)
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9*max(1, math.Abs(a), math.Abs(b)) }

// wantValue checks a nullable number.
func wantValue(t testing.TB, what string, got *float64, want float64) {
	t.Helper()
	if got == nil || !near(*got, want) {
		t.Errorf("%s = %s, want %v", what, show(got), want)
	}
}

func wantText(t testing.TB, what string, got *string, want string) {
	t.Helper()
	if show(got) != want {
		t.Errorf("%s = %s, want %s", what, show(got), want)
	}
}

func wantInt(t testing.TB, what string, got *int, want int) {
	t.Helper()
	if got == nil || *got != want {
		t.Errorf("%s = %s, want %d", what, show(got), want)
	}
}

func wantNull(t testing.TB, m *Metric, reason string) {
	t.Helper()
	if m.Value != nil || m.Level != nil || m.Score != nil || m.Interval != nil {
		t.Errorf("%s = %s (level %s, score %s), want null", m.Metric, show(m.Value), show(m.Level), show(m.Score))
	}
	wantText(t, m.Metric+" reason", m.Reason, reason)
	if m.Detail == nil || m.LevelReason == nil {
		t.Errorf("%s: a null without its sentence: detail %s, level reason %s", m.Metric, show(m.Detail), show(m.LevelReason))
	}
}

func choicesOf(p Profile) *Choices { return &p.Choices }

func rows[T any](t testing.TB) func(seq iter.Seq[T], err error) []T {
	return func(seq iter.Seq[T], err error) []T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return slices.Collect(seq)
	}
}
