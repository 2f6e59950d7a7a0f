package gitops

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/httpapi"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

// How streams behave.
const (
	heartbeat = 15 * time.Second // a comment when there was nothing for so long
	patience  = 10 * time.Second // a reader that takes nothing for so long is cut off
)

// events is one stream of server-sent events.
type events struct {
	w       http.ResponseWriter
	control *http.ResponseController
	r       *http.Request
	auth    *auth.Verifier
	judged  time.Time
}

// open begins a stream; close gives its place back. nil when there is none.
func (s *server) open(w http.ResponseWriter, r *http.Request) (ev *events, ctx context.Context, done func()) {
	select {
	case s.streams <- struct{}{}:
	default:
		w.Header().Set("Retry-After", "5")
		problem.Write(w, r, problem.New(problem.Unavailable, "%d streams are open already", cap(s.streams)).WithMend("come again after Retry-After"))
		return nil, nil, nil
	}
	httpapi.Allow(r, httpapi.Limits{Timeout: -1})
	ctx, cancel := context.WithCancel(r.Context())
	go func() {
		select {
		case <-httpapi.Closing(r.Context()):
			cancel()
		case <-ctx.Done():
		}
	}()
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	ev = &events{w: w, control: http.NewResponseController(w), r: r, auth: s.auth, judged: time.Now()}
	return ev, ctx, func() { cancel(); <-s.streams }
}

// still judges the caller again, so that a stream ends with its credential.
func (ev *events) still() error {
	if time.Since(ev.judged) < auth.MaxCache {
		return nil
	}
	p, err := ev.auth.Authenticate(ev.r)
	if err != nil {
		return err
	}
	if !p.Can(auth.ScopeGitOpsRead) {
		return errors.New("the credential no longer has the scope")
	}
	ev.judged = time.Now()
	return nil
}

func (ev *events) send(text string) error {
	if err := ev.control.SetWriteDeadline(time.Now().Add(patience)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := io.WriteString(ev.w, text); err != nil {
		return err
	}
	if err := ev.control.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}

func (ev *events) event(name string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode an event: %w", err)
	}
	return ev.send("event: " + name + "\ndata: " + string(text) + "\n\n")
}

// stream tells of every application, and then of each that changes: GET /stream.
func (s *server) stream(w http.ResponseWriter, r *http.Request) {
	sub := s.e.hub.subscribe()
	defer sub.close()
	ev, ctx, done := s.open(w, r)
	if ev == nil {
		return
	}
	defer done()
	if ev.send("retry: 2000\n\n") != nil {
		return
	}
	apps, err := s.e.store.Applications(ctx)
	if err != nil {
		return
	}
	for _, a := range apps {
		if a.Present || a.Applied {
			if s.tell(ctx, ev, a.Name) != nil {
				return
			}
		}
	}
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			_ = ev.send(": the program is stopping; come again\n\n") // the reader may be gone
			return
		case <-tick.C:
			if ev.still() != nil || ev.send(": still here\n\n") != nil {
				return
			}
		case <-sub.wake:
			for _, name := range sub.take() {
				if s.tell(ctx, ev, name) != nil {
					return
				}
			}
		}
	}
}

func (s *server) tell(ctx context.Context, ev *events, name string) error {
	info, err := s.shown(ctx, name)
	if err != nil {
		if ctx.Err() == nil && problem.From(err).Code == problem.NotFound {
			return nil
		}
		return err
	}
	return ev.event("application", info)
}

type logLine struct {
	Text string `json:"text"`
}

// streamLogs follows what a copy writes: GET /applications/{name}/logs/stream.
func (s *server) streamLogs(w http.ResponseWriter, r *http.Request) {
	name, instance := r.PathValue("name"), r.URL.Query().Get("instance")
	if _, err := s.e.store.Application(r.Context(), name); err != nil {
		problem.Write(w, r, answer(err, "application", name))
		return
	}
	if _, err := s.e.cluster.Logs(name, instance, 1); err != nil {
		problem.Write(w, r, problem.New(problem.NotFound, "there are no logs: %s", short(err.Error(), 300)))
		return
	}
	ev, ctx, done := s.open(w, r)
	if ev == nil {
		return
	}
	defer done()
	lines := make(chan string, 64)
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		// Why it ends is of no use to the reader: the copy is gone, or the reader is.
		_ = s.e.cluster.Follow(ctx, name, instance, 200, func(line string) error {
			select {
			case lines <- line:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	defer func() { cancel(); <-ended }()
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case line := <-lines:
			if ev.event("log", logLine{strings.ToValidUTF8(line, "�")}) != nil {
				return
			}
		case <-tick.C:
			if ev.still() != nil || ev.send(": still here\n\n") != nil {
				return
			}
		case <-ended:
			_ = ev.event("end", struct{}{}) // the reader may be gone
			return
		}
	}
}

// hookPath is where the environment repository's webhook delivers to.
const hookPath = "/webhooks/gitops/github"

// hook takes a push of the environment repository, shaped and signed as GitHub's.
// It only has the repository be looked at: nothing of the delivery is believed.
func (s *server) hook(w http.ResponseWriter, r *http.Request) {
	httpapi.Allow(r, httpapi.Limits{Body: 25 << 20, Timeout: 30 * time.Second, Streams: true})
	secret := s.e.connections().WebhookSecret
	if secret == "" {
		problem.Write(w, r, problem.New(problem.BadSignature, "no secret is set up for deliveries").WithMend("set webhook_secret: PUT "+base+"/connections"))
		return
	}
	digits, ok := strings.CutPrefix(r.Header.Get("X-Hub-Signature-256"), "sha256=")
	given, err := hex.DecodeString(digits)
	if !ok || err != nil || len(given) != sha256.Size {
		problem.Write(w, r, problem.New(problem.BadSignature, "want sha256= and 64 hexadecimal digits").WithField("X-Hub-Signature-256"))
		return
	}
	sum := hmac.New(sha256.New, []byte(secret))
	if _, err := io.Copy(sum, r.Body); err != nil {
		problem.Write(w, r, problem.New(problem.InvalidBody, "the body broke off").WithCause(err))
		return
	}
	if !hmac.Equal(given, sum.Sum(nil)) {
		problem.Write(w, r, problem.New(problem.BadSignature, "the signature does not match the body and the secret").WithField("X-Hub-Signature-256"))
		return
	}
	if event := r.Header.Get("X-GitHub-Event"); event == "push" || event == "create" || event == "delete" {
		s.e.Kick()
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, "{\"accepted\":true}\n")
}
