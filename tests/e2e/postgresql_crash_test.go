//go:build e2e && linux

package e2e

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// writers write rows, one a transaction, and remember which the server acknowledged.
type writers struct {
	db   *database
	stop context.CancelFunc
	all  sync.WaitGroup

	mu       sync.Mutex
	next     int64
	acked    []int64
	last     time.Time // of the last that was acknowledged
	failed   int
	failures []string // the first few
}

// write begins with some writers.
func (db *database) write(ctx context.Context, count int) *writers {
	ctx, stop := context.WithCancel(ctx)
	w := &writers{db: db, stop: stop, next: time.Now().UnixNano()}
	for range count {
		w.all.Go(func() {
			for ctx.Err() == nil {
				w.session(ctx)
			}
		})
	}
	return w
}

// session writes with one connection until it breaks.
func (w *writers) session(ctx context.Context) {
	conn, err := w.db.connect(ctx, dora, dora)
	for err == nil {
		w.mu.Lock()
		w.next++
		id := w.next
		w.mu.Unlock()
		limited, cancel := context.WithTimeout(ctx, 5*time.Second)
		_, err = conn.Exec(limited, "INSERT INTO acknowledged (id, filling) VALUES ($1::bigint, md5($1::bigint::text) || md5(($1::bigint * 3)::text))", id)
		cancel()
		if err == nil {
			w.mu.Lock()
			w.acked, w.last = append(w.acked, id), time.Now()
			w.mu.Unlock()
		}
	}
	closing(context.WithoutCancel(ctx), conn)
	if ctx.Err() == nil {
		w.mu.Lock()
		if w.failed++; w.failed <= 3 {
			w.failures = append(w.failures, err.Error())
		}
		w.mu.Unlock()
	}
}

// state is how many rows are acknowledged, how many sessions failed, and when the last row was acknowledged.
func (w *writers) state() (acked, failed int, last time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.acked), w.failed, w.last
}

// first is the first few failures.
func (w *writers) first() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.failures, "; ")
}

// survives does harm to the server while clients write, and looks for every row that was acknowledged.
func (db *database) survives(t *testing.T, ctx context.Context, harm func(context.Context) error) {
	t.Helper()
	conn := db.open(t, ctx, dora, dora)
	if _, err := conn.Exec(ctx, "CREATE TABLE IF NOT EXISTS acknowledged (id bigint PRIMARY KEY, filling text NOT NULL)"); err != nil {
		t.Fatal(err)
	}
	w := db.write(ctx, 4)
	defer w.stop()
	until := func(what string, enough func() bool) {
		eventually(t, 2*time.Minute, what, func() error {
			if enough() {
				return nil
			}
			acked, failed, _ := w.state()
			return fmt.Errorf("%d rows acknowledged, %d sessions failed: %s", acked, failed, w.first())
		})
	}
	until("rows are written", func() bool { acked, failed, _ := w.state(); return acked >= 500 || failed > 0 })
	if first := w.first(); first != "" {
		t.Fatalf("before any harm is done, a session fails: %s", first)
	}
	began := time.Now()
	if err := harm(ctx); err != nil {
		t.Fatal(err)
	}
	until("the writers notice", func() bool { _, failed, _ := w.state(); return failed >= 4 })
	before, _, last := w.state()
	until("rows are written again", func() bool { acked, _, _ := w.state(); return acked > before })
	_, _, again := w.state()
	until("the load goes on", func() bool { acked, _, _ := w.state(); return acked >= before+500 })
	w.stop()
	w.all.Wait()

	rows, err := db.open(t, ctx, dora, dora).Query(ctx, "SELECT id FROM acknowledged WHERE filling = md5(id::text) || md5((id * 3)::text)")
	if err != nil {
		t.Fatal(err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		t.Fatal(err)
	}
	there := map[int64]bool{}
	for _, id := range ids {
		there[id] = true
	}
	lost := 0
	for _, id := range w.acked {
		if !there[id] {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d acknowledged rows are lost", lost, len(w.acked))
	}
	t.Logf("%d rows acknowledged (%d before the harm was noticed), %d lost; no row was acknowledged for %.1f s, the first %.1f s after the harm was begun; %d sessions failed, the first with %s",
		len(w.acked), before, lost, again.Sub(last).Seconds(), again.Sub(began).Seconds(), w.failed, w.failures[0])
}

// sigkill kills every process of the server's container where it stands.
func (db *database) sigkill(ctx context.Context) error {
	id, err := db.c.Kubectl(ctx, "--namespace", data, "get", "pod", "postgresql-0", "-o", "jsonpath={.status.containerStatuses[0].containerID}")
	if err != nil {
		return err
	}
	_, err = db.c.Nodes[0].Exec(ctx, "ctr", "--address=/run/containerd/containerd.sock", "--namespace=k8s.io", "tasks", "kill", "--signal=SIGKILL", strings.TrimPrefix(id, "containerd://"))
	return err
}

// recovered sees that the server began again in the same pod and had to mend what it found.
func (db *database) recovered(t *testing.T, ctx context.Context) {
	t.Helper()
	restarts, err := db.c.Kubectl(ctx, "--namespace", data, "get", "pod", "postgresql-0", "-o", "jsonpath={.status.containerStatuses[0].restartCount}")
	if err != nil || restarts != "1" {
		t.Errorf("the container was started again %s times, %v; want once", restarts, err)
	}
	log, err := db.c.Kubectl(ctx, "--namespace", data, "logs", "postgresql-0")
	if err != nil || !strings.Contains(log, "database system was not properly shut down; automatic recovery in progress") {
		t.Errorf("the server does not say that it had to recover: %v\n%s", err, log)
	}
}
