package ui

import (
	"strings"
	"testing"
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
