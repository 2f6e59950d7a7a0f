package ui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"

	"github.com/a-h/templ"

	"github.com/fawkes-idp/fawkes/internal/kit/httpapi"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/fawkes-idp/fawkes/ui/findings"
	"github.com/fawkes-idp/fawkes/ui/road"
	"github.com/fawkes-idp/fawkes/ui/view"
)

const (
	// reportLimit is the longest report that is read for a page.
	reportLimit = 4 << 20
	// reportsLimit is how many reports are read for a page.
	reportsLimit = 8
)

// runs lists the runs with the queue.
func (c *console) runs(_ http.ResponseWriter, r *http.Request, f view.Frame) (templ.Component, error) {
	q := r.URL.Query()
	f.Title, f.Search = "Runs", q.Get("q")
	p := view.RunsPage{
		Filter: road.RunFilter{Repository: q.Get("repository"), Branch: q.Get("branch"), Status: q.Get("status"), SHA: q.Get("sha"), Search: f.Search},
		Done:   wordOf(q, map[string]string{"start": "The run was put into the queue."}), PushURL: c.pushURL(),
	}
	f.Keep = keep(q, "repository", "branch", "status")
	err := together(r.Context(),
		func(ctx context.Context) (err error) {
			p.List, err = c.road.Runs.Runs(ctx, p.Filter, road.Page{Limit: listLimit, Cursor: q.Get("cursor")})
			return err
		},
		func(ctx context.Context) (err error) {
			p.Queue, err = c.road.Runs.Queue(ctx)
			return err
		})
	if err != nil {
		return nil, err
	}
	place := map[string]int{}
	for i, r := range p.Queue.Queued {
		place[r.ID] = max(r.Position, i+1)
	}
	for i, r := range p.List.Items {
		if r.Status == road.RunQueued {
			p.List.Items[i].Position = place[r.ID]
		}
	}
	p.First, p.Next = nextPage(f, p.List.NextCursor)
	return view.Runs(f, p), nil
}

// keep is the part of the address that a search keeps.
func keep(q url.Values, names ...string) url.Values {
	out := url.Values{}
	for _, n := range names {
		if v := q.Get(n); v != "" {
			out.Set(n, v)
		}
	}
	return out
}

// startRun begins a run of a branch.
func (c *console) startRun(w http.ResponseWriter, r *http.Request, _ view.Frame) (templ.Component, error) {
	if err := r.ParseForm(); err != nil {
		return nil, formFault(err)
	}
	run, err := c.road.Runs.Start(r.Context(), r.PostForm.Get("repository"), r.PostForm.Get("ref"))
	if err != nil {
		return nil, err
	}
	return nil, goOn(w, r, view.RunPath(run.ID), "start")
}

// changeRun cancels a run or runs its commit again.
func (c *console) changeRun(w http.ResponseWriter, r *http.Request, _ view.Frame) (templ.Component, error) {
	if err := r.ParseForm(); err != nil {
		return nil, formFault(err)
	}
	id := r.PathValue("id")
	switch do := r.PostForm.Get("do"); do {
	case "cancel":
		if err := c.road.Runs.Cancel(r.Context(), id); err != nil {
			return nil, err
		}
		return nil, goOn(w, r, view.RunPath(id), "cancel")
	case "retry":
		again, err := c.road.Runs.Retry(r.Context(), id)
		if err != nil {
			return nil, err
		}
		return nil, goOn(w, r, view.RunPath(again.ID), "retry")
	default:
		return nil, unknownDo(do)
	}
}

func unknownDo(do string) error {
	return problem.New(problem.InvalidField, "%q is nothing that can be done here", do).WithField("do")
}

// run shows one run: its stages, the log of one of them, and what came of it.
func (c *console) run(_ http.ResponseWriter, r *http.Request, f view.Frame) (templ.Component, error) {
	q := r.URL.Query()
	line, err := number(q, "line")
	if err != nil {
		return nil, err
	}
	run, err := c.road.Runs.Run(r.Context(), r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	f.Title = runTitle(run)
	p := view.RunPageData{Run: run, Done: wordOf(q, map[string]string{
		"start": "The run was put into the queue.", "retry": "The commit runs again, as a new attempt.", "cancel": "The run is being stopped.",
	})}
	stands := func(what string) func(error) {
		return func(error) { p.Stands = what + " could not be read; the log says why." }
	}
	var change string
	var apps []road.App
	err = together(r.Context(),
		func(ctx context.Context) (err error) {
			p.Log, err = c.stageLog(ctx, run, q.Get("stage"), int(line))
			return err
		},
		func(ctx context.Context) (err error) {
			if p.Artifacts, err = c.road.Runs.Artifacts(ctx, run.ID); err != nil || !run.Ended() {
				return err
			}
			p.Reports = c.readReports(ctx, run.ID, p.Artifacts)
			return nil
		},
		c.beside(func(ctx context.Context) (err error) {
			if apps, err = c.road.Apps.Apps(ctx, road.AppFilter{}); err != nil {
				return err
			}
			all, err := c.road.Apps.Environments(ctx)
			p.Environments = all.Environments
			return err
		}, stands("The applications")),
		c.beside(func(ctx context.Context) (err error) {
			change, err = c.evidenceOf(ctx, run.CloneURL, run.SHA)
			return err
		}, stands("The delivery metrics")))
	if err != nil {
		return nil, err
	}
	p.Change, p.Apps = change, made(run, apps)
	return view.Run(f, p), nil
}

func runTitle(r road.Run) string {
	name := r.Subject
	if name == "" {
		name = r.SHA
	}
	return view.RunWord(r.Status) + ": " + name
}

// made are the applications that a run's image runs in, or that it was promoted to.
func made(r road.Run, apps []road.App) []road.App {
	var out []road.App
	for _, a := range apps {
		same := r.Digest != "" && slices.ContainsFunc(a.Images, func(i road.AppImage) bool { return i.Digest == r.Digest })
		asked := road.GitName(a.SourceRepository) == r.Repository && slices.Contains(r.PromotedTo, a.Environment)
		if same || asked {
			out = append(out, a)
		}
	}
	return out
}

// readReports reads the reports among the artifacts that a page shows: findings and tests.
func (c *console) readReports(ctx context.Context, id string, artifacts []road.Artifact) []view.Report {
	var out []view.Report
	for _, a := range artifacts {
		if len(out) == reportsLimit || a.Size > reportLimit || a.Kind != "sarif" && a.Kind != "junit" {
			continue
		}
		report, err := c.report(ctx, id, a)
		if err != nil {
			c.log.WarnContext(ctx, "read a run's report", "run", id, "artifact", a.Name, "error", err)
			continue
		}
		out = append(out, report)
	}
	return out
}

func (c *console) report(ctx context.Context, id string, a road.Artifact) (out view.Report, err error) {
	content, err := c.road.Runs.Artifact(ctx, id, a.Name)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, content.Close()) }()
	text, err := io.ReadAll(io.LimitReader(content, reportLimit))
	if err != nil {
		return out, fmt.Errorf("read the artifact %s: %w", a.Name, err)
	}
	out.Name = a.Name
	if a.Kind == "junit" {
		tests, err := findings.JUnit(text)
		out.Tests = &tests
		return out, err
	}
	found, err := findings.SARIF(text)
	out.Found = &found
	return out, err
}

// runArtifact hands a file of a run on. It is always something to keep and never a page of this host.
func (c *console) runArtifact(w http.ResponseWriter, r *http.Request, _ view.Frame) (_ templ.Component, err error) {
	content, err := c.road.Runs.Artifact(r.Context(), r.PathValue("id"), r.PathValue("name"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, content.Close()) }()
	httpapi.Allow(r, httpapi.Limits{Timeout: -1, Streams: true})
	attachment(w.Header(), path.Base(r.PathValue("name")), content.MediaType)
	if content.Size >= 0 {
		w.Header().Set("Content-Length", strconv.FormatInt(content.Size, 10))
	}
	if _, err := io.Copy(w, content); err != nil {
		c.log.DebugContext(r.Context(), "hand an artifact on", "path", r.URL.Path, "error", err)
	}
	return nil, errAnswered
}

// attachment sets the headers of a file that is kept and not shown.
func attachment(h http.Header, name, kind string) {
	if base, _, err := mime.ParseMediaType(kind); err != nil || base == "text/html" || base == "image/svg+xml" {
		kind = "application/octet-stream"
	}
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
}
