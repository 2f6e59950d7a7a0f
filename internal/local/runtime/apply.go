package runtime

import (
	"context"
	"fmt"
	"regexp"

	"github.com/fawkes-idp/fawkes/internal/local/runtime/manifest"
)

// RefusedError says why an application is not applied.
type RefusedError struct{ Problems []Problem }

func (e *RefusedError) Error() string {
	if len(e.Problems) == 1 {
		return "refused: " + e.Problems[0].String()
	}
	return fmt.Sprintf("refused for %d reasons, the first: %s", len(e.Problems), e.Problems[0])
}

var appName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// Apply declares what an application shall be. It returns when that is stored and the roll-out has begun; Health
// tells how it goes. The same objects again change nothing. A *RefusedError says what is not done here.
func (r *Runtime) Apply(ctx context.Context, want App, revision string) error {
	if !appName.MatchString(want.Name) {
		return fmt.Errorf("application name %q: use a-z, 0-9 and -, at most 63", want.Name)
	}
	for _, o := range want.Objects {
		if want.Namespace == "" && o.Kind() != "Namespace" {
			want.Namespace = o.Namespace()
		}
	}
	if want.Namespace == "" {
		want.Namespace = "default"
	}
	if problems := Check(want.Objects); len(problems) > 0 {
		return &RefusedError{problems}
	}
	r.applying.Lock()
	defer r.applying.Unlock()
	r.mu.Lock()
	running, a, leaving := r.running, r.apps[want.Name], r.leaving[want.Name]
	r.mu.Unlock()
	if !running {
		return ErrNotRunning
	}
	if leaving != nil {
		select {
		case <-leaving:
		case <-ctx.Done():
			return fmt.Errorf("apply %s: its former instances are being stopped: %w", want.Name, ctx.Err())
		}
	}
	if problems := r.taken(want); len(problems) > 0 {
		return &RefusedError{problems}
	}
	r.expect(want.Objects)
	defer r.expect(nil)
	known := a != nil
	if !known {
		a = newApp(r, &savedApp{Name: want.Name, Deployments: map[string]*savedDeployment{}, Ports: map[string]int{}})
	}
	if err := a.apply(ctx, want, revision); err != nil {
		return fmt.Errorf("apply %s: %w", want.Name, err)
	}
	if !known {
		r.mu.Lock()
		r.apps[want.Name] = a
		r.mu.Unlock()
	}
	r.route()
	r.notices.add(want.Name)
	return nil
}

// expect names the images of what is being applied, which nobody else knows of yet.
func (r *Runtime) expect(objects []Object) {
	coming := map[string]bool{}
	if set, err := manifest.Decode(objects); err == nil {
		for _, d := range set.Deployments {
			for _, c := range d.Spec.Template.Spec.Containers {
				if _, _, digest, err := parseRef(c.Image); err == nil {
					coming[digest] = true
				}
			}
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.coming = coming
}

// taken finds rules of the application's Ingresses that another application has.
func (r *Runtime) taken(want App) []Problem {
	set, err := manifest.Decode(want.Objects)
	if err != nil {
		return nil // Check has passed; apply says it
	}
	r.mu.Lock()
	others := r.sorted()
	r.mu.Unlock()
	var out []Problem
	for _, in := range set.Ingresses {
		for i, mine := range manifest.Routes(in) {
			for _, other := range others {
				if other.name != want.Name && other.hasRoute(mine) {
					out = append(out, Problem{
						Kind: "Ingress", Name: in.Name, Path: fmt.Sprintf("spec.rules[%d]", i),
						Why:  fmt.Sprintf("host %q and path %q belong to the application %s", mine.Host, mine.Path, other.name),
						Mend: "use another host or path",
					})
				}
			}
		}
	}
	return out
}

// Delete stops an application and forgets it, its ports and its logs. It returns when no instance is left, or
// when ctx ends; the rest then goes on in the background.
func (r *Runtime) Delete(ctx context.Context, name string) error {
	r.applying.Lock()
	a, err := r.app(name)
	if err == nil {
		err = r.store.remove(name)
	}
	if err != nil {
		r.applying.Unlock()
		return fmt.Errorf("delete: %w", err)
	}
	r.mu.Lock()
	delete(r.apps, name)
	done := make(chan struct{})
	r.leaving[name] = done
	r.mu.Unlock()
	r.route()
	r.loops.Go(func() {
		defer close(done)
		a.shut(r.ctx)
		a.forget()
		r.mu.Lock()
		delete(r.leaving, name)
		r.mu.Unlock()
		r.collect()
		r.notices.add(name)
	})
	r.applying.Unlock()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Restart replaces all instances of an application by new ones of the same template, by a roll-out.
func (r *Runtime) Restart(ctx context.Context, name string) error {
	r.applying.Lock()
	defer r.applying.Unlock()
	a, err := r.app(name)
	if err != nil {
		return fmt.Errorf("restart: %w", err)
	}
	return a.restart(ctx)
}
