package gitops

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/httpapi"
)

const operator = "an operator's token of at least 32 characters"

// served is the API of a world.
func (w *world) served() *httptest.Server {
	w.t.Helper()
	v, err := auth.NewVerifier(auth.Options{Audience: "gitops", StaticToken: operator, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		w.t.Fatal(err)
	}
	api := httpapi.New(httpapi.Options{Service: "gitops", Title: "GitOps", Version: "1", Log: slog.New(slog.DiscardHandler), Verifier: v})
	(&server{e: w.e, auth: v, streams: make(chan struct{}, 2)}).register(api)
	s := httptest.NewServer(api.Handler())
	w.t.Cleanup(s.Close)
	return s
}

func ask(t *testing.T, s *httptest.Server, method, path, body string, header ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+operator)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestTheAPITellsAndActs(t *testing.T) {
	w := newWorld(t, threeEnvironments)
	w.release("hello", "dev", "v1")
	w.push("v1")
	w.settle()
	s := w.served()
	for _, c := range []struct {
		method, path, body string
		status             int
		want               []string
	}{
		{"GET", "/applications", "", 200, []string{`"name":"hello-dev"`, `"status":"Synced"`, `"desired":2`, `"project":"hello"`, `"path":"apps/hello/dev"`, digest("v1"), `"problem":null`}},
		{"GET", "/applications?environment=staging", "", 200, []string{`"name":"hello-staging"`}},
		{"GET", "/applications?limit=1", "", 200, []string{`"next_cursor"`}},
		{"GET", "/applications?cursor=%21", "", 400, []string{"invalid_cursor"}},
		{"GET", "/applications/hello-dev", "", 200, []string{`"resources":[{"kind":"Deployment"`, `"conditions":[]`, `"initiated_by":"automatic"`, `"url":"http://127.0.0.1:4000/hello-dev"`}},
		{"GET", "/applications/nobody", "", 404, []string{`there is no application \"nobody\"`}},
		{"GET", "/applications/hello-dev/diff", "", 200, []string{`"change":"none","patch":""`}},
		{"GET", "/applications/hello-dev/history", "", 200, []string{`"phase":"Succeeded"`, `"rollback_of":null`, `"kind":"sync"`}},
		{"GET", "/applications/hello-dev/instances", "", 200, []string{`"name":"hello-dev-1"`, `"port":4000`, `"last_exit":"Error (3)"`}},
		{"GET", "/applications/hello-dev/logs?tail=2", "", 200, []string{`line one\nline two`}},
		{"GET", "/applications/hello-dev/logs?instance=x", "", 404, []string{"no such instance"}},
		{"GET", "/environments", "", 200, []string{`"name":"production"`, `"from":"staging"`, `"promote":"approval"`, `"open":true`, `"applications":1`}},
		{"GET", "/promotions?state=waiting_approval", "", 200, []string{`"to":"production"`, `"decided_by":null`}},
		{"POST", "/applications/hello-dev/sync", `{"dry_run":true}`, 200, []string{`"dry_run":true`, `"resources":[]`}},
		{"POST", "/applications/hello-dev/sync", `{}`, 200, []string{`"phase":"Running"`}},
		{"POST", "/applications/hello-dev/sync", `{}`, 409, []string{"an operation of", "runs"}},
		{"POST", "/applications/hello-dev/terminate", "", 200, []string{`"phase":"Running"`}},
		{"POST", "/applications/hello-staging/terminate", "", 409, []string{"no operation of hello-staging runs"}},
		{"POST", "/applications/hello-staging/rollback", `{"id":99}`, 404, []string{"there is no operation"}},
		{"POST", "/applications/hello-staging/promote", `{"to":"dev"}`, 409, []string{"not promoted to from"}},
		{"POST", "/applications/hello-staging/promote", `{"to":"production"}`, 200, []string{`"state":"waiting_approval"`}},
		{"POST", "/applications/hello-staging/restart", "", 200, []string{`"name":"hello-staging"`}},
		{"POST", "/promotions/2/approve", "", 200, []string{`"state":"promoting"`}},
		{"POST", "/promotions/2/reject", "", 409, []string{"the promotion is promoting"}},
		{"POST", "/promotions/77/approve", "", 404, []string{"there is no promotion"}},
		{"GET", "/connections", "", 200, []string{`"token":{"set":false}`, `"webhook_secret":{"set":true}`}},
		{"PUT", "/connections", `{"repository":{"url":"ssh://x/y"}}`, 422, []string{"is not the URL of a repository"}},
		{"PUT", "/connections", `{"repository":{"url":"http://user:pw@x/y"}}`, 422, []string{"holds a user"}},
		{"PUT", "/connections", `{"repository":{"url":"http://x/y","branch":"a..b"}}`, 422, []string{"cannot name a branch"}},
		{"PUT", "/connections", `{"repository":{"url":"http://x/y"},"public_key":"no key"}`, 422, []string{"public_key"}},
		{"PUT", "/connections", `{"repository":{"url":"http://x/y","branch":"main","token":"very secret"},"events":{"url":"http://x/hook","token":"very secret"}}`, 200, []string{`"token":{"set":true}`}},
	} {
		code, text := ask(t, s, c.method, base+c.path, c.body)
		if code != c.status {
			t.Errorf("%s %s: %d %s, want %d", c.method, c.path, code, text, c.status)
		}
		for _, want := range c.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s %s: %s\nwant %s in it", c.method, c.path, text, want)
			}
		}
		if strings.Contains(text, "very secret") || strings.Contains(text, "hook secret") {
			t.Errorf("%s %s gives a secret away: %s", c.method, c.path, text)
		}
		if open, _ := ask(t, s, c.method, base+c.path, c.body, "Authorization", ""); open != 401 {
			t.Errorf("%s %s without a token: %d", c.method, c.path, open)
		}
	}
}

func TestADeliveryThatIsNotSignedDoesNothing(t *testing.T) {
	w := newWorld(t, onlyProduction)
	s := w.served()
	body := `{"ref":"refs/heads/main"}`
	mac := hmac.New(sha256.New, []byte("hook secret"))
	mac.Write([]byte(body))
	right := "sha256=" + hex.EncodeToString(mac.Sum(nil))
	drain := func() bool {
		select {
		case <-w.e.refresh:
			return true
		default:
			return false
		}
	}
	drain()
	for _, c := range []struct {
		signature, body, event string
		status                 int
		looked                 bool
	}{
		{"", body, "push", 401, false},
		{"sha256=00", body, "push", 401, false},
		{right, body + " ", "push", 401, false},
		{right, body, "ping", 202, false},
		{right, body, "push", 202, true},
	} {
		code, text := ask(t, s, "POST", hookPath, c.body, "X-GitHub-Event", c.event, "X-Hub-Signature-256", c.signature)
		if looked := drain(); code != c.status || looked != c.looked {
			t.Errorf("%+v: %d %s, looked %v", c, code, text, looked)
		}
	}
}

func TestAStreamTellsOfEveryChange(t *testing.T) {
	w := newWorld(t, onlyProduction)
	w.release("hello", "production", "v1")
	w.push("v1")
	s := w.served()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+base+"/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+operator)
	resp, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	w.settle()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		data, ok := bytes.CutPrefix(lines.Bytes(), []byte("data: "))
		if !ok {
			continue
		}
		var a applicationInfo
		if err := json.Unmarshal(data, &a); err != nil {
			t.Fatal(err)
		}
		if a.Name == "hello-production" && a.Operation != nil && a.Operation.Phase == succeeded && a.Sync.Status == Synced {
			return
		}
	}
	t.Fatalf("the stream ended: %v", lines.Err())
}

// TestTheEngineRunsByItself lets the real clock and the background work do what
// the other tests do step by step, with many services at once.
func TestTheEngineRunsByItself(t *testing.T) {
	w := newWorld(t, threeEnvironments)
	real := &ticking{}
	w.e.clock, w.fake.clock = real, real
	services := []string{"a", "b", "c", "d", "e", "f"}
	for _, service := range services {
		w.release(service, "dev", "v1")
	}
	w.push("all of them")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.e.Run(ctx) }()
	deadline, tick := time.After(60*time.Second), time.NewTicker(50*time.Millisecond)
	defer tick.Stop()
	for {
		good := 0
		for _, service := range services {
			if o, err := w.e.store.LastOperation(ctx, service+"-staging"); err == nil && o.Phase == succeeded {
				good++
			}
		}
		if good == len(services) {
			break
		}
		select {
		case <-deadline:
			t.Fatalf("only %d reached staging\n%s", good, w.state())
		case <-tick.C:
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for _, service := range services {
		w.wantOps(service+"-dev", "sync Succeeded v1")
		w.wantOps(service+"-staging", "sync Succeeded v1")
	}
}
