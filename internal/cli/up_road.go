package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/internal/bringup"
	"github.com/fawkes-idp/fawkes/internal/bringup/road"
)

const (
	// sampleLimit is how long the sample's first way may take; a first build on a slow machine takes minutes.
	sampleLimit = 10 * time.Minute
	// numbersLimit is how long the metrics may take to know a deployment that has ended.
	numbersLimit = 30 * time.Second
)

// delivered is the sample application, once it answers.
type delivered struct {
	journey     road.Journey
	pushed      bool
	page        string
	deployments int
	metrics     []road.Metric
}

// roadAPI is the platform's API as the road asks it.
type roadAPI struct{ *api }

func (a roadAPI) Get(ctx context.Context, path string, query url.Values, into any) error {
	return a.get(ctx, path, query, into)
}

func (a roadAPI) Send(ctx context.Context, method, path string, query url.Values, body, into any) error {
	return a.send(ctx, method, path, query, body, into)
}

// connectRoad joins the git server, the runner, the registry, the environments and the metrics.
func (p *platform) connectRoad(ctx context.Context, say func(string)) (string, error) {
	program, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	r := p.road
	r.API, r.Base, r.Public, r.Program, r.Environ = roadAPI{p.client}, p.base(), clickable(p.app.URL(), p.base()), program, p.g.Environ
	return r.Connect(ctx, say)
}

// makeEnvironments ends the start, and so leaves the address for the other commands.
func (p *platform) makeEnvironments(ctx context.Context, say func(string)) (string, error) {
	detail, err := p.road.Environments(ctx, say)
	if err != nil {
		return "", err
	}
	r := running{PID: os.Getpid(), API: p.base(), Token: p.token, Version: p.g.version, Started: p.g.Clock.Now()}
	return detail, writeRunFile(p.state, r)
}

// deliverSample brings the sample to production and shows how. When it does not arrive, the step says
// so, and the platform goes on: nothing else depends on it.
func (p *platform) deliverSample(ctx context.Context, renderer bringup.Renderer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		ended <- bringup.NewRunner(renderer).Run(ctx, bringup.Step{Name: "sample app", Act: p.sampleStep, Limit: sampleLimit})
	}()
	select {
	case err := <-p.app.Failed():
		cancel()
		_ = <-ended // it was broken off
		return failf("see "+filepath.Join(p.state, "fawkes.log"), "the platform cannot go on: %w", err)
	case err := <-ended:
		var fault *bringup.Fault
		if ctx.Err() != nil || errors.As(err, &fault) {
			return nil // interrupted; or said by the renderer
		}
		if err != nil || p.g.output != "json" || p.sample == nil {
			return err
		}
		return p.deliveredEvent()
	}
}

func (p *platform) sampleStep(ctx context.Context, say func(string)) (string, error) {
	say("the push")
	sha, pushed, err := p.road.Push(ctx)
	if err != nil {
		return "", err
	}
	if !pushed {
		state, waiting, err := p.road.Standing(ctx, sha, say)
		if err != nil || !waiting {
			return state, errors.Join(err, p.lookAtSample(ctx, road.Journey{SHA: sha}, false))
		}
	}
	journey, err := p.road.Follow(ctx, sha, say)
	if err != nil {
		return "", err
	}
	say("the metrics to know the deployment")
	metrics, deployments, err := p.road.Numbers(ctx, sha, numbersLimit)
	if err != nil {
		return "", err
	}
	if err := p.lookAtSample(ctx, journey, pushed); err != nil {
		return "", err
	}
	p.sample.metrics, p.sample.deployments = metrics, deployments
	return journey.Text(pushed), nil
}

func (p *platform) lookAtSample(ctx context.Context, journey road.Journey, pushed bool) error {
	page, err := p.road.Page(ctx)
	p.sample = &delivered{journey: journey, pushed: pushed, page: page}
	return err
}

// readyEvent says to a program that the platform can be used.
func (p *platform) readyEvent() error {
	return json.NewEncoder(p.g.Out).Encode(struct {
		Event   string  `json:"event"`
		Console string  `json:"console"`
		API     string  `json:"api"`
		Token   string  `json:"token"`
		Git     string  `json:"git"`
		State   string  `json:"state"`
		PID     int     `json:"pid"`
		Elapsed float64 `json:"elapsed_seconds"`
	}{"ready", p.console, p.base(), p.token, p.base() + "/git", p.state, os.Getpid(), p.g.Clock.Now().Sub(p.began).Seconds()})
}

// deliveredEvent says to a program that the sample answers.
func (p *platform) deliveredEvent() error {
	type stage struct {
		Name    string   `json:"name"`
		Status  string   `json:"status"`
		Seconds *float64 `json:"seconds"`
	}
	stages := make([]stage, 0, len(p.sample.journey.Stages))
	for _, s := range p.sample.journey.Stages {
		out := stage{Name: s.Name, Status: s.Status}
		if took, ok := s.Seconds(); ok {
			out.Seconds = &took
		}
		stages = append(stages, out)
	}
	return json.NewEncoder(p.g.Out).Encode(struct {
		Event       string        `json:"event"`
		SHA         string        `json:"sha"`
		Pushed      bool          `json:"pushed"`
		Digest      string        `json:"digest,omitempty"`
		Repository  string        `json:"repository"`
		Work        string        `json:"work"`
		URL         string        `json:"url"`
		Stages      []stage       `json:"stages"`
		Deployments int           `json:"deployments"`
		Metrics     []road.Metric `json:"metrics"`
		Elapsed     float64       `json:"elapsed_seconds"`
	}{"delivered", p.sample.journey.SHA, p.sample.pushed, p.sample.journey.Digest, p.road.Repository(road.SampleRepository), p.road.Work(),
		p.sample.page, stages, p.sample.deployments, p.sample.metrics, p.g.Clock.Now().Sub(p.began).Seconds()})
}

// announce says that the platform is there, and what to do with it.
func (p *platform) announce() error {
	var b strings.Builder
	b.WriteString("\n")
	tryIt := "fawkes new service shop --template go --push"
	if s := p.sample; s != nil {
		if len(s.journey.Stages) > 0 {
			b.WriteString(wrapped("  Steps     ", s.journey.Times()))
		}
		if len(s.metrics) > 0 {
			b.WriteString("  Metrics   " + summary(s.deployments, s.metrics) + "\n")
		}
		b.WriteString("\n")
		if s.page != "" {
			b.WriteString("  Sample    " + s.page + "\n")
		}
		b.WriteString("  Git       " + p.road.Repository(road.SampleRepository) + "\n")
		tryIt = "edit " + filepath.Join(p.road.Work(), "main.go") + ", commit, push, watch it live"
	}
	fmt.Fprintf(&b, "  Console   %s\n            (signs in once, then a cookie; `fawkes open` makes another link)\n", p.console)
	if p.options.ephemeral {
		fmt.Fprintf(&b, "  API       export FAWKES_API=%s FAWKES_TOKEN=%s\n", p.base(), p.token)
	}
	b.WriteString("  Try       " + tryIt + "\n")
	if p.options.ephemeral {
		b.WriteString("  Stop      Ctrl-C (nothing is kept)\n")
	} else {
		b.WriteString("  Stop      Ctrl-C (state is kept; `fawkes up --ephemeral` keeps nothing)\n")
	}
	_, err := fmt.Fprint(p.g.Out, b.String())
	return err
}

// wrapped sets parts one after another, in lines of at most a hundred characters.
func wrapped(head string, parts []string) string {
	const width = 100
	var b strings.Builder
	line := head
	for i, part := range parts {
		if i > 0 {
			part = " · " + part
		}
		if len([]rune(line))+len([]rune(part)) > width {
			b.WriteString(line + "\n")
			line, part = strings.Repeat(" ", len(head)), strings.TrimPrefix(part, " · ")
		}
		line += part
	}
	return b.String() + line + "\n"
}

// summary is the five metrics in one line; what is not known is a dash with its reason.
func summary(deployments int, metrics []road.Metric) string {
	words := []string{fmt.Sprintf("deployments %d", deployments)}
	names := map[string]string{
		"change_lead_time": "lead time", "change_fail_rate": "change fail rate",
		"failed_deployment_recovery_time": "recovery", "deployment_rework_rate": "rework",
	}
	for _, m := range metrics {
		name, ok := names[m.Metric]
		if !ok {
			continue
		}
		text := name + " –"
		if m.Value != nil {
			text = name + " " + humanValue(*m.Value, m.Unit)
			if m.Metric != "deployment_rework_rate" {
				text += fmt.Sprintf(" (n=%d)", m.N)
			}
		} else if m.Reason != "" {
			text += " (" + strings.ReplaceAll(m.Reason, "_", " ") + ")"
		}
		words = append(words, text)
	}
	return strings.Join(words, " · ")
}

// signInLink asks identity for a link that signs the caller in once.
func signInLink(ctx context.Context, client *api) (string, error) {
	var answer struct {
		URL string `json:"url"`
	}
	if err := client.send(ctx, http.MethodPost, "/api/identity/v1/signin-links", nil, struct{}{}, &answer); err != nil {
		return "", err
	}
	return clickable(answer.URL, client.base), nil
}
