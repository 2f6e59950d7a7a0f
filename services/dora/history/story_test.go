package history_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history"
	"github.com/fawkes-idp/fawkes/services/dora/project"
)

// A story is a small history written by hand. Commits have one-letter names,
// times are minutes after midnight.
type story struct {
	t      *testing.T
	spec   project.Spec
	events []event.Event
}

var midnight = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

func at(minutes int) event.Time {
	return event.Micros(midnight.Add(time.Duration(minutes) * time.Minute))
}

func sha(name string) string { return fmt.Sprintf("%040x", name) }

const repo = "https://git.example/shop.git"

func (s *story) add(source string, b event.Body) {
	s.events = append(s.events, event.New(source, "shop", b))
}

func (s *story) commit(name string, authored, committed int, parents ...string) {
	hashes := make([]string, len(parents))
	for i, p := range parents {
		hashes[i] = sha(p)
	}
	s.add("git", &event.Commit{Repo: repo, SHA: sha(name), Parents: event.Some(hashes), Author: event.Some("ada"),
		AuthoredAt: event.Some(at(authored)), CommittedAt: event.Some(at(committed))})
}

func (s *story) deploy(id, commit string, finished int, change ...func(*event.Deployment)) {
	d := &event.Deployment{ID: id, Service: event.Some("api"), Environment: event.Some("production"), Repo: event.Some(repo),
		SHA: event.Some(sha(commit)), Outcome: event.Some(event.OutcomeSuccess), StartedAt: event.Some(at(finished - 1)), FinishedAt: event.Some(at(finished))}
	for _, c := range change {
		c(d)
	}
	s.add("ci", d)
}

// settle applies the events and reads the projection back from its blocks, as
// a server does.
func (s *story) settle() *history.Projection {
	s.t.Helper()
	l := history.NewLedger(s.spec, []byte("salt"))
	for _, e := range s.events {
		if err := l.Apply(e); err != nil {
			s.t.Fatal(err)
		}
	}
	return read(s.t, l.Settle())
}

func read(t *testing.T, deltas ...history.Delta) *history.Projection {
	t.Helper()
	r := history.NewReplica("shop")
	for _, d := range deltas {
		for key, block := range d.Changed {
			if err := r.Put(key, block); err != nil {
				t.Fatal(err)
			}
		}
		for _, key := range d.Deleted {
			r.Delete(key)
		}
	}
	return r.Projection()
}

func deployment(t *testing.T, p *history.Projection, id string) *history.Deployment {
	t.Helper()
	for _, ln := range p.Lanes {
		for _, d := range ln.Deployments {
			if d.ID == id {
				return d
			}
		}
	}
	t.Fatalf("no deployment %q", id)
	return nil
}

func names(d *history.Deployment) string {
	out := ""
	for _, c := range d.Changes {
		for _, n := range "abcdefghijklmnopqrstuvwxyz" {
			if history.ParseSHA(sha(string(n))) == c.SHA {
				out += string(n)
			}
		}
	}
	return out
}

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

func TestRollbackFailsOnlyWhatItReplaced(t *testing.T) {
	s := &story{t: t}
	s.commit("a", 1, 1)
	s.commit("b", 2, 2, "a")
	s.commit("c", 3, 3, "b")
	s.deploy("1", "a", 10)
	s.deploy("2", "b", 20)
	s.deploy("3", "c", 30)
	s.deploy("4", "a", 40)
	p := s.settle()
	for id, want := range map[string]struct {
		kind   string
		failed bool
	}{"1": {"first", false}, "2": {"forward", false}, "3": {"forward", true}, "4": {"rollback", false}} {
		d := deployment(t, p, id)
		if d.Kind != want.kind || d.Failed != want.failed {
			t.Errorf("deployment %s: kind %q failed %v, want %q %v", id, d.Kind, d.Failed, want.kind, want.failed)
		}
	}
	if d := deployment(t, p, "3"); d.RestoredAt != at(40) || d.RestoredBy != history.RestoredRollback {
		t.Errorf("restored at %v by %q", d.RestoredAt.Std(), d.RestoredBy)
	}
}
