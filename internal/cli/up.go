package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/fawkes-idp/fawkes/internal/app"
	"github.com/fawkes-idp/fawkes/internal/bringup"
	"github.com/fawkes-idp/fawkes/internal/bringup/road"
	"github.com/fawkes-idp/fawkes/internal/kit/auth"
)

// upOptions are the flags of `fawkes up`.
type upOptions struct {
	ephemeral bool
	noSample  bool
	listen    string
	config    string
}

func newUpCommand(g *globals) *cobra.Command {
	var o upOptions
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start the platform on this machine, in one process",
		Long: `Start the platform on this machine, in one process, and stay until Ctrl-C.

State is kept in the state folder and found again at the next start; --ephemeral keeps nothing. While it runs, the other
commands find it by the file run.json in the state folder.

At the first start the sample application is pushed to the platform's own git server, as a person would push it, and
followed through the pipeline and the roll-out to its delivery metrics; --no-sample leaves it out.

With -o json, standard output is one JSON event a line: {"event":"step",…} as the platform comes up, then
{"event":"ready","console":"…","api":"…","token":"…"}, and when the sample answers
{"event":"delivered","sha":"…","url":"…","stages":[…],"metrics":[…]}; a failure to start ends in
{"event":"error","error":"…","mend":"…"}.`,
		Example: "  fawkes up\n  fawkes up --no-sample\n  fawkes up --ephemeral --listen 127.0.0.1:0 -o json",
		Args:    exactArgs(),
		RunE:    func(cmd *cobra.Command, _ []string) error { return g.up(cmd.Context(), o) },
	}
	cmd.Flags().BoolVar(&o.ephemeral, "ephemeral", false, "keep nothing: a fresh state, made inside --state or the folder for temporary files, that is removed at the end")
	cmd.Flags().BoolVar(&o.noSample, "no-sample", false, "do not push and follow the sample application")
	cmd.Flags().StringVar(&o.listen, "listen", app.DefaultListen, "the address to listen on; port 0 takes a free one")
	cmd.Flags().StringVar(&o.config, "config", "", "a YAML file of settings; `fawkes config check` explains it")
	addOutput(cmd, g, "text", "json")
	return cmd
}

// drainLimit is how long requests at hand may take after the signal to stop.
const drainLimit = 20 * time.Second

// platform is one start of `fawkes up`, filled in step by step.
type platform struct {
	g       *globals
	options upOptions
	state   string
	lock    *lock
	log     *os.File
	token   string
	app     *app.App
	client  *api
	console string
	began   time.Time
	claimed bool // run.json is ours
	road    *road.Road
	sample  *delivered // nil: it is not there, or did not arrive
}

func (g *globals) up(ctx context.Context, o upOptions) (err error) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	signal.Ignore(syscall.SIGPIPE) // whoever read the output may go; what is kept or removed at the end must not depend on it
	defer app.TuneMemory(g.Environ)()
	p := &platform{g: g, options: o, began: g.Clock.Now()}
	defer func() {
		if stopErr := p.takeDown(); stopErr != nil {
			err = errors.Join(err, stopErr)
		}
		if err != nil && g.output == "json" {
			p.errorEvent(err)
		}
	}()
	var renderer bringup.Renderer = bringup.NewText(g.Err, g.Terminal)
	if g.output == "json" {
		renderer = bringup.NewJSON(g.Out)
	}
	if err := bringup.NewRunner(renderer).Run(ctx, p.steps()...); err != nil {
		if ctx.Err() != nil {
			return context.Canceled
		}
		if g.output == "text" {
			return shown{err}
		}
		return err
	}
	if g.output == "json" {
		if err := p.readyEvent(); err != nil {
			return err
		}
	}
	if !o.noSample {
		if err := p.deliverSample(ctx, renderer); err != nil {
			return err
		}
	}
	if g.output == "text" && ctx.Err() == nil {
		if err := p.announce(); err != nil {
			return err
		}
	}
	select {
	case <-ctx.Done():
		stop() // a second Ctrl-C ends the process at once
		return nil
	case err := <-p.app.Failed():
		return failf("see "+filepath.Join(p.state, "fawkes.log"), "the platform cannot go on: %w", err)
	}
}

func (p *platform) steps() []bringup.Step {
	return []bringup.Step{
		{Name: "git", Check: func(ctx context.Context) (bool, string, error) {
			c := checkGit(ctx)
			if c.Status == checkFailed {
				return true, "", bringup.Faultf(c.Mend, "%s", c.Detail)
			}
			return true, c.Detail, nil
		}},
		{Name: "state", Act: p.claimState},
		{Name: "services", Act: p.startServices},
		{Name: "ready", Act: p.awaitReady, Limit: time.Minute},
		{Name: "sign-in", Act: p.makeSignIn, Limit: 30 * time.Second},
		{Name: "road", Act: p.connectRoad, Limit: time.Minute},
		{Name: "environments", Act: p.makeEnvironments, Limit: time.Minute},
	}
}

// claimState makes the state folder, sees that it can hold the state, and locks it.
func (p *platform) claimState(ctx context.Context, _ func(string)) (string, error) {
	var err error
	if p.options.ephemeral {
		if p.g.state != "" {
			err = os.MkdirAll(p.g.state, 0o700)
		}
		if err == nil {
			p.state, err = os.MkdirTemp(p.g.state, "fawkes-")
		}
		if err != nil {
			return "", bringup.Faultf("see that the folder for temporary files is writable, or set TMPDIR", "make a temporary state folder: %w", err)
		}
	} else {
		if p.state, err = p.g.stateFolder(); err != nil {
			return "", err
		}
		if err := os.MkdirAll(p.state, 0o700); err != nil {
			return "", bringup.Faultf("give another folder with --state", "make the state folder: %w", err)
		}
	}
	for _, c := range checkState(p.state) {
		if c.Status == checkFailed {
			return "", bringup.Faultf(c.Mend, "%s", c.Detail)
		}
	}
	if p.lock, err = takeLock(ctx, p.state); errors.Is(err, errLocked) {
		return "", p.alreadyRunning()
	} else if err != nil {
		return "", err
	}
	detail := p.state
	if r, _, err := readRunFile(p.state); err == nil && r.PID != 0 {
		detail += fmt.Sprintf("  (process %d had not ended cleanly)", r.PID)
	}
	// From here on the run file in this folder is ours: another's would hold the lock.
	p.claimed = true
	if err := removeRunFile(p.state); err != nil {
		return "", err
	}
	p.log, err = os.OpenFile(filepath.Join(p.state, "fawkes.log"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return "", fmt.Errorf("open the log: %w", err)
	}
	if p.options.ephemeral {
		detail += "  (removed at the end)"
	}
	return detail, nil
}

func (p *platform) alreadyRunning() error {
	r, _, err := readRunFile(p.state)
	if err != nil || r.PID == 0 {
		return bringup.Faultf("wait a moment, or give another folder with --state", "a platform is starting or stopping with the state %s", p.state)
	}
	return bringup.Faultf("use it (`fawkes open`), stop it (`fawkes down`), or give another folder with --state",
		"a platform runs with this state already: process %d at %s, since %s", r.PID, r.API, r.Started.Local().Format("2006-01-02 15:04:05"))
}

// startServices composes and starts all modules.
func (p *platform) startServices(ctx context.Context, say func(string)) (string, error) {
	host, _, err := splitListen(p.options.listen)
	if err != nil {
		return "", err
	}
	if c := checkPort(p.options.listen); c.Status == checkFailed {
		return "", bringup.Faultf(c.Mend, "%s", c.Detail)
	}
	p.token = auth.NewToken()
	p.road = &road.Road{Clock: p.g.Clock, State: p.state}
	p.road.Prepare()
	log := slog.New(slog.NewTextHandler(p.logTarget(), &slog.HandlerOptions{Level: slog.LevelInfo}))
	last := "the first service"
	p.app, err = app.New(app.Options{
		Modules: platformModules(), StateDir: p.state, Listen: p.options.listen, ConfigFile: p.options.config, Env: p.g.Environ,
		Settings: map[string]string{"identity.bootstrap_token": p.token}, Version: p.g.version, Log: log, Clock: p.g.Clock,
		Started: func(module string, _ time.Duration) { last = "what follows " + module; say(last) },
	})
	if err != nil {
		p.app = nil
		return "", bringup.Faultf("`fawkes config check` explains the settings", "%w", err)
	}
	say(last)
	if err := p.app.Start(ctx); err != nil {
		p.app = nil
		return "", bringup.Faultf("the log has more: "+filepath.Join(p.state, "fawkes.log"), "%w", err)
	}
	if ip := host; ip != "127.0.0.1" && ip != "localhost" && ip != "::1" {
		p.g.warn("the platform listens on %s: other machines can reach it, and the way there is not encrypted", p.options.listen)
	}
	return fmt.Sprintf("%s at %s", strings.Join(p.app.Names(), ", "), p.base()), nil
}

// logTarget is the log file, and with FAWKES_LOG=stderr the terminal too.
func (p *platform) logTarget() io.Writer {
	if p.g.Env("FAWKES_LOG") == "stderr" {
		return io.MultiWriter(p.log, p.g.Err)
	}
	return p.log
}

// base is where this machine reaches the platform, whatever its public address.
func (p *platform) base() string { return "http://" + reachable(p.app.Addr()) }

// awaitReady waits until the platform says that all it depends on is there.
func (p *platform) awaitReady(ctx context.Context, say func(string)) (string, error) {
	client, err := p.g.dial(p.base(), p.token)
	if err != nil {
		return "", err
	}
	client.patience = 1
	p.client = client
	for {
		err := client.get(ctx, "/readyz", nil, nil)
		if err == nil {
			return p.base() + "/readyz", nil
		}
		line, _ := explain(err)
		say(line)
		if err := wait(ctx, 50*time.Millisecond); err != nil {
			return "", err
		}
	}
}

// makeSignIn asks for the one-time link.
func (p *platform) makeSignIn(ctx context.Context, _ func(string)) (string, error) {
	link, err := signInLink(ctx, p.client)
	if err != nil {
		return "", err
	}
	p.console = link
	return "one-time link made", nil
}

// clickable puts an address that can be opened into a link that names none: a platform that listens
// on every address and was given no public one has no name of its own.
func clickable(link, base string) string {
	u, err := url.Parse(link)
	if err != nil {
		return link
	}
	b, err := url.Parse(base)
	if ip := net.ParseIP(u.Hostname()); err != nil || ip == nil || !ip.IsUnspecified() {
		return link
	}
	u.Scheme, u.Host = b.Scheme, b.Host
	return u.String()
}

// takeDown stops what was started, in reverse, and leaves nothing behind that says it runs.
func (p *platform) takeDown() error {
	var faults []error
	if p.claimed {
		faults = append(faults, removeRunFile(p.state))
	}
	if p.road != nil {
		p.road.Settle()
	}
	if p.app != nil {
		ctx, cancel := context.WithTimeout(context.Background(), drainLimit)
		if p.g.output == "text" {
			fmt.Fprintln(p.g.Err, "\n  stopping: requests at hand are answered first")
		}
		faults = append(faults, p.app.Stop(ctx))
		cancel()
	}
	if p.log != nil {
		faults = append(faults, p.log.Close())
	}
	if p.lock != nil {
		faults = append(faults, p.lock.release())
	}
	if p.options.ephemeral && p.state != "" {
		if err := os.RemoveAll(p.state); err != nil {
			faults = append(faults, fmt.Errorf("remove the ephemeral state: %w", err))
		}
	}
	err := errors.Join(faults...)
	if err == nil && p.app != nil && p.g.output == "json" {
		err = json.NewEncoder(p.g.Out).Encode(map[string]string{"event": "stopped"})
	}
	return err
}

// errorEvent is the last line of a failed start for a program that reads standard output.
func (p *platform) errorEvent(err error) {
	line, mend := explain(err)
	// A reader that has gone away learns it from the exit code.
	_ = json.NewEncoder(p.g.Out).Encode(struct {
		Event string `json:"event"`
		Error string `json:"error"`
		Mend  string `json:"mend,omitempty"`
		Exit  int    `json:"exit"`
	}{"error", line, mend, exitCode(err)})
}
