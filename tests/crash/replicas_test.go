package crash

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore/pgtest"
	"github.com/fawkes-idp/fawkes/tests/process"
)

// shops is how many projects the replicas' test has: so many that one of two
// replicas, which share them by a hash of their random names, has none of them
// once in 30,000 times.
const shops = 16

// kills is how often a replica is killed: three times, or ten with FAWKES_SOAK=1.
func kills() int {
	if os.Getenv("FAWKES_SOAK") != "" {
		return 10
	}
	return 3
}

// shopEvent is event n of the histories that are sent: in each project, commits
// that build on each other, a deployment of each, and incidents.
func shopEvent(n int) (id, project, line string) {
	project = fmt.Sprintf("shop%d", n%shops)
	k := n / shops
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(k) * 10 * time.Minute)
	sha := func(i int) string { return fmt.Sprintf("%039x%x", i+1, n%shops) }
	stamp := at.Format(time.RFC3339)
	switch c := k / 3; k % 3 {
	case 0:
		parents := "[]"
		if c > 0 {
			parents = fmt.Sprintf("[%q]", sha(c-1))
		}
		return sha(c), project, fmt.Sprintf(`{"type":"commit","project":%q,"repo":"https://git.example/acme/%s","sha":%q,"parents":%s,"authored_at":%q,"committed_at":%q}`, project, project, sha(c), parents, stamp, stamp)
	case 1:
		id = fmt.Sprintf("d%d", n)
		return id, project, fmt.Sprintf(`{"type":"deployment","id":%q,"project":%q,"service":"api","environment":"production","repo":"https://git.example/acme/%s","sha":%q,"outcome":"success","finished_at":%q}`, id, project, project, sha(c), stamp)
	}
	id = fmt.Sprintf("i%d", n)
	return id, project, fmt.Sprintf(`{"type":"incident","id":%q,"project":%q,"service":"api","opened_at":%q,"resolved_at":%q}`, id, project, stamp, at.Add(5*time.Minute).Format(time.RFC3339))
}

// pair is two replicas and those who send to them.
type pair struct {
	mu       sync.Mutex
	replicas [2]*process.Process
	sent     atomic.Int64
	acked    atomic.Int64
}

func (r *pair) at(i int) *process.Process {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.replicas[i%2]
}

func (r *pair) set(i int, p *process.Process) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.replicas[i] = p
}

// deliver sends an event until one of the replicas acknowledges it.
func (r *pair) deliver(ctx context.Context, client *http.Client, n int) error {
	_, _, line := shopEvent(n)
	for try := n; ctx.Err() == nil; try++ {
		p := r.at(try)
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL+"/api/dora/v1/events", strings.NewReader(line))
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+process.Token)
		resp, err := client.Do(req)
		if err != nil {
			continue // killed: the other one takes it
		}
		text, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close() // read to its end
		switch {
		case err == nil && (resp.StatusCode == http.StatusAccepted || resp.StatusCode == http.StatusOK):
			r.acked.Add(1)
			return nil
		case err == nil && resp.StatusCode < 500:
			return fmt.Errorf("event %d: %d %s", n, resp.StatusCode, text)
		}
	}
	return ctx.Err()
}

// TestReplicasKilledInTurnUnderLoad kills each of two replicas on one PostgreSQL
// in turn while clients send events and repeat what was not acknowledged.
func TestReplicasKilledInTurnUnderLoad(t *testing.T) {
	program := process.Build(t, "fawkes-service")
	server := pgtest.New(t)
	dsn := server.Database(t)
	env := "FAWKES_DORA_DATABASE_URL=" + dsn
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() }) // with the server
	r := &pair{}
	var starting sync.WaitGroup // both migrate the same empty database
	for i := range 2 {
		starting.Go(func() { r.set(i, process.Service(t, program, "dora", env)) })
	}
	starting.Wait()

	ctx, stop := context.WithTimeout(t.Context(), 5*time.Minute)
	defer stop()
	var clients sync.WaitGroup
	enough := make(chan struct{})
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}, Timeout: 15 * time.Second}
	for range connections {
		clients.Go(func() {
			for {
				select {
				case <-enough:
					return
				default:
				}
				if err := r.deliver(ctx, client, int(r.sent.Add(1)-1)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	until(t, "both replicas hold projects", func() bool { return len(holders(t, db)) == 2 })
	var moves []time.Duration
	for round := range kills() {
		n := r.acked.Load()
		until(t, "events are acknowledged", func() bool { return r.acked.Load() > n+200 })
		before := leases(t, db)
		victim := r.at(round)
		victim.Kill()
		begin := time.Now()
		until(t, "the other replica holds all leases", func() bool {
			now := leases(t, db)
			who := map[string]bool{}
			moved := 0
			for project, l := range now {
				who[l.holder] = true
				if l.holder == "" {
					continue // returned, and not taken yet
				}
				if before[project].holder != l.holder {
					moved++
					if l.epoch <= before[project].epoch {
						t.Errorf("the lease of %s moved and its epoch is %d after %d", project, l.epoch, before[project].epoch)
					}
				}
			}
			return len(who) == 1 && moved > 0
		})
		moves = append(moves, time.Since(begin).Round(10*time.Millisecond))
		n = r.acked.Load()
		until(t, "the survivor acknowledges", func() bool { return r.acked.Load() > n+50 })
		if round == 1 { // PostgreSQL as well
			if err := server.Restart("immediate"); err != nil {
				t.Fatal(err)
			}
		}
		r.set(round%2, process.Service(t, program, "dora", env))
		until(t, "both replicas hold projects again", func() bool { return len(holders(t, db)) == 2 })
	}
	close(enough)
	clients.Wait()
	stop()
	client.CloseIdleConnections()
	sent := int(r.sent.Load())

	answers := [2]map[string]string{}
	for i := range 2 {
		answers[i] = shopAnswers(t, r.at(i))
	}
	same(t, "the two replicas", answers[0], answers[1])
	r.at(0).Stop()
	r.at(1).Stop()
	inLog := 0
	if err := db.QueryRow(`SELECT count(*) FROM event`).Scan(&inLog); err != nil || inLog != sent {
		t.Errorf("%d events in the log of %d that were acknowledged, %v", inLog, sent, err)
	}
	grew := blocks(t, db)
	if _, err := db.Exec(`TRUNCATE head, block, lease, replica`); err != nil {
		t.Fatal(err)
	}
	alone := process.Service(t, program, "dora", env)
	same(t, "the replicas and a single process", answers[0], shopAnswers(t, alone))
	alone.Stop()
	same(t, "what the replicas stored and what a single process stored", grew, blocks(t, db))
	t.Logf("%d kills, %d events acknowledged, all there once; all leases held by the survivor after %v", kills(), sent, moves)
}

// shopAnswers are the answers about every project, none of them stale.
func shopAnswers(t *testing.T, p *process.Process) map[string]string {
	t.Helper()
	client := newClient()
	defer client.CloseIdleConnections()
	out := map[string]string{}
	for n := range shops {
		project := fmt.Sprintf("shop%d", n)
		until(t, project+" is up to date", func() bool {
			var report struct{ Stale bool }
			read(t, client, p, "/api/dora/v1/metrics?project="+project, &report)
			return !report.Stale
		})
		for _, list := range []string{"deployments", "changes", "incidents"} {
			var all bytes.Buffer
			for cursor := ""; ; {
				var page struct {
					Items      []any
					NextCursor *string `json:"next_cursor"`
				}
				read(t, client, p, "/api/dora/v1/"+list+"?limit=1000&project="+project+"&cursor="+cursor, &page)
				fmt.Fprintln(&all, page.Items)
				if page.NextCursor == nil {
					break
				}
				cursor = *page.NextCursor
			}
			out[project+" "+list] = all.String()
		}
	}
	return out
}

type lease struct {
	holder string
	epoch  int64
}

func leases(t *testing.T, db *sql.DB) map[string]lease {
	t.Helper()
	out := map[string]lease{}
	query(t, db, `SELECT project, holder, epoch FROM lease`, func(rows *sql.Rows) error {
		var project string
		var l lease
		err := rows.Scan(&project, &l.holder, &l.epoch)
		out[project] = l
		return err
	})
	return out
}

// holders are the replicas that hold leases; "" among them when one is free.
func holders(t *testing.T, db *sql.DB) []string {
	t.Helper()
	out := map[string]bool{}
	for _, l := range leases(t, db) {
		out[l.holder] = true
	}
	return slices.Collect(maps.Keys(out))
}

// blocks are the stored projections: of each key the newest revision.
func blocks(t *testing.T, db *sql.DB) map[string]string {
	t.Helper()
	out := map[string]string{}
	query(t, db, `SELECT project, key, body FROM block ORDER BY rev`, func(rows *sql.Rows) error {
		var project, key string
		var body []byte
		err := rows.Scan(&project, &key, &body)
		if body == nil {
			delete(out, project+" "+key)
		} else {
			out[project+" "+key] = string(body)
		}
		return err
	})
	return out
}

// query reads rows; a server that is being restarted is asked again.
func query(t *testing.T, db *sql.DB, text string, scan func(*sql.Rows) error) {
	t.Helper()
	var rows *sql.Rows
	var err error
	until(t, "PostgreSQL answers", func() bool {
		rows, err = db.Query(text) //nolint:sqlclosecheck,rowserrcheck // below
		return err == nil
	})
	defer rows.Close() //nolint:errcheck // rows.Err tells
	for rows.Next() {
		if err := scan(rows); err != nil {
			t.Fatal(err)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}

func same(t *testing.T, what string, a, b map[string]string) {
	t.Helper()
	if len(a) == 0 {
		t.Errorf("%s: there is nothing to compare", what)
	}
	for key := range maps.Keys(a) {
		if a[key] != b[key] {
			t.Errorf("%s differ in %s: %d and %d bytes", what, key, len(a[key]), len(b[key]))
		}
	}
	if len(a) != len(b) {
		t.Errorf("%s have %d and %d parts", what, len(a), len(b))
	}
}

func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(60 * time.Second)
	for !done() {
		select {
		case <-deadline:
			t.Fatalf("after a minute it is not so that %s", what)
		case <-tick.C:
		}
	}
}
