package history_test

import (
	"slices"
	"testing"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history"
	"github.com/fawkes-idp/fawkes/services/dora/project"
)

// Each test of this file is a fault that other systems are known for.

func TestChangesBelongToTheFirstDeploymentThatContainsThem(t *testing.T) {
	s := &story{t: t}
	s.deploy("3", "e", 50) // before its commits
	s.commit("a", 1, 1)
	s.commit("b", 2, 2, "a")
	s.commit("c", 3, 3, "a")
	s.commit("d", 4, 4, "b", "c")
	s.commit("e", 5, 5, "d")
	s.deploy("1", "a", 10)
	s.deploy("2", "b", 20)
	p := s.settle()
	for id, want := range map[string]string{"1": "a", "2": "b", "3": "cde"} {
		if got := names(deployment(t, p, id)); got != want {
			t.Errorf("deployment %s brought %q, want %q", id, got, want)
		}
	}
	if got := deployment(t, p, "1"); got.Kind != history.KindFirst || got.Reason != history.ReasonBaseline {
		t.Errorf("first deployment: kind %q reason %q", got.Kind, got.Reason)
	}
}

func TestADeploymentThatArrivesBeforeItsCommitsGetsThemWhenTheyArrive(t *testing.T) {
	s := &story{t: t}
	s.commit("a", 1, 1)
	s.deploy("1", "a", 10)
	s.deploy("2", "c", 20)
	l := history.NewLedger(s.spec, nil)
	apply(t, l, s.events...)
	first := l.Settle()
	if d := deployment(t, read(t, first), "2"); d.Reason != history.ReasonCommitsMissing || len(d.Changes) != 0 {
		t.Errorf("before the commits: reason %q, %d changes", d.Reason, len(d.Changes))
	}
	late := &story{t: t}
	late.commit("c", 3, 3, "b")
	late.commit("b", 2, 2, "a")
	apply(t, l, late.events...)
	p := read(t, first, l.Settle())
	brought(t, p, map[string]string{"1": "a", "2": "bc"})
	if d := deployment(t, p, "2"); d.Reason != "" || change(t, d, "b").FirstAt != at(2) {
		t.Errorf("after the commits: reason %q, first at %v", d.Reason, change(t, d, "b").FirstAt.Std())
	}
}

func TestTwoSourcesThatBothSendIDOneAreTwoDeployments(t *testing.T) {
	s := &story{t: t}
	s.commit("a", 1, 1)
	s.commit("b", 2, 2, "a")
	s.deploy("1", "a", 10)
	ci := s.events[len(s.events)-1]
	s.deploy("1", "b", 20)
	s.events[len(s.events)-1].Source = "gitops"
	p := s.settle()
	if n := len(p.Lanes[0].Deployments); n != 2 {
		t.Fatalf("%d deployments, want 2", n)
	}
	for i, want := range []struct{ key, sha string }{{ci.Source + "/1", sha("a")}, {"gitops/1", sha("b")}} {
		if d := p.Lanes[0].Deployments[i]; d.Key() != want.key || d.SHA != want.sha || d.ID != "1" {
			t.Errorf("deployment %d is %s of %s, want %s of %s", i, d.Key(), d.SHA, want.key, want.sha)
		}
	}
}

func TestAFirstDeploymentIsABaselineUnlessTheProjectSaysOtherwise(t *testing.T) {
	for choice, want := range map[string]string{"": history.ReasonBaseline, project.FirstBaseline: history.ReasonBaseline, project.FirstAttribute: ""} {
		s := &story{t: t, spec: project.Spec{FirstDeployment: choice}}
		s.commit("a", 1, 1)
		s.commit("b", 2, 2, "a")
		s.deploy("1", "b", 10)
		d := deployment(t, s.settle(), "1")
		if d.Reason != want || d.Kind != history.KindFirst || names(d) != "ab" || change(t, d, "a").Reason.String() != want {
			t.Errorf("%q: kind %s reason %q changes %q of reason %q", choice, d.Kind, d.Reason, names(d), change(t, d, "a").Reason)
		}
	}
}

func TestASquashedPullRequestCountsFromItsEarliestCommit(t *testing.T) {
	s := &story{t: t}
	s.commit("a", 1, 1)
	s.commit("b", 5, 5, "a") // on the branch
	s.commit("c", 6, 6, "b")
	s.commit("d", 9, 9, "a") // the squash
	s.pull("7", "d", 7, 9, "b", "c")
	s.deploy("1", "a", 2)
	s.deploy("2", "d", 20)
	p := s.settle()
	d := deployment(t, p, "2")
	if c := change(t, d, "d"); names(d) != "d" || c.FirstAt != at(5) || d.PullRequests[c.PR].Number != "7" {
		t.Errorf("brought %q, first at %v", names(d), c.FirstAt.Std())
	}
	for _, w := range p.Pending {
		for _, c := range w.Changes {
			if c.Reason.String() != history.ReasonReplaced {
				t.Errorf("%s waits because %q, want %q", c.SHA, c.Reason, history.ReasonReplaced)
			}
		}
	}
	if r := pullRequest(t, p, "7"); r.FirstCommitAt != at(5) || r.Commits != 2 || len(r.Deliveries) != 1 || r.Deliveries[0].DeploymentID != "2" {
		t.Errorf("pull request: first %v, %d commits, deliveries %v", r.FirstCommitAt.Std(), r.Commits, r.Deliveries)
	}
}

// What a squash put on main was authored by merging: it does not say when the
// work began, which would come after the pull request was opened.
func TestAPullRequestOfWhichNoCommitIsReportedHasNoFirstCommit(t *testing.T) {
	for _, row := range []struct {
		name     string
		authored int // the merge commit; the pull request was opened at 7
		parents  []string
		head     string
		commits  []string
		want     int // minute of the first commit, 0 for none
	}{
		{"a squash, branch untold", 9, []string{"a"}, "", nil, 0},
		{"a squash of listed commits", 9, []string{"a"}, "", []string{"x", "y"}, 0},
		{"a squash of a told head", 9, []string{"a"}, "y", nil, 0},
		{"a rebase of a told head", 5, []string{"a"}, "y", nil, 0},
		{"a merge of an unreported branch", 5, []string{"a", "y"}, "", nil, 0},
		{"its own head, put forward", 5, []string{"a"}, "d", nil, 5},
		{"its own head, authored after it was opened", 8, []string{"a"}, "d", nil, 8},
		{"a plain commit from before it was opened", 5, []string{"a"}, "", nil, 5},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := &story{t: t}
			s.commit("a", 1, 1)
			s.commit("d", row.authored, 9, row.parents...)
			s.pull("7", "d", 7, 9, row.commits...)
			if row.head != "" {
				s.events[len(s.events)-1].Body.(*event.PullRequest).HeadSHA = event.Some(sha(row.head))
			}
			s.deploy("1", "a", 2)
			s.deploy("2", "d", 20)
			p := s.settle()
			want := event.Time(0)
			if row.want != 0 {
				want = at(row.want)
			}
			if r := pullRequest(t, p, "7"); r.FirstCommitAt != want {
				t.Errorf("first commit at %v, want minute %d", r.FirstCommitAt.Std(), row.want)
			}
			if c := change(t, deployment(t, p, "2"), "d"); c.FirstAt != at(row.authored) {
				t.Errorf("the commit itself: first at %v, want its own minute %d", c.FirstAt.Std(), row.authored)
			}
		})
	}
}

func TestARebasedPullRequestsCommitsKeepTheirOwnTimes(t *testing.T) {
	s := &story{t: t}
	s.commit("a", 1, 1)
	s.commit("b", 5, 5, "a") // on the branch
	s.commit("c", 6, 6, "b")
	s.commit("d", 8, 8, "a") // on main meanwhile
	s.commit("e", 5, 9, "d") // b and c again
	s.commit("f", 6, 9, "e")
	s.pull("7", "f", 7, 9, "b", "c")
	s.deploy("1", "a", 2)
	s.deploy("2", "f", 20)
	p := s.settle()
	d := deployment(t, p, "2")
	if names(d) != "def" && names(d) != "dfe" {
		t.Fatalf("brought %q", names(d))
	}
	for commit, want := range map[string]struct {
		first int
		pull  string
	}{"d": {8, ""}, "e": {5, "7"}, "f": {6, "7"}} {
		c := change(t, d, commit)
		pull := ""
		if c.PR >= 0 {
			pull = d.PullRequests[c.PR].Number
		}
		if c.FirstAt != at(want.first) || pull != want.pull {
			t.Errorf("%s: first at %v in pull request %q, want minute %d in %q", commit, c.FirstAt.Std(), pull, want.first, want.pull)
		}
	}
}

func TestAMergeCommitBringsItsBranchAndCountsUnlessSkipped(t *testing.T) {
	for choice, want := range map[string]string{"": "bcd", project.MergeSkip: "bc"} {
		s := &story{t: t, spec: project.Spec{MergeCommits: choice}}
		s.commit("a", 1, 1)
		s.commit("b", 2, 2, "a")
		s.commit("c", 3, 3, "a") // an old branch, merged late
		s.commit("d", 30, 30, "b", "c")
		s.pull("7", "d", 4, 30)
		s.deploy("1", "a", 10)
		s.deploy("2", "d", 40)
		p := s.settle()
		brought(t, p, map[string]string{"2": want})
		if c := change(t, deployment(t, p, "2"), "c"); c.PR < 0 {
			t.Errorf("%q: the branch's commit belongs to no pull request", choice)
		}
		if c := change(t, deployment(t, p, "2"), "b"); c.PR >= 0 {
			t.Errorf("%q: main's commit belongs to a pull request", choice)
		}
	}
}

func TestDeployingTheSameSHAAgainIsNoNewChange(t *testing.T) {
	s := &story{t: t}
	s.commit("a", 1, 1)
	s.commit("b", 2, 2, "a")
	s.deploy("1", "a", 10)
	s.deploy("2", "b", 20)
	s.deploy("3", "b", 30)
	p := s.settle()
	brought(t, p, map[string]string{"2": "b", "3": ""})
	if d := deployment(t, p, "3"); d.Kind != history.KindRedeploy || d.PreviousID != "2" || d.Failed {
		t.Errorf("kind %s after %s, failed %v", d.Kind, d.PreviousID, d.Failed)
	}
}

func TestARollbackFromV3ToV1BlamesV3AndGoingForwardAgainBlamesNobody(t *testing.T) {
	for _, commitsKnown := range []bool{true, false} {
		s := &story{t: t}
		if commitsKnown {
			s.commit("a", 1, 1)
			s.commit("b", 2, 2, "a")
			s.commit("c", 3, 3, "b")
		}
		for i, v := range []string{"a", "b", "c", "a", "c", "b"} {
			s.deploy(string(rune('1'+i)), v, 10*(i+1))
		}
		p := s.settle()
		for id, want := range map[string]struct {
			kind   string
			failed bool
		}{"1": {"first", false}, "2": {"forward", false}, "3": {"forward", true}, "4": {"rollback", false}, "5": {"forward", true}, "6": {"rollback", false}} {
			if d := deployment(t, p, id); d.Kind != want.kind || d.Failed != want.failed {
				t.Errorf("commits known %v, deployment %s: %s failed %v, want %s %v", commitsKnown, id, d.Kind, d.Failed, want.kind, want.failed)
			}
		}
		if d := deployment(t, p, "5"); len(d.Changes) != 0 {
			t.Errorf("going forward again brought %q", names(d))
		}
	}
}

func TestAnIncidentIsNotLinkedToAnotherServicesDeployment(t *testing.T) {
	s := &story{t: t}
	s.commit("a", 1, 1)
	s.deploy("1", "a", 10)
	s.deploy("2", "a", 20, service("web"))
	s.incident("i", 21, 0)
	s.incident("j", 22, 0, func(i *event.Incident) { i.Service = event.Some("mail") })
	s.incident("k", 23, 0, func(i *event.Incident) { i.Service = event.Opt[string]{} })
	p := s.settle()
	for id, want := range map[string]struct{ deployment, by, reason string }{
		"i": {"1", history.LinkTime, ""}, "j": {"", history.LinkNone, history.ReasonNoDeployment}, "k": {"", history.LinkNone, history.ReasonNoService},
	} {
		if i := incident(t, p, id); i.DeploymentID != want.deployment || i.LinkedBy != want.by || i.Reason != want.reason {
			t.Errorf("incident %s: deployment %q by %s, reason %q; want %+v", id, i.DeploymentID, i.LinkedBy, i.Reason, want)
		}
	}
	if deployment(t, p, "2").Failed {
		t.Error("the other service's deployment counts as failed")
	}
	if i := incident(t, p, "i"); i.LatestDeployment != "ci/2" {
		t.Errorf("the project's latest deployment is %q, want ci/2", i.LatestDeployment)
	}
}

func TestADeployJobThatFailsInsideAPassingPipelineIsAFailure(t *testing.T) {
	s := &story{t: t}
	s.commit("a", 1, 1)
	s.commit("b", 2, 2, "a")
	s.deploy("1", "a", 10)
	s.add("ci", &event.Build{Repo: repo, SHA: sha("b"), ID: "run-2", Outcome: event.Some(event.OutcomeSuccess), StartedAt: event.Some(at(15)), FinishedAt: event.Some(at(25))})
	s.deploy("2", "b", 20, outcome(event.OutcomeFailure))
	s.deploy("3", "b", 30)
	p := s.settle()
	d := deployment(t, p, "2")
	if !d.Failed || d.Failures[0].Rule != history.FailedOutcome || d.RestoredAt != at(30) || d.RestoredBy != history.RestoredDeployment {
		t.Errorf("failed %v %v, restored %v by %q", d.Failed, d.Failures, d.RestoredAt.Std(), d.RestoredBy)
	}
	brought(t, p, map[string]string{"2": "", "3": "b"})
}

func TestForcePushedCommitsStayWithWhatBroughtThem(t *testing.T) {
	s := &story{t: t}
	s.commit("a", 1, 1)
	s.commit("b", 2, 2, "a")
	s.commit("c", 3, 3, "b")
	s.commit("x", 4, 4, "a") // main goes on from a: b and c are thrown away
	s.commit("y", 5, 5, "x")
	s.deploy("1", "a", 10)
	s.deploy("2", "c", 20)
	s.deploy("3", "y", 30)
	p := s.settle()
	brought(t, p, map[string]string{"2": "bc", "3": "xy"})
	if d := deployment(t, p, "3"); d.Kind != history.KindForward || deployment(t, p, "2").Failed {
		t.Errorf("kind %s, previous failed %v; want forward, and nothing failed", d.Kind, deployment(t, p, "2").Failed)
	}
}

func TestClocksThatDisagreeDoNotMoveAChange(t *testing.T) {
	s := &story{t: t}
	s.commit("a", 1, 1)
	s.commit("b", 90, 95, "a") // authored after it was deployed, says its author's clock
	s.commit("c", 2, 2, "b")   // and before its parent
	s.pull("7", "c", 80, 60)   // merged before it was opened
	s.deploy("1", "a", 10)
	s.deploy("2", "c", 20)
	p := s.settle()
	d := deployment(t, p, "2")
	if got := names(d); got != "cb" {
		t.Errorf("brought %q, want cb", got)
	}
	if c := change(t, d, "b"); c.FirstAt != at(90) || c.CommittedAt != at(95) {
		t.Errorf("times were bent: %v %v", c.FirstAt.Std(), c.CommittedAt.Std())
	}
	if r := pullRequest(t, p, "7"); len(r.Deliveries) != 1 || r.Deliveries[0].FinishedAt != at(20) {
		t.Errorf("deliveries %v", r.Deliveries)
	}
}

func TestAMonorepoOfThreeServicesGivesEachItsOwnChanges(t *testing.T) {
	spec := project.Spec{}
	for _, name := range []string{"api", "web", "mail"} {
		spec.Services = append(spec.Services, project.Service{Name: name, Repo: repo, Paths: []string{name + "/", "shared/**"}})
	}
	s := &story{t: t, spec: spec}
	touch := func(name string, paths ...string) {
		s.events[len(s.events)-1].Body.(*event.Commit).Paths = event.Some(paths)
	}
	s.commit("a", 1, 1)
	touch("a", "README.md")
	s.commit("b", 2, 2, "a")
	touch("b", "api/main.go")
	s.commit("c", 3, 3, "b")
	touch("c", "web/index.html", "mail/send.go")
	s.commit("d", 4, 4, "c")
	touch("d", "shared/db/x.sql")
	s.commit("e", 5, 5, "d")
	touch("e", "apiary/x.go") // no folder of api's
	s.commit("f", 6, 6, "e")  // nobody knows its paths
	for i, name := range []string{"api", "web", "mail"} {
		s.deploy(name+"-1", "a", 10+i, service(name))
		s.deploy(name+"-2", "f", 20+i, service(name))
	}
	p := s.settle()
	brought(t, p, map[string]string{"api-2": "bdf", "web-2": "cdf", "mail-2": "cdf", "api-1": ""})
	if c := change(t, deployment(t, p, "api-2"), "f"); c.Reason.String() != history.ReasonPathsUnknown {
		t.Errorf("the commit without paths has reason %q", c.Reason)
	}
}

func TestAGitOpsRevisionIsNeverTakenForTheApplicationsCommit(t *testing.T) {
	const environment, image1, image2 = "https://git.example/deploy.git", "sha256:1111", "sha256:2222"
	s := &story{t: t, spec: project.Spec{Services: []project.Service{{Name: "api", Repo: repo}}}}
	s.commit("a", 1, 1)
	s.commit("b", 2, 2, "a")
	for i, c := range []string{"x", "y"} { // of the environment's repository
		s.add("git", &event.Commit{Repo: environment, SHA: sha(c), AuthoredAt: event.Some(at(9 * (i + 1))), Parents: event.Some([]string{})})
	}
	revision := func(d *event.Deployment) { d.Repo = event.Some(environment) }
	s.deploy("1", "x", 10, byDigest(image1), revision)
	s.deploy("2", "y", 20, byDigest(image2), revision)
	l := history.NewLedger(s.spec, nil)
	apply(t, l, s.events...)
	before := l.Settle()
	if d := deployment(t, read(t, before), "2"); d.SHA != "" || d.Reason != history.ReasonSHAUnknown || len(d.Changes) != 0 || d.Kind != history.KindForward {
		t.Errorf("before the artifact is known: sha %q reason %q kind %q, %d changes", d.SHA, d.Reason, d.Kind, len(d.Changes))
	}
	for image, c := range map[string]string{image1: "a", image2: "b"} {
		apply(t, l, event.New("ci", "shop", &event.Artifact{Digest: image, Repo: repo, SHA: sha(c)}))
	}
	p := read(t, before, l.Settle())
	brought(t, p, map[string]string{"1": "a", "2": "b"})
	if d := deployment(t, p, "2"); d.SHA != sha("b") || d.Repo != repo || d.ResolvedBy != "digest" || d.Kind != history.KindForward {
		t.Errorf("sha %s of %s by %s, kind %s", d.SHA, d.Repo, d.ResolvedBy, d.Kind)
	}
}

func TestAnIncidentThatNamesAnImageIsLinkedOnceItsSourceIsKnown(t *testing.T) {
	s := &story{t: t}
	s.commit("a", 1, 1)
	s.deploy("1", "a", 10)
	s.deploy("2", "a", 20, service("web"))
	s.incident("i", 40, 0, func(i *event.Incident) { i.Digest = event.Some("sha256:1111") })
	l := history.NewLedger(s.spec, nil)
	apply(t, l, s.events...)
	before := l.Settle()
	if i := incident(t, read(t, before), "i"); i.LinkedBy != history.LinkNone || i.Reason != history.ReasonNotSeen {
		t.Errorf("before the artifact is known: %s %s", i.LinkedBy, i.Reason)
	}
	apply(t, l, event.New("ci", "shop", &event.Artifact{Digest: "sha256:1111", Repo: repo, SHA: sha("a")}))
	p := read(t, before, l.Settle())
	if i := incident(t, p, "i"); i.LinkedBy != history.LinkArtifact || i.DeploymentID != "1" || !deployment(t, p, "1").Failed {
		t.Errorf("after: %s to %q", i.LinkedBy, i.DeploymentID)
	}
}

func TestARepositoryHasOneNameHoweverItIsSpelled(t *testing.T) {
	s := &story{t: t}
	s.commit("a", 1, 1)
	s.commit("b", 2, 2, "a")
	s.pull("7", "b", 1, 2)
	s.deploy("1", "a", 10)
	l, got := history.NewLedger(s.spec, []byte("salt")), blocks{}
	apply(t, l, s.events...)
	got.take(t, l.Settle())
	const other = "git@git.example:shop.git"
	s.add("jenkins", &event.Build{Repo: other, SHA: sha("b"), ID: "1", StartedAt: event.Some(at(3))})
	apply(t, l, s.events[len(s.events)-1])
	got.take(t, l.Settle())
	p := got.projection(t)
	for what, name := range map[string]string{"deployment": deployment(t, p, "1").Repo, "pull request": pullRequest(t, p, "7").Repo, "what waits": p.Pending[0].Repo} {
		if name != other {
			t.Errorf("%s is of %q, want the one name %q", what, name, other)
		}
	}
}

// TestAPushTellsWhatItsHeadHolds is a project that only GitHub's webhooks speak
// of: they carry no parents, and yet a deployment brings all that was pushed.
func TestAPushTellsWhatItsHeadHolds(t *testing.T) {
	s := &story{t: t}
	push := func(before string, names ...string) {
		for i, n := range names {
			c := &event.Commit{Repo: repo, SHA: sha(n), AuthoredAt: event.Some(at(i + 1))}
			if i == len(names)-1 {
				for _, other := range append(names[:i:i], before) {
					c.Ancestors.V = append(c.Ancestors.V, sha(other))
				}
				c.Ancestors.Present, c.Ancestors.Known = true, true
			}
			s.add("github", c)
		}
	}
	push("a", "b", "c")
	push("c", "d", "e", "f")
	push("f", "g")
	s.add("github", &event.Commit{Repo: repo, SHA: sha("a"), AuthoredAt: event.Some(at(1))})
	s.deploy("1", "c", 10)
	s.deploy("2", "g", 20)
	p := s.settle()
	for id, want := range map[string]string{"1": "abc", "2": "defg"} {
		if got := names(deployment(t, p, id)); sorted(got) != want {
			t.Errorf("deployment %s brought %q, want %q", id, got, want)
		}
	}
}

func sorted(s string) string {
	b := []byte(s)
	slices.Sort(b)
	return string(b)
}

func TestAnIncidentOfARepositoryIsItsOnlyServices(t *testing.T) {
	s := &story{t: t}
	s.commit("a", 1, 1)
	s.deploy("1", "a", 10)
	s.deploy("2", "a", 12, func(d *event.Deployment) {
		d.Service, d.Repo = event.Some("web"), event.Some("https://git.example/web.git")
	})
	s.add("github", &event.Incident{ID: "i", Repo: event.Some(repo), OpenedAt: event.Some(at(20))})
	s.add("github", &event.Incident{ID: "withdrawn", Repo: event.Some(repo), OpenedAt: event.Null[event.Time]()})
	p := s.settle()
	if len(p.Incidents) != 1 || p.Incidents[0].Service != "api" || p.Incidents[0].DeploymentID != "1" {
		t.Errorf("incidents %+v, want the one that was opened, at deployment 1 of api", p.Incidents)
	}
	if deployment(t, p, "2").Failed {
		t.Error("the deployment of another repository's service is blamed")
	}
}

// TestAMergeThatWebhooksTellOfIsNoSquash is a merge whose parents nobody told:
// that its push holds the branch's head is enough to know that it is no squash.
func TestAMergeThatWebhooksTellOfIsNoSquash(t *testing.T) {
	s := &story{t: t}
	s.add("github", &event.Commit{Repo: repo, SHA: sha("a"), AuthoredAt: event.Some(at(1))})
	s.add("github", &event.Commit{Repo: repo, SHA: sha("b"), AuthoredAt: event.Some(at(10))})
	s.add("github", &event.Commit{Repo: repo, SHA: sha("c"), AuthoredAt: event.Some(at(30)), Ancestors: event.Some([]string{sha("a"), sha("b")})})
	s.add("github", &event.PullRequest{Repo: repo, Number: "1", CreatedAt: event.Some(at(11)), MergedAt: event.Some(at(30)),
		HeadSHA: event.Some(sha("b")), MergeSHA: event.Some(sha("c"))})
	s.deploy("1", "a", 5)
	s.deploy("2", "c", 40)
	for _, when := range []string{"by webhooks alone", "with git history"} {
		for _, c := range deployment(t, s.settle(), "2").Changes {
			want := map[history.SHA]event.Time{history.ParseSHA(sha("b")): at(10), history.ParseSHA(sha("c")): at(30)}[c.SHA]
			if c.FirstAt != want || c.PR != 0 {
				t.Errorf("%s: commit %s began at %v with pull request %d, want %v and the one there is", when, c.SHA, c.FirstAt.Std(), c.PR, want.Std())
			}
		}
		s.commit("b", 10, 10, "a")
		s.commit("c", 30, 30, "a", "b")
	}
}
