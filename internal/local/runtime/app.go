package runtime

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/fawkes-idp/fawkes/internal/local/runtime/manifest"
)

// keptSets is how many templates of a Deployment are kept, the wanted one included, whose images stay unpacked.
const keptSets = 3

// app is one application: its Deployments, and the ports through which they are reached.
type app struct {
	r    *Runtime
	name string

	mu          sync.Mutex // held while saving; never while a lock of a deployment or pod is taken
	saved       *savedApp
	set         manifest.Set
	deployments map[string]*deployment

	reach   sync.Mutex // the innermost lock
	entries []*entry
}

func newApp(r *Runtime, saved *savedApp) *app {
	if saved.Deployments == nil {
		saved.Deployments = map[string]*savedDeployment{}
	}
	if saved.Ports == nil {
		saved.Ports = map[string]int{}
	}
	return &app{r: r, name: saved.Name, saved: saved, deployments: map[string]*deployment{}}
}

// apply stores what shall be and begins to make it so. Check has passed.
func (a *app) apply(ctx context.Context, want App, revision string) error {
	set, err := manifest.Decode(want.Objects)
	if err != nil {
		return err
	}
	next, err := a.draft()
	if err != nil {
		return err
	}
	if next.Revision == revision && next.Namespace == want.Namespace && sameObjects(next.Objects, want.Objects) {
		return nil
	}
	next.Namespace, next.Revision, next.AppliedAt = want.Namespace, revision, a.r.opt.Clock.Now()
	next.Objects = nil
	for _, o := range want.Objects {
		next.Objects = append(next.Objects, o.Clone())
	}
	if err := next.resolve(set); err != nil {
		return err
	}
	return a.adopt(ctx, next, set)
}

// restart makes a new set of the same template for each Deployment.
func (a *app) restart(ctx context.Context) error {
	next, err := a.draft()
	if err != nil {
		return err
	}
	for _, d := range next.Deployments {
		d.Restarts++
	}
	if err := next.resolve(a.set); err != nil {
		return err
	}
	return a.adopt(ctx, next, a.set)
}

// draft is a copy of what is saved.
func (a *app) draft() (*savedApp, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	raw, err := json.Marshal(a.saved)
	if err != nil {
		return nil, fmt.Errorf("copy state: %w", err)
	}
	out := &savedApp{}
	if err := json.Unmarshal(raw, out); err != nil {
		return nil, fmt.Errorf("copy state: %w", err)
	}
	return newApp(a.r, out).saved, nil
}

func sameObjects(a, b []Object) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// resolve makes the sets that the objects want the last of each Deployment.
func (s *savedApp) resolve(set manifest.Set) error {
	wanted := map[string]bool{}
	for _, d := range set.Deployments {
		t, err := manifest.NewTemplate(d, set)
		if err != nil {
			return fmt.Errorf("deployment %s: %w", d.Name, err)
		}
		wanted[d.Name] = true
		have := s.Deployments[d.Name]
		if have == nil {
			have = &savedDeployment{}
			s.Deployments[d.Name] = have
		}
		hash := t.Hash()
		if have.Restarts > 0 {
			hash = fmt.Sprintf("%.7s%03d", hash, have.Restarts%1000)
		}
		have.want(savedSet{Hash: hash, Revision: s.Revision, Template: t})
	}
	for name := range s.Deployments {
		if !wanted[name] {
			delete(s.Deployments, name)
		}
	}
	return nil
}

// want makes a set the last one; one that was there before comes back.
func (d *savedDeployment) want(s savedSet) {
	if n := len(d.Sets); n > 0 && d.Sets[n-1].Hash == s.Hash {
		return
	}
	d.Sets = slices.DeleteFunc(d.Sets, func(have savedSet) bool { return have.Hash == s.Hash })
	d.Number++
	s.Number = d.Number
	d.Sets = append(d.Sets, s)
}

// adopt opens the ports of what shall be, stores it, and hands it to the Deployments.
func (a *app) adopt(ctx context.Context, next *savedApp, set manifest.Set) error {
	entries, opened, err := a.open(ctx, next, set)
	if err != nil {
		return err
	}
	a.mu.Lock()
	for name, d := range next.Deployments { // instances came and went since the copy was made
		if have := a.saved.Deployments[name]; have != nil {
			d.Pods = have.Pods
		}
	}
	if err := a.r.store.save(next); err != nil {
		a.mu.Unlock()
		for _, e := range opened {
			e.front.Close(ctx)
			a.r.ports.free(e.port)
		}
		return err
	}
	a.saved, a.set = next, set
	var gone []*deployment
	for name, d := range a.deployments {
		if next.Deployments[name] == nil {
			gone = append(gone, d)
			delete(a.deployments, name)
		}
	}
	a.mu.Unlock()
	for _, d := range gone {
		a.r.loops.Go(func() { d.shut() })
	}
	a.expose(ctx, entries)
	for _, spec := range set.Deployments {
		a.hand(spec.Name)
	}
	return nil
}

// hand gives a Deployment what it shall be, and begins to look after it when it is new.
func (a *app) hand(name string) {
	a.mu.Lock()
	at := slices.IndexFunc(a.set.Deployments, func(d deploymentObject) bool { return d.Name == name })
	spec, saved := a.set.Deployments[at], a.saved.Deployments[name]
	d, known := a.deployments[name]
	if !known {
		d = newDeployment(a, name)
		a.deployments[name] = d
	}
	sets := slices.Clone(saved.Sets)
	pods := slices.Clone(saved.Pods)
	a.mu.Unlock()
	d.want(spec, sets)
	if !known {
		d.begin(pods)
	}
	d.reconcile() // so that Health speaks of what is wanted now as soon as Apply returns
	d.look()
}

// resume brings back what was saved.
func (a *app) resume(ctx context.Context) error {
	set, err := manifest.Decode(a.saved.Objects)
	if err != nil {
		return err
	}
	a.set = set
	before := fmt.Sprint(a.saved.Ports)
	entries, _, err := a.open(ctx, a.saved, set)
	if err != nil {
		return err
	}
	if fmt.Sprint(a.saved.Ports) != before {
		a.r.opt.Log.Warn("a port of a Service is taken by another program, and another one serves it", "application", a.name)
		if err := a.r.store.save(a.saved); err != nil {
			return err
		}
	}
	a.expose(ctx, entries)
	for _, d := range set.Deployments {
		a.hand(d.Name)
	}
	return nil
}

func (a *app) pods() []*pod {
	a.mu.Lock()
	ds := make([]*deployment, 0, len(a.deployments))
	for _, d := range a.deployments {
		ds = append(ds, d)
	}
	a.mu.Unlock()
	slices.SortFunc(ds, func(x, y *deployment) int { return cmpText(x.name, y.name) })
	var out []*pod
	for _, d := range ds {
		out = append(out, d.members()...)
	}
	return out
}

func cmpText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// digests adds those of the images that the application uses or may go back to.
func (a *app) digests(into map[string]bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, d := range a.saved.Deployments {
		for _, s := range d.Sets {
			if _, _, digest, err := parseRef(s.Template.Image); err == nil {
				into[digest] = true
			}
		}
	}
}

// keep stores which instances a Deployment has, and forgets sets that are of no more use.
func (a *app) keep(d *deployment, pods []savedPod) {
	a.mu.Lock()
	defer a.mu.Unlock()
	saved := a.saved.Deployments[d.name]
	if saved == nil || a.deployments[d.name] != d {
		return
	}
	saved.Pods = pods
	used := map[string]bool{}
	for _, p := range pods {
		used[p.Hash] = true
	}
	for i := 0; len(saved.Sets)-i > keptSets; {
		if used[saved.Sets[i].Hash] {
			i++
			continue
		}
		saved.Sets = slices.Delete(saved.Sets, i, i+1)
	}
	if err := a.r.store.save(a.saved); err != nil {
		a.r.opt.Log.Warn("the state of an application is not stored", "application", a.name, "error", err)
	}
}

// shut stops all there is of the application, and leaves what is saved.
func (a *app) shut(ctx context.Context) {
	a.mu.Lock()
	ds := make([]*deployment, 0, len(a.deployments))
	for _, d := range a.deployments {
		ds = append(ds, d)
	}
	a.mu.Unlock()
	a.reach.Lock()
	entries := a.entries
	a.reach.Unlock()
	var work sync.WaitGroup
	for _, e := range entries {
		work.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, a.r.opt.DrainWithin)
			defer cancel()
			e.front.Close(ctx)
		})
	}
	work.Wait()
	for _, d := range ds {
		work.Go(d.shut)
	}
	work.Wait()
}

// forget removes what a deleted application leaves behind.
func (a *app) forget() {
	a.reach.Lock()
	for _, e := range a.entries {
		a.r.ports.free(e.port)
	}
	a.reach.Unlock()
	err := errors.Join(os.RemoveAll(a.r.instanceFolder(a.name, "")), os.RemoveAll(a.r.logFolder(a.name)))
	if err != nil {
		a.r.opt.Log.Warn("files of a deleted application stay", "application", a.name, "error", err)
	}
}

func (a *app) namespace() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.saved.Namespace
}

func (a *app) now() time.Time { return a.r.opt.Clock.Now() }
