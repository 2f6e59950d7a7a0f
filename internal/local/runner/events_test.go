package runner_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/fawkes-idp/fawkes/internal/events"
)

// receiver takes events as the delivery metrics do.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	down   bool
	events []events.Event
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		text, err := io.ReadAll(req.Body)
		var e events.Event
		if req.Header.Get("Authorization") != "Bearer events-token" || err != nil || json.Unmarshal(text, &e) != nil {
			t.Errorf("a strange report: %v %s", req.Header, text)
		}
		if r.down {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		r.events = append(r.events, e)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) got() []events.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]events.Event{}, r.events...)
}

func (r *receiver) setDown(down bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = down
}

func TestTheEndThatAPipelineCannotTellIsReported(t *testing.T) {
	to := newReceiver(t)
	folder, program := t.TempDir(), script(t)
	p := start(t, setup{folder: folder, program: program, events: to.URL + "/webhooks/dora/cloudevents"})
	wanted := map[string]string{} // outcome by run
	for name, c := range map[string][2]string{
		"good":  {`result succeeded "" 0`, ""},
		"bad":   {`stage build failed x; result failed "x" 1`, ""},
		"dies":  {`stage build running; kill -9 $$`, "error"},
		"mute":  {`exit 0`, "error"},
		"abort": {`result aborted "x" 130`, "error"},
	} {
		sha := p.repository("fawkes/"+name, map[string]string{"pipeline.sh": c[0]})
		r := p.ended(p.pushed("d-"+name, "fawkes/"+name, "main", sha))
		if c[1] != "" {
			wanted[r.ID+"/1"] = c[1]
		}
	}
	none := p.ended(p.pushed("d-none", "fawkes/none", "main", someSHA)) // it never began
	sha := p.repository("fawkes/hello", map[string]string{"pipeline.sh": `
stage build running; while [ ! -e $FAWKES_CACHE/go ]; do sleep 0.02; done; result succeeded "" 0`})
	building := func(r run) bool { return r.stage("build").Status == "running" }
	canceled := p.pushed("d-canceled", "fawkes/hello", "main", sha)
	p.wait(canceled, "builds", building)
	if status, _ := p.call("POST", api+"/runs/"+canceled+"/cancel", nil); status != 200 {
		t.Fatal(status)
	}
	p.ended(canceled)
	wanted[canceled+"/1"] = "cancel"
	to.setDown(true) // what happens now is told later
	interrupted := p.pushed("d-interrupted", "fawkes/hello", "main", sha)
	p.wait(interrupted, "builds", building)
	p.stop()
	wanted[interrupted+"/1"] = "cancel"
	if err := os.WriteFile(filepath.Join(folder, "runner", "cache", "fawkes", "hello", "go"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	to.setDown(false)
	start(t, setup{folder: folder, program: program, events: to.URL + "/webhooks/dora/cloudevents"})
	until(t, "all is reported", func() bool { return len(to.got()) >= len(wanted) })
	ids := map[string]bool{}
	for _, e := range to.got() {
		want, ok := wanted[e.Subject]
		if !ok || e.Type != events.TypeRunFinished || e.Data.Subject.Content["outcome"] != want || ids[e.ID] {
			t.Errorf("%s of %s, %v; want %q", e.Type, e.Subject, e.Data.Subject.Content, want)
		}
		ids[e.ID] = true
		if !strings.HasPrefix(e.Source, "fawkes/fawkes/") || e.Data.Custom["sha"] == "" || e.Data.Custom["branch"] != "main" {
			t.Errorf("%+v", e)
		}
	}
	if len(to.got()) != len(wanted) || strings.Contains(none.ID, "/") {
		t.Errorf("%d reports, want %d", len(to.got()), len(wanted))
	}
}
