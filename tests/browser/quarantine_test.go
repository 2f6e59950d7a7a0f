package browser

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
)

// A delivery that could not be read is found in the console, mended there and replayed: what it says is stored once.
func TestAQuarantinedDeliveryIsMendedAndReplayed(t *testing.T) {
	p := start(t)
	shop(t, p)
	bad := `{"type":"deployment","id":"late-1","service":"api","environment":"production","sha":"nonsense","outcome":"success","started_at":"2026-11-20T10:00:00Z","finished_at":"2026-11-20T10:05:00Z"}`
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+"/api/dora/v1/events?project=shop", bytes.NewBufferString(bad))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+p.token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	said, err := io.ReadAll(answer.Body)
	if cerr := answer.Body.Close(); err != nil || cerr != nil || answer.StatusCode/100 != 4 {
		t.Fatalf("a deployment without a right SHA is answered with %s: %s (%v, %v)", answer.Status, said, err, cerr)
	}

	b := open(t, p.url, wide)
	b.signIn(p)
	b.visit("/quarantine")
	b.reads("Open 1", "events", "sha", "Replay the open one")
	b.shot("quarantine-open")
	b.click("[data-open]")
	b.reads("The body", "nonsense", "Replays tried")
	b.accessible("a quarantined delivery")

	b.click("form.replay button[value=replay]")
	b.reads("It still cannot be read", "nonsense")
	b.shot("quarantine-still-wrong")
	eval[bool](b, `(document.querySelector("textarea").value = document.querySelector("textarea").value.replace("nonsense", "`+strings.Repeat("ab", 20)+`"), true)`)
	b.click("form.replay button[value=replay]")
	b.reads("1 delivery read again: 1 event stored.", "Replayed", "Replay again")
	b.shot("quarantine-replayed")
	b.click("form.replay button[value=replay]") // as it came: refused, and the delivery stays replayed
	b.reads("It still cannot be read")

	b.visit("/p/shop/deployments?range=all")
	b.reads("abababa")
	b.visit("/quarantine")
	b.reads("Nothing is open", "Replayed 1")
	b.accessible("the quarantine")
	b.forgive("422") // twice, as it was meant
}
