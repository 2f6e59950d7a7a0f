// Package webhook is a durable outbox of HTTP deliveries. A message is stored in the transaction that causes it, and
// is sent after that transaction is durable, again and again until the receiver has taken it:
//
//	err := db.Tx(ctx, func(tx *sql.Tx) error {
//		… // the change
//		_, err := outbox.Add(ctx, tx, webhook.Message{Key: "…", Target: "dora", URL: "http://…", Body: body, Secret: secret})
//		return err
//	})
//	outbox.Wake()
//
// # What is promised
//
// A message is delivered at least once, or it is dead and says why. A crash between the sending and the noting of
// the answer sends it again with the same headers, so a receiver that keeps the delivery's id takes it once. To one
// target messages go in the order of their ids, one at a time: the first waits until it is delivered or dead, and the
// others behind it. Different targets do not wait for each other. One process at a time may run the outbox of a
// database.
//
// # What becomes of an answer
//
//	2xx                          delivered
//	408, 425, 429, 5xx           tried again, not before Retry-After
//	no answer, or none in time   tried again
//	anything else, 3xx too       dead at once: the same request would be refused again
//
// Attempts are further and further apart, with a random part. A message is dead when it has been tried Options.Attempts
// times over at least Options.Age. Redeliver makes any message pending again, in its old place.
package webhook

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/clock"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
)

// Message is one request to send.
type Message struct {
	// Key makes storing idempotent: of messages with one key the first is stored.
	Key string
	// Target is the queue whose order is kept: the name of a hook.
	Target string
	// URL is where it is sent, unless Options.Endpoint says otherwise at the time.
	URL string
	// Header is sent as it is, beside Content-Type (application/json unless it is here) and User-Agent.
	Header map[string]string
	Body   []byte
	// Secret, when not empty, signs Body at sending, as GitHub does: X-Hub-Signature-256.
	Secret string
	// Note is for lists and is never sent.
	Note map[string]string
}

// Endpoint is where a target is at the moment of sending.
type Endpoint struct {
	URL    string
	Secret string
	Header map[string]string // added to the message's own
}

// ErrGone is what Options.Endpoint answers for a target that is no more; its messages are dead.
var ErrGone = errors.New("the target was removed")

// ErrNotFound says that no delivery has the id.
var ErrNotFound = errors.New("no such delivery")

// Options adjusts an Outbox. The zero value is good.
type Options struct {
	Clock clock.Clock
	Log   *slog.Logger
	// Transport carries the requests; nil is a direct one without a proxy.
	Transport http.RoundTripper
	// Endpoint, when set, says where a target is now, so that a changed address or secret reaches what waits.
	Endpoint func(ctx context.Context, target string) (Endpoint, error)
	// Agent is the User-Agent; default "fawkes-webhook".
	Agent string
	// Workers bounds the requests under way; default 8.
	Workers int
	// Timeout bounds one request; default 15 seconds.
	Timeout time.Duration
	// First and Most bound the wait after a failure, which doubles; default half a second and five minutes.
	First, Most time.Duration
	// Attempts and Age are what a message gets before it is dead, both of them; default 12 and a day.
	Attempts int
	Age      time.Duration
	// Observe, when set, hears of each attempt: "delivered", "retried" or "dead".
	Observe func(target, result string)
}

func (o Options) withDefaults() Options {
	if o.Clock == nil {
		o.Clock = clock.System()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Timeout <= 0 {
		o.Timeout = 15 * time.Second
	}
	if o.Transport == nil {
		o.Transport = &http.Transport{
			DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			TLSHandshakeTimeout: 5 * time.Second, IdleConnTimeout: 30 * time.Second, MaxIdleConnsPerHost: 2,
			MaxResponseHeaderBytes: 64 << 10,
		}
	}
	if o.Agent == "" {
		o.Agent = "fawkes-webhook"
	}
	if o.Workers <= 0 {
		o.Workers = 8
	}
	if o.First <= 0 {
		o.First = 500 * time.Millisecond
	}
	if o.Most <= 0 {
		o.Most = 5 * time.Minute
	}
	if o.Attempts <= 0 {
		o.Attempts = 12
	}
	if o.Age <= 0 {
		o.Age = 24 * time.Hour
	}
	if o.Observe == nil {
		o.Observe = func(string, string) {}
	}
	return o
}

// Outbox stores and sends messages. It is safe for concurrent use.
type Outbox struct {
	db     *sqlstore.DB
	opts   Options
	client *http.Client
	wake   chan struct{}
}

// New makes an outbox on a database whose migrations made the table of Schema. It sends nothing before Run.
func New(db *sqlstore.DB, opts Options) *Outbox {
	opts = opts.withDefaults()
	return &Outbox{
		db: db, opts: opts, wake: make(chan struct{}, 1),
		client: &http.Client{
			Transport: opts.Transport, Timeout: opts.Timeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// Add stores a message in the transaction and returns its id; where the key is stored already, the id it has.
func (o *Outbox) Add(ctx context.Context, tx *sql.Tx, m Message) (id int64, err error) {
	if m.Key == "" || m.Target == "" {
		return 0, errors.New("store a delivery: it needs a key and a target")
	}
	header, err := json.Marshal(m.Header)
	if err != nil {
		return 0, fmt.Errorf("store a delivery: %w", err)
	}
	note, err := json.Marshal(m.Note)
	if err != nil {
		return 0, fmt.Errorf("store a delivery: %w", err)
	}
	now := sqlstore.Micros(o.opts.Clock.Now())
	body := m.Body
	if body == nil {
		body = []byte{}
	}
	err = tx.QueryRowContext(ctx, `INSERT INTO outbox (key, target, url, header, body, secret, note, state, attempts, created_at, queued_at, next_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, 'pending', 0, $8, $8, $8) ON CONFLICT (key) DO NOTHING RETURNING id`,
		m.Key, m.Target, m.URL, string(header), body, m.Secret, string(note), now).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		err = tx.QueryRowContext(ctx, `SELECT id FROM outbox WHERE key = $1`, m.Key).Scan(&id)
	}
	if err != nil {
		return 0, fmt.Errorf("store a delivery: %w", err)
	}
	return id, nil
}

// Wake has Run look for messages now: call it after the transaction that added some is committed.
func (o *Outbox) Wake() {
	select {
	case o.wake <- struct{}{}:
	default: // it is about to look anyway
	}
}
