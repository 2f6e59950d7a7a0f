package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/clock"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
	"github.com/fawkes-idp/fawkes/services/dora"
	"github.com/fawkes-idp/fawkes/tests/process"
)

// BenchmarkProjection measures at full size: making the projection anew, the
// time until one more deployment shows, and the questions. The baseline of the
// first is reading the same log once; of the second, an idle question.
func BenchmarkProjection(b *testing.B) {
	program := process.Build(b, "fawkes-service")
	for _, engine := range []sqlstore.Engine{sqlstore.SQLite, sqlstore.Postgres} {
		url := storageURL(b, engine)
		ctx := context.Background()
		db, err := sqlstore.Open(ctx, url, sqlstore.Options{Logger: slog.New(slog.DiscardHandler), StatementTimeout: 10 * time.Minute})
		if err != nil {
			b.Fatal(err)
		}
		if err := db.Migrate(ctx, dora.Migrations()); err != nil {
			b.Fatal(err)
		}
		store := dora.NewStore(db)
		begin := time.Now()
		n := fill(b, store)
		filled := time.Since(begin)

		begin = time.Now()
		scanned := scanLog(b, store)
		scan := time.Since(begin)
		if scanned != n {
			b.Fatalf("the log holds %d events, want %d", scanned, n)
		}
		begin = time.Now()
		if err := dora.Derive(ctx, store, clock.System(), slog.New(slog.DiscardHandler)); err != nil {
			b.Fatal(err)
		}
		derived := time.Since(begin)
		row(b, fmt.Sprintf("recompute %d commits, %d deployments, %s", commits, deployments, engine),
			fmt.Sprintf("%.2f s", derived.Seconds()), "reading the log", fmt.Sprintf("%.2f s (x%.1f); storing it %.0f/s", scan.Seconds(), derived.Seconds()/scan.Seconds(), perSecond(n, filled)))
		held, err := store.Claim(ctx, "bench", []string{bigProject}, true)
		if err != nil || len(held) != 1 {
			b.Fatalf("claim the project: %d leases, %v", len(held), err)
		}
		if err := errors.Join(store.DropProjection(ctx, held[0]), store.Leave(ctx, "bench")); err != nil {
			b.Fatal(err)
		}
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
		anew(b, program, url, engine, n)
		questions(b, program, url, engine)
	}
}

func scanLog(b *testing.B, store dora.Store) int {
	b.Helper()
	origins, err := store.Origins(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	var ids []int64
	for _, o := range origins {
		ids = append(ids, o.ID)
	}
	n := 0
	if err := store.EventsOf(context.Background(), ids, 1<<62, func(dora.Entry) error { n++; return nil }); err != nil {
		b.Fatal(err)
	}
	return n
}

// anew has a server find the log without its projection, and says how much
// memory making it took. The baseline is the same server with an empty log.
func anew(b *testing.B, program, url string, engine sqlstore.Engine, n int) {
	b.Helper()
	idle := process.Service(b, program, "dora", "FAWKES_DORA_DATABASE_URL="+storageURL(b, engine))
	least, err := idle.Usage()
	if err != nil {
		b.Fatal(err)
	}
	idle.Stop()
	p := process.Service(b, program, "dora", "FAWKES_DORA_DATABASE_URL="+url)
	// What the server says it holds is the log's end before it has found out that
	// it holds nothing; the head is stored only when the projection is.
	ctx := context.Background()
	db, err := sqlstore.Open(ctx, url, sqlstore.Options{Logger: slog.New(slog.DiscardHandler), StatementTimeout: time.Minute})
	if err != nil {
		b.Fatal(err)
	}
	store := dora.NewStore(db)
	held := func() (v int) {
		heads, err := store.Heads(ctx)
		if err != nil {
			b.Fatal(err)
		}
		for _, h := range heads {
			if h.Project == bigProject {
				v = int(h.Seq)
			}
		}
		return v
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(2 * time.Minute); held() < n; <-tick.C {
		if time.Now().After(end) {
			b.Fatalf("after two minutes the projection holds %d of %d events", held(), n)
		}
	}
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
	usage, err := p.Usage()
	if err != nil {
		b.Fatal(err)
	}
	row(b, fmt.Sprintf("memory of a server that makes it anew, %s", engine), "peak "+mebibytes(usage.PeakRSS), "with an empty log", mebibytes(least.PeakRSS))
	p.Stop()
}

func questions(b *testing.B, program, url string, engine sqlstore.Engine) {
	b.Helper()
	p := process.Service(b, program, "dora", "FAWKES_DORA_DATABASE_URL="+url)
	window := "/api/dora/v1/metrics?project=" + bigProject + "&from=2026-04-01&to=2026-10-01"
	begin := time.Now()
	ask(b, p, window)
	first := time.Since(begin)
	all, one := times(b, p, window, 60), times(b, p, window+"&service=service-07", 60)
	idle := times(b, p, "/healthz", 60)
	row(b, fmt.Sprintf("five metrics over six months, %s", engine),
		fmt.Sprintf("all p95 %s, one service p95 %s", ms(quantile(all, 0.95)), ms(quantile(one, 0.95))),
		"an empty answer", fmt.Sprintf("p95 %s; the first question %s", ms(quantile(idle, 0.95)), ms(first)))

	// The first event makes the ledger from the log; what counts is the ones after.
	freshness(b, p, 0)
	loading := freshness(b, p, 1)
	var fresh []time.Duration
	for n := range 20 {
		fresh = append(fresh, freshness(b, p, n+2))
	}
	usage, err := p.Usage()
	if err != nil {
		b.Fatal(err)
	}
	row(b, fmt.Sprintf("one more deployment until it is in the metrics, %s", engine),
		fmt.Sprintf("p50 %s, p95 %s, server %s (peak %s)", ms(quantile(fresh, 0.5)), ms(quantile(fresh, 0.95)), mebibytes(usage.RSS), mebibytes(usage.PeakRSS)),
		"the same question with nothing new", fmt.Sprintf("p95 %s; second event %s", ms(quantile(all, 0.95)), ms(loading)))
	p.Stop()
}

// freshness reports one more deployment and asks for the metrics at once; the
// answer must count it.
func freshness(b *testing.B, p *process.Process, n int) time.Duration {
	b.Helper()
	r := n % repositories
	at := bigBegin.Add(2*365*24*time.Hour + time.Duration(n)*time.Minute)
	body := fmt.Sprintf(`{"type":"deployment","id":"fresh-%d","project":%q,"service":"service-%02d","environment":"production","repo":%q,"sha":%q,"outcome":"success","finished_at":%q}`,
		n, bigProject, r, repoURL(r), shaOf(r, commits/repositories-1), at.Format(time.RFC3339))
	window := fmt.Sprintf("/api/dora/v1/metrics?project=%s&from=%s&to=%s", bigProject, bigBegin.Add(2*365*24*time.Hour).Format(time.RFC3339), at.Add(time.Second).Format(time.RFC3339))
	begin := time.Now()
	req, err := http.NewRequest(http.MethodPost, p.URL+"/api/dora/v1/events", strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	do(b, p, req)
	for {
		var report struct {
			Stale   bool
			Metrics []struct{ N int }
		}
		if err := json.Unmarshal(ask(b, p, window), &report); err != nil {
			b.Fatal(err)
		}
		if !report.Stale {
			if got := report.Metrics[0].N; got != n+1 {
				b.Fatalf("after %d deployments the metrics count %d", n+1, got)
			}
			return time.Since(begin)
		}
	}
}

func times(b *testing.B, p *process.Process, path string, n int) []time.Duration {
	b.Helper()
	var out []time.Duration
	for range n {
		begin := time.Now()
		ask(b, p, path)
		out = append(out, time.Since(begin))
	}
	return out
}

func ask(b *testing.B, p *process.Process, path string) []byte {
	b.Helper()
	req, err := http.NewRequest(http.MethodGet, p.URL+path, nil)
	if err != nil {
		b.Fatal(err)
	}
	return do(b, p, req)
}

func do(b *testing.B, p *process.Process, req *http.Request) []byte {
	b.Helper()
	req.Header.Set("Authorization", "Bearer "+p.Token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.Fatalf("%v\n%s", err, p.Log())
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	var text bytes.Buffer
	if _, err := io.Copy(&text, resp.Body); err != nil || resp.StatusCode >= 300 {
		b.Fatalf("%s %s: %d %s %v", req.Method, req.URL, resp.StatusCode, text.String(), err)
	}
	return text.Bytes()
}
