package webhook_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/clock"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore/storetest"
	"github.com/fawkes-idp/fawkes/internal/kit/webhook"
)

func migrations() fstest.MapFS {
	fs := fstest.MapFS{}
	for _, e := range []sqlstore.Engine{sqlstore.SQLite, sqlstore.Postgres} {
		fs[string(e)+"/00001_outbox.sql"] = &fstest.MapFile{Data: []byte("-- +goose Up\n" + webhook.Schema(e) + "\n-- +goose Down\nDROP TABLE outbox;\n")}
	}
	return fs
}

// world is an outbox and a receiver that answers as it is told.
type world struct {
	t      *testing.T
	db     *sqlstore.DB
	clock  *clock.Manual
	outbox *webhook.Outbox
	url    string

	mu     sync.Mutex
	got    []string // target and body of each request, in the order of their arrival
	heads  []http.Header
	answer func(n int, body string, w http.ResponseWriter)
}

func begin(t *testing.T, db *sqlstore.DB, opts webhook.Options) *world {
	t.Helper()
	w := &world{t: t, db: db, clock: clock.NewManual(time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC))}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		n := len(w.got)
		w.got, w.heads = append(w.got, strings.Trim(r.URL.Path, "/")+" "+string(body)), append(w.heads, r.Header)
		if w.answer != nil {
			w.answer(n, string(body), rw)
		}
	}))
	t.Cleanup(server.Close)
	w.url = server.URL
	opts.Clock = w.clock
	w.outbox = webhook.New(db, opts)
	return w
}

// run runs the outbox until the function it returns is called.
func (w *world) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.outbox.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("Run: %v", err)
		}
	})
	w.t.Cleanup(stop)
	return stop
}

func (w *world) add(target, key, body string) int64 {
	w.t.Helper()
	var id int64
	err := w.db.Tx(w.t.Context(), func(tx *sql.Tx) (err error) {
		id, err = w.outbox.Add(w.t.Context(), tx, webhook.Message{
			Key: key, Target: target, URL: w.url + "/" + target, Body: []byte(body), Secret: "key",
			Header: map[string]string{"X-Test": key}, Note: map[string]string{"about": body},
		})
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.outbox.Wake()
	return id
}

func (w *world) requests() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.got)
}

func (w *world) list(f webhook.Filter) []webhook.Delivery {
	w.t.Helper()
	items, _, err := w.outbox.List(w.t.Context(), f)
	if err != nil {
		w.t.Fatal(err)
	}
	return items
}

// until waits for a condition, while the clock stands still.
func (w *world) until(what string, holds func() bool) {
	w.t.Helper()
	deadline, tick := time.NewTimer(20*time.Second), time.NewTicker(2*time.Millisecond)
	defer deadline.Stop()
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline.C:
			w.t.Fatalf("this did not come about: %s; requests %v, deliveries %+v", what, w.requests(), w.list(webhook.Filter{}))
		case <-tick.C:
		}
	}
}

func (w *world) states() string {
	text := ""
	for _, d := range slices.Backward(w.list(webhook.Filter{})) {
		text += d.State + " "
	}
	return strings.TrimSpace(text)
}

func TestOutbox(t *testing.T) {
	storetest.Each(t, migrations(), func(t *testing.T, db *sqlstore.DB) {
		w := begin(t, db, webhook.Options{})
		// What is rolled back was never stored; a key is stored once.
		failure := errors.New("no")
		err := db.Tx(t.Context(), func(tx *sql.Tx) error {
			if _, err := w.outbox.Add(t.Context(), tx, webhook.Message{Key: "x", Target: "a"}); err != nil {
				return err
			}
			return failure
		})
		if !errors.Is(err, failure) || len(w.list(webhook.Filter{})) != 0 {
			t.Fatalf("after a rollback (%v) there are %d deliveries", err, len(w.list(webhook.Filter{})))
		}
		one := w.add("a", "k1", "1")
		if again := w.add("a", "k1", "other"); again != one {
			t.Fatalf("the same key was stored as %d and %d", one, again)
		}
		for i := 2; i <= 5; i++ {
			w.add("a", fmt.Sprint("k", i), fmt.Sprint(i))
		}
		w.run()
		w.until("all are delivered", func() bool { return w.states() == "delivered delivered delivered delivered delivered" })
		if got := strings.Join(w.requests(), ","); got != "a 1,a 2,a 3,a 4,a 5" {
			t.Fatalf("sent %s", got)
		}
		if h := w.heads[0]; h.Get("X-Test") != "k1" || h.Get(webhook.SignatureHeader) != webhook.Sign("key", []byte("1")) || h.Get("Content-Type") != "application/json" {
			t.Fatalf("sent with %v", h)
		}
		page, next, err := w.outbox.List(t.Context(), webhook.Filter{Limit: 2, Target: "a", State: webhook.Delivered})
		if err != nil || len(page) != 2 || page[0].Note["about"] != "5" || next == 0 {
			t.Fatalf("the first page is %+v, next %d (%v)", page, next, err)
		}
		if rest := w.list(webhook.Filter{Before: next, Limit: 10}); len(rest) != 3 || rest[0].Key != "k3" {
			t.Fatalf("the second page is %+v", rest)
		}
		if _, body, err := w.outbox.Get(t.Context(), one); err != nil || string(body) != "1" {
			t.Fatalf("the body is %s (%v)", body, err)
		}
		if err := w.outbox.Redeliver(t.Context(), one); err != nil {
			t.Fatal(err)
		}
		w.until("it is sent again", func() bool { return len(w.requests()) == 6 })
		if err := w.outbox.Redeliver(t.Context(), 1<<40); !errors.Is(err, webhook.ErrNotFound) {
			t.Fatalf("redelivering what is not there: %v", err)
		}
		w.until("it is noted", func() bool { return !strings.Contains(w.states(), "pending") })
		w.clock.Advance(time.Hour)
		if n, err := w.outbox.Prune(t.Context(), w.clock.Now()); err != nil || n != 5 {
			t.Fatalf("pruned %d (%v), want 5", n, err)
		}
		if counts, oldest, err := w.outbox.Counts(t.Context()); err != nil || counts[webhook.Delivered] != 0 || !oldest.IsZero() {
			t.Fatalf("counts are %v, %v (%v)", counts, oldest, err)
		}
	})
}

func TestWhatAnAnswerMeans(t *testing.T) {
	for _, c := range []struct {
		status int
		after  string
		state  string
		wait   time.Duration // at least, when it is tried again
	}{
		{200, "", "delivered", 0},
		{202, "", "delivered", 0},
		{301, "", "dead", 0},
		{400, "", "dead", 0},
		{401, "", "dead", 0},
		{404, "", "dead", 0},
		{410, "", "dead", 0},
		{408, "", "pending", 0},
		{425, "", "pending", 0},
		{429, "120", "pending", 2 * time.Minute},
		{500, "", "pending", 0},
		{503, "Mon, 02 Mar 2026 12:10:00 GMT", "pending", 10 * time.Minute},
		{503, "9999999999", "pending", time.Hour},
		{503, "-5", "pending", 0},
		{503, "soon", "pending", 0},
	} {
		t.Run(fmt.Sprint(c.status, c.after), func(t *testing.T) {
			w := begin(t, storetest.OpenSQLite(t, migrations()), webhook.Options{})
			w.answer = func(_ int, _ string, rw http.ResponseWriter) {
				if c.after != "" {
					rw.Header().Set("Retry-After", c.after)
				}
				rw.Header().Set("Location", w.url+"/elsewhere")
				rw.WriteHeader(c.status)
				_, _ = io.WriteString(rw, "because\n\x00 of \xff that")
			}
			w.add("a", "k", "1")
			stop := w.run()
			w.until("it was tried", func() bool { return w.list(webhook.Filter{})[0].Attempts == 1 })
			stop()
			d := w.list(webhook.Filter{})[0]
			if d.State != c.state || d.Status != c.status || d.Next.Sub(w.clock.Now()) < c.wait || d.Next.Sub(w.clock.Now()) > time.Hour {
				t.Fatalf("it is %+v", d)
			}
			if c.state != "delivered" && d.Error != fmt.Sprintf("answered %d: because   of  that", c.status) {
				t.Fatalf("the reason is %q", d.Error)
			}
			if len(w.requests()) != 1 {
				t.Fatalf("requests: %v", w.requests())
			}
		})
	}
}

func TestATargetThatIsDownHoldsUpItselfAlone(t *testing.T) {
	w := begin(t, storetest.OpenSQLite(t, migrations()), webhook.Options{Attempts: 3, Age: time.Hour})
	down := true
	w.answer = func(_ int, body string, rw http.ResponseWriter) {
		if down && strings.HasPrefix(body, "down") {
			rw.WriteHeader(http.StatusBadGateway)
		}
	}
	w.add("bad", "b1", "down 1")
	w.add("bad", "b2", "down 2")
	w.add("good", "g1", "1")
	w.run()
	w.until("the other target is told", func() bool { return w.list(webhook.Filter{Target: "good"})[0].State == webhook.Delivered })
	for range 3 { // three attempts over an hour
		w.until("the first is tried", func() bool { return !w.list(webhook.Filter{Target: "bad"})[1].Next.Before(w.clock.Now()) })
		w.clock.Advance(31 * time.Minute)
		w.outbox.Wake()
	}
	w.until("the first is given up", func() bool { return w.list(webhook.Filter{Target: "bad"})[1].State == webhook.Dead })
	w.mu.Lock()
	down = false
	w.mu.Unlock()
	w.clock.Advance(10 * time.Minute)
	w.outbox.Wake()
	w.until("the second follows", func() bool { return w.list(webhook.Filter{Target: "bad"})[0].State == webhook.Delivered })
	first := w.list(webhook.Filter{Target: "bad"})[1]
	if first.Attempts < 3 || first.Error != "answered 502" {
		t.Fatalf("the first is %+v", first)
	}
}

// A process that ends while a request is under way sends it again; one that ended before sends what waited.
func TestWhatWaitsOutlivesTheProcess(t *testing.T) {
	db := storetest.OpenSQLite(t, migrations())
	w := begin(t, db, webhook.Options{})
	entered, release := make(chan struct{}), make(chan struct{})
	w.answer = func(n int, _ string, _ http.ResponseWriter) {
		if n == 0 {
			close(entered)
			<-release
		}
	}
	w.add("a", "k1", "1")
	stop := w.run()
	<-entered
	stop()
	close(release)
	if got := w.states(); got != "pending" {
		t.Fatalf("after the stop it is %s", got)
	}
	w.run()
	w.until("it is delivered", func() bool { return w.states() == "delivered" })
	if got := w.requests(); len(got) != 2 || got[0] != got[1] {
		t.Fatalf("requests: %v", got)
	}
}

func TestAnEndpointIsLookedUpAtSending(t *testing.T) {
	var mu sync.Mutex
	at := webhook.Endpoint{}
	var fault error
	w := begin(t, storetest.OpenSQLite(t, migrations()), webhook.Options{Endpoint: func(context.Context, string) (webhook.Endpoint, error) {
		mu.Lock()
		defer mu.Unlock()
		return at, fault
	}})
	at = webhook.Endpoint{URL: w.url + "/moved", Secret: "new", Header: map[string]string{"Authorization": "Bearer t"}}
	w.add("a", "k1", "1")
	w.run()
	w.until("it is delivered", func() bool { return w.states() == "delivered" })
	if h := w.heads[0]; w.requests()[0] != "moved 1" || h.Get(webhook.SignatureHeader) != webhook.Sign("new", []byte("1")) || h.Get("Authorization") != "Bearer t" {
		t.Fatalf("sent %s with %v", w.requests()[0], h)
	}
	mu.Lock()
	fault = fmt.Errorf("hook a: %w", webhook.ErrGone)
	mu.Unlock()
	w.add("a", "k2", "2")
	w.until("it is dead", func() bool { return w.states() == "delivered dead" })
}

func TestAReceiverThatNeverAnswersIsGivenUpInTime(t *testing.T) {
	w := begin(t, storetest.OpenSQLite(t, migrations()), webhook.Options{Timeout: 50 * time.Millisecond})
	release := make(chan struct{})
	defer close(release)
	w.answer = func(int, string, http.ResponseWriter) { <-release }
	w.add("a", "k1", "1")
	w.run()
	w.until("the attempt has ended", func() bool { return w.list(webhook.Filter{})[0].Attempts == 1 })
	if d := w.list(webhook.Filter{})[0]; d.State != webhook.Pending || d.Error != "no answer in time" || d.Status != 0 {
		t.Fatalf("it is %+v", d)
	}
}
