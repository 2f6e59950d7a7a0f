package historytest_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history/historytest"
)

func TestEqualSeedsGiveEqualEvents(t *testing.T) {
	a, b := historytest.Generate(7, 80), historytest.Generate(7, 80)
	if d := cmp.Diff(lines(t, a), lines(t, b)); d != "" {
		t.Error(d)
	}
	if cmp.Equal(lines(t, a), lines(t, historytest.Generate(8, 80))) {
		t.Error("another seed gave the same events")
	}
}

func TestEveryEventIsOneThatTheServerTakes(t *testing.T) {
	if err := historytest.Spec().Validate(); err != nil {
		t.Fatal(err)
	}
	types := map[event.Type]int{}
	for seed := range int64(20) {
		events := historytest.Generate(seed, 60)
		for _, e := range append(events, historytest.Scramble(seed, events)...) {
			if err := e.Validate(); err != nil {
				t.Fatalf("seed %d: %s %s: %v", seed, e.Body.Type(), e.Body.Entity(), err)
			}
			types[e.Body.Type()]++
		}
	}
	for _, typ := range []event.Type{event.TypeCommit, event.TypePullRequest, event.TypeReview, event.TypeBuild,
		event.TypeArtifact, event.TypeDeployment, event.TypeIncident} {
		if types[typ] < 20 {
			t.Errorf("%d events of type %s in 20 histories", types[typ], typ)
		}
	}
}

func lines(t *testing.T, events []event.Event) []string {
	t.Helper()
	out := make([]string, len(events))
	for i, e := range events {
		b, err := event.MarshalLine(e)
		if err != nil {
			t.Fatal(err)
		}
		out[i] = string(b)
	}
	return out
}
