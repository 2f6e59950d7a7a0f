package metrics

import (
	"testing"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history"
)

// Under profiles in which incidents recover by themselves, one that no
// deployment explains is marked under its own service.
func TestALongIncidentWithoutADeploymentIsMarked(t *testing.T) {
	b := newBuild(t)
	b.deploy("api", "1", "2026-03-02 08:00", event.OutcomeSuccess)
	b.p.Incidents = append(b.p.Incidents, &history.Incident{
		Source: "pager", ID: "9", Service: "api", Environment: "production", LinkedBy: history.LinkNone,
		OpenedAt: at(t, "2026-03-04 08:00"), ResolvedAt: at(t, "2026-03-06 08:00"),
	})
	for _, p := range Profiles() {
		marks, err := Marks(b.view("2026-03-31 00:00"), b.window("2026-03-02", "2026-03-16"), p)
		if err != nil {
			t.Fatal(err)
		}
		long := 0
		for _, m := range marks {
			if m.Kind == MarkLongFailure {
				long++
				if m.Service != "api" || m.Ref != "pager/9" {
					t.Errorf("%s: %+v", p.Name, m)
				}
			}
		}
		want := 0
		if p.Choices.RecoveryOf == RecoverIncidents {
			want = 1
		}
		if long != want {
			t.Errorf("%s: %d long failures, want %d", p.Name, long, want)
		}
	}
}
