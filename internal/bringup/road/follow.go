package road

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/internal/bringup"
)

// run is a run of the golden path, as the runner tells it.
type run struct {
	ID       string     `json:"id"`
	Status   string     `json:"status"`
	Reason   *string    `json:"reason"`
	Position *int       `json:"position"`
	Digest   *string    `json:"digest"`
	Queued   time.Time  `json:"queued_at"`
	Started  *time.Time `json:"started_at"`
	Stages   []Stage    `json:"stages"`
}

// Stage is one stage of a run.
type Stage struct {
	Name     string     `json:"name"`
	Status   string     `json:"status"`
	Reason   *string    `json:"reason"`
	Started  *time.Time `json:"started_at"`
	Finished *time.Time `json:"finished_at"`
}

// Seconds is how long it took, or nothing while it has not ended.
func (s Stage) Seconds() (float64, bool) {
	if s.Started == nil || s.Finished == nil {
		return 0, false
	}
	return s.Finished.Sub(*s.Started).Seconds(), true
}

// application is an application, as GitOps tells it.
type application struct {
	Sync struct {
		Status string `json:"status"`
	} `json:"sync"`
	Health struct {
		Status  string  `json:"status"`
		Message *string `json:"message"`
	} `json:"health"`
	Operation *struct {
		Phase    string     `json:"phase"`
		Message  string     `json:"message"`
		Started  time.Time  `json:"started_at"`
		Finished *time.Time `json:"finished_at"`
	} `json:"operation"`
	Images []struct {
		Digest   string  `json:"digest"`
		Revision *string `json:"revision"`
	} `json:"images"`
	Source struct {
		Revision *string `json:"revision"`
	} `json:"source"`
	URL *string `json:"url"`
}

// standingLimit is how long a start waits for what was running before to run again.
const standingLimit = 30 * time.Second

// Journey is how a commit went from the push to the answer.
type Journey struct {
	SHA, Digest string
	Stages      []Stage
	// Queued, Built, Synced: from the push to the pipeline's start, the pipeline, and from its end to
	// the healthy application, in seconds.
	Queued, Built, RolledOut float64
}

// Follow waits until the commit runs in production, and says all the while what it is waiting for.
func (r *Road) Follow(ctx context.Context, sha string, say func(string)) (Journey, error) {
	j := Journey{SHA: sha}
	done, err := r.pipeline(ctx, sha, say)
	if err != nil {
		return j, err
	}
	j.Stages = done.Stages
	if done.Digest != nil {
		j.Digest = *done.Digest
	}
	var ended time.Time
	if done.Started != nil {
		j.Queued = done.Started.Sub(done.Queued).Seconds()
		for _, s := range done.Stages {
			if s.Finished != nil && s.Finished.After(ended) {
				ended = *s.Finished
			}
		}
		j.Built = ended.Sub(*done.Started).Seconds()
	}
	healthy, err := r.rollOut(ctx, sha, say)
	if err != nil {
		return j, err
	}
	if !ended.IsZero() {
		j.RolledOut = healthy.Sub(ended).Seconds()
	}
	return j, nil
}

// pipeline waits for the end of the commit's run.
func (r *Road) pipeline(ctx context.Context, sha string, say func(string)) (run, error) {
	q := url.Values{"repository": {SampleRepository}, "sha": {sha}, "limit": {"1"}}
	for {
		var found struct {
			Items []run `json:"items"`
		}
		if err := r.API.Get(ctx, "/api/runner/v1/runs", q, &found); err != nil {
			return run{}, err
		}
		if len(found.Items) == 0 {
			say("the push to reach the runner")
		} else if done, err := ended(found.Items[0], say); done || err != nil {
			return found.Items[0], err
		}
		if err := pause(ctx); err != nil {
			return run{}, err
		}
	}
}

// ended says whether a run is over, and why it was in vain.
func ended(v run, say func(string)) (bool, error) {
	switch v.Status {
	case "succeeded":
		return true, nil
	case "queued":
		say("a place in the runner's queue")
		return false, nil
	case "running", "interrupted":
		say(underWay(v))
		return false, nil
	}
	why := "the pipeline " + v.Status
	if v.Reason != nil && *v.Reason != "" {
		why += ": " + *v.Reason
	}
	return true, bringup.Faultf("`fawkes runs logs "+v.ID+"` shows what happened; push a commit that mends it", "%s", why)
}

func underWay(v run) string {
	var names []string
	for _, s := range v.Stages {
		if s.Status == "running" {
			names = append(names, s.Name)
		}
	}
	if len(names) == 0 {
		return "the pipeline"
	}
	return strings.Join(names, " and ")
}

// rollOut waits until the application runs the commit and is healthy, and says since when.
func (r *Road) rollOut(ctx context.Context, sha string, say func(string)) (time.Time, error) {
	for {
		a, err := r.application(ctx)
		if err != nil {
			return time.Time{}, err
		}
		o := a.Operation
		mine := a.Source.Revision != nil && *a.Source.Revision == sha
		switch {
		case o == nil:
			say("the environments to have " + SampleApplication)
		case mine && o.Phase == "Succeeded" && a.Health.Status == "Healthy" && o.Finished != nil:
			return *o.Finished, nil
		case mine && (o.Phase == "Failed" || o.Phase == "Error"):
			return time.Time{}, bringup.Faultf("`fawkes apps show "+SampleApplication+"` says more", "the roll-out %s: %s", strings.ToLower(o.Phase), o.Message)
		default:
			say(SampleApplication + " to be healthy: " + state(a))
		}
		if err := pause(ctx); err != nil {
			return time.Time{}, err
		}
	}
}

func state(a application) string {
	text := a.Sync.Status + ", " + a.Health.Status
	if a.Health.Message != nil && *a.Health.Message != "" {
		text += " (" + *a.Health.Message + ")"
	}
	return text
}

// Text is the journey in one line.
func (j Journey) Text(pushed bool) string {
	words := []string{"pushed " + j.SHA[:min(7, len(j.SHA))]}
	if !pushed {
		words[0] = "found " + j.SHA[:min(7, len(j.SHA))]
	}
	passed := func(name string) bool {
		return slices.ContainsFunc(j.Stages, func(s Stage) bool { return s.Name == name && s.Status == "passed" })
	}
	if passed("unit-test") {
		words = append(words, "tested")
	}
	if passed("secrets") && passed("static-analysis") {
		words = append(words, "scanned")
	}
	if hex, ok := strings.CutPrefix(j.Digest, "sha256:"); ok && len(hex) > 7 {
		words = append(words, "image "+hex[:7])
	}
	return strings.Join(append(words, "healthy"), " → ")
}

// Times is what each step took, in the order in which they began, one a part.
func (j Journey) Times() []string {
	out := []string{fmt.Sprintf("queue %.1fs", j.Queued)}
	for _, s := range j.Stages {
		if took, ok := s.Seconds(); ok && s.Status == "passed" {
			out = append(out, fmt.Sprintf("%s %.1fs", s.Name, took))
		} else if s.Status == "skipped" {
			out = append(out, s.Name+" skipped")
		}
	}
	return append(out, fmt.Sprintf("roll-out %.1fs", j.RolledOut))
}

// comesUp says whether a moment shows more: an operation or a roll-out runs, or what was rolled out before
// the platform's start has not been started again yet.
func comesUp(a application) bool {
	if a.Operation != nil && (a.Operation.Phase == "Running" || a.Operation.Phase == "Succeeded" && a.Health.Status == "Missing") {
		return true
	}
	return a.Health.Status == "Progressing"
}

// Standing tells how a commit that was pushed before stands. It says waiting when the commit is still
// under way: after a platform that was killed, its run goes on.
func (r *Road) Standing(ctx context.Context, sha string, say func(string)) (text string, waiting bool, err error) {
	q := url.Values{"repository": {SampleRepository}, "sha": {sha}, "limit": {"1"}}
	var found struct {
		Items []run `json:"items"`
	}
	if err := r.API.Get(ctx, "/api/runner/v1/runs", q, &found); err != nil {
		return "", false, err
	}
	if len(found.Items) == 0 || slices.Contains([]string{"queued", "running", "interrupted"}, found.Items[0].Status) {
		return "", true, nil
	}
	ctx, cancel := context.WithTimeout(ctx, standingLimit)
	defer cancel()
	for {
		a, err := r.application(ctx)
		if err != nil {
			return "", false, err
		}
		head := "at " + sha[:min(7, len(sha))]
		if comesUp(a) {
			say(SampleApplication + ": " + state(a))
			if err := pause(ctx); err == nil {
				continue
			}
		}
		if found.Items[0].Status != "succeeded" {
			head += ", whose pipeline " + found.Items[0].Status
		}
		return head + "; " + SampleApplication + ": " + state(a), false, nil
	}
}
