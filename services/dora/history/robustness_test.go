package history_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history"
	"github.com/fawkes-idp/fawkes/services/dora/history/historytest"
	"github.com/fawkes-idp/fawkes/services/dora/project"
)

// tangle is a history that nobody can have made: commits among their own
// ancestors, commits that are their own parents, merges of themselves.
func tangle(seed uint64) []event.Event {
	rng := rand.New(rand.NewPCG(seed, 1))
	name := func() string { return string(rune('a' + rng.IntN(14))) }
	s := &story{}
	for range 30 {
		n := rng.IntN(4)
		parents := make([]string, n)
		for i := range parents {
			parents[i] = name()
		}
		s.commit(name(), rng.IntN(50), rng.IntN(50), parents...)
	}
	for i := range 12 {
		s.deploy(fmt.Sprint(i), name(), 10+rng.IntN(60))
	}
	for i := range 8 {
		s.pull(fmt.Sprint(i), name(), rng.IntN(50), 1+rng.IntN(50), name(), name())
		s.add("github", &event.PullRequest{Repo: repo, Number: fmt.Sprint("h", i), CreatedAt: event.Some(at(1)), MergedAt: event.Some(at(2)),
			MergeSHA: event.Some(sha(name())), HeadSHA: event.Some(sha(name()))})
	}
	return s.events
}

func TestCommitsAmongTheirOwnAncestorsStopNothingAndStayOrderIndependent(t *testing.T) {
	for seed := range uint64(60) {
		events := tangle(seed)
		want := fromScratch(t, project.Spec{}, events)
		for way := range int64(3) {
			heard := historytest.Scramble(way, events)
			l, got := history.NewLedger(project.Spec{}, []byte("salt")), blocks{}
			for _, group := range historytest.Groups(int64(seed)*3+way, heard) {
				apply(t, l, group...)
				got.take(t, l.Settle())
			}
			if d := differences(t, want, got); d != "" {
				t.Fatalf("seed %d, way %d (-in order +scrambled)\n%s", seed, way, d)
			}
		}
	}
}

func TestACommitThatIsItsOwnParentIsOneChange(t *testing.T) {
	s := &story{t: t}
	s.commit("a", 1, 1, "a")
	s.commit("b", 2, 2, "b", "a")
	s.deploy("1", "a", 10)
	s.deploy("2", "b", 20)
	brought(t, s.settle(), map[string]string{"1": "a", "2": "b"})
}

func TestAVeryDeepHistoryIsWalkedWithoutRecursion(t *testing.T) {
	const deep = 200_000
	l := history.NewLedger(project.Spec{}, nil)
	hash := func(n int) string { return fmt.Sprintf("%040x", n+1) }
	for n := deep - 1; n >= 0; n-- { // the latest first, as git log has it
		parents := []string{}
		if n > 0 {
			parents = append(parents, hash(n-1))
		}
		apply(t, l, event.New("git", "", &event.Commit{Repo: repo, SHA: hash(n), Parents: event.Some(parents), AuthoredAt: event.Some(at(n))}))
	}
	for i, n := range []int{10, deep - 1, 20} {
		apply(t, l, event.New("ci", "", &event.Deployment{ID: fmt.Sprint(i), Repo: event.Some(repo), SHA: event.Some(hash(n)), Outcome: event.Some(event.OutcomeSuccess),
			FinishedAt: event.Some(at(deep + i))}))
	}
	p := read(t, l.Settle())
	for id, want := range map[string]int{"0": 11, "1": deep - 11, "2": 0} {
		if d := deployment(t, p, id); len(d.Changes) != want {
			t.Errorf("deployment %s brought %d changes, want %d", id, len(d.Changes), want)
		}
	}
	if d := deployment(t, p, "2"); d.Kind != history.KindRollback {
		t.Errorf("the last one is a %s", d.Kind)
	}
}

func TestAnOctopusOfTooManyParentsIsRefusedAndAWideOneIsNot(t *testing.T) {
	for _, c := range []struct {
		parents int
		taken   bool
	}{{200, true}, {10_000, false}} {
		b := &event.Commit{Repo: repo, SHA: sha("z"), AuthoredAt: event.Some(at(1)), Parents: event.Some(make([]string, c.parents))}
		for i := range b.Parents.V {
			b.Parents.V[i] = fmt.Sprintf("%040x", i+1000)
		}
		if err := event.New("git", "", b).Validate(); (err == nil) != c.taken {
			t.Errorf("%d parents: %v", c.parents, err)
		}
	}
}

// Reports that nobody should send must not cost more than they are worth.
func TestManyPullRequestsThatClaimOneCommitAreSettledQuickly(t *testing.T) {
	s := &story{t: t}
	s.commit("a", 1, 1)
	s.commit("b", 2, 2, "a")
	for i := range 3000 {
		s.pull(fmt.Sprint(i), "b", 3, 4, "a", "b")
	}
	p := s.settle()
	if n := len(p.PullRequests); n != 3000 {
		t.Errorf("%d pull requests", n)
	}
}
