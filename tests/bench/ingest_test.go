package bench

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore/pgtest"
	"github.com/fawkes-idp/fawkes/services/dora"
	"github.com/fawkes-idp/fawkes/tests/process"
)

const connections = 32

// storageURL is a fresh database of the engine.
func storageURL(b *testing.B, engine sqlstore.Engine) string {
	b.Helper()
	if engine == sqlstore.Postgres {
		return pgtest.Start(b).Database(b)
	}
	return "sqlite:" + filepath.Join(b.TempDir(), "dora.db")
}

// BenchmarkIngest posts single durable events over 32 connections from this
// process to a server of its own. The baseline commits single rows with the
// same durability, one transaction each, over as many connections. The server's
// memory is told as its peak under the load, and as it is once somebody asked
// for what follows from all of these events.
func BenchmarkIngest(b *testing.B) {
	program := process.Build(b, "fawkes-service")
	for _, engine := range []sqlstore.Engine{sqlstore.SQLite, sqlstore.Postgres} {
		ingest(b, program, string(engine), storageURL(b, engine))
	}
}

// BenchmarkIngestSlowCommit is BenchmarkIngest where each commit takes 2 ms more:
// PostgreSQL itself waits so long before it flushes its log (commit_delay, which
// commit_siblings of 0 makes unconditional), for the baseline as for the server.
func BenchmarkIngestSlowCommit(b *testing.B) {
	url := storageURL(b, sqlstore.Postgres)
	join := "?"
	if strings.Contains(url, "?") {
		join = "&"
	}
	url += join + "commit_delay=2000&commit_siblings=0"
	ingest(b, process.Build(b, "fawkes-service"), "postgres, 2 ms more a commit", url)
}

func ingest(b *testing.B, program, name, url string) {
	b.Helper()
	fsync := fsyncTime(b)
	commits := singleCommits(b, url)
	p := process.Service(b, program, "dora", "FAWKES_DORA_DATABASE_URL="+url)
	hammer(b, p, 2*time.Second) // warm
	n, took, latencies := hammer(b, p, 8*time.Second)
	under, err := p.Usage()
	if err != nil {
		b.Fatal(err)
	}
	ask(b, p, "/api/dora/v1/metrics?project=bench&from=2026-01-01&to=2026-02-01")
	after, err := p.Usage()
	if err != nil {
		b.Fatal(err)
	}
	row(b, fmt.Sprintf("single events, %s, %d connections", name, connections),
		fmt.Sprintf("%.0f/s, p50 %s, p99 %s, server %s (asked %s)", perSecond(n, took), ms(quantile(latencies, 0.5)), ms(quantile(latencies, 0.99)),
			mebibytes(under.PeakRSS), mebibytes(after.RSS)),
		"single-row commits", fmt.Sprintf("%.0f/s; fsync %s", commits, ms(fsync)))
	p.Stop()
}

// BenchmarkIngestBesideRecompute is BenchmarkIngest while the server derives the
// projection of the large history from its log, and again when it has. No event
// can have waited for a write lock for longer than the longest request took.
func BenchmarkIngestBesideRecompute(b *testing.B) {
	program := process.Build(b, "fawkes-service")
	for _, engine := range []sqlstore.Engine{sqlstore.SQLite, sqlstore.Postgres} {
		url := storageURL(b, engine)
		ctx := context.Background()
		db, err := sqlstore.Open(ctx, url, sqlstore.Options{})
		if err != nil {
			b.Fatal(err)
		}
		if err := db.Migrate(ctx, dora.Migrations()); err != nil {
			b.Fatal(err)
		}
		fill(b, dora.NewStore(db))
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
		p := process.Service(b, program, "dora", "FAWKES_DORA_DATABASE_URL="+url)
		begin := time.Now()
		derived := make(chan time.Duration, 1)
		go func() {
			window := "/api/dora/v1/metrics?project=" + bigProject + "&from=2026-04-01&to=2026-10-01"
			for {
				if whole(p, window) {
					derived <- time.Since(begin)
					return
				}
			}
		}()
		n, took, latencies := hammer(b, p, 4*time.Second)
		recomputed := <-derived
		alone, tookAlone, _ := hammer(b, p, 4*time.Second)
		row(b, fmt.Sprintf("single events beside a recompute, %s", engine),
			fmt.Sprintf("%.0f/s, p99 %s, longest %s; recomputed after %s", perSecond(n, took), ms(quantile(latencies, 0.99)), ms(quantile(latencies, 1)), ms(recomputed)),
			"without one", fmt.Sprintf("%.0f/s", perSecond(alone, tookAlone)))
		p.Stop()
	}
}

// whole says whether an answer holds all that was acknowledged.
func whole(p *process.Process, path string) bool {
	req, err := http.NewRequest(http.MethodGet, p.URL+path, nil)
	if err != nil {
		return false
	}
	req.Header.Set("Authorization", "Bearer "+p.Token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	report := struct{ Stale bool }{true}
	return json.NewDecoder(resp.Body).Decode(&report) == nil && resp.StatusCode == http.StatusOK && !report.Stale
}

// hammer posts distinct events for a while.
func hammer(b *testing.B, p *process.Process, long time.Duration) (n int, took time.Duration, latencies []time.Duration) {
	b.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections}}
	defer client.CloseIdleConnections()
	var id, failed atomic.Int64
	run := time.Now().UnixNano()
	per := make([][]time.Duration, connections)
	end := time.Now().Add(long)
	begin := time.Now()
	var wg sync.WaitGroup
	for c := range connections {
		wg.Go(func() {
			for time.Now().Before(end) {
				body := eventBody(run, id.Add(1))
				at := time.Now()
				req, err := http.NewRequest(http.MethodPost, p.URL+"/api/dora/v1/events", bytes.NewReader(body))
				if err != nil {
					failed.Add(1)
					return
				}
				req.Header.Set("Authorization", "Bearer "+p.Token)
				resp, err := client.Do(req)
				if err != nil {
					failed.Add(1)
					continue
				}
				_, err = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close() // read to its end
				if err != nil || resp.StatusCode != http.StatusAccepted {
					failed.Add(1)
					continue
				}
				per[c] = append(per[c], time.Since(at))
			}
		})
	}
	wg.Wait()
	took = time.Since(begin)
	for _, d := range per {
		latencies = append(latencies, d...)
	}
	if failed.Load() > 0 || len(latencies) == 0 {
		b.Fatalf("%d requests were not acknowledged\n%s", failed.Load(), p.Log())
	}
	return len(latencies), took, latencies
}

// eventBody is a deployment of about 580 bytes, as sources send them.
func eventBody(run, n int64) []byte {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Second).Format(time.RFC3339)
	return fmt.Appendf(nil, `{"type":"deployment","id":"run-%d-%d","project":"bench","service":"service-%d","environment":"production","repo":"https://git.example/acme/service-%d.git","sha":"%040x","digest":"sha256:%064x","outcome":"success","started_at":%q,"finished_at":%q,"unplanned":false,"title":%q,"url":"https://ci.example/acme/pipelines/%d"}`,
		run, n, n%20, n%20, n, n, at, at, strings.Repeat("Deploy the next version ", 4), n)
}

// fsyncTime is the median time of a 4 KiB write with fsync.
func fsyncTime(b *testing.B) time.Duration {
	b.Helper()
	f, err := os.Create(filepath.Join(b.TempDir(), "fsync"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // of no further use
	page := make([]byte, 4096)
	var all []time.Duration
	for range 200 {
		at := time.Now()
		if _, err := f.Write(page); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
		all = append(all, time.Since(at))
	}
	return quantile(all, 0.5)
}

// singleCommits is how many rows a second the engine commits one by one.
func singleCommits(b *testing.B, url string) float64 {
	b.Helper()
	ctx := context.Background()
	db, err := sqlstore.Open(ctx, url, sqlstore.Options{MaxConns: connections})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // of no further use
	if _, err := db.Write.ExecContext(ctx, `CREATE TABLE baseline (id INTEGER PRIMARY KEY, body TEXT NOT NULL)`); err != nil {
		b.Fatal(err)
	}
	var n atomic.Int64
	begin := time.Now()
	end := begin.Add(2 * time.Second)
	var wg sync.WaitGroup
	body := strings.Repeat("x", 580)
	for range connections {
		wg.Go(func() {
			for time.Now().Before(end) {
				if err := db.Tx(ctx, func(tx *sql.Tx) error {
					_, err := tx.ExecContext(ctx, `INSERT INTO baseline (id, body) VALUES ($1, $2)`, n.Add(1), body)
					return err
				}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return perSecond(int(n.Load()), time.Since(begin))
}
