// Package runtime runs what Kubernetes manifests say, as processes on this machine.
//
// An application ([App]) is a set of objects: Deployments, Services, ConfigMaps and Ingresses, the same that a
// cluster takes. [Runtime.Apply] declares what shall be; what is there follows by the rules of Kubernetes: images are
// pulled by digest, verified and unpacked, instances start beside the old ones, get requests once they are ready,
// and only then the old ones are taken away. What cannot be done without a container is refused by [Check], by
// name, and never ignored.
//
// An instance is told where to listen by PORT. Every port of a Service is a stable port of the loopback
// interface, behind which the ready instances take turns; Ingresses share one listener.
//
// All that was declared, the ports and the names of instances are files in Options.Folder. After the platform
// was killed, Start sweeps what was left running and brings the same applications back at the same addresses.
package runtime

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"sort"
	"sync"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/clock"
	"github.com/fawkes-idp/fawkes/internal/local/runtime/balance"
	"github.com/fawkes-idp/fawkes/internal/local/runtime/manifest"
	"github.com/fawkes-idp/fawkes/internal/oci"
	"github.com/fawkes-idp/fawkes/internal/sandbox"
)

// Object is one Kubernetes object.
type Object = manifest.Object

// Problem is one thing in a manifest that is not done here.
type Problem = manifest.Problem

// Parse reads a stream of YAML documents.
func Parse(text []byte) ([]Object, error) { return manifest.Parse(text) }

// Check says what of an application's objects is not done without a container. It is pure; none means Apply will
// take them, unless a rule of an Ingress belongs to another application.
func Check(objs []Object) []Problem { return manifest.Check(objs) }

// App is an application: what belongs together, is rolled out together and has one health.
type App struct {
	Name      string // [a-z0-9-], at most 63
	Namespace string // "" is that of the objects, else "default"
	Objects   []Object
}

// Options are what a Runtime needs. Folder is required.
type Options struct {
	// Folder is for the runtime alone.
	Folder string
	// Registry gives access to a host's registry; nil reads what is open to everyone.
	Registry func(host string) oci.Registry
	// LocalRegistry is the host and port that a loopback registry in a reference means, whatever its port says:
	// the platform's own may listen elsewhere after a restart. Nil or "" takes references as they are.
	LocalRegistry func() string
	// Verifier is the key that images must be signed by; nil, or a nil answer, and signatures are not checked,
	// which each Instance says.
	Verifier func() *oci.Verifier
	// IngressPort is the first choice for the listener of Ingresses, 0 is 8081. What is taken once is kept.
	IngressPort int
	// BackOff is the first pause after a second failure in a row, 0 is Kubernetes' 10 s. It doubles up to 5 min.
	BackOff time.Duration
	// ListenWithin is how long a program may take to listen on its PORT when no startup probe gives it longer;
	// 0 is 15 s.
	ListenWithin time.Duration
	// DrainWithin is how long an instance that is to stop may take to answer what it has at hand; 0 is 10 s.
	DrainWithin time.Duration
	Clock       clock.Clock // nil is the system's
	Log         *slog.Logger
}

// Runtime runs applications. Its methods are safe for concurrent use.
type Runtime struct {
	opt    Options
	store  store
	images *images
	ports  *ports
	timer  timer
	root   bool // instances can have a root folder of their own
	share  bool // nothing that an instance does can change the files that it shares

	applying sync.Mutex // one Apply, Delete or Restart at a time

	mu       sync.Mutex
	apps     map[string]*app
	leaving  map[string]chan struct{} // deleted applications whose instances are being stopped
	coming   map[string]bool          // digests of what is being applied
	platform savedPlatform
	router   *balance.Router
	ingress  int
	running  bool

	notices *notices
	ctx     context.Context // ends when instances must be gone at once
	kill    context.CancelFunc
	loops   sync.WaitGroup
}

// ErrUnknown says that there is no application, or no instance, of that name.
var ErrUnknown = errors.New("is not known")

// ErrNotRunning says that the runtime was not started, or is stopped.
var ErrNotRunning = errors.New("the runtime is not running")

// New prepares a runtime. It starts nothing and touches no file.
func New(opt Options) (*Runtime, error) {
	if opt.Folder == "" {
		return nil, errors.New("the runtime needs a state folder")
	}
	folder, err := filepath.Abs(opt.Folder)
	if err != nil {
		return nil, fmt.Errorf("state folder: %w", err)
	}
	opt.Folder = folder
	if opt.Registry == nil {
		opt.Registry = func(string) oci.Registry { return oci.Registry{} }
	}
	if opt.LocalRegistry == nil {
		opt.LocalRegistry = func() string { return "" }
	}
	if opt.Verifier == nil {
		opt.Verifier = func() *oci.Verifier { return nil }
	}
	if opt.IngressPort == 0 {
		opt.IngressPort = 8081
	}
	opt.BackOff = orDefault(opt.BackOff, backOffFirst)
	opt.ListenWithin = orDefault(opt.ListenWithin, 15*time.Second)
	opt.DrainWithin = orDefault(opt.DrainWithin, 10*time.Second)
	if opt.Clock == nil {
		opt.Clock = clock.System()
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	r := &Runtime{
		opt: opt, store: store{folder}, ports: newPorts(folder), timer: machineTimer,
		apps: map[string]*app{}, leaving: map[string]chan struct{}{}, notices: newNotices(),
		images: &images{
			folder: filepath.Join(folder, "images"), registry: opt.Registry, local: opt.LocalRegistry,
			verifier: opt.Verifier, unpack: oci.Unpack, busy: map[string]*sync.Mutex{},
		},
	}
	r.ctx, r.kill = context.WithCancel(context.Background())
	return r, nil
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

// Start ends what a killed platform left running, and brings back what was applied. ctx bounds the start only;
// Stop ends what it began. A runtime is started once.
func (r *Runtime) Start(ctx context.Context) error {
	r.applying.Lock()
	defer r.applying.Unlock()
	for _, folder := range []string{r.opt.Folder, r.store.apps(), r.images.folder} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return fmt.Errorf("start the runtime: %w", err)
		}
	}
	if n, err := sandbox.Sweep(r.opt.Folder + "|"); err != nil {
		r.opt.Log.Warn("leftovers of a killed platform may still run", "error", err)
	} else if n > 0 {
		r.opt.Log.Info("ended what a killed platform left running", "processes", n)
	}
	if err := os.RemoveAll(r.instanceFolder("", "")); err != nil {
		return fmt.Errorf("start the runtime: %w", err)
	}
	can := sandbox.Probe()
	r.root, r.share = can.Chroot, can.Landlock
	saved, platform, err := r.store.load()
	if err != nil {
		return fmt.Errorf("start the runtime: %w", err)
	}
	if err := r.openIngress(ctx, platform); err != nil {
		return fmt.Errorf("start the runtime: %w", err)
	}
	r.mu.Lock()
	r.running = true
	r.mu.Unlock()
	names := make([]string, 0, len(saved))
	for name := range saved {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, s := range saved { // before a port is given out, all that are promised must be known
		for entry, port := range s.Ports {
			r.ports.hold(port, s.Name+"/"+entry)
		}
	}
	for _, name := range names {
		a := newApp(r, saved[name])
		if err := a.resume(ctx); err != nil {
			// One application that cannot be brought back must not keep the others down.
			r.opt.Log.Warn("an application is not brought back", "application", name, "error", err)
			continue
		}
		r.mu.Lock()
		r.apps[name] = a
		r.mu.Unlock()
	}
	r.route()
	r.collect()
	return nil
}

// openIngress opens the listener of Ingresses: where it was, else the first choice, else any port that is free.
func (r *Runtime) openIngress(ctx context.Context, p savedPlatform) error {
	if p.Ingress == 0 {
		p.Ingress = r.opt.IngressPort
	}
	l, err := listen(ctx, p.Ingress)
	if err != nil {
		var port int
		if l, port, err = r.ports.service(ctx, "ingress", 0); err != nil {
			return fmt.Errorf("listen for Ingresses: %w", err)
		}
		r.opt.Log.Warn("the port of Ingresses is taken", "port", p.Ingress, "instead", port)
		p.Ingress = port
	}
	if err := r.store.savePlatform(p); err != nil {
		_ = l.Close()
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.platform, r.ingress, r.router = p, p.Ingress, balance.NewRouter(l)
	return nil
}

// Stop takes no more requests, answers those at hand, and stops every instance by its own rules. When ctx ends
// first, the rest is killed. What is applied stays so for the next Start.
func (r *Runtime) Stop(ctx context.Context) error {
	r.applying.Lock()
	defer r.applying.Unlock()
	r.mu.Lock()
	if !r.running {
		r.mu.Unlock()
		return nil
	}
	r.running = false
	apps := r.sorted()
	r.mu.Unlock()
	defer r.notices.close()
	undo := context.AfterFunc(ctx, r.kill)
	defer undo()
	var work sync.WaitGroup
	work.Go(func() { r.router.Close(ctx) })
	for _, a := range apps {
		work.Go(func() { a.shut(ctx) })
	}
	work.Wait()
	r.loops.Wait()
	r.kill()
	return ctx.Err()
}

// sorted are the applications by name; r.mu is held.
func (r *Runtime) sorted() []*app {
	out := make([]*app, 0, len(r.apps))
	for _, a := range r.apps {
		out = append(out, a)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].name < out[j].name })
	return out
}

func (r *Runtime) app(name string) (*app, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a, ok := r.apps[name]
	if !ok {
		return nil, fmt.Errorf("application %q %w", name, ErrUnknown)
	}
	return a, nil
}

// route gives the Ingress listener the rules of all applications.
func (r *Runtime) route() {
	r.mu.Lock()
	defer r.mu.Unlock()
	var rules []balance.Rule
	for _, a := range r.sorted() {
		rules = append(rules, a.rules()...)
	}
	r.router.Set(rules)
}

// collect removes the images that nothing uses any more.
func (r *Runtime) collect() {
	wanted := map[string]bool{}
	r.mu.Lock()
	maps.Copy(wanted, r.coming)
	for _, a := range r.apps {
		a.digests(wanted)
	}
	r.mu.Unlock()
	if _, err := r.images.collect(wanted); err != nil {
		r.opt.Log.Warn("unused images are not removed", "error", err)
	}
}

func (r *Runtime) instanceFolder(app, pod string) string {
	return filepath.Join(r.opt.Folder, "instances", app, pod)
}

func (r *Runtime) logFolder(app string) string { return filepath.Join(r.opt.Folder, "logs", app) }
