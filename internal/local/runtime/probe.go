package runtime

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/fawkes-idp/fawkes/internal/local/runtime/manifest"
	"github.com/fawkes-idp/fawkes/internal/sandbox"
)

// sickness is why a program that runs must be ended.
type sickness struct {
	message  string
	grace    *int64 // seconds, when the probe says its own
	hopeless bool
}

// eager is how often an instance that was not ready yet is asked at first. Kubernetes allows itself the same, to
// make it ready sooner.
const eager = 50 * time.Millisecond

// attend watches a program that runs: whether it listens where it was told to, and its probes.
func (p *pod) attend(ctx context.Context, spec sandbox.Spec, sick chan<- sickness) {
	began := p.d.app.now()
	report := func(s sickness) {
		select {
		case sick <- s:
		default:
		}
	}
	t := p.set.Template
	ask := func(ctx context.Context, h manifest.Handler) error { return p.askIn(ctx, h, spec) }
	var work sync.WaitGroup
	defer work.Wait()
	listens := make(chan struct{})
	work.Go(func() {
		if p.listens(ctx, began, report) {
			close(listens)
		}
	})
	if t.Startup != nil && !p.startup(ctx, *t.Startup, ask, report) {
		return
	}
	if t.Liveness != nil {
		work.Go(func() { p.liveness(ctx, *t.Liveness, ask, report) })
	}
	select {
	case <-listens:
	case <-ctx.Done():
		return
	}
	if t.Readiness == nil {
		p.setReady(true, "")
		return
	}
	p.readiness(ctx, *t.Readiness, ask)
}

// listens waits until the program takes connections on all its ports.
func (p *pod) listens(ctx context.Context, began time.Time, report func(sickness)) bool {
	within := p.d.app.r.opt.ListenWithin
	if s := p.set.Template.Startup; s != nil {
		within = max(within, time.Duration(s.Delay+s.Period*s.Failure)*time.Second)
	}
	if s := p.set.Template.Readiness; s != nil {
		within = max(within, time.Duration(s.Delay)*time.Second)
	}
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, eager) {
		missing, port := p.silent(ctx)
		if missing == "" {
			return true
		}
		if p.d.app.now().Sub(began) >= within {
			report(p.deaf(missing, port, within))
			return false
		}
		p.setReady(false, fmt.Sprintf("does not listen on %s=%d yet", missing, port))
		if !p.wait(ctx, pause) {
			return false
		}
	}
}

// silent is the first variable whose port takes no connection, "" when all do.
func (p *pod) silent(ctx context.Context) (variable string, port int) {
	p.mu.Lock()
	ports := p.ports
	p.mu.Unlock()
	for i, want := range p.set.Template.Ports {
		port := ports[want.Number]
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", loopback(port))
		if err == nil {
			_ = conn.Close()
			continue
		}
		switch {
		case i == 0:
			return "PORT", port
		case want.Name != "":
			return "PORT_" + variableName(want.Name), port
		default:
			return fmt.Sprintf("PORT_%d", want.Number), port
		}
	}
	return "", 0
}

// deaf says what a program did that does not listen where it was told to.
func (p *pod) deaf(variable string, port int, within time.Duration) sickness {
	p.mu.Lock()
	proc, own := p.process, map[int]bool{}
	for _, o := range p.ports {
		own[o] = true
	}
	p.mu.Unlock()
	var others []string
	if proc != nil {
		for _, l := range listening(proc.PID()) {
			if !own[l] {
				others = append(others, fmt.Sprint(l))
			}
		}
	}
	image := p.set.Template.Image
	if len(others) > 0 {
		return sickness{hopeless: true, message: fmt.Sprintf("the image %s listens on %s although %s=%d: it has to take its port from the variable",
			image, strings.Join(others, ", "), variable, port)}
	}
	return sickness{message: fmt.Sprintf("the image %s does not listen on %s=%d within %s", image, variable, port, within)}
}

type asker func(ctx context.Context, h manifest.Handler) error

// startup asks until the first good answer; the other probes wait for it.
func (p *pod) startup(ctx context.Context, probe manifest.Probe, ask asker, report func(sickness)) bool {
	if !p.wait(ctx, time.Duration(probe.Delay)*time.Second) {
		return ctx.Err() == nil
	}
	period := time.Duration(probe.Period) * time.Second
	failures := int32(0)
	counted := p.d.app.now()
	for {
		err := asked(ctx, probe, ask)
		if ctx.Err() != nil {
			return false
		}
		if err == nil {
			return true
		}
		p.setReady(false, "startup probe: "+err.Error())
		if now := p.d.app.now(); now.Sub(counted) >= period { // only what is asked in time counts
			counted = now
			if failures++; failures >= probe.Failure {
				report(sickness{message: "startup probe failed: " + err.Error(), grace: probe.Grace})
				return false
			}
		}
		if !p.wait(ctx, min(period, 4*eager)) {
			return false
		}
	}
}

func (p *pod) liveness(ctx context.Context, probe manifest.Probe, ask asker, report func(sickness)) {
	if !p.wait(ctx, max(time.Duration(probe.Delay)*time.Second, time.Duration(probe.Period)*time.Second/2)) {
		return
	}
	for failures := int32(0); ; {
		err := asked(ctx, probe, ask)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			failures = 0
		default:
			if failures++; failures >= probe.Failure {
				report(sickness{message: "liveness probe failed: " + err.Error(), grace: probe.Grace})
				return
			}
		}
		if !p.wait(ctx, time.Duration(probe.Period)*time.Second) {
			return
		}
	}
}

func (p *pod) readiness(ctx context.Context, probe manifest.Probe, ask asker) {
	if probe.Delay > 0 && !p.wait(ctx, time.Duration(probe.Delay)*time.Second) {
		return
	}
	good, bad, ready := int32(0), int32(0), false
	period := time.Duration(probe.Period) * time.Second
	for pause := eager; ; {
		err := asked(ctx, probe, ask)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			good, bad = good+1, 0
		} else {
			good, bad = 0, bad+1
		}
		switch {
		case err == nil && good >= probe.Success:
			ready = true
			p.setReady(true, "")
		case err != nil && (!ready || bad >= probe.Failure):
			ready = false
			p.setReady(false, "readiness probe: "+err.Error())
		}
		wait := period
		if !ready {
			wait = min(pause, period)
			pause = min(pause*2, period)
		} else {
			pause = eager
		}
		if !p.wait(ctx, wait) {
			return
		}
	}
}

func asked(ctx context.Context, probe manifest.Probe, ask asker) error {
	limit := time.Duration(probe.Timeout) * time.Second
	asking, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := ask(asking, probe.Handler)
	if err != nil && asking.Err() != nil && ctx.Err() == nil {
		return fmt.Errorf("%s gave no answer within %s", what(probe.Handler), limit)
	}
	return err
}

func what(h manifest.Handler) string {
	switch {
	case h.HTTP != nil:
		return "GET " + h.HTTP.Path
	case h.TCP != 0:
		return fmt.Sprintf("port %d", h.TCP)
	}
	return strings.Join(h.Exec, " ")
}

// ask puts one question to the instance as it runs now.
func (p *pod) ask(ctx context.Context, h manifest.Handler) error {
	p.mu.Lock()
	running := p.running
	p.mu.Unlock()
	return p.askIn(ctx, h, running)
}

func (p *pod) askIn(ctx context.Context, h manifest.Handler, spec sandbox.Spec) error {
	p.mu.Lock()
	ports := p.ports
	p.mu.Unlock()
	switch {
	case h.HTTP != nil:
		return get(ctx, *h.HTTP, ports[h.HTTP.Port])
	case h.TCP != 0:
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", loopback(ports[h.TCP]))
		if err != nil {
			return fmt.Errorf("port %d takes no connection", h.TCP)
		}
		return conn.Close()
	case len(h.Exec) > 0:
		return execute(ctx, h.Exec, spec)
	}
	return nil
}

// prober asks without keeping connections, as the kubelet does.
func prober() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DisableKeepAlives: true, DisableCompression: true,
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // a probe does not check certificates, as the kubelet's
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func get(ctx context.Context, g manifest.HTTPGet, port int) error {
	scheme := "http"
	if g.HTTPS {
		scheme = "https"
	}
	path := g.Path
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+loopback(port)+path, http.NoBody)
	if err != nil {
		return fmt.Errorf("GET %s: %w", g.Path, err)
	}
	req.Header.Set("User-Agent", "kube-probe/fawkes")
	for _, h := range g.Headers {
		if strings.EqualFold(h[0], "Host") {
			req.Host = h[1]
			continue
		}
		req.Header.Add(h[0], h[1])
	}
	resp, err := prober().Do(req)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) && op.Op == "dial" {
			return fmt.Errorf("GET %s: port %d takes no connection", g.Path, g.Port)
		}
		return fmt.Errorf("GET %s: %w", g.Path, err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 200)) // what could not be read is not shown
	if resp.StatusCode >= 200 && resp.StatusCode < 400 {
		return nil
	}
	return fmt.Errorf("GET %s answered %d%s", g.Path, resp.StatusCode, quote(text))
}

// execute runs a command beside the program, in the same root and the same confinement.
func execute(ctx context.Context, line []string, spec sandbox.Spec) error {
	path, err := lookup(spec.Root, line[0], spec.Dir, variable(spec.Env, "PATH"))
	if err != nil {
		return err
	}
	var out bytes.Buffer
	var mu sync.Mutex
	spec.Path, spec.Args = path, line[1:]
	spec.Stdout = writer(func(b []byte) {
		mu.Lock()
		defer mu.Unlock()
		out.Write(b[:min(len(b), max(0, 200-out.Len()))])
	})
	spec.Stderr = spec.Stdout
	spec.Grace = time.Millisecond
	proc, err := sandbox.Start(ctx, spec)
	if err != nil {
		return err
	}
	exit, err := proc.Wait()
	if err != nil {
		return err
	}
	if !exit.Success() {
		mu.Lock()
		defer mu.Unlock()
		return fmt.Errorf("%s ended with status %d%s", strings.Join(line, " "), exit.Code, quote(out.Bytes()))
	}
	return nil
}

type writer func([]byte)

func (w writer) Write(b []byte) (int, error) {
	w(b)
	return len(b), nil
}

func variable(env []string, name string) string {
	for _, e := range env {
		if v, ok := strings.CutPrefix(e, name+"="); ok {
			return v
		}
	}
	return ""
}

func quote(text []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(strings.ToValidUTF8(string(text), "?")), "\n")
	if line == "" {
		return ""
	}
	return ": " + line
}
