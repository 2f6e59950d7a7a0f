package runtime

import (
	"context"
	"fmt"

	"github.com/fawkes-idp/fawkes/internal/local/runtime/balance"
	"github.com/fawkes-idp/fawkes/internal/local/runtime/manifest"
)

// entry is a port of a Service with its listener.
type entry struct {
	manifest.Entry
	port  int
	pool  *balance.Pool
	front *balance.Front
}

func (e *entry) key() string { return fmt.Sprintf("%s/%d", e.Service, e.Port) }

// open finds or opens the listener of every Service port, and notes the ports in s.
func (a *app) open(ctx context.Context, s *savedApp, set manifest.Set) (entries, opened []*entry, err error) {
	var templates []manifest.Template
	for _, d := range s.Deployments {
		if n := len(d.Sets); n > 0 {
			templates = append(templates, d.Sets[n-1].Template)
		}
	}
	a.reach.Lock()
	have := map[string]*entry{}
	for _, e := range a.entries {
		have[e.key()] = e
	}
	a.reach.Unlock()
	ports := map[string]int{}
	for _, want := range manifest.Entries(set, templates) {
		e := &entry{Entry: want}
		if old := have[e.key()]; old != nil {
			e.port, e.pool, e.front = old.port, old.pool, old.front
		} else {
			l, port, err := a.r.ports.service(ctx, a.name+"/"+e.key(), s.Ports[e.key()])
			if err != nil {
				for _, o := range opened {
					o.front.Close(ctx)
					a.r.ports.free(o.port)
				}
				return nil, nil, fmt.Errorf("service %s: %w", e.Service, err)
			}
			e.port, e.pool = port, &balance.Pool{}
			e.front = balance.NewFront(l, e.pool, e.HTTP)
			opened = append(opened, e)
		}
		ports[e.key()] = e.port
		entries = append(entries, e)
	}
	s.Ports = ports
	return entries, opened, nil
}

// expose makes these the application's ports: instances join them, and what is no longer said is closed.
func (a *app) expose(ctx context.Context, entries []*entry) {
	a.reach.Lock()
	kept := map[*balance.Front]bool{}
	for _, e := range entries {
		kept[e.front] = true
		e.front.Speak(e.HTTP)
	}
	var gone []*entry
	for _, e := range a.entries {
		if !kept[e.front] {
			gone = append(gone, e)
		}
	}
	a.entries = entries
	a.reach.Unlock()
	for _, e := range gone {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.r.opt.DrainWithin)
		a.r.loops.Go(func() {
			defer cancel()
			e.front.Close(ctx)
			a.r.ports.free(e.port)
		})
	}
	for _, p := range a.pods() {
		p.rejoin()
	}
}

// join makes an instance one of those behind the Services that select it, or of none.
func (a *app) join(p *pod, backends map[int32]*balance.Backend, ready bool) {
	a.reach.Lock()
	defer a.reach.Unlock()
	for _, e := range a.entries {
		target, ok := p.set.Template.Target(e.Target)
		selected := ready && ok && manifest.Matches(e.Selector, p.set.Template.Labels)
		for port, b := range backends {
			if selected && port == target {
				e.pool.Add(b)
			} else {
				e.pool.Remove(b)
			}
		}
	}
}

// rules are those of the application's Ingresses.
func (a *app) rules() []balance.Rule {
	a.mu.Lock()
	set := a.set
	a.mu.Unlock()
	a.reach.Lock()
	defer a.reach.Unlock()
	var out []balance.Rule
	for _, in := range set.Ingresses {
		for _, route := range manifest.Routes(in) {
			for _, e := range a.entries {
				if e.Service == route.Service && (route.Port.IntVal == e.Port || route.Port.StrVal != "" && route.Port.StrVal == e.Name) {
					out = append(out, balance.Rule{Host: route.Host, Path: route.Path, Exact: route.Exact, To: e.pool.Handler()})
				}
			}
		}
	}
	return out
}

func (a *app) hasRoute(mine manifest.Route) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, in := range a.set.Ingresses {
		for _, r := range manifest.Routes(in) {
			if r.Host == mine.Host && r.Path == mine.Path && r.Exact == mine.Exact {
				return true
			}
		}
	}
	return false
}

// links are the application's ports, for the variables of its neighbors.
func (a *app) links(namespace string) []link {
	a.mu.Lock()
	same := a.saved.Namespace == namespace
	a.mu.Unlock()
	if !same {
		return nil
	}
	a.reach.Lock()
	defer a.reach.Unlock()
	var out []link
	for _, e := range a.entries {
		out = append(out, link{service: e.Service, port: e.Name, at: e.port})
	}
	return out
}
