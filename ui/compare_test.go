package ui

import (
	"strings"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/ui/delivery"
)

func TestProfilesStandSideBySideWithTheRuleThatMakesTheDifference(t *testing.T) {
	w := visit(t, serve(shop(), lead()), "/p/shop/compare")
	got := text(w.doc)
	for _, want := range []string{"dora-2025", "devlake-2023", "ours", "From dora-2025 to ours", "failure rules", "−2.3 pp", "8.3 % → 6 %", "n 290 → 280",
		"A failed outcome counts. Only incidents count.", "3 rows moved", "argocd/895", "not counted:"} {
		if !strings.Contains(got, want) {
			t.Errorf("the page lacks %q: %s", want, got)
		}
	}
	if n := strings.Count(w.body, `class="differs"`); n != 2 {
		t.Errorf("%d cells are marked, want the fail rate of two profiles", n)
	}
}

func TestTheFirstProfileIsThePagesOwnAndOthersCanBeChosen(t *testing.T) {
	got := text(visit(t, serve(shop(), lead()), "/p/shop/compare?profile=ours&with=dora-2025").doc)
	if !strings.Contains(got, "From ours to dora-2025") || strings.Contains(got, "From ours to devlake-2023") {
		t.Errorf("the page compares others: %s", got)
	}
	if got := text(visit(t, serve(shop(), lead()), "/p/shop/compare?with=gone").doc); !strings.Contains(got, "From dora-2025 to ours") {
		t.Errorf("a profile that is gone leaves nothing to compare: %s", got)
	}
}

func TestTrendsShowWhereALevelChangedAndWhatHappened(t *testing.T) {
	f := shop()
	inner := f.report
	f.report = func(q delivery.Query) (delivery.Report, error) {
		r, err := inner(q)
		if len(r.Series) < 4 {
			return r, err
		}
		at := r.Series[2].From
		r.ChangePoints = []delivery.ChangePoint{{Metric: "deployment_frequency", At: at, Before: 1.2, After: 2.5, Unit: "per_day", PValue: 0.0004}}
		r.Annotations = []delivery.Annotation{
			{At: at.Add(time.Hour), Kind: "note", Text: "Moved to <trunk>", Service: "api"},
			{At: at.Add(2 * time.Hour), Kind: "first_deployment", Text: "first deployment of api", Service: "api", Ref: "argocd/781", Automatic: true},
			{At: at.AddDate(-3, 0, 0), Kind: "note", Text: "long before"},
		}
		return r, err
	}
	h := serve(f, lead())
	w := visit(t, h, "/p/shop/metrics/deployment_frequency")
	got := text(w.doc)
	for _, want := range []string{"Level changed: 1.2 /day → 2.5 /day p < 0.001", "api: Moved to <trunk>", "first deployment of api"} {
		if !strings.Contains(got, want) {
			t.Errorf("the metric's page lacks %q", want)
		}
	}
	if strings.Contains(got, "long before") || strings.Count(w.body, `class="shift"`) != 1 || strings.Count(w.body, `class="flag`) != 2 {
		t.Errorf("%d changes and %d flags are drawn", strings.Count(w.body, `class="shift"`), strings.Count(w.body, `class="flag`))
	}
	if !strings.Contains(w.body, `/p/shop/deployments/argocd%2F781`) {
		t.Error("the annotation does not lead to its deployment")
	}
	if got := text(visit(t, h, "/p/shop/metrics/change_fail_rate").doc); strings.Contains(got, "Level changed") {
		t.Error("another metric shows the change")
	}
}
