package gitops

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/clock"
	"github.com/fawkes-idp/fawkes/internal/local/gitops/manifest"
	"github.com/fawkes-idp/fawkes/internal/local/gitops/notify"
)

// fake is a cluster in memory. What is applied is healthy at once, but for images
// whose reference says otherwise: "bad" degrades, "slow" never gets there, "refused"
// is not taken.
type fake struct {
	clock   clock.Clock
	mu      sync.Mutex
	apps    map[string]*fakeApp
	applied []string // application and revision of every Apply that changed something
	events  chan string
	down    error // Apply answers it
}

type fakeApp struct {
	objects  []Object
	revision string
	health   Health
}

func newFake(c clock.Clock) *fake {
	return &fake{clock: c, apps: map[string]*fakeApp{}, events: make(chan string, 1000)}
}

func (f *fake) tell(app string) {
	select {
	case f.events <- app:
	default:
	}
}

func imagesOf(objects []Object) string {
	var all []string
	for _, o := range objects {
		all = append(all, manifest.Images(o)...)
	}
	return fmt.Sprint(all)
}

func (f *fake) Check(objects []Object) []Problem {
	for _, o := range objects {
		if spec, ok := o["spec"].(map[string]any); ok && spec["refused"] != nil {
			return []Problem{{Object: "Deployment/" + manifest.Name(o), Path: "spec.refused", Why: "is not done here", Mend: "take it out"}}
		}
	}
	return nil
}

func (f *fake) Apply(_ context.Context, app, _ string, objects []Object, revision string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down != nil {
		return f.down
	}
	have := f.apps[app]
	if have != nil && have.revision == revision && fmt.Sprint(have.objects) == fmt.Sprint(objects) {
		return nil
	}
	h := Health{Status: notify.Healthy, Since: f.clock.Now()}
	switch text := imagesOf(objects); {
	case contains(text, "bad"):
		h.Status, h.Message = notify.Degraded, "hello-1: unhealthy: /healthz answers 500"
	case contains(text, "slow"):
		h.Status, h.Message = notify.Progressing, "0 of 1 instances are available"
	}
	f.apps[app] = &fakeApp{slices.Clone(objects), revision, h}
	f.applied = append(f.applied, app+"@"+revision[:7])
	f.tell(app)
	return nil
}

func contains(s, part string) bool {
	for i := 0; i+len(part) <= len(s); i++ {
		if s[i:i+len(part)] == part {
			return true
		}
	}
	return false
}

func (f *fake) Delete(_ context.Context, app string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.apps, app)
	f.tell(app)
	return nil
}

func (f *fake) Live(app string) ([]Object, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a, ok := f.apps[app]
	if !ok {
		return nil, false
	}
	return slices.Clone(a.objects), true
}

func (f *fake) Health(app string) (Health, []ObjectHealth) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a, ok := f.apps[app]
	if !ok {
		return Health{Status: notify.Missing}, nil
	}
	var all []ObjectHealth
	for _, o := range a.objects {
		all = append(all, ObjectHealth{Kind: manifest.Kind(o), Namespace: manifest.Namespace(o), Name: manifest.Name(o), Status: a.health.Status})
	}
	return a.health, all
}

// set changes the health of an application from outside.
func (f *fake) set(app, status string) {
	f.mu.Lock()
	f.apps[app].health = Health{Status: status, Message: "set", Since: f.clock.Now()}
	f.mu.Unlock()
	f.tell(app)
}

// touch changes a live object outside of the repository.
func (f *fake) touch(app string) {
	f.mu.Lock()
	a := f.apps[app]
	o := maps.Clone(a.objects[0])
	o["data"] = map[string]any{"changed": "outside"}
	a.objects = slices.Clone(a.objects)
	a.objects[0], a.revision = o, "outside"
	f.mu.Unlock()
	f.tell(app)
}

func (f *fake) Instances(app string) []Instance {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.apps[app] == nil {
		return nil
	}
	return []Instance{{Name: app + "-1", State: "Running", Ready: f.apps[app].health.Status == notify.Healthy, Started: f.clock.Now(), Port: 4000, LastExit: "Error (3)"}}
}

func (f *fake) Logs(app, instance string, _ int) (string, error) {
	if f.Instances(app) == nil || instance != "" && instance != app+"-1" {
		return "", errors.New("no such instance")
	}
	return "line one\nline two\n", nil
}

func (f *fake) Follow(ctx context.Context, _, _ string, _ int, line func(string) error) error {
	if err := line("line one\n"); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

func (f *fake) Restart(_ context.Context, app string) error { f.tell(app); return nil }
func (f *fake) URL(app string) string                       { return "http://127.0.0.1:4000/" + app }
func (f *fake) Watch() <-chan string                        { return f.events }

// ticking is a clock that moves on by itself, and by hand.
type ticking struct {
	mu     sync.Mutex
	offset time.Duration
}

func (c *ticking) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().UTC().Add(c.offset)
}

func (c *ticking) Advance(d time.Duration) {
	c.mu.Lock()
	c.offset += d
	c.mu.Unlock()
}
