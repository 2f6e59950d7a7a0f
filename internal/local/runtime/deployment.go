package runtime

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
)

type deploymentObject = appsv1.Deployment

// progressDeadline is how long a roll-out may stand still when the manifest does not say. Kubernetes' default of
// 10 minutes is made for pulling over networks.
const progressDeadline = time.Minute

// keptLogs is how many logs of instances that are gone a Deployment keeps.
const keptLogs = 10

// deployment looks after the instances of one Deployment: it starts and stops them until they are what is wanted.
type deployment struct {
	app  *app
	name string

	mu       sync.Mutex
	spec     deploymentObject
	strategy strategy
	sets     map[string]*savedSet // by hash
	current  *savedSet
	pods     []*pod
	progress progress
	health   Health
	stopping bool

	wake   chan struct{}
	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{}
}

// progress is how far a roll-out has come, for its deadline.
type progress struct {
	hash      string
	at        time.Time // when it last came further
	available int       // most that were available of the wanted template
	old       int       // fewest that were left
	complete  bool
}

func newDeployment(a *app, name string) *deployment {
	d := &deployment{
		app: a, name: name, sets: map[string]*savedSet{}, wake: make(chan struct{}, 1), done: make(chan struct{}),
		health: Health{Status: Progressing, Since: a.now()},
	}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	return d
}

// want takes what the Deployment shall be; the last set is the wanted one.
func (d *deployment) want(spec deploymentObject, sets []savedSet) {
	d.mu.Lock()
	d.spec, d.strategy = spec, newStrategy(spec.Spec)
	for i := range sets {
		if d.sets[sets[i].Hash] == nil {
			d.sets[sets[i].Hash] = &sets[i]
		}
	}
	d.current = d.sets[sets[len(sets)-1].Hash]
	d.progress.at = d.app.now()
	used := map[string]bool{}
	for _, s := range sets {
		used[s.Hash] = true
	}
	for _, p := range d.pods {
		used[p.set.Hash] = true
	}
	maps.DeleteFunc(d.sets, func(hash string, _ *savedSet) bool { return !used[hash] })
	d.mu.Unlock()
}

// begin brings back instances that were there before, and starts to look after them.
func (d *deployment) begin(pods []savedPod) {
	d.mu.Lock()
	for _, s := range pods {
		if set := d.sets[s.Hash]; set != nil {
			p := newPod(d, s.Name, set, s.Created)
			p.status.Restarts, p.ports = s.Restarts, s.Ports
			d.pods = append(d.pods, p)
			d.app.r.loops.Go(p.run)
		}
	}
	d.mu.Unlock()
	d.app.r.loops.Go(d.run)
}

// look makes the deployment look at its instances again.
func (d *deployment) look() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

func (d *deployment) run() {
	defer close(d.done)
	for {
		next := d.reconcile()
		var tick <-chan time.Time
		giveUp := func() {}
		if next > 0 {
			tick, giveUp = d.app.r.timer(next)
		}
		select {
		case <-d.ctx.Done():
			giveUp()
			return
		case <-d.wake:
		case <-tick:
		}
		giveUp()
	}
}

// reconcile does what brings the instances nearer to what is wanted, and says when to look again at the latest.
func (d *deployment) reconcile() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopping {
		return 0
	}
	now := d.app.now()
	changed := d.bury()
	minReady := time.Duration(d.spec.Spec.MinReadySeconds) * time.Second
	var members []member
	stopping, next := 0, time.Duration(0)
	soon := func(t time.Duration) {
		if t > 0 && (next == 0 || t < next) {
			next = t
		}
	}
	for i, p := range d.pods {
		s := p.snapshot()
		if s.terminating {
			stopping++
			continue
		}
		m := member{name: p.name, current: p.set == d.current, broken: s.broken(), age: i}
		if s.Ready {
			wait := minReady - now.Sub(s.readyAt)
			m.available = wait <= 0
			soon(wait)
		}
		members = append(members, m)
	}
	start, stop := d.strategy.plan(members, stopping)
	if d.spec.Spec.Paused {
		start, stop = d.paused(members)
	}
	for range start {
		p := newPod(d, d.name+"-"+d.current.Hash+"-"+suffix(), d.current, now)
		d.pods = append(d.pods, p)
		d.app.r.loops.Go(p.run)
		changed = true
	}
	for _, name := range stop {
		for _, p := range d.pods {
			if p.name == name {
				p.stop()
				changed = true
			}
		}
	}
	if changed {
		d.app.keep(d, d.identities())
	}
	before := d.health
	soon(d.judge(members, now))
	if d.health.Status != before.Status || d.health.Message != before.Message || changed {
		if d.health.Status == Healthy && before.Status != Healthy {
			d.app.r.loops.Go(d.app.r.collect)
		}
		d.app.r.notices.add(d.app.name)
	}
	return next
}

// paused keeps the numbers of instances as they are, by templates: nothing is rolled, only the number holds.
func (d *deployment) paused(members []member) (start int, stop []string) {
	for i := range members {
		members[i].current = true
	}
	start, stop = d.strategy.plan(members, 0)
	if len(members) > 0 && start > 0 && d.pods[0].set != d.current {
		start = 0 // another template would begin to be rolled out
	}
	return start, stop
}

// bury takes away the instances that are gone.
func (d *deployment) bury() bool {
	var left []*pod
	for _, p := range d.pods {
		select {
		case <-p.gone:
		default:
			left = append(left, p)
		}
	}
	changed := len(left) != len(d.pods)
	d.pods = left
	if changed {
		d.trimLogs()
	}
	return changed
}

// trimLogs removes the oldest logs of instances that are gone.
func (d *deployment) trimLogs() {
	folder := d.app.r.logFolder(d.app.name)
	entries, err := os.ReadDir(folder)
	if err != nil {
		return
	}
	alive := map[string]bool{}
	for _, p := range d.pods {
		alive[p.name] = true
	}
	type old struct {
		path string
		at   time.Time
	}
	var gone []old
	for _, e := range entries {
		name := strings.TrimSuffix(strings.TrimSuffix(e.Name(), ".1"), ".log")
		if alive[name] || !strings.HasPrefix(name, d.name+"-") {
			continue
		}
		if info, err := e.Info(); err == nil {
			gone = append(gone, old{filepath.Join(folder, e.Name()), info.ModTime()})
		}
	}
	sort.Slice(gone, func(i, j int) bool { return gone[i].at.After(gone[j].at) })
	for i := keptLogs; i < len(gone); i++ {
		if err := os.Remove(gone[i].path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			d.app.r.opt.Log.Warn("an old log is not removed", "error", err)
		}
	}
}

func (d *deployment) identities() []savedPod {
	out := make([]savedPod, 0, len(d.pods))
	for _, p := range d.pods {
		if s := p.snapshot(); !s.terminating {
			out = append(out, savedPod{Name: p.name, Hash: p.set.Hash, Restarts: s.Restarts, Ports: s.ports, Created: p.created})
		}
	}
	return out
}

// remember stores the instances' identities again: one has got ports or was started anew.
func (d *deployment) remember() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.stopping {
		d.app.keep(d, d.identities())
	}
}

func (d *deployment) members() []*pod {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]*pod(nil), d.pods...)
}

// shut stops all instances and returns when they are gone.
func (d *deployment) shut() {
	d.mu.Lock()
	d.stopping = true
	pods := append([]*pod(nil), d.pods...)
	d.mu.Unlock()
	d.cancel()
	<-d.done
	for _, p := range pods {
		p.stop()
	}
	for _, p := range pods {
		<-p.gone
	}
}

// suffix is the end of an instance's name.
func suffix() string { return strings.ToLower(rand.Text()[:5]) }
