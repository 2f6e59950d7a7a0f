package view_test

import (
	"strings"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/ui/delivery"
	"github.com/fawkes-idp/fawkes/ui/view"
)

func TestADeploymentIsDrawnByWhatMattersMostAboutIt(t *testing.T) {
	for _, row := range []struct {
		d    delivery.Deployment
		want string
	}{
		{delivery.Deployment{Kind: "forward", Outcome: "success"}, "forward"},
		{delivery.Deployment{Kind: "first", Outcome: "success"}, "first"},
		{delivery.Deployment{Kind: "redeploy", Outcome: "success"}, "redeploy"},
		{delivery.Deployment{Kind: "rollback", Outcome: "success"}, "rollback"},
		{delivery.Deployment{Kind: "forward", Outcome: "success", Unplanned: true}, "unplanned"},
		{delivery.Deployment{Kind: "rollback", Outcome: "success", Failed: true}, "failed"},
		{delivery.Deployment{Kind: "forward", Outcome: "failure"}, "failed"},
		{delivery.Deployment{Kind: "rollback", Outcome: "success", Unplanned: true}, "rollback"},
	} {
		if got := view.KindShape(row.d); got != row.want {
			t.Errorf("%+v is drawn as %s, want %s", row.d, got, row.want)
		}
	}
}

func TestADotSaysInWordsWhatItsShapeSays(t *testing.T) {
	at := time.Date(2026, 11, 20, 2, 31, 0, 0, time.UTC)
	got := view.DeploymentTitle(delivery.Deployment{Service: "api", Environment: "production", Kind: "rollback", Outcome: "success", Changes: 2}, at)
	if want := "api to production, 20 Nov 2026, 02:31 · Rollback · 2\u00a0changes"; got != want {
		t.Errorf("title %q, want %q", got, want)
	}
}

func TestEveryMeasureHasAnAddressAndADirection(t *testing.T) {
	for _, m := range view.Measures() {
		found, ok := view.MeasureOf(m.Name)
		if !ok || found.Label != m.Label || m.Better*m.Better != 1 || m.Asks == "" || m.Short() == m.Label {
			t.Errorf("measure %+v", m)
		}
		if one, many := m.N(1), m.N(2); one == many || !strings.HasPrefix(one, "1") {
			t.Errorf("n of %s is written %q and %q", m.Name, one, many)
		}
	}
}
