package history_test

import (
	"testing"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history"
)

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

func TestThingsThatHappenAtTheSameMomentAreStillOrdered(t *testing.T) {
	s := &story{t: t}
	s.commit("a", 1, 1)
	s.commit("b", 2, 2, "a")
	s.deploy("1", "a", 10)
	s.deploy("2", "b", 20, outcome(event.OutcomeFailure))
	s.deploy("3", "b", 20)
	d := deployment(t, s.settle(), "2")
	if d.RestoredAt != at(20) || d.RestoredRef != "ci/3" {
		t.Errorf("restored at %v by %q, want at once by ci/3", d.RestoredAt.Std(), d.RestoredRef)
	}
}

func TestAFailureEndsWithWhicheverComesFirst(t *testing.T) {
	for _, c := range []struct {
		name           string
		resolved, next int
		rolledBack     bool
		restored       int
		by             string
	}{
		{"the incident is resolved", 15, 30, false, 15, history.RestoredIncident},
		{"the next deployment is good", 40, 30, false, 30, history.RestoredDeployment},
		{"it is rolled back", 40, 30, true, 30, history.RestoredRollback},
		{"the incident is still open", 0, 30, false, 30, history.RestoredDeployment},
		{"nothing has ended it", 0, 0, false, 0, ""},
		{"the next deployment came before the incident", 40, 11, false, 40, history.RestoredIncident},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &story{t: t}
			s.commit("a", 1, 1)
			s.commit("b", 2, 2, "a")
			s.commit("c", 3, 3, "b")
			s.deploy("1", "a", 5)
			s.deploy("2", "b", 10)
			s.incident("i", 12, c.resolved, func(i *event.Incident) { i.CausedByDeployment = event.Some("2") })
			if to := "c"; c.next > 0 {
				if c.rolledBack {
					to = "a"
				}
				s.deploy("3", to, c.next)
			}
			d := deployment(t, s.settle(), "2")
			want := event.Time(0)
			if c.restored > 0 {
				want = at(c.restored)
			}
			if !d.Failed || d.RestoredAt != want || d.RestoredBy != c.by {
				t.Errorf("failed %v, restored %v by %q; want %v by %q", d.Failed, d.RestoredAt.Std(), d.RestoredBy, want.Std(), c.by)
			}
		})
	}
}

// A follow-up that caused an incident ends the failure before it when that
// incident is resolved: service has been whole since.
func TestAFailureEndsWithTheFailureOfItsFollowUp(t *testing.T) {
	s := &story{t: t}
	s.commit("a", 1, 1)
	s.commit("b", 2, 2, "a")
	s.commit("c", 3, 3, "b")
	s.deploy("1", "a", 5)
	s.deploy("2", "b", 10, outcome(event.OutcomeFailure))
	s.deploy("3", "c", 20)
	s.incident("i", 25, 30, func(i *event.Incident) { i.CausedByDeployment = event.Some("3") })
	p := s.settle()
	for _, id := range []string{"2", "3"} {
		if d := deployment(t, p, id); d.RestoredAt != at(30) || d.RestoredBy != history.RestoredIncident {
			t.Errorf("deployment %s: restored at %v by %q, want with the incident", id, d.RestoredAt.Std(), d.RestoredBy)
		}
	}
}
