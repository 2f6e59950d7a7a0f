package crash

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/services/dora/relay/devlaketest"
	"github.com/fawkes-idp/fawkes/tests/process"
)

// entities is how many deployments and how many incidents are relayed.
const entities = 60

// report posts events in the bulk format until they are acknowledged.
func report(t *testing.T, client *http.Client, p *process.Process, lines []string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, p.URL+"/api/dora/v1/events:batch", strings.NewReader(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+p.Token)
	resp, err := client.Do(req)
	if err != nil {
		t.Fatalf("report: %v\n%s", err, p.Log())
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	if text, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK || strings.Contains(string(text), `"rejected":1`) {
		t.Fatalf("report: %d %s %v", resp.StatusCode, text, err)
	}
}

func relayed(n, resolved int) []string {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Hour)
	d := fmt.Sprintf(`{"type":"deployment","id":"d%d","project":"crash","service":"api","environment":"production","repo":"https://git.example/api","sha":"%040x","outcome":"success","started_at":%q,"finished_at":%q}`,
		n, n+1, at.Format(time.RFC3339), at.Add(time.Minute).Format(time.RFC3339))
	i := fmt.Sprintf(`{"type":"incident","id":"i%d","project":"crash","service":"api","opened_at":%q`, n, at.Format(time.RFC3339))
	if resolved > 0 {
		i += fmt.Sprintf(`,"resolved_at":%q`, resolution(n, resolved))
	}
	return []string{d, i + "}"}
}

func resolution(n, minutes int) string {
	return time.Date(2026, 1, 1, 0, minutes, 0, 0, time.UTC).Add(time.Duration(n) * time.Hour).Format(time.RFC3339)
}

// TestKilledWhileItRelays kills the platform while it tells a DevLake that fails
// at random, several times. In the end DevLake has every entity once, as it is.
func TestKilledWhileItRelays(t *testing.T) {
	lake := devlaketest.New(t, "/api")
	var mu sync.Mutex
	rng := rand.New(rand.NewPCG(7, 7))
	lake.SetFail(func(*http.Request) *devlaketest.Fault {
		mu.Lock()
		defer mu.Unlock()
		switch n := rng.IntN(100); {
		case n < 6:
			return &devlaketest.Fault{Status: 500, Before: true, Message: "deadlock"}
		case n < 10:
			return &devlaketest.Fault{Status: 502, Message: "bad gateway"}
		case n < 14:
			return &devlaketest.Fault{Cut: true, Before: true}
		case n < 18:
			return &devlaketest.Fault{Cut: true}
		case n < 20:
			return &devlaketest.Fault{Delay: 1200 * time.Millisecond}
		}
		return nil
	})
	program, state, client := process.Build(t, "fawkes"), t.TempDir(), newClient()
	defer client.CloseIdleConnections()
	up := func() *process.Process {
		return process.Up(t, program, state, "FAWKES_DORA_DEVLAKE_URL="+lake.URL, "FAWKES_DORA_DEVLAKE_TOKEN="+devlaketest.Key, "FAWKES_DORA_DEVLAKE_TIMEOUT=1s")
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	until := func(what string, ok func() bool) {
		t.Helper()
		deadline := time.Now().Add(90 * time.Second)
		for !ok() {
			if <-tick.C; time.Now().After(deadline) {
				t.Fatalf("never: %s; DevLake has %d deployments and %d issues", what, len(lake.Deployments()), len(lake.Issues()))
			}
		}
	}
	p := up()
	const kills = 4
	for k := range kills {
		var lines []string
		for n := k * entities / kills; n < (k+1)*entities/kills; n++ {
			lines = append(lines, relayed(n, 0)...)
		}
		for n := range k * entities / kills { // what was open is resolved, and resolved again
			lines = append(lines, relayed(n, 10+k)[1])
		}
		report(t, client, p, lines)
		had := len(lake.Paths())
		until("some of it is sent", func() bool { return len(lake.Paths()) >= had+5+k })
		p.Kill()
		client.CloseIdleConnections()
		p = up()
	}
	lake.SetFail(nil)
	var status struct{ Pending, Sent, Dead int }
	until("all is sent", func() bool {
		read(t, client, p, "/api/dora/v1/relay", &status)
		return status.Pending == 0 && status.Sent == 2*entities
	})
	if status.Dead != 0 || len(lake.Deployments()) != entities || len(lake.Commits()) != entities || len(lake.Issues()) != entities {
		t.Errorf("%d dead; DevLake has %d deployments, %d commits, %d issues; want none and %d of each",
			status.Dead, len(lake.Deployments()), len(lake.Commits()), len(lake.Issues()), entities)
	}
	for n := range entities {
		var want any
		if batch := n * kills / entities; batch < kills-1 {
			want = resolution(n, 10+kills-1)
		}
		if got := lake.Issues()[fmt.Sprintf("webhook:1:events/i%d", n)]["resolutionDate"]; got != want {
			t.Errorf("incident i%d was resolved at %v; DevLake has %v", n, want, got)
		}
	}
	if got := lake.Connections(); len(got) != 1 {
		t.Errorf("the connections are %v", got)
	}
	p.Stop()
}
