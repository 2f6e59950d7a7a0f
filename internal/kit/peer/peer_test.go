package peer_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/peer"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

// serveInMemory serves h on an in-memory listener until the test ends.
func serveInMemory(t *testing.T, h http.Handler) *peer.Listener {
	t.Helper()
	l := peer.NewListener()
	server := &http.Server{Handler: h, ReadHeaderTimeout: time.Second}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("Serve = %v", err)
		}
	})
	return l
}

func newNetwork(t *testing.T, opts peer.Options) peer.Network {
	t.Helper()
	n, err := peer.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func ask(t *testing.T, n peer.Network, service, path string) string {
	t.Helper()
	base, client := n.Client(service)
	resp, err := client.Get(base + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(resp.StatusCode, " ", string(text))
}

func TestANeighbourIsReachedInMemoryAndAnotherOverTheNetwork(t *testing.T) {
	say := func(who string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, who, " ", r.URL.Path) })
	}
	outside := httptest.NewServer(say("outside"))
	defer outside.Close()
	n := newNetwork(t, peer.Options{Local: []string{"dora"}, Listener: serveInMemory(t, say("inside")), URLs: map[string]string{"identity": outside.URL + "/"}})
	if got := ask(t, n, "dora", "/api/dora/x"); got != "200 inside /api/dora/x" {
		t.Errorf("dora answered %q", got)
	}
	if got := ask(t, n, "identity", "/api/identity/x"); got != "200 outside /api/identity/x" {
		t.Errorf("identity answered %q", got)
	}
	if base, _ := n.Client("vsm"); base != "http://vsm" {
		t.Errorf("a service without an address is looked for at %s, want http://vsm", base)
	}
}

func TestManyCallsInMemoryAtOnce(t *testing.T) {
	l := serveInMemory(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			_, err = w.Write(body)
		}
		if err != nil {
			t.Error(err)
		}
	}))
	n := newNetwork(t, peer.Options{Local: []string{"a"}, Listener: l})
	base, client := n.Client("a")
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			want := strings.Repeat(fmt.Sprint(i), 50_000)
			for range 5 {
				resp, err := client.Post(base+"/x", "text/plain", strings.NewReader(want))
				if err != nil {
					t.Error(err)
					return
				}
				got, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || string(got) != want {
					t.Errorf("%d bytes came back, %v; want the %d that were sent", len(got), err, len(want))
				}
			}
		})
	}
	wg.Wait()
}

func TestTheRequestIDGoesAlong(t *testing.T) {
	l := serveInMemory(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Header.Get("X-Request-Id")) }))
	n := newNetwork(t, peer.Options{Local: []string{"a"}, Listener: l})
	base, client := n.Client("a")
	r, err := http.NewRequestWithContext(problem.WithRequest(context.Background(), "id-7", nil), http.MethodGet, base, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got, err := io.ReadAll(resp.Body); err != nil || string(got) != "id-7" {
		t.Fatalf("the peer saw the id %q, %v; want id-7", got, err)
	}
	if r.Header.Get("X-Request-Id") != "" {
		t.Error("the caller's own request was changed")
	}
}

func TestRedirectsAreHandedToTheCaller(t *testing.T) {
	l := serveInMemory(t, http.RedirectHandler("http://elsewhere.example/", http.StatusFound))
	n := newNetwork(t, peer.Options{Local: []string{"a"}, Listener: l})
	if got := ask(t, n, "a", "/"); !strings.HasPrefix(got, "302 ") {
		t.Fatalf("got %q, want the redirect itself", got)
	}
}

func TestADialEndsWithItsContextOrTheListener(t *testing.T) {
	l := peer.NewListener() // nobody accepts
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if _, err := l.DialContext(ctx, "", ""); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("dial = %v, want the end of its context", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatalf("closing twice = %v", err)
	}
	if _, err := l.DialContext(context.Background(), "", ""); !errors.Is(err, net.ErrClosed) {
		t.Fatalf("dial = %v, want closed", err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Fatalf("accept = %v, want closed", err)
	}
}

func TestAddressesComeFromTheEnvironment(t *testing.T) {
	got := peer.FromEnv([]string{"FAWKES_PEER_IDENTITY_URL=http://i:1", "FAWKES_PEER_MCP_K8S_URL=http://m", "FAWKES_PEER_EMPTY_URL=", "FAWKES_PEER_X=1", "OTHER=1"})
	if want := map[string]string{"identity": "http://i:1", "mcp-k8s": "http://m"}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	for _, bad := range []string{"nonsense", "ftp://x", "http://"} {
		if _, err := peer.New(peer.Options{URLs: map[string]string{"x": bad}}); err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("New with the address %q = %v, want it refused by name", bad, err)
		}
	}
	if _, err := peer.New(peer.Options{Local: []string{"a"}}); err == nil {
		t.Error("New with neighbours and no listener = nil, want an error")
	}
}
