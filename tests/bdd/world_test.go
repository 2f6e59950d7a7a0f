package bdd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/fawkes-idp/fawkes/internal/app"
	"github.com/fawkes-idp/fawkes/internal/kit/auth"
)

// world is one scenario: a platform of its own, and what the story has said so far.
type world struct {
	platform *app.App
	folder   string // state and repositories; removed at the end
	http     *http.Client
	log      *record

	admin   credential // sets the stage
	someone credential // speaks in the scenario

	project  string
	repo     string // of the project's first service
	services []map[string]any
	commits  map[string]string // of a real repository, by the story's name

	webhook    webhook
	pipeline   webhook
	deliveries []answer
}

// credential is how a request says who makes it; the zero value says nothing.
type credential struct{ bearer, cookie string }

// answer is a response, read to its end.
type answer struct {
	what   string // the request
	status int
	body   []byte
}

// into requires success and decodes the body.
func (a answer) into(v any) error {
	if a.status < 200 || a.status > 299 {
		return fmt.Errorf("%s answers %d: %s", a.what, a.status, a.body)
	}
	if v == nil {
		return nil
	}
	if err := json.Unmarshal(a.body, v); err != nil {
		return fmt.Errorf("%s: %w in %s", a.what, err, a.body)
	}
	return nil
}

// record keeps what the platform logs, for the scenario that fails.
type record struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// newWorld starts the platform as `fawkes up --ephemeral` does, and waits until it is ready.
func newWorld(ctx context.Context) (_ *world, err error) {
	folder, err := os.MkdirTemp("", "fawkes-bdd-")
	if err != nil {
		return nil, err
	}
	w := &world{folder: folder, http: &http.Client{Timeout: 30 * time.Second}, log: &record{}, admin: credential{bearer: auth.NewToken()}, commits: map[string]string{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	w.platform, err = app.New(app.Options{
		Modules: app.Modules(), StateDir: folder + "/state", Listen: "127.0.0.1:0", Version: "test",
		Settings: map[string]string{"identity.bootstrap_token": w.admin.bearer}, Log: slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return nil, err
	}
	if err := os.Mkdir(folder+"/state", 0o700); err != nil {
		return nil, err
	}
	if err := w.platform.Start(ctx); err != nil {
		return nil, err
	}
	return w, w.ready(ctx)
}

// ready asks until the platform says that it is.
func (w *world) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		a, err := w.request(ctx, credential{}, http.MethodGet, "/readyz", "", nil)
		if err == nil && a.status == http.StatusOK {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the platform is not ready: %w; last: %d %s %w", ctx.Err(), a.status, a.body, err)
		case <-again.C:
		}
	}
}

func (w *world) close() error {
	var faults []error
	if w.platform != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		faults = append(faults, w.platform.Stop(ctx))
	}
	w.http.CloseIdleConnections()
	return errors.Join(append(faults, os.RemoveAll(w.folder))...)
}

// request makes one request as whoever the credential says.
func (w *world) request(ctx context.Context, as credential, method, path, contentType string, body []byte, headers ...string) (answer, error) {
	what := method + " " + path
	req, err := http.NewRequestWithContext(ctx, method, w.platform.URL()+path, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if as.bearer != "" {
		req.Header.Set("Authorization", "Bearer "+as.bearer)
	}
	if as.cookie != "" {
		req.Header.Set("Cookie", as.cookie)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := w.http.Do(req)
	if err != nil {
		return answer{}, fmt.Errorf("%s: %w", what, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return answer{}, fmt.Errorf("%s: %w", what, err)
	}
	return answer{what: what, status: res.StatusCode, body: text}, nil
}

// get reads JSON as the admin.
func (w *world) get(ctx context.Context, path string, v any) error {
	a, err := w.request(ctx, w.admin, http.MethodGet, path, "", nil)
	if err != nil {
		return err
	}
	return a.into(v)
}

// send sends JSON as the admin and reads the answer into v unless it is nil.
func (w *world) send(ctx context.Context, method, path string, body, v any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	a, err := w.request(ctx, w.admin, method, path, "application/json", text)
	if err != nil {
		return err
	}
	return a.into(v)
}

// signIn opens a one-time link as a browser would and returns the session's cookie.
func (w *world) signIn(ctx context.Context, link string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, link, nil)
	if err != nil {
		return "", err
	}
	res, err := w.http.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	for _, c := range res.Cookies() {
		if c.Name == "fawkes_session" && res.StatusCode == http.StatusOK {
			return c.Name + "=" + c.Value, nil
		}
	}
	return "", fmt.Errorf("the sign-in link answers %d with the cookies %v, want 200 and fawkes_session", res.StatusCode, res.Cookies())
}

// commit is the hash of a commit of the story.
func (w *world) commit(name string) string {
	if sha, ok := w.commits[name]; ok {
		return sha
	}
	return shaOf(name)
}
