// Package crash kills the platform while it is written to and looks at what
// survives: what was acknowledged is there once, and nothing is there twice.
package crash

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore/pgtest"
	"github.com/fawkes-idp/fawkes/tests/process"
)

const connections = 32

// rounds is how often a process is killed; FAWKES_SOAK=1 makes it ten times as
// often.
func rounds() int {
	if os.Getenv("FAWKES_SOAK") != "" {
		return 200
	}
	return 20
}

// ledger remembers what was acknowledged.
type ledger struct {
	mu    sync.Mutex
	next  int
	acked map[string]bool
}

func (l *ledger) id() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next++
	return fmt.Sprintf("d%06d", l.next)
}

func (l *ledger) ack(id string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acked[id] = true
	return len(l.acked)
}

// load sends events over many connections until stop is closed, each until it
// is acknowledged or the server is gone. reached is closed once so many were
// acknowledged in this round.
func (l *ledger) load(client *http.Client, url, token string, enough int, stop <-chan struct{}) (reached <-chan struct{}, wait func()) {
	done := make(chan struct{})
	var once sync.Once
	var wg sync.WaitGroup
	var mu sync.Mutex
	acked := 0
	for range connections {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				id := l.id()
				if !send(client, url, token, id) {
					continue
				}
				l.ack(id)
				mu.Lock()
				acked++
				if acked >= enough {
					once.Do(func() { close(done) })
				}
				mu.Unlock()
			}
		})
	}
	return done, wg.Wait
}

// send posts one deployment, and once more with the same id, as a client does
// whose answer was lost; it says whether either was acknowledged.
func send(client *http.Client, url, token, id string) bool {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(len(id)) * time.Hour).Format(time.RFC3339)
	body := fmt.Sprintf(`{"type":"deployment","id":%q,"project":"crash","service":"api","environment":"production","outcome":"success","finished_at":%q}`, id, at)
	for range 2 {
		req, err := http.NewRequest(http.MethodPost, url+"/api/dora/v1/events", strings.NewReader(body))
		if err != nil {
			return false
		}
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := client.Do(req)
		if err != nil {
			continue
		}
		_, err = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close() // read to its end
		if err == nil && (resp.StatusCode == http.StatusAccepted || resp.StatusCode == http.StatusOK) {
			return true
		}
	}
	return false
}

func newClient() *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections}, Timeout: 15 * time.Second}
}

// check reads the log and the deployments back: every acknowledged event once,
// nothing twice.
func (l *ledger) check(t *testing.T, p *process.Process) {
	t.Helper()
	client := newClient()
	defer client.CloseIdleConnections()
	inLog := map[string]int{}
	for after := int64(0); ; {
		var page struct {
			Next  int64
			Items []struct{ Event struct{ ID string } }
		}
		read(t, client, p, fmt.Sprintf("/api/dora/v1/events?after=%d&limit=1000", after), &page)
		if page.Next == after {
			break
		}
		for _, i := range page.Items {
			inLog[i.Event.ID]++
		}
		after = page.Next
	}
	shown := map[string]int{}
	for cursor := ""; ; {
		var page struct {
			Items      []struct{ ID string }
			NextCursor *string `json:"next_cursor"`
		}
		read(t, client, p, "/api/dora/v1/deployments?project=crash&limit=1000&cursor="+cursor, &page)
		for _, i := range page.Items {
			shown[i.ID]++
		}
		if page.NextCursor == nil {
			break
		}
		cursor = *page.NextCursor
	}
	for id := range l.acked {
		if inLog[id] != 1 || shown[id] != 1 {
			t.Errorf("%s was acknowledged and is %d times in the log, %d times among the deployments", id, inLog[id], shown[id])
		}
	}
	for id, n := range inLog {
		if n != 1 || shown[id] != 1 {
			t.Errorf("%s is %d times in the log, %d times among the deployments", id, n, shown[id])
		}
	}
}

func read(t *testing.T, client *http.Client, p *process.Process, path string, into any) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, p.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+p.Token)
	resp, err := client.Do(req)
	if err != nil {
		t.Fatalf("GET %s: %v\n%s", path, err, p.Log())
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %d %s %v", path, resp.StatusCode, text, err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("GET %s: %v", path, err)
	}
}

// TestKilledUnderLoad kills `fawkes up` at different moments under load, and
// starts it again on the same state each time.
func TestKilledUnderLoad(t *testing.T) {
	program, state := process.Build(t, "fawkes"), t.TempDir()
	l := &ledger{acked: map[string]bool{}}
	for round := range rounds() {
		p := process.Up(t, program, state)
		client := newClient()
		stop := make(chan struct{})
		reached, wait := l.load(client, p.URL, p.Token, 20+round*17%150, stop)
		select {
		case <-reached:
		case <-time.After(30 * time.Second):
			t.Fatalf("round %d: too few events were acknowledged\n%s", round, p.Log())
		}
		p.Kill()
		close(stop)
		wait()
		client.CloseIdleConnections()
	}
	p := process.Up(t, program, state)
	l.check(t, p)
	p.Stop()
	t.Logf("%d kills, %d events acknowledged, all there once", rounds(), len(l.acked))
}

// TestPostgreSQLRestartedUnderLoad restarts PostgreSQL under fawkes-service, at
// once and in a hurry in turn, and kills the service itself now and then.
func TestPostgreSQLRestartedUnderLoad(t *testing.T) {
	program := process.Build(t, "fawkes-service")
	db := pgtest.Start(t)
	url := "FAWKES_DORA_DATABASE_URL=" + db.Database(t)
	l := &ledger{acked: map[string]bool{}}
	p := process.Service(t, program, "dora", url)
	for round := range rounds() {
		client := newClient()
		stop := make(chan struct{})
		reached, wait := l.load(client, p.URL, p.Token, 20+round*17%150, stop)
		select {
		case <-reached:
		case <-time.After(30 * time.Second):
			t.Fatalf("round %d: too few events were acknowledged\n%s", round, p.Log())
		}
		if err := db.Restart([]string{"fast", "immediate"}[round%2]); err != nil {
			t.Fatal(err)
		}
		if round%5 == 4 {
			p.Kill()
		}
		close(stop)
		wait()
		client.CloseIdleConnections()
		if round%5 == 4 {
			p = process.Service(t, program, "dora", url)
		}
	}
	l.check(t, p)
	p.Stop()
	t.Logf("%d restarts, %d events acknowledged, all there once", rounds(), len(l.acked))
}
