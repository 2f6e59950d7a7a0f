package runner

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fawkes-idp/fawkes/internal/sandbox"
)

// execution is the work on one run.
type execution struct {
	s      *Service
	logs   *logs
	folder string

	mu     sync.Mutex
	run    Run
	stage  string // the last that began: what has no stage of its own is logged there
	result *progress
}

// execute works on a run that is marked as running, to its end. When the platform stops first the run stays as it
// is: the next start finds it.
func (s *Service) execute(ctx context.Context, r Run, c Connections) {
	e := &execution{s: s, run: r, folder: s.folder(r.ID), stage: "checkout"}
	began := time.Now()
	status, reason := e.work(ctx, c)
	if ctx.Err() != nil && !errors.Is(context.Cause(ctx), errCanceled) && e.result == nil {
		return
	}
	ended := e.finish(status, reason)
	s.count.ended(ended)
	s.count.took(time.Since(began))
	s.tidy(context.WithoutCancel(ctx))
}

// work does the run and says how it ended.
func (e *execution) work(ctx context.Context, c Connections) (Status, string) {
	var err error
	if e.logs, err = openLogs(filepath.Join(e.folder, "logs"), e.s.config.LogBytes); err != nil {
		return Failed, err.Error()
	}
	defer e.logs.close()
	work, home := filepath.Join(e.folder, "work"), filepath.Join(e.folder, "home")
	if err := removeTree(work); err != nil {
		return Failed, err.Error()
	}
	for _, dir := range []string{home, filepath.Join(e.folder, "artifacts"), e.cache()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return Failed, fmt.Sprintf("make the folders of the run: %v", err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, e.s.config.Timeout)
	defer cancel()

	e.take(progress{Event: "stage", Stage: "checkout", Status: "running"})
	g, err := newGit(e.s.variable("PATH"), home, e.s.marker(e.run.ID), c)
	if err == nil {
		err = g.checkout(ctx, c.repository(e.run.Repository), e.run.Branch, e.run.SHA, work, func(line string) { e.say("checkout", line) })
	}
	if err != nil {
		if status, reason, ok := e.stopped(ctx); ok {
			return status, reason
		}
		e.say("checkout", err.Error())
		e.take(progress{Event: "stage", Stage: "checkout", Status: "failed", Reason: clean(err.Error(), mostReason)})
		return Failed, "the commit could not be fetched: " + clean(err.Error(), mostReason)
	}
	if e.run.Subject == "" {
		e.named(g.subject(ctx, work, e.run.SHA))
	}
	e.take(progress{Event: "stage", Stage: "checkout", Status: "passed"})
	return e.pipeline(ctx, c, work, home)
}

// stopped says whether, and why, the run was made to end.
func (e *execution) stopped(ctx context.Context) (Status, string, bool) {
	switch {
	case ctx.Err() == nil:
		return "", "", false
	case errors.Is(context.Cause(ctx), errCanceled):
		return Canceled, "canceled", true
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return Failed, "it took longer than " + e.s.config.Timeout.String(), true
	}
	return Interrupted, "the platform stopped", true
}

// pipeline runs `fawkes ci run` and reads its progress.
func (e *execution) pipeline(ctx context.Context, c Connections, work, home string) (Status, string) {
	outR, outW, err := os.Pipe()
	if err != nil {
		return Failed, fmt.Sprintf("open a pipe: %v", err)
	}
	errR, errW, err := os.Pipe()
	if err != nil {
		_, _ = outR.Close(), outW.Close()
		return Failed, fmt.Sprintf("open a pipe: %v", err)
	}
	program := e.s.config.Program
	p, err := sandbox.Start(ctx, sandbox.Spec{
		Path: program[0],
		Args: append(append([]string{}, program[1:]...), "--dir", work, "--artifacts", filepath.Join(e.folder, "artifacts"), "-o", "json"),
		Dir:  work, Env: e.environ(c, home), Stdout: outW, Stderr: errW, Network: true,
		Limits: sandbox.Limits{Memory: e.s.config.Memory, Processes: e.s.config.Processes},
		Marker: e.s.marker(e.run.ID), Grace: e.s.config.Grace,
	})
	_, _ = outW.Close(), errW.Close()
	if err != nil {
		_, _ = outR.Close(), errR.Close()
		if status, reason, ok := e.stopped(ctx); ok {
			return status, reason
		}
		return Failed, "the pipeline could not be started: " + clean(err.Error(), mostReason)
	}
	e.isolated(p.Report())
	var readers sync.WaitGroup
	readers.Go(func() {
		defer outR.Close()
		_ = readLines(outR, mostLine, e.line)
	})
	readers.Go(func() {
		defer errR.Close()
		_ = readLines(errR, mostLine, func(line []byte, _ bool) { e.aside(line) })
	})
	exit, err := p.Wait()
	readers.Wait()
	e.used(exit.Usage)
	if err != nil {
		return Failed, clean(err.Error(), mostReason)
	}
	return e.outcome(ctx, exit)
}

// outcome is what the end of the program means. What it said itself counts most; a run that was made to end is not
// failed by that.
func (e *execution) outcome(ctx context.Context, exit sandbox.Exit) (Status, string) {
	e.mu.Lock()
	result := e.result
	e.mu.Unlock()
	if result != nil && result.Status != "aborted" {
		switch {
		case result.Status == "succeeded" && exit.Success():
			return Succeeded, ""
		case result.Status == "succeeded":
			return Failed, fmt.Sprintf("the pipeline said that it succeeded and ended with status %d%s", exit.Code, exit.Signal)
		}
		reason := result.Reason
		if reason == "" {
			reason = meaning(exit.Code)
		}
		if result.Mend != "" {
			reason += "; mend: " + result.Mend
		}
		return Failed, reason
	}
	switch status, reason, ok := e.stopped(ctx); {
	case ok:
		return status, reason
	case exit.OutOfMemory:
		return Failed, fmt.Sprintf("it needed more memory than its limit of %d MiB", e.s.config.Memory>>20)
	case exit.TooManyProcesses:
		return Failed, fmt.Sprintf("it had more processes than its limit of %d", e.s.config.Processes)
	case result != nil:
		return Failed, "aborted: " + result.Reason
	case exit.Signal != "":
		return Failed, "the pipeline was ended by " + exit.Signal
	}
	return Failed, "the pipeline ended without a result: " + meaning(exit.Code)
}

// meaning is what an exit code of `fawkes ci run` says.
func meaning(code int) string {
	switch code {
	case 0:
		return "status 0"
	case 1:
		return "a stage failed"
	case 2:
		return "the pipeline's configuration is wrong"
	case 3:
		return "the quality gate refused it"
	case 4:
		return "a part of the platform could not be reached"
	case 5:
		return "a stage took too long"
	case 130:
		return "it was aborted"
	}
	return "status " + strconv.Itoa(code)
}

// finish stores the run's end, and the report of it where the golden path could not make one.
func (e *execution) finish(status Status, reason string) Run {
	now := e.s.clock.Now()
	e.mu.Lock()
	r := e.run
	told := e.result != nil && e.result.Status != "aborted"
	e.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	r.Status, r.Reason, r.Finished = status, clean(reason, mostReason), now
	if status == Canceled {
		if stored, err := e.s.store.Run(ctx, r.ID); err == nil && stored.CancelBy != "" {
			r.Reason = "canceled by " + stored.CancelBy
		}
	}
	r.Detail.close(status, r.Reason, now)
	err := e.s.store.Move(ctx, r, Running, func(ctx context.Context, tx *sql.Tx) error {
		if told {
			return nil // the golden path has reported it
		}
		return e.s.reportEnd(ctx, tx, r)
	})
	if err != nil {
		// It stays marked as running, and the next start puts it in order.
		e.s.log.Warn("the end of a run could not be stored", "run", r.ID, "err", err)
	}
	e.s.outbox.Wake()
	e.s.hub.changed(r.ID)
	return r
}

// line takes one line of progress; what is none is output of the stage at hand.
func (e *execution) line(line []byte, cut bool) {
	p, ok := parseProgress(line)
	switch {
	case cut:
		e.output(append(line[:min(len(line), 1000):1000], "… [a line of progress was too long]"...))
	case !ok:
		e.output(line)
	default:
		e.take(p)
	}
}

// aside takes one line of standard error: the pipeline's own fault, which is said to a person, or a program's output.
func (e *execution) aside(line []byte) {
	if p, ok := parseProgress(line); ok && p.Event == "log" {
		e.take(p)
		return
	}
	e.output(line)
}

// output is text without a stage.
func (e *execution) output(line []byte) {
	if len(line) > 0 {
		e.mu.Lock()
		stage := e.stage
		e.mu.Unlock()
		e.say(stage, strings.ToValidUTF8(string(line), "\uFFFD"))
	}
}

func (e *execution) say(stage, text string) {
	if err := e.logs.add(stage, text); err != nil {
		e.s.log.Warn("a log could not be written", "run", e.run.ID, "err", err)
	}
	e.s.hub.grew(e.run.ID)
}

// take brings a line of progress into the run and stores it before anyone is told.
func (e *execution) take(p progress) {
	e.mu.Lock()
	if p.Event == "log" {
		stage := p.Stage
		if stage == "" || (e.run.Detail.stage(stage) == nil) {
			stage = e.stage
		}
		e.mu.Unlock()
		e.say(stage, p.Text)
		return
	}
	if p.Event == "result" {
		e.result = &p
	}
	if p.Event == "stage" && p.Status == "running" {
		e.stage = p.Stage
	}
	changed := e.run.Detail.apply(p, e.s.clock.Now())
	r := e.run
	e.mu.Unlock()
	if changed {
		e.save(r)
	}
}

func (e *execution) save(r Run) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := e.s.store.Move(ctx, r, Running); err != nil {
		e.s.log.Warn("the progress of a run could not be stored", "run", r.ID, "err", err)
	}
	e.s.hub.changed(r.ID)
}

func (e *execution) named(subject, author string) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	e.mu.Lock()
	e.run.Subject, e.run.Author = subject, author
	e.mu.Unlock()
	if err := e.s.store.Name(ctx, e.run.ID, subject, author); err != nil {
		e.s.log.Warn("the subject of a run could not be stored", "run", e.run.ID, "err", err)
	}
}

func (e *execution) isolated(r sandbox.Report) {
	e.mu.Lock()
	e.run.Detail.Isolation = &Isolation{PIDNamespace: r.PIDNamespace, Landlock: r.Landlock, NetworkNamespace: r.NetworkNamespace, Notes: r.Notes}
	run := e.run
	e.mu.Unlock()
	e.save(run)
}

func (e *execution) used(u sandbox.Usage) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.run.Detail.CPU, e.run.Detail.PeakMemory = u.CPU, u.PeakMemory
}

// cache is the folder that the runs of a repository share.
func (e *execution) cache() string {
	return filepath.Join(e.s.config.Folder, "cache", filepath.FromSlash(e.run.Repository))
}

// environ is the whole environment of `fawkes ci run`.
func (e *execution) environ(c Connections, home string) []string {
	r := e.run
	env := []string{
		"HOME=" + home,
		"FAWKES_RUN_ID=" + r.ID,
		"FAWKES_RUN_ATTEMPT=" + strconv.Itoa(r.Attempt),
		"FAWKES_RUN_URL=" + e.s.address(r.ID),
		"FAWKES_REPOSITORY=" + r.CloneURL,
		"FAWKES_REPOSITORY_NAME=" + r.Repository,
		"FAWKES_BRANCH=" + r.Branch,
		"FAWKES_DEFAULT_BRANCH=" + r.DefaultBranch,
		"FAWKES_SHA=" + r.SHA,
		"FAWKES_CACHE=" + e.cache(),
	}
	for _, kv := range [][2]string{
		{"FAWKES_REGISTRY", c.Registry.Host}, {"FAWKES_REGISTRY_TOKEN", c.Registry.Token},
		{"FAWKES_ENVIRONMENTS_URL", c.Environments.URL}, {"FAWKES_ENVIRONMENTS_BRANCH", c.Environments.Branch},
		{"FAWKES_ENVIRONMENTS_TOKEN", c.Environments.Token},
		{"FAWKES_EVENTS_URL", c.Events.URL}, {"FAWKES_EVENTS_TOKEN", c.Events.Token},
		{"FAWKES_SIGNING_KEY", c.Signing.KeyFile}, {"FAWKES_SIGNING_PASSWORD", c.Signing.Password},
		{"FAWKES_GO_CACHE", e.s.config.GoCache}, {"FAWKES_TOOLS", e.s.config.Tools},
	} {
		if kv[1] != "" {
			env = append(env, kv[0]+"="+kv[1])
		}
	}
	return append(env, inherited(e.s.config.Environ)...)
}

// inherited are the variables of the platform that a pipeline needs to find programs and to get through a proxy: none
// of them is one of ours.
func inherited(environ []string) []string {
	names := map[string]bool{}
	for _, n := range []string{
		"PATH", "LANG", "TZ", "GOROOT", "GOPATH", "GOMODCACHE", "GOPROXY", "GOSUMDB", "GONOSUMDB", "GONOSUMCHECK", "GONOPROXY",
		"GOPRIVATE", "GOINSECURE", "GOFLAGS", "GOTOOLCHAIN", "JAVA_HOME", "MAVEN_HOME", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
		"http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR", "PYENV_ROOT",
	} {
		names[n] = true
	}
	var out []string
	for _, kv := range environ {
		if name, _, ok := strings.Cut(kv, "="); ok && names[name] {
			out = append(out, kv)
		}
	}
	return out
}
