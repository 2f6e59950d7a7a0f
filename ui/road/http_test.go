package road_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/clock"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/fawkes-idp/fawkes/ui/road"
)

// network leads every part to one server, or nowhere.
type network struct {
	base   string
	client *http.Client
}

func (n network) Client(string) (string, *http.Client) { return n.base, n.client }

func reader(t *testing.T, answer http.HandlerFunc) road.Reader {
	t.Helper()
	s := httptest.NewServer(answer)
	t.Cleanup(s.Close)
	r, err := road.NewHTTP(network{s.URL, s.Client()}, clock.NewManual(time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// says answers each path with a text.
func says(t *testing.T, answers map[string]string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		text, ok := answers[r.Method+" "+r.URL.RequestURI()]
		if !ok {
			t.Errorf("asked for %s %s", r.Method, r.URL.RequestURI())
			w.WriteHeader(http.StatusTeapot)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, text)
	}
}

func TestARunIsReadWithWhatIsNotKnown(t *testing.T) {
	r := reader(t, says(t, map[string]string{
		"GET /api/runner/v1/runs/run-1": `{"id":"run-1","repository":"a/b","clone_url":"http://x/git/a/b.git","branch":"main","sha":"abc","subject":"s","author":"ada","trigger":"push","attempt":1,"status":"queued","reason":null,"queued_at":"2026-11-30T12:00:00Z","started_at":null,"finished_at":null,"position":3,"retry_of":null,"image":null,"digest":null,"promoted_to":[],"gate":null,"stages":[{"name":"build","status":"pending","reason":null,"started_at":null,"finished_at":null,"summary":null}],"isolation":null,"usage":{"cpu_seconds":0,"peak_memory_bytes":0}}`,
		"GET /api/runner/v1/runs/run-2": `{"id":"run-2","status":"failed","queued_at":"2026-11-30T12:00:00Z","started_at":"2026-11-30T12:00:01Z","finished_at":"2026-11-30T12:00:05Z","gate":{"passed":false,"rules":[{"name":"secrets","passed":false,"detail":"1 secret"}]},"isolation":{"landlock":true,"pid_namespace":false,"network_namespace":true,"notes":["x"]},"usage":{"cpu_seconds":1.5,"peak_memory_bytes":7},"stages":[],"promoted_to":[]}`,
	}))
	got, err := r.Runs.Run(t.Context(), "run-1")
	if err != nil || got.Position != 3 || got.Gate != nil || got.Isolation != nil || got.CPUSeconds != nil || got.StartedAt != nil || len(got.Stages) != 1 || got.Ended() {
		t.Errorf("%+v (%v)", got, err)
	}
	if _, ok := got.Elapsed(time.Now()); ok {
		t.Error("a run that waits has a duration")
	}
	got, err = r.Runs.Run(t.Context(), "run-2")
	if err != nil || got.Gate == nil || got.Gate.Rules[0].Detail != "1 secret" || !got.Isolation.Landlock || *got.CPUSeconds != 1.5 || !got.Ended() {
		t.Errorf("%+v (%v)", got, err)
	}
	if took, ok := got.Elapsed(time.Now()); !ok || took != 4 {
		t.Errorf("it took %v, want 4 s", took)
	}
}

func TestAnApplicationIsReadInWhole(t *testing.T) {
	r := reader(t, says(t, map[string]string{
		"GET /api/gitops/v1/applications/hello-dev": `{"name":"hello-dev","service":"hello","environment":"dev","project":"hello","path":"apps/hello/dev","repository":"http://x/git/fawkes/environments.git","automatic":true,"desired_revision":"d1","subject":"s","sync":{"status":"OutOfSync","revision":"d0","message":"m"},"health":{"status":"Degraded","message":"why","since":null},"operation":null,"images":[{"name":"h/hello","digest":"sha256:1","revision":"abc"}],"url":null,"replicas":{"desired":2,"ready":1},"source":{"repository":"http://x/git/fawkes/hello.git","revision":"abc"},"paused_by_window":null,"updated_at":"2026-11-30T12:00:00Z","resources":[{"kind":"Service","name":"hello","status":"Synced","health":null,"message":null}],"conditions":[{"type":"SyncError","message":"x"}]}`,
	}))
	a, err := r.Apps.App(t.Context(), "hello-dev")
	if err != nil {
		t.Fatal(err)
	}
	if a.Health != road.Degraded || a.HealthMessage != "why" || a.Operation != nil || a.Digest() != "sha256:1" || a.Version() != "abc" || a.Revision != "d1" || len(a.Resources) != 1 || a.Conditions[0].Type != "SyncError" || a.Busy() {
		t.Errorf("%+v", a)
	}
}

func TestAnImageIsReadInWhole(t *testing.T) {
	r := reader(t, says(t, map[string]string{
		"GET /api/registry/v1/manifest?repository=a%2Fb&digest=sha256%3A1": `{"digest":"sha256:1","tags":["v1"],"media_type":"m","size_bytes":12,"created_at":null,"pushed_at":"2026-11-30T12:00:00Z","platform":"linux/amd64","entrypoint":["/app","-x"],"signed":true,"sbom":false,"revision":"abc","source":null,"repository":"a/b","config":{"cmd":[],"entrypoint":["/app"],"env":[],"labels":{},"ports":[],"user":null,"working_dir":null},"layers":[{"digest":"sha256:2","media_type":"l","size_bytes":3,"created_by":null}],"manifests":[],"annotations":{"k":"v"},"referrers":[{"digest":"sha256:3","artifact_type":null,"kind":"signature","pushed_at":"2026-11-30T12:00:00Z","size_bytes":1,"tag":null}]}`,
	}))
	m, err := r.Registry.Manifest(t.Context(), "a/b", "sha256:1")
	if err != nil || m.Digest != "sha256:1" || !m.Signed || m.SBOM || m.Entrypoint != "/app -x" || m.CreatedAt == nil || len(m.Layers) != 1 || m.Referrers[0].Type != "signature" || m.Annotations["k"] != "v" || !strings.Contains(m.Config, "/app") {
		t.Errorf("%+v (%v)", m, err)
	}
}

func TestWhatAPartSaysIsWrongReachesThePage(t *testing.T) {
	r := reader(t, func(w http.ResponseWriter, r *http.Request) {
		problem.Write(w, r, problem.New(problem.Conflict, "an operation runs").WithMend("wait for its end"))
	})
	err := r.Apps.Restart(t.Context(), "hello-dev")
	var p *problem.Problem
	if !errors.As(err, &p) || p.Status != http.StatusConflict || p.Mend != "wait for its end" {
		t.Errorf("the error is %v", err)
	}
	if err := r.Apps.Rollback(t.Context(), "hello-dev", "x"); problem.From(err).Status != http.StatusNotFound {
		t.Errorf("a roll-out that is no number: %v", err)
	}
	if _, err := r.Git.Repository(t.Context(), "alone"); problem.From(err).Status != http.StatusNotFound {
		t.Errorf("a name without an owner: %v", err)
	}
}

func TestAnArtifactIsHandedOnAndItsAbsenceSaid(t *testing.T) {
	r := reader(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "none") {
			problem.Write(w, r, problem.New(problem.NotFound, "there is no artifact"))
			return
		}
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprint(w, "hello")
	})
	c, err := r.Runs.Artifact(t.Context(), "run-1", "summary.md")
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(c)
	if cerr := c.Close(); err != nil || cerr != nil || string(text) != "hello" || c.MediaType != "text/plain" {
		t.Errorf("%q %s (%v, %v)", text, c.MediaType, err, cerr)
	}
	if _, err := r.Runs.Artifact(t.Context(), "run-1", "none"); problem.From(err).Status != http.StatusNotFound {
		t.Errorf("an artifact that is not there: %v", err)
	}
}

// A part whose name leads nowhere is absent, and is not looked for again for a minute; one that does not answer is
// down.
func TestAPartThatIsNotRunIsToldFromOneThatIsDown(t *testing.T) {
	var looked atomic.Int32
	now := clock.NewManual(time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC))
	nowhere := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		looked.Add(1)
		return nil, &net.DNSError{Err: "no such host", Name: "git", IsNotFound: true}
	}}}
	r, err := road.NewHTTP(network{"http://git", nowhere}, now)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := r.Git.Repositories(t.Context()); !errors.Is(err, road.ErrAbsent) {
			t.Fatalf("the error is %v, want that the part is absent", err)
		}
	}
	if n := looked.Load(); n != 1 {
		t.Errorf("the name was looked up %d times within a minute", n)
	}
	now.Advance(2 * time.Minute)
	if _, err := r.Git.Repositories(t.Context()); !errors.Is(err, road.ErrAbsent) || looked.Load() != 2 {
		t.Errorf("after a minute it was not looked for again (%v)", err)
	}
	refused := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("connection refused")
	}}}
	if r, err = road.NewHTTP(network{"http://git", refused}, now); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Git.Repositories(t.Context()); errors.Is(err, road.ErrAbsent) || problem.From(err).Status != http.StatusServiceUnavailable {
		t.Errorf("a part that is down: %v", err)
	}
}

func TestListsAreReadPageByPageAndBounded(t *testing.T) {
	pages := 0
	items, more, err := road.Whole(t.Context(), 5, func(_ context.Context, p road.Page) (road.List[int], error) {
		pages++
		return road.List[int]{Items: []int{1, 2, 3}, NextCursor: "c"}, nil
	})
	if err != nil || len(items) != 5 || !more || pages != 2 {
		t.Errorf("%d items from %d pages, more %v (%v)", len(items), pages, more, err)
	}
}

func TestNamesOfReferencesAndCloneURLs(t *testing.T) {
	for in, want := range map[string]string{
		"127.0.0.1:8080/fawkes/hello:v1": "fawkes/hello", "localhost/a": "a", "fawkes/hello@sha256:1": "fawkes/hello", "registry.example/a/b/c": "a/b/c", "hello": "hello",
	} {
		if got := road.ImageName(in); got != want {
			t.Errorf("the image %q is %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{
		"http://127.0.0.1:8080/git/fawkes/hello.git": "fawkes/hello", "fawkes/hello": "fawkes/hello", "https://github.com/a/b.git": "", "git@github.com:a/b.git": "", "../etc": "", "a": "", "a/b/c": "", "": "",
	} {
		if got := road.GitName(in); got != want {
			t.Errorf("the repository %q is %q, want %q", in, got, want)
		}
	}
}
