package bench

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/clock"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore/pgtest"
	"github.com/fawkes-idp/fawkes/services/dora"
	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/tests/process"
)

// BenchmarkBeside posts single events while a large project is derived anew
// again and again, and while bulk events are imported. The baseline is the same
// posting with nothing beside it, on the same server.
func BenchmarkBeside(b *testing.B) {
	program := process.Build(b, "fawkes-service")
	for _, engine := range []sqlstore.Engine{sqlstore.SQLite, sqlstore.Postgres} {
		url := storageURL(b, engine)
		db, err := sqlstore.Open(context.Background(), url, sqlstore.Options{Logger: slog.New(slog.DiscardHandler), StatementTimeout: 10 * time.Minute})
		if err != nil {
			b.Fatal(err)
		}
		if err := db.Migrate(context.Background(), dora.Migrations()); err != nil {
			b.Fatal(err)
		}
		store := dora.NewStore(db)
		fill(b, store)
		if err := dora.Derive(context.Background(), store, clock.System(), slog.New(slog.DiscardHandler)); err != nil {
			b.Fatal(err)
		}
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
		if engine == sqlstore.Postgres {
			url += "&log_min_duration_statement=50"
		}
		p := process.Service(b, program, "dora", "FAWKES_DORA_DATABASE_URL="+url)
		declare := func(spec string) {
			req, err := http.NewRequest(http.MethodPut, p.URL+"/api/dora/v1/projects/"+bigProject, strings.NewReader(spec))
			if err != nil {
				b.Error(err)
				return
			}
			req.Header.Set("Content-Type", "application/json")
			do(b, p, req)
		}
		hammer(b, p, 2*time.Second) // warm
		n, took, alone := hammer(b, p, 6*time.Second)
		baseline := fmt.Sprintf("%.0f/s, p99 %s", perSecond(n, took), ms(quantile(alone, 0.99)))

		times, before := 0, writes(b, p, engine)
		n, took, latencies := meanwhile(b, p, 10*time.Second, func() {
			declare(fmt.Sprintf(`{"project":%q,"incident_window":"%dh"}`, bigProject, 24+times%5))
			times++
		})
		row(b, fmt.Sprintf("single events beside a recomputation, %s", engine),
			fmt.Sprintf("%.0f/s, p99 %s, %d declarations", perSecond(n, took), ms(quantile(latencies, 0.99)), times), "alone", baseline+"; "+longest(before, writes(b, p, engine)))

		const batch = 5000
		imported, before := 0, writes(b, p, engine)
		var bodies [][]byte
		bulkEvents(b, batch, func(body []byte) { bodies = append(bodies, body) })
		n, took, latencies = meanwhile(b, p, 6*time.Second, func() {
			if imported == len(bodies) {
				return
			}
			req, err := http.NewRequest(http.MethodPost, p.URL+"/api/dora/v1/events:batch", bytes.NewReader(bodies[imported]))
			if err != nil {
				b.Error(err)
				return
			}
			do(b, p, req)
			imported++
		})
		row(b, fmt.Sprintf("single events beside a bulk import, %s", engine),
			fmt.Sprintf("%.0f/s, p99 %s; import %.0f/s", perSecond(n, took), ms(quantile(latencies, 0.99)), perSecond(imported*batch, took)), "alone", baseline+"; "+longest(before, writes(b, p, engine)))
		p.Stop()
	}
}

// meanwhile posts single events while something else is done again and again.
func meanwhile(b *testing.B, p *process.Process, long time.Duration, other func()) (n int, took time.Duration, latencies []time.Duration) {
	b.Helper()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				other()
			}
		}
	})
	n, took, latencies = hammer(b, p, long)
	close(stop)
	wg.Wait()
	return n, took, latencies
}

// bulkEvents yields batches of the bulk format, of a project of their own.
func bulkEvents(b *testing.B, batch int, yield func([]byte)) {
	b.Helper()
	var body bytes.Buffer
	for n := range 120 * batch {
		at := event.Micros(bigBegin.Add(time.Duration(n) * time.Minute))
		line, err := event.MarshalLine(event.New("git", "bulk", &event.Commit{
			Repo: repoURL(99), SHA: shaOf(99, n), Author: event.Some("dev@example.org"), AuthoredAt: event.Some(at), CommittedAt: event.Some(at),
		}))
		if err != nil {
			b.Fatal(err)
		}
		body.Write(line)
		body.WriteByte('\n')
		if (n+1)%batch == 0 {
			yield(bytes.Clone(body.Bytes()))
			body.Reset()
		}
	}
}

// held counts what held the database, and what of it for more than 50 ms.
type held map[string]struct{ all, long float64 }

// writes is what the server has written since it started. On SQLite there is one
// writer, and the server itself tells how long each transaction was that, and how
// long it stood still for its log to begin again. On PostgreSQL nobody holds what
// others need but for the time of one statement, which PostgreSQL tells.
func writes(b *testing.B, p *process.Process, engine sqlstore.Engine) held {
	b.Helper()
	out, within := held{}, map[string]float64{}
	for line := range strings.Lines(string(ask(b, p, "/metrics"))) {
		for _, what := range writers {
			var v float64
			name, value, _ := strings.Cut(strings.TrimSpace(line), "} ")
			if _, err := fmt.Sscan(value, &v); err != nil || !strings.Contains(name, `work="`+what) {
				continue
			}
			if strings.HasPrefix(name, "fawkes_dora_write_seconds_bucket") && strings.Contains(name, `le="0.05"`) {
				within[what] = v
			}
			if strings.HasPrefix(name, "fawkes_dora_write_seconds_count") {
				h := out[what]
				h.all = v
				out[what] = h
			}
		}
	}
	var log string
	if engine == sqlstore.Postgres {
		log = pgtest.Start(b).Log(b)
	}
	for what, h := range out {
		h.long = h.all - within[what]
		if engine == sqlstore.Postgres {
			h.long = float64(strings.Count(log, map[string]string{"event": "INSERT INTO event", "projection": "INSERT INTO block"}[what]))
		}
		out[what] = h
	}
	return out
}

var writers = []string{"event", "projection", "checkpoint"}

// longest says how many of those between two moments took longer than 50 ms.
func longest(before, after held) string {
	out := "over 50 ms:"
	for i, what := range writers {
		if i > 0 {
			out += ","
		}
		out += fmt.Sprintf(" %.0f of %.0f %ss", after[what].long-before[what].long, after[what].all-before[what].all, what)
	}
	return out
}
