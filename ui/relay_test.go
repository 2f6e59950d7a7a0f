package ui

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/fawkes-idp/fawkes/ui/delivery"
)

func TestTheRelaySaysHowItStandsAndWhatWasRefused(t *testing.T) {
	got := text(visit(t, serve(shop(), lead()), "/relay").doc)
	for _, want := range []string{"https://devlake.example", "Reachable No", "Pending 3", "Sent 1200", "1m 35s", "DevLake answers 502", "deployment argocd/895", "400 Bad Request: repoUrl <missing>", "1 not finished, 3 source sha unknown", "Send all 2 again"} {
		if !strings.Contains(got, want) {
			t.Errorf("the page lacks %q: %s", want, got)
		}
	}
}

func TestARelayThatIsNotConfiguredSaysHowToDoIt(t *testing.T) {
	f := shop()
	f.relay, f.dead = delivery.Relay{}, nil
	if got := text(visit(t, serve(f, lead()), "/relay").doc); !strings.Contains(got, "No DevLake is configured") || !strings.Contains(got, "FAWKES_DORA_DEVLAKE_URL") {
		t.Errorf("the page says %s", got)
	}
}

func TestDeadLettersAreSentAgainAndDiscarded(t *testing.T) {
	f := shop()
	h := serve(f, lead())
	for _, c := range []struct {
		form url.Values
		to   string
	}{
		{url.Values{"id": {"4"}, "do": {"retry"}}, "/relay?done=retry"},
		{url.Values{"do": {"discard"}}, "/relay?done=discard"},
	} {
		if w := send(t, h, "/relay", c.form); w.Code != http.StatusSeeOther || w.Header().Get("Location") != c.to {
			t.Errorf("%v: %d to %q, want %s", c.form, w.Code, w.Header().Get("Location"), c.to)
		}
	}
	if want := []string{"4 false", " true"}; !slices.Equal(f.settledDead, want) {
		t.Errorf("the service was asked %q, want %q", f.settledDead, want)
	}
}
