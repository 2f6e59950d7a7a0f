package runtime

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/fawkes-idp/fawkes/internal/local/runtime/balance"
	"github.com/fawkes-idp/fawkes/internal/sandbox"
)

// The states of an instance, in kubectl's words.
const (
	StatePending     = "Pending"
	StateCreating    = "ContainerCreating"
	StateRunning     = "Running"
	StateCrashLoop   = "CrashLoopBackOff"
	StatePull        = "ErrImagePull"
	StatePullBackOff = "ImagePullBackOff"
	StateConfig      = "CreateContainerConfigError"
	StateTerminating = "Terminating"
)

// pod is one instance: a name, its own folder and log, and the program that is started again whenever it ends.
type pod struct {
	d       *deployment
	name    string
	set     *savedSet
	created time.Time

	mu       sync.Mutex
	status   podStatus
	ports    map[int32]int // the container's to this machine's
	backends map[int32]*balance.Backend
	log      *logFile
	process  *sandbox.Process
	running  sandbox.Spec // of the process

	halt     chan struct{} // closed when it is to stop
	haltOnce sync.Once
	gone     chan struct{} // closed when nothing is left of it
}

// podStatus is what others see of an instance.
type podStatus struct {
	State     string
	Message   string
	Ready     bool
	Restarts  int
	StartedAt time.Time // of the program that runs
	LastExit  *LastExit
	PID       int
	Digest    string
	Verified  bool
	Isolation sandbox.Report

	readyAt     time.Time
	terminating bool
	hopeless    bool
	ports       map[int32]int
}

func (s podStatus) broken() bool {
	switch s.State {
	case StateCrashLoop, StatePull, StatePullBackOff, StateConfig:
		return true
	}
	return false
}

func newPod(d *deployment, name string, set *savedSet, created time.Time) *pod {
	return &pod{
		d: d, name: name, set: set, created: created, halt: make(chan struct{}), gone: make(chan struct{}),
		status: podStatus{State: StatePending}, ports: map[int32]int{},
	}
}

func (p *pod) snapshot() podStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.status
	s.ports = maps.Clone(p.ports)
	return s
}

// change alters the status and lets the deployment look at it.
func (p *pod) change(f func(*podStatus)) {
	p.mu.Lock()
	f(&p.status)
	if p.status.terminating {
		p.status.State, p.status.Ready = StateTerminating, false
	}
	p.mu.Unlock()
	p.d.look()
	p.d.app.r.notices.add(p.d.app.name)
}

func (p *pod) say(state, message string) {
	p.change(func(s *podStatus) { s.State, s.Message = state, message })
}

// stop begins the end of the instance; gone tells when it is there.
func (p *pod) stop() {
	p.haltOnce.Do(func() {
		p.mu.Lock()
		p.status.terminating, p.status.Ready, p.status.State = true, false, StateTerminating
		p.d.app.join(p, p.backends, false)
		p.mu.Unlock()
		close(p.halt)
	})
}

// setReady puts the instance behind its Services, or takes it away from them.
func (p *pod) setReady(ready bool, message string) {
	p.mu.Lock()
	if p.status.terminating || p.status.Ready == ready && p.status.Message == message {
		p.mu.Unlock()
		return
	}
	if ready && !p.status.Ready {
		p.status.readyAt, p.status.hopeless = p.d.app.now(), false
	}
	p.status.Ready, p.status.Message = ready, message
	p.d.app.join(p, p.backends, ready)
	p.mu.Unlock()
	p.d.look()
	p.d.app.r.notices.add(p.d.app.name)
}

// rejoin looks again which Services select the instance.
func (p *pod) rejoin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.d.app.join(p, p.backends, p.status.Ready)
}

// run is the instance's life.
func (p *pod) run() {
	defer p.d.look()
	defer close(p.gone)
	ctx, cancel := context.WithCancel(p.d.app.r.ctx)
	defer cancel()
	go func() { // pulling and preparing end at once; a program that runs is stopped by its own rules
		select {
		case <-p.halt:
			cancel()
		case <-ctx.Done():
		}
	}()
	folder := p.d.app.r.instanceFolder(p.d.app.name, p.name)
	defer func() { _ = os.RemoveAll(folder) }()
	defer p.freePorts()
	log, err := openLog(filepath.Join(p.d.app.r.logFolder(p.d.app.name), p.name+".log"))
	if err != nil {
		p.say(StateConfig, err.Error())
		<-ctx.Done()
		return
	}
	p.mu.Lock()
	p.log = log
	p.mu.Unlock()
	defer func() { _ = log.Close() }()

	img, ok := p.pull(ctx)
	if !ok {
		return
	}
	ready, ok := p.prepare(ctx, img, folder)
	if !ok {
		return
	}
	p.loop(ctx, ready)
}

// loop starts the program again and again, with pauses that grow.
func (p *pod) loop(ctx context.Context, in prepared) {
	back := backOff{first: p.d.app.r.opt.BackOff}
	for {
		began := p.d.app.now()
		end := p.once(ctx, in)
		if ctx.Err() != nil {
			return
		}
		now := p.d.app.now()
		pause := back.next(now.Sub(began))
		p.change(func(s *podStatus) {
			s.Restarts++
			s.PID, s.Ready = 0, false
			s.hopeless = end.hopeless
			s.LastExit = &LastExit{Code: end.exit.Code, Signal: end.exit.Signal, Reason: end.reason, Message: end.message, At: now}
			s.State, s.Message = StateCrashLoop, fmt.Sprintf("back-off %s: %s", pause, end.message)
			if pause == 0 {
				s.State, s.Message = StateCreating, "starts again: "+end.message
			}
		})
		p.log.note("%s; starts again in %s", end.message, pause)
		p.d.remember()
		if !p.wait(ctx, pause) {
			return
		}
	}
}

// wait returns false when the instance is to stop.
func (p *pod) wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	tick, giveUp := p.d.app.r.timer(d)
	defer giveUp()
	select {
	case <-ctx.Done():
		return false
	case <-tick:
		return true
	}
}

// The pauses between attempts to get an image. They begin shorter than Kubernetes': the registry is on this machine,
// and may start a moment later than the instance.
const (
	pullFirst = time.Second
	pullMost  = 5 * time.Minute
)

func (p *pod) pull(ctx context.Context) (*image, bool) {
	p.say(StateCreating, "")
	for pause := pullFirst; ; pause = min(2*pause, pullMost) {
		img, err := p.d.app.r.images.get(ctx, p.set.Template.Image)
		if err == nil {
			p.change(func(s *podStatus) {
				s.Digest, s.Verified, s.hopeless, s.Message = img.Digest, img.VerifiedBy != "", false, ""
			})
			return img, true
		}
		if ctx.Err() != nil {
			return nil, false
		}
		var hopeless hopelessError
		p.change(func(s *podStatus) {
			s.State, s.Message, s.hopeless = StatePull, err.Error(), errors.As(err, &hopeless)
			if pause > pullFirst {
				s.State = StatePullBackOff
			}
		})
		p.log.note("%s; tries again in %s", err, pause)
		if !p.wait(ctx, pause) {
			return nil, false
		}
	}
}

// prepared is an instance that only has to be started.
type prepared struct {
	image    *image
	folder   string
	root     string
	writable []string
}

func (p *pod) prepare(ctx context.Context, img *image, folder string) (prepared, bool) {
	for pause := time.Second; ; pause = min(2*pause, time.Minute) {
		in, err := p.furnish(img, folder)
		if err == nil {
			return in, true
		}
		p.say(StateConfig, err.Error())
		p.log.note("%s; tries again in %s", err, pause)
		if !p.wait(ctx, pause) {
			return prepared{}, false
		}
	}
}

func (p *pod) furnish(img *image, folder string) (prepared, error) {
	t, r := p.set.Template, p.d.app.r
	in := prepared{image: img, folder: folder, root: filepath.Join(folder, "root")}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return in, fmt.Errorf("make the instance's folder: %w", err)
	}
	if !r.root {
		if len(t.Files)+len(t.Scratch) > 0 {
			return in, errors.New("volumes need a root folder of the instance's own, which this machine does not allow without root's rights or user namespaces")
		}
		in.root = img.root
		tmp := filepath.Join(folder, "tmp")
		in.writable = []string{tmp}
		if err := os.MkdirAll(tmp, 0o700); err != nil {
			return in, fmt.Errorf("make the instance's folder: %w", err)
		}
		return in, nil
	}
	var err error
	in.writable, err = makeRoot(in.root, img, t, p.name, r.share)
	return in, err
}

func (p *pod) freePorts() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, port := range p.ports {
		p.d.app.r.ports.free(port)
	}
}
