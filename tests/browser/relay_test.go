package browser

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/services/dora/relay/devlaketest"
)

// relayed is a platform that relays to a DevLake which takes most, refuses two incidents for good, and answers an error
// to every pull request: there is something delivered, retrying, waiting for what is not known, and refused.
func relayed(t *testing.T) (p *platform, lake *devlaketest.Server, heal func()) {
	t.Helper()
	lake = devlaketest.New(t, "/api")
	var mu sync.Mutex
	healed := false
	lake.SetFail(func(r *http.Request) *devlaketest.Fault {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case healed:
		case strings.HasSuffix(r.URL.Path, "/issues"):
			return &devlaketest.Fault{Status: 400, Before: true, Message: "input json error (400): Key: 'WebhookIssueRequest.Title' Error:Field validation for 'Title' failed on the 'required' tag"}
		case strings.HasSuffix(r.URL.Path, "/pull_requests"):
			return &devlaketest.Fault{Status: 500, Before: true, Message: "Error 1213 (40001): Deadlock found when trying to get lock; try restarting transaction (500)"}
		}
		return nil
	})
	p = startWith(t, map[string]string{"dora.devlake_url": lake.URL, "dora.devlake_token": devlaketest.Key})
	return p, lake, func() {
		mu.Lock()
		defer mu.Unlock()
		healed = true
	}
}

// tell reports deployments, two incidents, a pull request and two deployments that DevLake cannot be told of yet.
func tell(t *testing.T, p *platform) {
	t.Helper()
	var b bytes.Buffer
	now := time.Now().UTC().Truncate(time.Minute)
	for i := range 6 {
		at := now.Add(time.Duration(i-50) * time.Hour).Format(time.RFC3339)
		fmt.Fprintf(&b, `{"type":"deployment","id":"build-%d","service":"checkout","environment":"production","repo":"https://git.example/shop/checkout.git","sha":"%040x","outcome":"success","started_at":%q,"finished_at":%q}`+"\n", 890+i, i+1, at, at)
	}
	at := now.Add(-20 * time.Hour).Format(time.RFC3339)
	for i := range 2 {
		fmt.Fprintf(&b, `{"type":"deployment","id":"image-%d","service":"checkout","environment":"staging","digest":"sha256:%s","outcome":"success","started_at":%q,"finished_at":%q}`+"\n", i, strings.Repeat(fmt.Sprint(i+1), 64), at, at)
		fmt.Fprintf(&b, `{"type":"incident","id":"INC-%d","service":"checkout","environment":"production","opened_at":%q,"severity":"critical"}`+"\n", 4711+i, at)
	}
	fmt.Fprintf(&b, `{"type":"pull_request","repo":"https://git.example/shop/checkout.git","number":"7","created_at":%q,"title":"Show the basket's sum"}`+"\n", at)
	answer := p.post(t, "/api/dora/v1/events:batch?project=shop", "application/x-ndjson", b.Bytes())
	var got struct{ Stored, Rejected int }
	if err := json.Unmarshal(answer, &got); err != nil || got.Rejected != 0 || got.Stored != 11 {
		t.Fatalf("events were not taken: %s", answer)
	}
}

type relayState struct{ Pending, Sent, Dead, Discarded, Waiting int }

// awaits waits until the relay stands as wanted.
func (p *platform) awaits(t *testing.T, what string, ok func(relayState) bool) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		var s relayState
		if err := json.Unmarshal(p.get(t, "/api/dora/v1/relay"), &s); err != nil {
			t.Fatal(err)
		}
		if ok(s) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("never: %s; the relay stands at %+v", what, s)
		}
	}
}

func (p *platform) get(t *testing.T, path string) []byte {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+p.token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(answer.Body)
	if cerr := answer.Body.Close(); err != nil || cerr != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s %s (%v, %v)", path, answer.Status, got, err, cerr)
	}
	return got
}

func mixed(s relayState) bool {
	return s == relayState{Pending: 1, Sent: 6, Dead: 2, Waiting: 2}
}

// What DevLake refused is read, sent again and discarded in the console.
func TestDeadLettersAreSettledInTheConsole(t *testing.T) {
	p, lake, heal := relayed(t)
	tell(t, p)
	p.awaits(t, "delivered, retrying, waiting and refused", mixed)
	b := open(t, p.url, wide)
	b.signIn(p)
	b.visit("/relay")
	b.reads("Reachable Yes", "Sent 6", "Pending 1", "Waiting for what is not known 2", "Refused 2", "2 source sha unknown",
		"incident events/INC-4711", "400 Bad Request: input json error", "failed on the 'required' tag", "Send all 2 again")
	b.click("details.letter summary")
	b.reads(`"issueKey":"events/INC-4711"`)
	b.accessible("the relay with a letter open")
	b.shot("relay-letter-light-wide")

	// Still refused: it comes back. The other is given up.
	b.click(`[data-row] button[value=retry]`)
	b.reads("It is sent again now", "INC-4712")
	p.awaits(t, "it is refused again", mixed)
	b.visit("/relay")
	b.click(`[data-row]:last-child button[value=discard]`)
	b.reads("Discarded.", "Refused 1", "Discarded 1")
	b.accessible("the relay after a discard")
	b.shot("relay-discarded-light-wide")

	heal()
	b.visit("/relay")
	b.click(`[data-row] button[value=retry]`)
	p.awaits(t, "all but the discarded one is sent", func(s relayState) bool { return s == relayState{Sent: 8, Discarded: 1, Waiting: 2} })
	b.visit("/relay")
	b.reads("DevLake refused nothing", "Refused 0", "Sent 8", "Pending 0")
	if got := lake.Issues(); len(got) != 1 {
		t.Errorf("DevLake has %v, want the one incident that was sent again", got)
	}
}

// The relay's page with all that it can hold, wide, narrow and in the dark; and with a DevLake that is not there.
func TestTheRelaysPageFitsEveryScreen(t *testing.T) {
	p, _, _ := relayed(t)
	tell(t, p)
	p.awaits(t, "delivered, retrying, waiting and refused", mixed)
	gone := startWith(t, map[string]string{"dora.devlake_url": "http://127.0.0.1:1", "dora.devlake_token": devlaketest.Key})
	tell(t, gone)
	gone.awaits(t, "it waits", func(s relayState) bool { return s.Pending == 9 })
	for _, l := range []look{{1440, 900, "light", false}, {1440, 900, "dark", false}, {390, 844, "light", false}, {390, 844, "dark", false}, {360, 740, "light", false}} {
		t.Run(fmt.Sprintf("%s-%d", l.scheme, l.width), func(t *testing.T) {
			for name, at := range map[string]*platform{"relay-mixed": p, "relay-down": gone} {
				b := open(t, at.url, l)
				b.signIn(at)
				b.visit("/relay")
				b.until("the page", `document.readyState === "complete" && document.querySelector("main h1") !== null`)
				if over := eval[int](b, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); over > 0 {
					t.Errorf("%s is %d pixels wider than the window", name, over)
				}
				for _, low := range eval[[]string](b, contrast) {
					t.Errorf("%s: %s", name, low)
				}
				b.accessible(name)
				b.shot(fmt.Sprintf("%s-%s-%d", name, l.scheme, l.width))
			}
		})
	}
}
