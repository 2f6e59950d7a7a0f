package bench

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/tests/process"
)

// BenchmarkBulk posts 200,000 events in the bulk format. The baseline puts as
// many rows into the same engine in batches of 1,000.
func BenchmarkBulk(b *testing.B) {
	const n, batch = 200_000, 5_000
	var bodies [][]byte
	var body bytes.Buffer
	count := 0
	bigEvents(func(e event.Event) {
		if count == n {
			return
		}
		line, err := event.MarshalLine(e)
		if err != nil {
			b.Fatal(err)
		}
		body.Write(line)
		body.WriteByte('\n')
		if count++; count%batch == 0 {
			bodies = append(bodies, bytes.Clone(body.Bytes()))
			body.Reset()
		}
	})
	program := process.Build(b, "fawkes-service")
	for _, engine := range []sqlstore.Engine{sqlstore.SQLite, sqlstore.Postgres} {
		rows := plainRows(b, engine, n)
		p := process.Service(b, program, "dora", "FAWKES_DORA_DATABASE_URL="+storageURL(b, engine))
		begin := time.Now()
		for _, body := range bodies {
			req, err := http.NewRequest(http.MethodPost, p.URL+"/api/dora/v1/events:batch", bytes.NewReader(body))
			if err != nil {
				b.Fatal(err)
			}
			var res struct{ Stored, Rejected int }
			if err := json.Unmarshal(do(b, p, req), &res); err != nil || res.Stored != batch {
				b.Fatalf("%+v %v", res, err)
			}
		}
		took := time.Since(begin)
		usage, err := p.Usage()
		if err != nil {
			b.Fatal(err)
		}
		row(b, fmt.Sprintf("bulk events, %s", engine), fmt.Sprintf("%.0f/s, server %s", perSecond(n, took), mebibytes(usage.PeakRSS)),
			"plain rows, batches of 1,000", fmt.Sprintf("%.0f/s", rows))
		p.Stop()
	}
}

// plainRows is how many rows a second a prepared INSERT puts into a table.
func plainRows(b *testing.B, engine sqlstore.Engine, n int) float64 {
	b.Helper()
	ctx := context.Background()
	db, err := sqlstore.Open(ctx, storageURL(b, engine), sqlstore.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // of no further use
	if _, err := db.Write.ExecContext(ctx, `CREATE TABLE t (id INTEGER PRIMARY KEY, body TEXT NOT NULL)`); err != nil {
		b.Fatal(err)
	}
	body := strings.Repeat("x", 100)
	begin := time.Now()
	for from := 0; from < n; from += 1000 {
		if err := db.Tx(ctx, func(tx *sql.Tx) error {
			put, err := tx.PrepareContext(ctx, `INSERT INTO t (id, body) VALUES ($1, $2)`)
			if err != nil {
				return err
			}
			defer put.Close() //nolint:errcheck // ends with the transaction
			for i := range 1000 {
				if _, err := put.ExecContext(ctx, from+i, body); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
	return perSecond(n, time.Since(begin))
}

// BenchmarkGitImport imports a repository of 100,000 commits with two files
// each. The baseline is the git walk that yields the same fields.
func BenchmarkGitImport(b *testing.B) {
	const n = 100_000
	repo := madeRepository(b, n)
	cli := process.Build(b, "fawkes")
	for _, paths := range []bool{false, true} {
		format := []string{"-C", repo, "log", "--format=%H %P %an %ae %at %ct", "main"}
		name := "without paths"
		if paths {
			format = []string{"-C", repo, "log", "--format=%H %P %an %ae %at %ct", "--name-only", "-z", "main"}
			name = "with paths"
		}
		p := process.Up(b, cli, b.TempDir())
		begin := time.Now()
		if out, err := exec.Command("git", format...).Output(); err != nil || len(out) < n {
			b.Fatalf("walk: %v", err)
		}
		walk := time.Since(begin)
		args := []string{"dora", "import", "git", repo, "--project", "bench", "--service", "api", "--branch", "main"}
		if paths {
			args = append(args, "--paths")
		}
		cmd := exec.Command(cli, args...)
		cmd.Env = append(os.Environ(), "FAWKES_API="+p.URL, "FAWKES_TOKEN="+p.Token)
		begin = time.Now()
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("import: %v\n%s", err, out)
		}
		took := time.Since(begin)
		row(b, fmt.Sprintf("import git, %d commits, %s", n, name), fmt.Sprintf("%.2f s (%.0f/s)", took.Seconds(), perSecond(n, took)),
			"the git walk", fmt.Sprintf("%.2f s (x%.1f)", walk.Seconds(), took.Seconds()/walk.Seconds()))
		p.Stop()
	}
}

// madeRepository writes a repository by git fast-import.
func madeRepository(b *testing.B, n int) string {
	b.Helper()
	repo := filepath.Join(b.TempDir(), "made.git")
	if out, err := exec.Command("git", "init", "-q", "--bare", "-b", "main", repo).CombinedOutput(); err != nil {
		b.Fatalf("git init: %v\n%s", err, out)
	}
	var in bytes.Buffer
	for i := range n {
		at := 1_500_000_000 + i*600
		fmt.Fprintf(&in, "commit refs/heads/main\nauthor A %d <a%d@example.org> %d +0000\ncommitter C <c@example.org> %d +0000\ndata 7\nchange\n", i%50, i%50, at, at+60)
		for f := range 2 {
			content := fmt.Sprint(i)
			fmt.Fprintf(&in, "M 100644 inline dir-%d/file-%d\ndata %d\n%s\n", i%40, (i+f)%200, len(content), content)
		}
	}
	cmd := exec.Command("git", "-C", repo, "fast-import", "--quiet")
	cmd.Stdin = &in
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("git fast-import: %v\n%s", err, out)
	}
	return repo
}

// BenchmarkStart measures `fawkes up`: until it is ready, its memory, and what
// it takes at rest. The baseline is a process that only prints its version.
func BenchmarkStart(b *testing.B) {
	cli := process.Build(b, "fawkes")
	var version []time.Duration
	for range 5 {
		begin := time.Now()
		if out, err := exec.Command(cli, "version").CombinedOutput(); err != nil {
			b.Fatalf("version: %v\n%s", err, out)
		}
		version = append(version, time.Since(begin))
	}
	state := b.TempDir()
	first := process.Up(b, cli, state)
	first.Stop()
	p := process.Up(b, cli, state)
	before, err := p.Usage()
	if err != nil {
		b.Fatal(err)
	}
	const rest = 20 * time.Second
	timer := time.NewTimer(rest)
	<-timer.C
	after, err := p.Usage()
	if err != nil {
		b.Fatal(err)
	}
	row(b, "fawkes up", fmt.Sprintf("ready after %s (first time %s), %s, %.2f %% of a core at rest", ms(p.ReadyAfter), ms(first.ReadyAfter), mebibytes(after.RSS),
		100*(after.CPU-before.CPU).Seconds()/rest.Seconds()), "fawkes version", ms(quantile(version, 0.5)))
	p.Stop()
}
