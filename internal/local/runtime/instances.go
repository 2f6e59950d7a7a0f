package runtime

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/internal/local/runtime/manifest"
	"github.com/fawkes-idp/fawkes/internal/sandbox"
)

// Instance is one running program of a Deployment, as `kubectl get pods` shows a pod.
type Instance struct {
	Name       string
	Deployment string
	Image      string // the reference in the manifest
	Digest     string // of the image, "" until it is there
	Verified   bool   // its signature was checked
	Revision   string // with which its template was applied first
	Wanted     bool   // of the template that is wanted now
	State      string
	Message    string // why it is not ready
	Ready      bool
	Restarts   int
	Created    time.Time
	StartedAt  time.Time // of the program that runs; zero before the first
	PID        int
	Port       int           // where it listens, 0 when it has no port
	Ports      map[int32]int // the container's ports on this machine
	LastExit   *LastExit
	Isolation  sandbox.Report // what the program that runs is confined by
}

// LastExit is how the program before the one that runs came to its end.
type LastExit struct {
	Code    int
	Signal  string
	Reason  string // Completed, Error, OOMKilled, Unhealthy, ContainerCannotRun
	Message string
	At      time.Time
}

// Instances are those of an application, by Deployment, the oldest first.
func (r *Runtime) Instances(name string) []Instance {
	a, err := r.app(name)
	if err != nil {
		return nil
	}
	var out []Instance
	for _, p := range a.pods() {
		s := p.snapshot()
		p.d.mu.Lock()
		wanted := p.set == p.d.current
		p.d.mu.Unlock()
		in := Instance{
			Name: p.name, Deployment: p.d.name, Image: p.set.Template.Image, Digest: s.Digest, Verified: s.Verified,
			Revision: p.set.Revision, Wanted: wanted, State: s.State, Message: s.Message, Ready: s.Ready,
			Restarts: s.Restarts, Created: p.created, StartedAt: s.StartedAt, PID: s.PID, Ports: s.ports,
			LastExit: s.LastExit, Isolation: s.Isolation,
		}
		if len(p.set.Template.Ports) > 0 {
			in.Port = s.ports[p.set.Template.Ports[0].Number]
		}
		out = append(out, in)
	}
	return out
}

// Replicas are how many instances an application wants, and how many are ready.
func (r *Runtime) Replicas(name string) (desired, ready int) {
	a, err := r.app(name)
	if err != nil {
		return 0, 0
	}
	a.mu.Lock()
	for _, d := range a.set.Deployments {
		desired += newStrategy(d.Spec).replicas
	}
	a.mu.Unlock()
	for _, p := range a.pods() {
		if p.snapshot().Ready {
			ready++
		}
	}
	return desired, ready
}

// Live are the objects that were applied last; false when the application is not known.
func (r *Runtime) Live(name string) ([]Object, bool) {
	a, err := r.app(name)
	if err != nil {
		return nil, false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	out := make([]Object, 0, len(a.saved.Objects))
	for _, o := range a.saved.Objects {
		out = append(out, o.Clone())
	}
	return out, true
}

// Revision is what Apply was last told; "" when the application is not known.
func (r *Runtime) Revision(name string) string {
	a, err := r.app(name)
	if err != nil {
		return ""
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.saved.Revision
}

// Apps are the names of the applications that are applied.
func (r *Runtime) Apps() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, a := range r.sorted() {
		out = append(out, a.name)
	}
	return out
}

// URL is where a person reaches the application: its first Ingress, else the first HTTP port of a Service, else
// any; "" when it has none.
func (r *Runtime) URL(name string) string {
	a, err := r.app(name)
	if err != nil {
		return ""
	}
	r.mu.Lock()
	ingress := r.ingress
	r.mu.Unlock()
	a.mu.Lock()
	set := a.set
	a.mu.Unlock()
	for _, in := range set.Ingresses {
		if routes := manifest.Routes(in); len(routes) > 0 {
			host := routes[0].Host
			switch {
			case host == "":
				host = "127.0.0.1"
			case strings.HasPrefix(host, "*."):
				host = name + host[1:]
			}
			return fmt.Sprintf("http://%s:%d%s", host, ingress, routes[0].Path)
		}
	}
	a.reach.Lock()
	defer a.reach.Unlock()
	out := ""
	for _, e := range a.entries {
		if e.HTTP {
			return "http://" + loopback(e.port) + "/"
		}
		if out == "" {
			out = "tcp://" + loopback(e.port)
		}
	}
	return out
}

// Address is the host and port on this machine of a Service's port; "" when there is none.
func (r *Runtime) Address(name, service string, port int32) string {
	a, err := r.app(name)
	if err != nil {
		return ""
	}
	a.reach.Lock()
	defer a.reach.Unlock()
	for _, e := range a.entries {
		if e.Service == service && e.Port == port {
			return loopback(e.port)
		}
	}
	return ""
}

// IngressAddress is the host and port of the listener of Ingresses, "" before Start.
func (r *Runtime) IngressAddress() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ingress == 0 {
		return ""
	}
	return loopback(r.ingress)
}

var podName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,250}[a-z0-9])?$`)

// Logs are the last lines that an instance wrote; a tail below 1 means all that is kept, one to two MiB. Logs of
// the last instances that are gone are there too. Lines that begin with "[fawkes] " are the platform's.
func (r *Runtime) Logs(name, instance string, tail int) (string, error) {
	if _, err := r.app(name); err != nil {
		return "", err
	}
	path := filepath.Join(r.logFolder(name), instance+".log")
	if !podName.MatchString(instance) {
		return "", fmt.Errorf("instance %q %w", instance, ErrUnknown)
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("instance %q of %s %w", instance, name, ErrUnknown)
	}
	text, err := lastLines(path, tail)
	if err != nil {
		return "", err
	}
	return strings.ToValidUTF8(string(text), "\uFFFD"), nil
}

// Follow writes the last lines of an instance's log, and what it writes from then on, until the instance is gone
// or ctx ends, which is no error.
func (r *Runtime) Follow(ctx context.Context, name, instance string, tail int, to io.Writer) error {
	a, err := r.app(name)
	if err != nil {
		return err
	}
	for _, p := range a.pods() {
		p.mu.Lock()
		log := p.log
		p.mu.Unlock()
		if p.name != instance || log == nil {
			continue
		}
		return log.follow(ctx, tail, func(text []byte) error {
			_, err := to.Write(text)
			return err
		})
	}
	text, err := r.Logs(name, instance, tail)
	if err != nil {
		return err
	}
	_, err = io.WriteString(to, text)
	return err
}
