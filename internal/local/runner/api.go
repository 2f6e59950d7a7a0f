package runner

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/httpapi"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

const base = "/api/runner/v1"

// register adds every operation to api.
func (s *Service) register(api *httpapi.API) {
	h := api.Huma()
	s.registerRuns(h)
	s.registerConnections(h)
	s.registerStreams(api)
	api.Mux().HandleFunc("POST /webhooks/runner/github", s.handleGitHub)
}

func operation(method, path, id, tag, summary, scope string, errs ...int) huma.Operation {
	return huma.Operation{
		OperationID: id, Method: method, Path: base + path, Summary: summary, Tags: []string{tag},
		Security: auth.Needs(scope), Errors: errs, MaxBodyBytes: 64 << 10,
	}
}

// stageInfo is a stage on the wire.
type stageInfo struct {
	Name       string     `json:"name"`
	Status     string     `json:"status" enum:"pending,running,passed,failed,skipped,canceled"`
	Reason     *string    `json:"reason" doc:"Why it failed, was skipped or canceled."`
	StartedAt  *time.Time `json:"started_at"`
	FinishedAt *time.Time `json:"finished_at"`
	Summary    *string    `json:"summary" doc:"What it found, in a line."`
}

type ruleInfo struct {
	Name   string `json:"name"`
	Passed bool   `json:"passed"`
	Detail string `json:"detail"`
}

type gateInfo struct {
	Passed bool       `json:"passed"`
	Rules  []ruleInfo `json:"rules" nullable:"false"`
}

type isolationInfo struct {
	Landlock         bool     `json:"landlock" doc:"The kernel refuses files that were not given."`
	PIDNamespace     bool     `json:"pid_namespace" doc:"Other processes are hidden, and all of it ends at once."`
	NetworkNamespace bool     `json:"network_namespace" doc:"It has a loopback of its own and no other network."`
	Notes            []string `json:"notes" nullable:"false" doc:"What could not be had, and why."`
}

type usageInfo struct {
	CPUSeconds float64 `json:"cpu_seconds"`
	PeakMemory int64   `json:"peak_memory_bytes"`
}

type runInfo struct {
	ID         string         `json:"id" example:"run-4q2f…"`
	Repository string         `json:"repository" example:"fawkes/hello"`
	CloneURL   string         `json:"clone_url"`
	Branch     string         `json:"branch"`
	SHA        string         `json:"sha"`
	Subject    string         `json:"subject" doc:"The first line of the commit's message; empty when it is not known."`
	Author     string         `json:"author"`
	Trigger    string         `json:"trigger" enum:"push,manual,retry,recovered"`
	Attempt    int            `json:"attempt"`
	Status     string         `json:"status" enum:"queued,running,succeeded,failed,canceled,superseded,interrupted"`
	Reason     *string        `json:"reason" doc:"Why it ended so, or why it does not begin."`
	QueuedAt   time.Time      `json:"queued_at"`
	StartedAt  *time.Time     `json:"started_at"`
	FinishedAt *time.Time     `json:"finished_at"`
	Position   *int           `json:"position" doc:"Its place among those that wait, from 1; null when it does not wait, and in lists of runs."`
	RetryOf    *string        `json:"retry_of"`
	Service    *string        `json:"service"`
	Language   *string        `json:"language"`
	Image      *string        `json:"image"`
	Digest     *string        `json:"digest"`
	PromotedTo []string       `json:"promoted_to" nullable:"false"`
	Gate       *gateInfo      `json:"gate"`
	Stages     []stageInfo    `json:"stages" nullable:"false"`
	Isolation  *isolationInfo `json:"isolation" doc:"What the pipeline's own process was kept by; null before it begins."`
	Usage      usageInfo      `json:"usage"`
}

func toRunInfo(r Run) runInfo {
	d := r.Detail
	info := runInfo{
		ID: r.ID, Repository: r.Repository, CloneURL: r.CloneURL, Branch: r.Branch, SHA: r.SHA, Subject: r.Subject, Author: r.Author,
		Trigger: string(r.Cause), Attempt: r.Attempt, Status: string(r.Status), Reason: word(r.Reason), QueuedAt: r.Queued,
		StartedAt: moment(r.Started), FinishedAt: moment(r.Finished), RetryOf: word(r.RetryOf), Service: word(d.Service),
		Language: word(d.Language), Image: word(d.Image), Digest: word(d.Digest), PromotedTo: append([]string{}, d.PromotedTo...),
		Stages: make([]stageInfo, 0, len(d.Stages)), Usage: usageInfo{d.CPU.Seconds(), d.PeakMemory},
	}
	if r.Status == Running && r.CancelBy != "" {
		info.Reason = word("it is being canceled by " + r.CancelBy)
	}
	for _, s := range d.Stages {
		info.Stages = append(info.Stages, toStageInfo(s))
	}
	if d.Gate != nil {
		info.Gate = &gateInfo{Passed: d.Gate.Passed, Rules: []ruleInfo{}}
		for _, rule := range d.Gate.Rules {
			info.Gate.Rules = append(info.Gate.Rules, ruleInfo(rule))
		}
	}
	if d.Isolation != nil {
		info.Isolation = &isolationInfo{d.Isolation.Landlock, d.Isolation.PIDNamespace, d.Isolation.NetworkNamespace, append([]string{}, d.Isolation.Notes...)}
	}
	return info
}

func toStageInfo(s Stage) stageInfo {
	return stageInfo{s.Name, s.Status, word(s.Reason), moment(s.Started), moment(s.Finished), word(s.Summary)}
}

func word(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// cursorOf is the opaque place behind the run with this number.
func cursorOf(seq int64) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(seq, 10)))
}

func parseCursor(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(s)
	n, err2 := strconv.ParseInt(string(raw), 10, 64)
	if err != nil || err2 != nil || n < 1 {
		return 0, problem.New(problem.InvalidCursor, "the cursor was not made by this list").WithField("cursor").
			WithMend("leave it out to start from the first page")
	}
	return n, nil
}

// answer turns sentinels into problems.
func answer(err error, thing, id string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrNotFound):
		return problem.New(problem.NotFound, "there is no %s %q", thing, clean(id, 100))
	case errors.Is(err, errMoved):
		return problem.New(problem.Conflict, "the run is not over yet").WithMend("cancel it first")
	case errors.Is(err, errNotConnected):
		return problem.New(problem.Conflict, "%v", err).WithMend("set the connections of the runner first")
	}
	return err
}

// callerName is who asks, for people to read.
func callerName(ctx context.Context) string {
	p, ok := auth.FromContext(ctx)
	if !ok {
		return "someone"
	}
	if p.Name != "" {
		return clean(p.Name, 100)
	}
	return clean(p.Subject, 100)
}

// writeJSON answers a plain handler.
func (s *Service) writeJSON(w http.ResponseWriter, r *http.Request, status int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n'))
}
