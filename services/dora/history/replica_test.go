package history_test

import (
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history"
	"github.com/fawkes-idp/fawkes/services/dora/history/historytest"
	"github.com/fawkes-idp/fawkes/services/dora/project"
)

func TestAnEmptyProjectHasASummaryAndNothingElse(t *testing.T) {
	l := history.NewLedger(project.Spec{Project: "shop"}, nil)
	d := l.Settle()
	if len(d.Changed) != 1 || d.Changed["m"] == nil || len(d.Deleted) != 0 {
		t.Errorf("blocks %v, deleted %v", d.Changed, d.Deleted)
	}
	r := history.NewReplica("shop")
	if err := r.Put("m", d.Changed["m"]); err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(&history.Projection{Project: "shop"}, r.Projection()); diff != "" {
		t.Error(diff)
	}
	if s := r.Summary(); s.Repositories == nil || s.Services == nil || len(s.Repositories)+len(s.Services) != 0 || s.FirstAt != 0 {
		t.Errorf("summary %+v", s)
	}
}

func TestADeclaredProjectIsSummedUpBeforeAnythingHappens(t *testing.T) {
	l := history.NewLedger(historytest.Spec(), nil)
	l.Settle()
	s := l.Summary()
	if len(s.Services) != 4 || len(s.Repositories) != 2 || s.Services[0].Name != "api" || s.Services[0].Team != "shop" {
		t.Errorf("summary %+v", s)
	}
}

func TestALaneVanishesWhenItsOnlyDeploymentTurnsOutToBeOfAnotherService(t *testing.T) {
	s := &story{t: t}
	s.commit("a", 1, 1)
	s.commit("b", 2, 2, "a")
	s.pull("7", "b", 1, 2)
	s.deploy("1", "a", 10)
	s.deploy("2", "b", 20)
	l, got := history.NewLedger(s.spec, []byte("salt")), blocks{}
	apply(t, l, s.events...)
	got.take(t, l.Settle())
	if r := pullRequest(t, got.projection(t), "7"); len(r.Deliveries) != 1 {
		t.Fatalf("deliveries %v", r.Deliveries)
	}
	for _, id := range []string{"1", "2"} {
		s.add("ci", &event.Deployment{ID: id, Service: event.Some("web"), StartedAt: event.Some(at(30))})
	}
	apply(t, l, s.events[len(s.events)-2:]...)
	d := l.Settle()
	got.take(t, d)
	for _, key := range d.Deleted {
		if _, ok := d.Changed[key]; ok {
			t.Errorf("block %s is both deleted and changed", key)
		}
	}
	p := got.projection(t)
	if len(p.Lanes) != 1 || p.Lanes[0].Service != "web" {
		t.Errorf("lanes %v", p.Lanes)
	}
	if diff := differences(t, fromScratch(t, s.spec, s.events), got); diff != "" {
		t.Error(diff)
	}
	if sum := l.Summary(); len(sum.Services) != 1 || sum.Services[0].Name != "web" {
		t.Errorf("services %+v", sum.Services)
	}
}

func TestAnEarlierFirstDeploymentThatArrivesLateMovesDeliveries(t *testing.T) {
	s := &story{t: t}
	s.commit("r", 1, 1)
	s.commit("a", 2, 2, "r")
	s.commit("c", 3, 3, "a")
	s.commit("z", 4, 4, "r")
	s.commit("y", 5, 5, "z", "c")
	s.pull("7", "c", 2, 3)
	s.pull("8", "a", 1, 2)
	s.deploy("1", "a", 10)
	s.deploy("2", "z", 20)
	s.deploy("3", "y", 30)
	l, got := history.NewLedger(s.spec, []byte("salt")), blocks{}
	apply(t, l, s.events...)
	got.take(t, l.Settle())
	s.deploy("0", "c", 5)
	apply(t, l, s.events[len(s.events)-1])
	got.take(t, l.Settle())
	if d := differences(t, fromScratch(t, s.spec, s.events), got); d != "" {
		t.Error(d)
	}
	for _, number := range []string{"7", "8"} { // both left with the rollback to z and came back with y
		if r := pullRequest(t, got.projection(t), number); len(r.Deliveries) != 1 || r.Deliveries[0].DeploymentID != "3" {
			t.Errorf("pull request %s: deliveries %v", number, r.Deliveries)
		}
	}
}

func TestAProjectionStaysAsItWasWhenBlocksChange(t *testing.T) {
	events := historytest.Generate(5, 120)
	b := fromScratch(t, specOf(5), events)
	r := history.NewReplica(historytest.Project)
	for key, block := range b {
		if err := r.Put(key, block); err != nil {
			t.Fatal(err)
		}
	}
	before, want := r.Projection(), b.projection(t)
	for key := range b {
		r.Delete(key)
	}
	if diff := gocmp.Diff(want, before); diff != "" {
		t.Error(diff)
	}
	if diff := gocmp.Diff(&history.Projection{Project: historytest.Project}, r.Projection()); diff != "" {
		t.Error(diff)
	}
	if s := r.Summary(); s.LastAt != 0 {
		t.Errorf("the summary outlived its block: %+v", s)
	}
}

// The order of rows is that of the definition, whatever the names.
func TestRowsAreInTheOrderThatIsPromised(t *testing.T) {
	spec := project.Spec{}
	l := history.NewLedger(spec, nil)
	for i, name := range []string{"a/b", "a-b", "a", "ab", "a b"} {
		apply(t, l, event.New("ci", "", &event.Deployment{ID: name, Service: event.Some(name), FinishedAt: event.Some(at(i)), Outcome: event.Some(event.OutcomeSuccess)}),
			event.New("ci", "", &event.Deployment{ID: name + "!", Service: event.Some(name), StartedAt: event.Some(at(i))}),
			event.New("git", "", &event.Commit{Repo: "https://h/" + name, SHA: sha("x"), AuthoredAt: event.Some(at(i))}),
			event.New("github", "", &event.Review{Repo: "https://h/" + name, Number: "2", Author: "x", Kind: event.ReviewComment, SubmittedAt: event.Some(at(1))}),
			event.New("github", "", &event.PullRequest{Repo: "https://h/" + name, Number: "1", CreatedAt: event.Some(at(1))}))
	}
	apply(t, l, event.New("pager", "", &event.Incident{ID: "1", OpenedAt: event.Some(at(1))}), event.New("pager", "", &event.Incident{ID: "0", OpenedAt: event.Some(at(0)), ResolvedAt: event.Some(at(9))}))
	p := read(t, l.Settle())
	var services, repos, incidents []string
	for _, ln := range p.Lanes {
		services = append(services, ln.Service)
		if d := ln.Deployments; len(d) != 2 || d[1].FinishedAt != 0 {
			t.Errorf("%s: the running deployment does not stand last", ln.Service)
		}
	}
	for _, r := range p.PullRequests {
		repos = append(repos, r.Repo+" "+r.Number)
	}
	for _, i := range p.Incidents {
		incidents = append(incidents, i.ID)
	}
	if diff := gocmp.Diff([]string{"a", "a b", "a-b", "a/b", "ab"}, services); diff != "" {
		t.Error(diff)
	}
	if diff := gocmp.Diff([]string{"https://h/a 2", "https://h/a 1", "https://h/a b 2", "https://h/a b 1", "https://h/a-b 2", "https://h/a-b 1",
		"https://h/a/b 2", "https://h/a/b 1", "https://h/ab 2", "https://h/ab 1"}, repos); diff != "" {
		t.Error(diff)
	}
	if diff := gocmp.Diff([]string{"0", "1"}, incidents); diff != "" {
		t.Error(diff)
	}
}

func TestADamagedBlockIsRefusedAndTheOldOneKept(t *testing.T) {
	b := fromScratch(t, specOf(2), historytest.Generate(2, 60))
	r := history.NewReplica(historytest.Project)
	for key, block := range b {
		if err := r.Put(key, block); err != nil {
			t.Fatal(err)
		}
	}
	want := r.Projection()
	for key, block := range b {
		for _, damaged := range [][]byte{nil, {}, block[:len(block)-1], append([]byte{99}, block...), append(append([]byte{}, block...), 0)} {
			if err := r.Put(key, damaged); err == nil {
				t.Errorf("block %s was taken with %d of %d bytes", key, len(damaged), len(block))
			}
		}
	}
	if err := r.Put("z/1", b["m"]); err == nil {
		t.Error("a block of an unknown kind was taken")
	}
	if diff := gocmp.Diff(want, r.Projection()); diff != "" {
		t.Error(diff)
	}
}

func FuzzBlock(f *testing.F) {
	b := blocks{}
	l := history.NewLedger(specOf(2), nil)
	for _, e := range historytest.Generate(2, 60) {
		if err := l.Apply(e); err != nil {
			f.Fatal(err)
		}
	}
	for key, block := range l.Settle().Changed {
		b[key] = block
		f.Add(key[:1], block)
	}
	f.Fuzz(func(t *testing.T, kind string, block []byte) {
		r := history.NewReplica("fuzz")
		if err := r.Put(kind+"/x/2026-01", block); err != nil {
			return
		}
		p := r.Projection()
		// What was taken can be read: every reference leads somewhere.
		for _, ln := range p.Lanes {
			for _, d := range ln.Deployments {
				readable(t, d.Changes, d.PullRequests)
			}
		}
		for _, w := range p.Pending {
			readable(t, w.Changes, w.PullRequests)
		}
	})
}

func readable(t *testing.T, changes []history.Change, prs []history.PullRequestRef) {
	for _, c := range changes {
		if c.PR >= 0 {
			_ = prs[c.PR]
		} else if c.PR != -1 {
			t.Fatalf("pull request %d", c.PR)
		}
		_ = c.Reason.String()
	}
}
