package app_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/app"
	"github.com/fawkes-idp/fawkes/internal/kit/httpapi"
	"github.com/fawkes-idp/fawkes/internal/kit/module"
)

// restless is a module whose background work fails as told before it settles.
func restless(name string, fail func(run int64) error) (module.Module, *atomic.Int64) {
	var runs atomic.Int64
	return module.Module{Name: name, New: func(context.Context, module.Deps) (*module.Service, error) {
		return &module.Service{Start: func(ctx context.Context) error {
			if err := fail(runs.Add(1)); err != nil {
				return err
			}
			<-ctx.Done()
			return nil
		}}, nil
	}}, &runs
}

func TestFailingBackgroundWorkIsStartedAgainAndNeighboursDoNotNotice(t *testing.T) {
	calm, calmRuns := restless("calm", func(int64) error { return nil })
	panics, panicRuns := restless("panics", func(run int64) error {
		if run == 1 {
			panic("planned")
		}
		return nil
	})
	errs, errRuns := restless("errs", func(run int64) error {
		if run <= 2 {
			return errors.New("planned")
		}
		return nil
	})
	d := &diary{}
	a := start(t, options(calm, panics, errs, part(d, "web")))
	eventually(t, "both run again", func() bool { return panicRuns.Load() == 2 && errRuns.Load() == 3 })
	if status, body := get(t, a.URL()+"/api/web/who"); status != 200 || body != "web" {
		t.Errorf("the neighbour answers %d %s", status, body)
	}
	if calmRuns.Load() != 1 {
		t.Errorf("the calm module was started %d times", calmRuns.Load())
	}
	_, metrics := get(t, a.URL()+"/metrics")
	for _, want := range []string{`fawkes_app_background_restarts_total{module="panics"} 1`, `fawkes_app_background_restarts_total{module="errs"} 2`} {
		if !strings.Contains(metrics, want) {
			t.Errorf("/metrics lacks %q", want)
		}
	}
	eventually(t, "it is ready again", func() bool { status, _ := get(t, a.URL()+"/readyz"); return status == 200 })
}

func TestReadinessTellsThatBackgroundWorkIsDown(t *testing.T) {
	m, _ := restless("broken", func(int64) error { return errors.New("planned failure") })
	a := start(t, options(m))
	eventually(t, "readiness names it", func() bool {
		status, body := get(t, a.URL()+"/readyz")
		return status == 503 && strings.Contains(body, "broken background") && strings.Contains(body, "planned failure")
	})
}

func TestBackgroundWorkThatIsDoneIsLeftInPeace(t *testing.T) {
	d := &diary{}
	m := module.Module{Name: "brief", New: func(context.Context, module.Deps) (*module.Service, error) {
		return &module.Service{Start: func(context.Context) error { d.note("ran"); return nil }}, nil
	}}
	a := start(t, options(m))
	eventually(t, "it ran", func() bool { return len(d.read()) == 1 })
	stop(t, a)
	if got := d.read(); len(got) != 1 {
		t.Fatalf("it ran %d times, want once", len(got))
	}
}

// waiter is a module with a request that ends when told, and a stream.
func waiter(entered chan<- struct{}, let <-chan struct{}) module.Module {
	return module.Module{Name: "slow", Routes: []string{"/api/slow/"}, New: func(_ context.Context, deps module.Deps) (*module.Service, error) {
		mux := http.NewServeMux()
		mux.HandleFunc("GET /api/slow/wait", func(w http.ResponseWriter, r *http.Request) {
			entered <- struct{}{}
			<-let
			// A request at hand still reaches its peers while the process drains.
			base, client := deps.Peers.Client("slow")
			req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, base+"/api/slow/peer", nil)
			if err != nil {
				panic(err)
			}
			resp, err := client.Do(req)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadGateway)
				return
			}
			defer resp.Body.Close()
			if _, err := io.Copy(w, resp.Body); err != nil {
				panic(err)
			}
		})
		mux.HandleFunc("GET /api/slow/peer", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "from the peer") })
		mux.HandleFunc("GET /api/slow/stream", func(w http.ResponseWriter, r *http.Request) {
			httpapi.Allow(r, httpapi.Limits{Timeout: -1})
			fmt.Fprint(w, "begin ")
			if err := http.NewResponseController(w).Flush(); err != nil {
				panic(err)
			}
			entered <- struct{}{}
			select {
			case <-httpapi.Closing(r.Context()):
				fmt.Fprint(w, "end")
			case <-r.Context().Done():
			}
		})
		return &module.Service{Handler: httpapi.Wrap(httpapi.Options{Service: "slow", Log: deps.Log}, mux)}, nil
	}}
}

func TestStopLetsRequestsAtHandEnd(t *testing.T) {
	entered, let := make(chan struct{}), make(chan struct{})
	a := start(t, options(waiter(entered, let)))
	type result struct {
		body string
		err  error
	}
	ask := func(path string) <-chan result {
		done := make(chan result, 1)
		go func() {
			resp, err := http.Get(a.URL() + path)
			if err != nil {
				done <- result{err: err}
				return
			}
			defer resp.Body.Close()
			text, err := io.ReadAll(resp.Body)
			done <- result{string(text), err}
		}()
		<-entered
		return done
	}
	waiting, stream := ask("/api/slow/wait"), ask("/api/slow/stream")
	// A connection that has sent nothing, as browsers keep them, must not hold the stop up.
	idle, err := net.Dial("tcp", a.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()

	stopped := make(chan error, 1)
	began := time.Now()
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		stopped <- a.Stop(ctx)
	}()
	if r := <-stream; r.err != nil || r.body != "begin end" {
		t.Errorf("the stream got %q, %v; want it to end by itself", r.body, r.err)
	}
	eventually(t, "new connections are refused", func() bool {
		c, err := net.DialTimeout("tcp", a.Addr(), time.Second)
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	})
	select {
	case err := <-stopped:
		t.Fatalf("Stop returned (%v) before the request at hand was answered", err)
	default:
	}
	close(let)
	if r := <-waiting; r.err != nil || r.body != "from the peer" {
		t.Errorf("the request at hand got %q, %v", r.body, r.err)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Stop = %v", err)
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("the stop took %s: the idle connection was waited for", took)
	}
	if err := a.Stop(context.Background()); err != nil {
		t.Errorf("a second Stop = %v, want nil", err)
	}
}

func TestStopBreaksOffWhatDoesNotEnd(t *testing.T) {
	entered, let := make(chan struct{}), make(chan struct{})
	defer close(let)
	d := &diary{}
	a, err := app.New(options(waiter(entered, let), part(d, "web")))
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	broken := make(chan error, 1)
	go func() {
		resp, err := http.Get(a.URL() + "/api/slow/wait")
		if err == nil {
			err = resp.Body.Close()
		}
		broken <- err
	}()
	<-entered
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := a.Stop(ctx); err == nil || !strings.Contains(err.Error(), "broken off") {
		t.Errorf("Stop = %v, want it to say that requests were broken off", err)
	}
	if err := <-broken; err == nil {
		t.Error("the client of the request that never ended got an answer")
	}
	if got := strings.Join(d.read(), ", "); got != "new web, background of web ended, stop web" {
		t.Errorf("the other module went %s, want it stopped in order all the same", got)
	}
}

func TestPeersInOneProcessAreReachedInMemory(t *testing.T) {
	entered, let := make(chan struct{}, 1), make(chan struct{})
	close(let)
	a := start(t, options(waiter(entered, let)))
	if status, body := get(t, a.URL()+"/api/slow/wait"); status != 200 || body != "from the peer" {
		t.Fatalf("%d %s", status, body)
	}
}
