package gitops

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	k8syaml "sigs.k8s.io/yaml"

	"github.com/fawkes-idp/fawkes/internal/kit/module"
	"github.com/fawkes-idp/fawkes/internal/local/gitops/notify"
	"github.com/fawkes-idp/fawkes/internal/local/runtime"
	"github.com/fawkes-idp/fawkes/internal/oci"
)

// processes is the cluster of this machine: applications run as processes.
type processes struct{ runtime *runtime.Runtime }

// newProcesses makes it with the connections of each moment.
func newProcesses(d module.Deps, folder string, conns func() Connections) (*processes, error) {
	r, err := runtime.New(runtime.Options{
		Folder: folder, Clock: d.Clock, Log: d.Log, IngressPort: d.Config.Int("ingress_port"),
		Registry: func(host string) oci.Registry {
			c := conns().Registry
			if host == c.Host {
				return oci.Registry{Token: c.Token, Insecure: true}
			}
			return oci.Registry{}
		},
		LocalRegistry: func() string { return conns().Registry.Host },
		Verifier: func() *oci.Verifier {
			key := conns().PublicKey
			if key == "" {
				return nil
			}
			v, err := oci.LoadVerifier([]byte(key))
			if err != nil {
				d.Log.Warn("the public key cannot be read; no image is run before it can", "error", err)
				return &oci.Verifier{} // believes nobody; nil would believe everybody
			}
			return v
		},
	})
	if err != nil {
		return nil, err
	}
	return &processes{r}, nil
}

func (p *processes) Start(ctx context.Context) error { return p.runtime.Start(ctx) }
func (p *processes) Stop(ctx context.Context) error  { return p.runtime.Stop(ctx) }

// theirs are objects as the runtime reads them.
func theirs(objects []Object) ([]runtime.Object, error) {
	var text bytes.Buffer
	for _, o := range objects {
		one, err := k8syaml.Marshal(o)
		if err != nil {
			return nil, fmt.Errorf("write an object: %w", err)
		}
		text.WriteString("---\n")
		text.Write(one)
	}
	return runtime.Parse(text.Bytes())
}

func (p *processes) Check(objects []Object) []Problem {
	all, err := theirs(objects)
	if err != nil {
		return []Problem{{Object: "manifests", Path: ".", Why: err.Error()}}
	}
	var out []Problem
	for _, q := range runtime.Check(all) {
		out = append(out, Problem{Object: q.Kind + "/" + q.Name, Path: q.Path, Why: q.Why, Mend: q.Mend})
	}
	return out
}

// refusedError is what the runtime does not take.
type refusedError struct{ error }

// Refused says so.
func (refusedError) Refused() bool { return true }

func (p *processes) Apply(ctx context.Context, app, namespace string, objects []Object, revision string) error {
	all, err := theirs(objects)
	if err != nil {
		return refusedError{err}
	}
	err = p.runtime.Apply(ctx, runtime.App{Name: app, Namespace: namespace, Objects: all}, revision)
	var refused *runtime.RefusedError
	switch {
	case errors.As(err, &refused):
		return refusedError{err}
	case errors.Is(err, runtime.ErrNotRunning):
		return fmt.Errorf("%w: %w", ErrClusterAway, err)
	}
	return err
}

func (p *processes) Delete(ctx context.Context, app string) error { return p.runtime.Delete(ctx, app) }

func (p *processes) Live(app string) ([]Object, bool) {
	live, ok := p.runtime.Live(app)
	out := make([]Object, 0, len(live))
	for _, o := range live {
		out = append(out, Object(o))
	}
	return out, ok
}

func (p *processes) Health(app string) (Health, []ObjectHealth) {
	h := p.runtime.Health(app)
	out := Health{Status: string(h.Status), Message: h.Message, Since: h.Since}
	if out.Status == notify.Healthy {
		// What was healthy before a moment ago may not have been judged anew yet.
		for _, i := range p.runtime.Instances(app) {
			if !i.Wanted || !i.Ready {
				out.Status, out.Message = notify.Progressing, "the roll-out begins"
			}
		}
		if desired, ready := p.runtime.Replicas(app); ready < desired {
			out.Status, out.Message = notify.Progressing, fmt.Sprintf("%d of %d instances are ready", ready, desired)
		}
	}
	var objects []ObjectHealth
	for _, r := range p.runtime.Resources(app) {
		objects = append(objects, ObjectHealth{Kind: r.Kind, Name: r.Name, Status: string(r.Status), Message: r.Message})
	}
	return out, objects
}

func (p *processes) Instances(app string) []Instance {
	var out []Instance
	for _, i := range p.runtime.Instances(app) {
		one := Instance{Name: i.Name, Digest: i.Digest, State: i.State, Ready: i.Ready, Restarts: i.Restarts, Started: i.StartedAt, Port: i.Port}
		if e := i.LastExit; e != nil {
			one.LastExit = fmt.Sprintf("%s (%d)", e.Reason, e.Code)
			if e.Signal != "" {
				one.LastExit = fmt.Sprintf("%s (%s)", e.Reason, e.Signal)
			}
			if e.Message != "" {
				one.LastExit += ": " + e.Message
			}
		}
		out = append(out, one)
	}
	return out
}

// of is the instance that is meant: the first where none is named.
func (p *processes) of(app, instance string) (string, error) {
	if instance != "" {
		return instance, nil
	}
	all := p.runtime.Instances(app)
	if len(all) == 0 {
		return "", fmt.Errorf("%w: %s has no instance", ErrNotFound, app)
	}
	return all[len(all)-1].Name, nil
}

func (p *processes) Logs(app, instance string, tail int) (string, error) {
	instance, err := p.of(app, instance)
	if err != nil {
		return "", err
	}
	return p.runtime.Logs(app, instance, tail)
}

func (p *processes) Follow(ctx context.Context, app, instance string, tail int, line func(string) error) error {
	instance, err := p.of(app, instance)
	if err != nil {
		return err
	}
	return p.runtime.Follow(ctx, app, instance, tail, lineWriter(line))
}

// lineWriter gives what is written on.
type lineWriter func(string) error

func (w lineWriter) Write(b []byte) (int, error) {
	if err := w(string(b)); err != nil {
		return 0, err
	}
	return len(b), nil
}

func (p *processes) Restart(ctx context.Context, app string) error {
	return p.runtime.Restart(ctx, app)
}
func (p *processes) URL(app string) string { return p.runtime.URL(app) }
func (p *processes) Watch() <-chan string  { return p.runtime.Watch() }
