package app_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/fawkes-idp/fawkes/internal/app"
	"github.com/fawkes-idp/fawkes/internal/kit/config"
	"github.com/fawkes-idp/fawkes/internal/kit/health"
	"github.com/fawkes-idp/fawkes/internal/kit/httpapi"
	"github.com/fawkes-idp/fawkes/internal/kit/module"
	"github.com/prometheus/client_golang/prometheus"
)

// diary writes down what happens, in its order.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) note(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

func (d *diary) read() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.lines)
}

func tables() fstest.MapFS {
	text := []byte("-- +goose Up\nCREATE TABLE note (text TEXT NOT NULL);\n")
	return fstest.MapFS{"sqlite/1_note.sql": {Data: text}, "postgres/1_note.sql": {Data: text}}
}

// part is a module that tells the diary what becomes of it and answers its name.
func part(d *diary, name string, needs ...string) module.Module {
	return module.Module{
		Name: name, Summary: "tests", Needs: needs, Routes: []string{"/api/" + name + "/"},
		New: func(_ context.Context, deps module.Deps) (*module.Service, error) {
			d.note("new " + name)
			mux := http.NewServeMux()
			mux.HandleFunc("GET /api/"+name+"/who", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, name) })
			return &module.Service{
				Handler: httpapi.Wrap(httpapi.Options{Service: name, Log: deps.Log}, mux),
				Start: func(ctx context.Context) error {
					<-ctx.Done()
					d.note("background of " + name + " ended")
					return nil
				},
				Stop: func(context.Context) error { d.note("stop " + name); return nil },
			}, nil
		},
	}
}

func options(modules ...module.Module) app.Options {
	return app.Options{Modules: modules, Listen: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler), Version: "test"}
}

// start brings an App up and takes it down at the end of the test.
func start(t *testing.T, opts app.Options) *app.App {
	t.Helper()
	a, err := app.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, a) })
	return a
}

func stop(t *testing.T, a *app.App) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := a.Stop(ctx); err != nil {
		t.Errorf("Stop: %v", err)
	}
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
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

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !condition() {
		select {
		case <-deadline:
			t.Fatalf("did not happen within 20 s: %s", what)
		case <-tick.C:
		}
	}
}

func TestModulesStartByNeedAndStopInReverse(t *testing.T) {
	d := &diary{}
	a := start(t, options(part(d, "web", "store", "id"), part(d, "store", "id"), part(d, "id")))
	if got, want := strings.Join(a.Names(), " "), "id store web"; got != want {
		t.Fatalf("order %s, want %s", got, want)
	}
	for _, name := range []string{"web", "store", "id"} {
		if status, body := get(t, a.URL()+"/api/"+name+"/who"); status != 200 || body != name {
			t.Errorf("%s answered %d %q", name, status, body)
		}
	}
	stop(t, a)
	want := []string{"new id", "new store", "new web",
		"background of web ended", "background of store ended", "background of id ended", "stop web", "stop store", "stop id"}
	if got := d.read(); !slices.Equal(got, want) {
		t.Fatalf("it went\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if _, err := net.DialTimeout("tcp", a.Addr(), time.Second); err == nil {
		t.Error("it still listens")
	}
}

func TestMistakesAreNamedBeforeAnythingStarts(t *testing.T) {
	d := &diary{}
	keyed := part(d, "id")
	keyed.Config = []config.Key{{Name: "id.life", Default: "1h", Check: config.IsDuration(time.Minute, time.Hour)}}
	for _, c := range []struct {
		name string
		opts app.Options
		want string
	}{
		{"a circle", options(part(d, "a", "b"), part(d, "b", "c"), part(d, "c", "b")), "b -> c -> b"},
		{"a need that does not exist", options(part(d, "a", "ghost")), `a needs "ghost"`},
		{"two of one name", options(part(d, "a"), part(d, "a")), `two modules are called "a"`},
		{"an unknown target", func() app.Options { o := options(part(d, "a"), part(d, "b")); o.Target = "c"; return o }(), `no module "c"; the modules are a, b`},
		{"a setting", func() app.Options { o := options(keyed); o.Env = []string{"FAWKES_ID_LIFE=2h"}; return o }(), "FAWKES_ID_LIFE"},
		{"a short operator token", func() app.Options { o := options(keyed); o.Env = []string{"FAWKES_AUTH_STATIC_TOKEN=short"}; return o }(), "shorter than 32"},
		{"a peer's address", func() app.Options { o := options(keyed); o.Env = []string{"FAWKES_PEER_X_URL=nonsense"}; return o }(), `"nonsense" of x`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := app.New(c.opts)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("New = %v, want an error with %q", err, c.want)
			}
		})
	}
	if got := d.read(); len(got) > 0 {
		t.Fatalf("modules were touched: %v", got)
	}
}

func TestATargetRunsAloneAndMeetsItsNeedsElsewhere(t *testing.T) {
	d := &diary{}
	opts := options(part(d, "web", "id"), part(d, "id"))
	opts.Target = "web"
	a := start(t, opts)
	if got := strings.Join(d.read(), " "); got != "new web" {
		t.Fatalf("it went %s, want web alone", got)
	}
	if status, _ := get(t, a.URL()+"/api/id/who"); status != 404 {
		t.Fatalf("id answers %d, want 404", status)
	}
}

func TestATakenPortIsNamedWithTheMend(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	d := &diary{}
	opts := options(part(d, "a"))
	opts.Listen = l.Addr().String()
	a, err := app.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	err = a.Start(context.Background())
	if err == nil || !strings.Contains(err.Error(), "port "+port) || !strings.Contains(err.Error(), "--listen") {
		t.Fatalf("Start = %v, want the port and the mend named", err)
	}
	if got := d.read(); len(got) > 0 {
		t.Fatalf("modules were started before the port was known to be free: %v", got)
	}
}

func TestAnAddressThatIsNoneIsNamed(t *testing.T) {
	opts := options()
	opts.Listen = "8080"
	a, err := app.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(context.Background()); err == nil || !strings.Contains(err.Error(), `"8080" is not host:port`) {
		t.Fatalf("Start = %v", err)
	}
}

func TestAPartialStartIsTakenDown(t *testing.T) {
	for name, broken := range map[string]func(context.Context, module.Deps) (*module.Service, error){
		"error":      func(context.Context, module.Deps) (*module.Service, error) { return nil, errors.New("planned") },
		"panic":      func(context.Context, module.Deps) (*module.Service, error) { panic("planned") },
		"no service": func(context.Context, module.Deps) (*module.Service, error) { return nil, nil },
		"no handler": func(context.Context, module.Deps) (*module.Service, error) { return &module.Service{}, nil },
	} {
		t.Run(name, func(t *testing.T) {
			d := &diary{}
			bad := part(d, "bad", "good")
			bad.New = broken
			var database *sql.DB
			good := part(d, "good")
			good.Migrations = tables()
			make := good.New
			good.New = func(ctx context.Context, deps module.Deps) (*module.Service, error) {
				database = deps.DB.Write
				return make(ctx, deps)
			}
			opts := options(bad, good)
			opts.StateDir = t.TempDir()
			a, err := app.New(opts)
			if err != nil {
				t.Fatal(err)
			}
			err = a.Start(context.Background())
			if err == nil || !strings.Contains(err.Error(), "start bad") {
				t.Fatalf("Start = %v, want an error that names the module", err)
			}
			if got, want := strings.Join(d.read(), ", "), "new good, stop good"; got != want {
				t.Fatalf("it went %s, want %s", got, want)
			}
			if err := database.Ping(); err == nil {
				t.Error("the database of the first module is still open")
			}
			if err := a.Stop(context.Background()); err != nil {
				t.Errorf("Stop after a failed start: %v", err)
			}
			if err := a.Start(context.Background()); err == nil {
				t.Error("it started a second time")
			}
		})
	}
}

func TestRoutesThatContradictEachOtherNameTheModule(t *testing.T) {
	d := &diary{}
	twin := part(d, "twin")
	twin.Routes = []string{"/api/a/"}
	a, err := app.New(options(part(d, "a"), twin))
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(context.Background()); err == nil || !strings.Contains(err.Error(), "routes of twin") {
		t.Fatalf("Start = %v, want an error that names the module", err)
	}
}

func TestEachModuleHasItsOwnDatabaseSettingsAndMetrics(t *testing.T) {
	seen := map[string]module.Deps{}
	makeOne := func(name string) module.Module {
		return module.Module{
			Name: name, Migrations: tables(), Config: []config.Key{{Name: name + ".color", Default: "grey"}},
			New: func(ctx context.Context, deps module.Deps) (*module.Service, error) {
				seen[name] = deps
				if _, err := deps.DB.Write.ExecContext(ctx, "INSERT INTO note (text) VALUES ($1)", name); err != nil {
					return nil, err
				}
				// Both modules have a metric of one name: they must not collide.
				return &module.Service{}, deps.Metrics.Register(prometheus.NewCounter(prometheus.CounterOpts{Name: "fawkes_" + name + "_events_total", Help: "x"}))
			},
		}
	}
	opts := options(makeOne("left"), makeOne("right"))
	opts.StateDir = t.TempDir()
	opts.Env = []string{"FAWKES_LEFT_COLOR=red"}
	opts.Settings = map[string]string{"right.color": "blue"}
	a := start(t, opts)
	if l, r := seen["left"].Config.String("color"), seen["right"].Config.String("color"); l != "red" || r != "blue" {
		t.Errorf("colors %s and %s, want red and blue", l, r)
	}
	for name, deps := range seen {
		var text string
		if err := deps.DB.Read.QueryRow("SELECT text FROM note").Scan(&text); err != nil || text != name {
			t.Errorf("%s reads %q, %v; want its own row alone", name, text, err)
		}
		if deps.PublicURL != "http://"+a.Addr() || deps.Version != "test" {
			t.Errorf("%s got the URL %q and version %q", name, deps.PublicURL, deps.Version)
		}
	}
	_, metrics := get(t, a.URL()+"/metrics")
	for _, want := range []string{"fawkes_left_events_total 0", "fawkes_right_events_total 0", `fawkes_build_info{version="test"} 1`, "go_goroutines"} {
		if !strings.Contains(metrics, want) {
			t.Errorf("/metrics lacks %q", want)
		}
	}
}

func TestAModuleWithoutADatabaseURLSaysWhichVariableToSet(t *testing.T) {
	m := part(&diary{}, "mcp-k8s")
	m.Migrations = tables()
	a, err := app.New(options(m))
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(context.Background()); err == nil || !strings.Contains(err.Error(), "FAWKES_MCP_K8S_DATABASE_URL") {
		t.Fatalf("Start = %v, want the variable named", err)
	}
}

func TestReadinessNamesWhatFails(t *testing.T) {
	var failing atomic.Bool
	m := part(&diary{}, "a")
	inner := m.New
	m.New = func(ctx context.Context, deps module.Deps) (*module.Service, error) {
		s, err := inner(ctx, deps)
		s.Ready = func(context.Context) []module.Check {
			if failing.Load() {
				return []module.Check{{Name: "relay", Err: errors.New("no answer")}}
			}
			return []module.Check{{Name: "relay"}}
		}
		return s, err
	}
	a := start(t, options(m))
	if status, body := get(t, a.URL()+"/readyz"); status != 200 {
		t.Fatalf("ready: %d %s", status, body)
	}
	failing.Store(true)
	status, body := get(t, a.URL()+"/readyz")
	var report health.Report
	if err := json.Unmarshal([]byte(body), &report); err != nil {
		t.Fatal(err)
	}
	if status != 503 || report.Status != "not_ready" || !slices.Contains(report.Checks, health.Result{Name: "a relay", Status: "failed", Detail: "no answer"}) {
		t.Fatalf("not ready: %d %s", status, body)
	}
	if status, _ := get(t, a.URL()+"/healthz"); status != 200 {
		t.Fatalf("alive: %d, want 200 although it is not ready", status)
	}
}

func TestAnUnknownAddressIsAProblem(t *testing.T) {
	a := start(t, options(part(&diary{}, "a")))
	if status, body := get(t, a.URL()+"/nothing"); status != 404 || !strings.Contains(body, `"code":"not_found"`) {
		t.Fatalf("%d %s", status, body)
	}
}

func TestTheLogSaysWhichModuleSpeaks(t *testing.T) {
	var log bytes.Buffer
	m := module.Module{Name: "a", New: func(_ context.Context, deps module.Deps) (*module.Service, error) {
		deps.Log.Info("hello")
		return &module.Service{}, nil
	}}
	opts := options(m)
	opts.Log = slog.New(slog.NewJSONHandler(&log, nil))
	start(t, opts)
	if !strings.Contains(log.String(), `"msg":"hello","module":"a"`) {
		t.Fatalf("the log is %s", log.String())
	}
}
