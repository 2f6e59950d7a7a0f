package runtime

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/fawkes-idp/fawkes/internal/local/runtime/balance"
	"github.com/fawkes-idp/fawkes/internal/local/runtime/manifest"
	"github.com/fawkes-idp/fawkes/internal/sandbox"
)

// maxProcesses is how many processes one instance may have at once.
const maxProcesses = 512

// ending is how one run of an instance's program came to its end.
type ending struct {
	exit     sandbox.Exit
	reason   string // Completed, Error, OOMKilled, ContainerCannotRun, Unhealthy
	message  string
	hopeless bool
}

// once runs the program until it ends, is found to be sick, or is to stop.
func (p *pod) once(ctx context.Context, in prepared) ending {
	spec, err := p.spec(ctx, in)
	if err != nil {
		return ending{exit: sandbox.Exit{Code: 128}, reason: "ContainerCannotRun", message: err.Error()}
	}
	// The program outlives ctx: it is stopped by its own rules, and killed with the runtime's context.
	proc, err := sandbox.Start(p.d.app.r.ctx, spec)
	if err != nil {
		return ending{exit: sandbox.Exit{Code: 128}, reason: "ContainerCannotRun", message: err.Error()}
	}
	backends := map[int32]*balance.Backend{}
	p.mu.Lock()
	for number, port := range p.ports {
		backends[number] = balance.NewBackend(loopback(port))
	}
	p.backends, p.process, p.running = backends, proc, spec
	p.status.StartedAt, p.status.PID, p.status.Isolation = p.d.app.now(), proc.PID(), proc.Report()
	if !p.status.terminating {
		p.status.State, p.status.Message = StateRunning, "is not ready yet"
	}
	p.mu.Unlock()
	p.d.remember()
	p.d.look()

	watch, unwatch := context.WithCancel(context.WithoutCancel(ctx))
	sick := make(chan sickness, 1)
	var work sync.WaitGroup
	work.Go(func() { p.attend(watch, spec, sick) })
	end := p.await(ctx, proc, sick)
	unwatch()
	work.Wait()

	p.mu.Lock()
	p.d.app.join(p, backends, false)
	p.status.Ready, p.backends, p.process = false, nil, nil
	p.mu.Unlock()
	for _, b := range backends {
		b.Close()
	}
	return end
}

// await returns when the program has ended, by itself or by us.
func (p *pod) await(ctx context.Context, proc *sandbox.Process, sick <-chan sickness) ending {
	select {
	case <-proc.Done():
	case <-ctx.Done():
		p.end(proc, p.set.Template.Grace)
	case s := <-sick:
		p.mu.Lock()
		p.status.Ready = false
		p.d.app.join(p, p.backends, false)
		p.mu.Unlock()
		p.log.note("%s", s.message)
		grace := p.set.Template.Grace
		if s.grace != nil {
			grace = *s.grace
		}
		p.end(proc, grace)
		exit, _ := proc.Wait()
		return ending{exit: exit, reason: "Unhealthy", message: s.message, hopeless: s.hopeless}
	}
	exit, err := proc.Wait()
	out := ending{exit: exit, reason: "Error", message: fmt.Sprintf("the program ended with status %d", exit.Code)}
	switch {
	case err != nil:
		out.message = err.Error()
	case exit.OutOfMemory:
		out.reason = "OOMKilled"
		out.message = fmt.Sprintf("OOMKilled: the program used more memory than its limit of %d bytes", p.set.Template.Memory)
	case exit.TooManyProcesses:
		out.message = "the program was killed for having too many processes"
	case exit.Signal != "":
		out.message = "the program was ended by " + exit.Signal
	case exit.Code == 0:
		out.reason = "Completed"
	}
	return out
}

// end stops the program: what it has at hand is answered first, then preStop, then SIGTERM, then SIGKILL.
func (p *pod) end(proc *sandbox.Process, grace int64) {
	r := p.d.app.r
	drain, cancel := context.WithTimeout(r.ctx, r.opt.DrainWithin)
	p.mu.Lock()
	backends := p.backends
	p.mu.Unlock()
	for _, b := range backends {
		select {
		case <-proc.Done():
		default:
			b.Drain(drain)
		}
	}
	cancel()
	left, cancel := context.WithTimeout(r.ctx, time.Duration(grace)*time.Second)
	defer cancel()
	if pre := p.set.Template.PreStop; pre != nil && grace > 0 {
		p.prestop(left, proc, *pre)
	}
	_ = proc.Stop(left) // an error means that the time was over and the program was killed, as is wanted
}

func (p *pod) prestop(ctx context.Context, proc *sandbox.Process, h manifest.Handler) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-proc.Done():
			cancel()
		case <-ctx.Done():
		}
	}()
	if h.Sleep > 0 {
		p.wait(ctx, time.Duration(h.Sleep)*time.Second)
		return
	}
	if err := p.ask(ctx, h); err != nil && ctx.Err() == nil {
		p.log.note("preStop: %s", err)
	}
}

// spec is what to start, on ports that are free now.
func (p *pod) spec(ctx context.Context, in prepared) (sandbox.Spec, error) {
	t, a := p.set.Template, p.d.app
	p.mu.Lock()
	had := p.ports
	p.mu.Unlock()
	ports := map[int32]int{}
	for _, want := range t.Ports {
		port, err := a.r.ports.instance(ctx, a.name+"/"+p.name, had[want.Number])
		if err != nil {
			return sandbox.Spec{}, err
		}
		ports[want.Number] = port
	}
	p.mu.Lock()
	for number, port := range had {
		if ports[number] != port {
			a.r.ports.free(port)
		}
	}
	p.ports = ports
	p.mu.Unlock()

	namespace := a.namespace()
	var links []link
	if t.ServiceLink {
		links = a.r.links(namespace)
	}
	env := environment(in.image, t, p.name, namespace, ports, links)
	return p.command(in, env, t.Command, t.Args)
}

// command is the instance's program, or another one beside it, in the same confinement.
func (p *pod) command(in prepared, env *variables, command, args []string) (sandbox.Spec, error) {
	t, r := p.set.Template, p.d.app.r
	line := append([]string(nil), command...)
	if len(line) == 0 {
		line = append(line, in.image.Entrypoint...)
		if len(args) == 0 {
			args = in.image.Cmd
		}
	}
	line = append(line, args...)
	if len(line) == 0 {
		return sandbox.Spec{}, fmt.Errorf("neither the manifest nor the image says what to start")
	}
	for i := range line {
		line[i] = env.expand(line[i])
	}
	dir := t.WorkingDir
	if dir == "" {
		dir = in.image.WorkingDir
	}
	if dir == "" {
		dir = "/"
	}
	program, err := lookup(in.root, line[0], dir, env.values["PATH"])
	if err != nil {
		return sandbox.Spec{}, err
	}
	s := sandbox.Spec{
		Path: program, Args: line[1:], Dir: dir, Root: in.root, Read: []string{in.root}, Write: in.writable,
		Limits: sandbox.Limits{Memory: t.Memory, Processes: maxProcesses}, Network: true,
		Marker: r.opt.Folder + "|" + p.d.app.name + "|" + p.name,
		Stdout: p.log, Stderr: p.log,
		Grace: time.Duration(max(t.Grace, 1)) * time.Second,
	}
	if !r.root {
		if s.Path, err = within(in.root, program); err != nil {
			return sandbox.Spec{}, err
		}
		if s.Dir, err = within(in.root, dir); err != nil {
			return sandbox.Spec{}, err
		}
		s.Root = ""
		s.Read = append(s.Read, "/usr", "/lib", "/lib64", "/bin", "/etc/ssl", "/etc/resolv.conf", "/etc/hosts", "/etc/passwd", "/etc/nsswitch.conf")
		env.set("TMPDIR", filepath.Join(in.folder, "tmp"))
	}
	s.Env = env.list()
	return s, nil
}

// links are the ports of all Services of a namespace.
func (r *Runtime) links(namespace string) []link {
	r.mu.Lock()
	apps := r.sorted()
	r.mu.Unlock()
	var out []link
	for _, a := range apps {
		out = append(out, a.links(namespace)...)
	}
	return out
}
