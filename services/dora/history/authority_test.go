package history_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history"
	"github.com/fawkes-idp/fawkes/services/dora/project"
)

// from makes the last deployment of a story another source's.
func (s *story) from(source string) { s.events[len(s.events)-1].Source = source }

func keys(p *history.Projection) (counted, aside []string) {
	for _, ln := range p.Lanes {
		for _, d := range ln.Deployments {
			counted = append(counted, d.Key())
		}
	}
	for _, d := range p.Uncounted {
		aside = append(aside, d.Key())
	}
	return counted, aside
}

func wantKeys(t *testing.T, p *history.Projection, counted, aside []string) {
	t.Helper()
	gotCounted, gotAside := keys(p)
	if d := gocmp.Diff(counted, gotCounted); d != "" {
		t.Errorf("deployments that count (-want +got)\n%s", d)
	}
	if d := gocmp.Diff(aside, gotAside); d != "" {
		t.Errorf("reports that do not count (-want +got)\n%s", d)
	}
}

func untold(d *event.Deployment) { d.SHA, d.Repo = event.Opt[string]{}, event.Opt[string]{} }

// CI, GitOps and the git host tell of one deployment: it counts once, GitOps
// says how it ended, and the others say what GitOps does not know.
func TestADeploymentOfThreeSourcesIsOne(t *testing.T) {
	s := &story{t: t}
	s.commit("a", 1, 1)
	s.commit("b", 2, 2, "a")
	s.deploy("sync-1", "a", 10, func(d *event.Deployment) { d.StartedAt = event.Opt[event.Time]{} })
	s.from("argocd")
	s.deploy("7", "b", 58, outcome(event.OutcomeSuccess), func(d *event.Deployment) {
		d.Title, d.URL, d.Unplanned = event.Some("Release 7"), event.Some("https://ci.example/7"), event.Some(true)
	})
	s.from("jenkins")
	s.deploy("99", "b", 59, outcome(event.OutcomeSuccess), byDigest("sha256:0b"))
	s.from("github")
	s.deploy("sync-2", "b", 60, outcome(event.OutcomeFailure), byDigest("sha256:0b"), untold, func(d *event.Deployment) { d.StartedAt = event.Opt[event.Time]{} })
	s.from("argocd")
	p := s.settle()
	wantKeys(t, p, []string{"argocd/sync-1", "argocd/sync-2"}, nil)
	d := deployment(t, p, "sync-2")
	if d.SHA != sha("b") || d.ResolvedBy != "digest" || d.Outcome != event.OutcomeFailure || d.FinishedAt != at(60) || d.StartedAt != at(57) ||
		d.Title != "Release 7" || d.URL != "https://ci.example/7" || !d.Unplanned || d.Repo != repo || d.Digest != "sha256:0b" {
		t.Errorf("%+v", d)
	}
	if want := []string{"jenkins/7", "github/99"}; !slices.Equal(d.Reports, want) {
		t.Errorf("reports %q, want %q", d.Reports, want)
	}
}

func TestTwoSourcesWithOneIDAndOtherVersionsStayTwo(t *testing.T) {
	s := &story{t: t}
	s.commit("a", 1, 1)
	s.commit("b", 2, 2, "a")
	s.deploy("1", "a", 10)
	s.from("jenkins")
	s.deploy("1", "b", 12)
	s.from("github")
	p := s.settle()
	wantKeys(t, p, []string{"jenkins/1", "github/1"}, nil)
}

// An image by its tag says nothing of its source. CI, a few minutes before, does.
func TestCISaysWhichVersionATagIs(t *testing.T) {
	s := &story{t: t}
	s.commit("a", 1, 1)
	s.commit("b", 2, 2, "a")
	s.deploy("1", "a", 50)
	s.from("jenkins")
	s.deploy("sync-1", "", 60, untold)
	s.from("argocd")
	s.deploy("2", "b", 190)
	s.from("jenkins")
	s.deploy("sync-2", "", 200, untold)
	s.from("argocd")
	p := s.settle()
	wantKeys(t, p, []string{"argocd/sync-1", "argocd/sync-2"}, nil)
	d := deployment(t, p, "sync-2")
	if d.SHA != sha("b") || d.ResolvedBy != "report" || names(d) != "b" || d.Reason != "" {
		t.Errorf("sync-2 is of %s by %s and brought %q, %s", d.SHA, d.ResolvedBy, names(d), d.Reason)
	}

	// Two versions close by: nobody knows which it was.
	s.deploy("3", "c", 201)
	s.from("jenkins")
	p = s.settle()
	wantKeys(t, p, []string{"argocd/sync-1", "argocd/sync-2"}, []string{"jenkins/2", "jenkins/3"})
	if d := deployment(t, p, "sync-2"); d.SHA != "" || d.Reason != history.ReasonSHAUnknown {
		t.Errorf("sync-2 is of %q (%s)", d.SHA, d.Reason)
	}
	// Too far away.
	s.events = s.events[:len(s.events)-3]
	s.deploy("2", "b", 180)
	s.from("jenkins")
	s.deploy("sync-2", "", 200, untold)
	s.from("argocd")
	if d := deployment(t, s.settle(), "sync-2"); d.SHA != "" {
		t.Errorf("sync-2 is of %s, which was reported twenty minutes before", d.SHA)
	}
}

// From GitOps' first deployment on it alone says what runs; before, CI does.
func TestWhatGitOpsDidNotDoDoesNotCount(t *testing.T) {
	s := &story{t: t}
	for i, c := range []string{"a", "b", "c"} {
		s.commit(c, i, i)
	}
	s.deploy("1", "a", 10)
	s.from("jenkins")
	s.deploy("sync-1", "b", 100)
	s.from("argocd")
	s.deploy("2", "c", 150, outcome(event.OutcomeFailure))
	s.from("jenkins")
	s.incident("i", 160, 170, func(i *event.Incident) { i.CausedByDeployment = event.Some("jenkins/2") })
	p := s.settle()
	wantKeys(t, p, []string{"jenkins/1", "argocd/sync-1"}, []string{"jenkins/2"})
	if d := p.Uncounted[0]; d.Reason != history.ReasonNotAuthoritative || d.Outcome != event.OutcomeFailure || d.SHA != sha("c") || d.Failed || d.Kind != "" {
		t.Errorf("%+v", d)
	}
	if i := incident(t, p, "i"); i.Deployment != "" || i.Reason != history.ReasonNotAuthoritative {
		t.Errorf("the incident is linked to %q (%s)", i.Deployment, i.Reason)
	}
}

func TestAnIncidentThatNamesAReportBelongsToItsDeployment(t *testing.T) {
	s := &story{t: t}
	s.commit("a", 1, 1)
	s.deploy("sync-1", "a", 10)
	s.from("argocd")
	s.deploy("42", "a", 9)
	s.from("jenkins")
	s.incident("by-key", 20, 0, func(i *event.Incident) { i.CausedByDeployment = event.Some("jenkins/42") })
	s.incident("by-id", 21, 0, func(i *event.Incident) { i.CausedByDeployment = event.Some("42") })
	p := s.settle()
	for _, id := range []string{"by-key", "by-id"} {
		if i := incident(t, p, id); i.Deployment != "argocd/sync-1" || i.LinkedBy != history.LinkExplicit {
			t.Errorf("%s: %q by %s", id, i.Deployment, i.LinkedBy)
		}
	}
	if d := deployment(t, p, "sync-1"); !d.Failed || len(d.Failures) != 2 {
		t.Errorf("failures %v", d.Failures)
	}
}

func TestTheConfiguredSourceIsBelieved(t *testing.T) {
	s := &story{t: t, spec: project.Spec{Authority: []project.Authority{{Environment: "production", Source: "devlake"}}}}
	s.commit("a", 1, 1)
	s.commit("b", 2, 2, "a")
	s.deploy("sync-1", "a", 10)
	s.from("argocd")
	s.deploy("7", "a", 12, outcome(event.OutcomeFailure))
	s.from("devlake:shop")
	s.deploy("sync-2", "b", 20)
	s.from("argocd")
	s.deploy("staged", "b", 15, func(d *event.Deployment) { d.Environment = event.Some("staging") })
	s.from("argocd")
	p := s.settle()
	wantKeys(t, p, []string{"devlake:shop/7", "argocd/staged"}, []string{"argocd/sync-2"})
	if d := deployment(t, p, "7"); d.Outcome != event.OutcomeFailure || !slices.Equal(d.Reports, []string{"argocd/sync-1"}) {
		t.Errorf("%+v", d)
	}
}

// Back to a version within a day, which only the git host reports: the version
// in between shows that it is no late report of the first time.
func TestAnotherVersionInBetweenKeepsReportsApart(t *testing.T) {
	s := &story{t: t}
	s.commit("a", 1, 1)
	s.commit("b", 2, 2, "a")
	s.deploy("1", "a", 90)
	s.from("jenkins")
	s.deploy("2", "b", 100)
	s.from("jenkins")
	s.deploy("9", "a", 300)
	s.from("github")
	p := s.settle()
	wantKeys(t, p, []string{"jenkins/1", "jenkins/2", "github/9"}, nil)
	if d := deployment(t, p, "9"); d.Kind != history.KindRollback {
		t.Errorf("kind %s", d.Kind)
	}
	// A pipeline that reports half an hour late is no rollback.
	s.deploy("10", "a", 125)
	s.from("github")
	s.events = slices.Delete(s.events, len(s.events)-2, len(s.events)-1)
	if p := s.settle(); !slices.Equal(deployment(t, p, "1").Reports, []string{"github/10"}) {
		counted, _ := keys(p)
		t.Errorf("deployments %q", counted)
	}
}

// GitOps carries out in the evening what CI asked for at noon, unless it brought
// another version in between: then the first was in place before, and comes back.
func TestWhatGitOpsBringsAfterAnotherVersionIsNotWhatCIBegan(t *testing.T) {
	s := &story{t: t}
	s.commit("a", 1, 1)
	s.commit("b", 2, 2, "a")
	s.deploy("1", "a", 90)
	s.from("jenkins")
	s.deploy("evening", "a", 300)
	s.from("argocd")
	p := s.settle()
	wantKeys(t, p, []string{"argocd/evening"}, nil)
	if d := deployment(t, p, "evening"); !slices.Equal(d.Reports, []string{"jenkins/1"}) {
		t.Errorf("reports %q", d.Reports)
	}
	s.deploy("noon", "b", 200)
	s.from("argocd")
	p = s.settle()
	wantKeys(t, p, []string{"jenkins/1", "argocd/noon", "argocd/evening"}, nil)
	if d := deployment(t, p, "evening"); d.Kind != history.KindRollback {
		t.Errorf("kind %s", d.Kind)
	}
}

func TestRetriesOfCIAreOneDeployment(t *testing.T) {
	s := &story{t: t}
	s.commit("a", 1, 1)
	s.deploy("1", "a", 10, outcome(event.OutcomeFailure))
	s.from("jenkins")
	s.deploy("2", "a", 20)
	s.from("jenkins")
	p := s.settle()
	wantKeys(t, p, []string{"jenkins/1", "jenkins/2"}, nil) // of one source nothing is merged
	s.deploy("sync", "a", 21, func(d *event.Deployment) { d.SHA = event.Some(sha("a")[:8]) })
	s.from("argocd")
	p = s.settle()
	wantKeys(t, p, []string{"argocd/sync"}, nil)
	if d := deployment(t, p, "sync"); !slices.Equal(d.Reports, []string{"jenkins/2", "jenkins/1"}) {
		t.Errorf("reports %q", d.Reports)
	}
}

// What CI deployed tells where an image came from; two that disagree tell nothing.
func TestADeploymentSaysWhatItsImageWasMadeFrom(t *testing.T) {
	s := &story{t: t}
	s.commit("a", 1, 1)
	s.deploy("1", "a", 10, byDigest("sha256:0a"), func(d *event.Deployment) { d.Environment = event.Some("staging") })
	s.from("jenkins")
	s.deploy("sync", "", 5000, byDigest("sha256:0a"), func(d *event.Deployment) {
		d.SHA, d.Repo = event.Some(sha("e")), event.Some("https://git.example/env.git")
	})
	s.from("argocd")
	if d := deployment(t, s.settle(), "sync"); d.SHA != sha("a") || d.ResolvedBy != "digest" || d.Repo != repo {
		t.Errorf("sync is of %s in %s by %s", d.SHA, d.Repo, d.ResolvedBy)
	}
	s.deploy("2", "b", 20, byDigest("sha256:0a"), func(d *event.Deployment) { d.Environment = event.Some("testing") })
	s.from("jenkins")
	if d := deployment(t, s.settle(), "sync"); d.ResolvedBy == "digest" || d.SHA == sha("a") || d.SHA == sha("b") {
		t.Errorf("sync is of %s although the reports disagree", d.SHA)
	}
	s.add("ci", &event.Artifact{Digest: "sha256:0a", Repo: repo, SHA: sha("a")})
	if d := deployment(t, s.settle(), "sync"); d.SHA != sha("a") {
		t.Errorf("sync is of %q although the artifact tells", d.SHA)
	}
}

func TestNoTwoEntitiesShareAKey(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range [][2]string{{"a", "b/c"}, {"a/b", "c"}, {"a%2Fb", "c"}, {"a", "b%2Fc"}, {"devlake:x", "1"}} {
		key := history.Key(e[0], e[1])
		if source, id := history.SplitKey(key); source != e[0] || id != e[1] || seen[key] {
			t.Errorf("%q has the key %q, which is that of %q, %q", e, key, source, id)
		}
		seen[key] = true
	}
	if history.Key("devlake:x", "1/2") != "devlake:x/1/2" {
		t.Error("an id is written otherwise than its source writes it")
	}
}

// A source gone wild does not hold up the others for long: twenty thousand
// reports of one version in one day are told apart in bounded work.
func TestAFloodOfReportsIsBounded(t *testing.T) {
	s := &story{t: t}
	s.commit("a", 1, 1)
	const n = 10_000
	for i := range n {
		s.deploy(fmt.Sprint("j", i), "a", 10+i/100)
		s.from("jenkins")
		s.deploy(fmt.Sprint("g", i), "a", 11+i/100)
		s.from("github")
	}
	begin := cpuTime(t)
	p := s.settle()
	if took := cpuTime(t) - begin; took > 8*time.Second {
		t.Errorf("it took %v of processor time", took)
	}
	reports := 0
	for _, d := range p.Lanes[0].Deployments {
		reports += len(d.Reports)
	}
	if got := len(p.Lanes[0].Deployments); got != n || reports != n {
		t.Errorf("%d deployments and %d reports, want %d of each", got, reports, n)
	}
}

// Argo CD may know the application's commit, from an annotation or a tag.
func TestACommitThatGitOpsNamesIsBelievedWhenNothingElseIsKnown(t *testing.T) {
	s := &story{t: t}
	s.commit("a", 1, 1)
	s.deploy("sync", "a", 10, byDigest("sha256:0a"), func(d *event.Deployment) { d.Repo = event.Opt[string]{} })
	s.from("argocd")
	if d := deployment(t, s.settle(), "sync"); d.SHA != sha("a") || d.ResolvedBy != "sha" || d.Repo != repo {
		t.Errorf("sync is of %q in %q by %s", d.SHA, d.Repo, d.ResolvedBy)
	}
}
