package ui

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/fawkes-idp/fawkes/ui/road"
)

// roadFake is a delivery road held in memory. It remembers what it was asked to do.
type roadFake struct {
	runs      []road.Run
	queue     road.Queue
	logs      map[string]string // by run and stage
	artifacts map[string]string // by name
	kinds     map[string]string // of the artifacts

	apps         []road.App
	diff         []road.ResourceDiff
	history      []road.Sync
	instances    []road.Instance
	environments []road.Environment
	problem      string
	promotions   []road.Promotion
	appLog       string

	images    []road.ImageRepository
	manifests []road.Manifest
	collected road.Collected

	repos      []road.Repository
	refs       []road.Ref
	commits    []road.Commit
	entries    []road.Entry
	files      map[string]road.File
	hooks      []road.Hook
	deliveries []road.Delivery

	absent map[string]bool
	err    error

	mu  sync.Mutex
	did []string
}

func (f *roadFake) reader() road.Reader {
	return road.Reader{Runs: runsFake{f}, Apps: appsFake{f}, Registry: registryFake{f}, Git: gitFake{f}}
}

func (f *roadFake) fault(part string) error {
	if f.absent[part] {
		return road.ErrAbsent
	}
	return f.err
}

func (f *roadFake) do(part, format string, args ...any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.did = append(f.did, fmt.Sprintf(format, args...))
	return f.fault(part)
}

type runsFake struct{ f *roadFake }

func (r runsFake) Runs(_ context.Context, which road.RunFilter, page road.Page) (road.List[road.Run], error) {
	var out []road.Run
	for _, v := range r.f.runs {
		if (which.Status == "" || which.Status == v.Status) && (which.Repository == "" || which.Repository == v.Repository) && (which.Branch == "" || which.Branch == v.Branch) &&
			(which.SHA == "" || which.SHA == v.SHA) && strings.Contains(v.Subject, which.Search) {
			out = append(out, v)
		}
	}
	l := road.List[road.Run]{Items: out}
	if page.Limit > 0 && len(out) > page.Limit {
		l.Items, l.NextCursor = out[:page.Limit], "more"
	}
	return l, r.f.fault(road.PartRunner)
}

func (r runsFake) Run(_ context.Context, id string) (road.Run, error) {
	for _, v := range r.f.runs {
		if v.ID == id {
			return v, r.f.fault(road.PartRunner)
		}
	}
	if err := r.f.fault(road.PartRunner); err != nil {
		return road.Run{}, err
	}
	return road.Run{}, problem.New(problem.NotFound, "there is no run %q", id)
}

func (r runsFake) Queue(context.Context) (road.Queue, error) {
	return r.f.queue, r.f.fault(road.PartRunner)
}

func (r runsFake) Log(_ context.Context, id, stage string, after int64, limit int) (road.LogPart, error) {
	text := r.f.logs[id+" "+stage]
	after = min(after, int64(len(text)))
	end := min(after+int64(limit), int64(len(text)))
	run, _ := r.Run(context.Background(), id)
	return road.LogPart{Text: text[after:end], Next: end, Done: end == int64(len(text)) && run.Ended()}, r.f.fault(road.PartRunner)
}

func (r runsFake) Artifacts(_ context.Context, id string) ([]road.Artifact, error) {
	var out []road.Artifact
	if id == r.f.runs[0].ID {
		return nil, r.f.fault(road.PartRunner)
	}
	for _, name := range []string{"tests.xml", "gosec.sarif", "sbom.cdx.json", "summary.md", "broken.sarif"} {
		if text, ok := r.f.artifacts[name]; ok {
			out = append(out, road.Artifact{Name: name, Kind: r.f.kinds[name], Size: int64(len(text)), MediaType: "text/plain"})
		}
	}
	return out, r.f.fault(road.PartRunner)
}

func (r runsFake) Artifact(_ context.Context, _, name string) (road.Content, error) {
	text, ok := r.f.artifacts[name]
	if !ok {
		return road.Content{}, problem.New(problem.NotFound, "there is no artifact %q", name)
	}
	return road.Content{ReadCloser: io.NopCloser(strings.NewReader(text)), MediaType: "text/html", Size: int64(len(text))}, r.f.fault(road.PartRunner)
}

func (r runsFake) Start(_ context.Context, repository, ref string) (road.Run, error) {
	return road.Run{ID: "run-new"}, r.f.do(road.PartRunner, "start %s %s", repository, ref)
}
func (r runsFake) Cancel(_ context.Context, id string) error {
	return r.f.do(road.PartRunner, "cancel %s", id)
}
func (r runsFake) Retry(_ context.Context, id string) (road.Run, error) {
	return road.Run{ID: "run-new"}, r.f.do(road.PartRunner, "retry %s", id)
}

type appsFake struct{ f *roadFake }

func (a appsFake) Apps(_ context.Context, which road.AppFilter) ([]road.App, error) {
	var out []road.App
	if err := a.f.fault(road.PartGitOps); err != nil {
		return nil, err
	}
	for _, v := range a.f.apps {
		if (which.Health == "" || which.Health == v.Health) && (which.Environment == "" || which.Environment == v.Environment) && (which.Sync == "" || which.Sync == v.Sync) && strings.Contains(v.Name, which.Search) {
			out = append(out, v)
		}
	}
	return out, a.f.fault(road.PartGitOps)
}

func (a appsFake) App(_ context.Context, name string) (road.App, error) {
	for _, v := range a.f.apps {
		if v.Name == name {
			return v, a.f.fault(road.PartGitOps)
		}
	}
	if err := a.f.fault(road.PartGitOps); err != nil {
		return road.App{}, err
	}
	return road.App{}, problem.New(problem.NotFound, "there is no application %q", name)
}

func (a appsFake) Diff(_ context.Context, name string) ([]road.ResourceDiff, error) {
	if name == "hello-staging" {
		return nil, problem.New(problem.InvalidField, "Deployment/hello: spec.template.spec.hostNetwork cannot be had without a container")
	}
	if name != "shop-production" {
		return nil, a.f.fault(road.PartGitOps)
	}
	return a.f.diff, a.f.fault(road.PartGitOps)
}
func (a appsFake) History(context.Context, string) ([]road.Sync, error) {
	return a.f.history, a.f.fault(road.PartGitOps)
}
func (a appsFake) Instances(context.Context, string) ([]road.Instance, error) {
	return a.f.instances, a.f.fault(road.PartGitOps)
}
func (a appsFake) AppLog(_ context.Context, _, instance string, _ int) (string, error) {
	if instance == "gone" {
		return "", problem.New(problem.NotFound, "there is no instance %q", instance)
	}
	return a.f.appLog, a.f.fault(road.PartGitOps)
}
func (a appsFake) Environments(context.Context) (road.Landscape, error) {
	return road.Landscape{Environments: a.f.environments, Problem: a.f.problem}, a.f.fault(road.PartGitOps)
}
func (a appsFake) Promotions(context.Context) ([]road.Promotion, error) {
	return append([]road.Promotion(nil), a.f.promotions...), a.f.fault(road.PartGitOps)
}
func (a appsFake) Sync(_ context.Context, name string, prune, dry bool) ([]road.ResourceDiff, error) {
	return a.f.diff[:2], a.f.do(road.PartGitOps, "sync %s prune=%v dry=%v", name, prune, dry)
}
func (a appsFake) Rollback(_ context.Context, name, id string) error {
	return a.f.do(road.PartGitOps, "rollback %s %s", name, id)
}
func (a appsFake) Promote(_ context.Context, name, to string) error {
	return a.f.do(road.PartGitOps, "promote %s %s", name, to)
}
func (a appsFake) Restart(_ context.Context, name string) error {
	return a.f.do(road.PartGitOps, "restart %s", name)
}
func (a appsFake) Terminate(_ context.Context, name string) error {
	return a.f.do(road.PartGitOps, "terminate %s", name)
}
func (a appsFake) Decide(_ context.Context, id string, approve bool) error {
	return a.f.do(road.PartGitOps, "decide %s %v", id, approve)
}

type registryFake struct{ f *roadFake }

func (g registryFake) Images(_ context.Context, search string) ([]road.ImageRepository, error) {
	var out []road.ImageRepository
	for _, v := range g.f.images {
		if strings.Contains(v.Name, search) {
			out = append(out, v)
		}
	}
	return out, g.f.fault(road.PartRegistry)
}
func (g registryFake) Manifests(_ context.Context, name string, _ road.Page) (road.List[road.Manifest], error) {
	if name != "fawkes/hello" {
		return road.List[road.Manifest]{}, problem.New(problem.NotFound, "there is no repository %q", name)
	}
	return road.List[road.Manifest]{Items: g.f.manifests}, g.f.fault(road.PartRegistry)
}
func (g registryFake) Manifest(_ context.Context, _, digest string) (road.Manifest, error) {
	for _, m := range g.f.manifests {
		if m.Digest == digest {
			return m, g.f.fault(road.PartRegistry)
		}
	}
	return road.Manifest{}, problem.New(problem.NotFound, "there is no image %q", digest)
}
func (g registryFake) Usage(context.Context) (road.Usage, error) {
	return road.Usage{Bytes: 48_200_000, Blobs: 31}, g.f.fault(road.PartRegistry)
}
func (g registryFake) DeleteManifest(_ context.Context, name, digest string) error {
	return g.f.do(road.PartRegistry, "delete %s %s", name, digest)
}
func (g registryFake) Collect(_ context.Context, keep []string, dry bool) (road.Collected, error) {
	return g.f.collected, g.f.do(road.PartRegistry, "collect keep=%d dry=%v", len(keep), dry)
}

type gitFake struct{ f *roadFake }

func (g gitFake) Repositories(context.Context) ([]road.Repository, error) {
	return append([]road.Repository(nil), g.f.repos...), g.f.fault(road.PartGit)
}
func (g gitFake) Repository(_ context.Context, name string) (road.Repository, error) {
	for _, v := range g.f.repos {
		if v.Name == name {
			return v, g.f.fault(road.PartGit)
		}
	}
	if err := g.f.fault(road.PartGit); err != nil {
		return road.Repository{}, err
	}
	return road.Repository{}, problem.New(problem.NotFound, "there is no repository %q", name)
}
func (g gitFake) Refs(context.Context, string) ([]road.Ref, error) {
	return g.f.refs, g.f.fault(road.PartGit)
}
func (g gitFake) Commits(_ context.Context, _ string, which road.LogFilter, page road.Page) (road.List[road.Commit], error) {
	var out []road.Commit
	for _, c := range g.f.commits {
		if strings.Contains(c.Subject, which.Search) {
			out = append(out, c)
		}
	}
	if page.Limit > 0 && len(out) > page.Limit {
		out = out[:page.Limit]
	}
	return road.List[road.Commit]{Items: out}, g.f.fault(road.PartGit)
}
func (g gitFake) Tree(context.Context, string, string, string) ([]road.Entry, error) {
	return g.f.entries, g.f.fault(road.PartGit)
}
func (g gitFake) File(_ context.Context, _, _, path string) (road.File, error) {
	if file, ok := g.f.files[path]; ok {
		return file, g.f.fault(road.PartGit)
	}
	return road.File{}, problem.New(problem.NotFound, "there is no file %q", path)
}
func (g gitFake) Commit(_ context.Context, _, sha string) (road.Commit, error) {
	for _, c := range g.f.commits {
		if c.SHA == sha {
			return c, g.f.fault(road.PartGit)
		}
	}
	return road.Commit{}, problem.New(problem.NotFound, "there is no commit %q", sha)
}
func (g gitFake) Compare(context.Context, string, string, string) (road.Comparison, error) {
	return road.Comparison{Commits: g.f.commits[:2], Files: g.f.commits[0].Files}, g.f.fault(road.PartGit)
}
func (g gitFake) CreateRepository(_ context.Context, name, description string) error {
	return g.f.do(road.PartGit, "create %s %s", name, description)
}
func (g gitFake) Hooks(context.Context) ([]road.Hook, error) {
	return g.f.hooks, g.f.fault(road.PartGit)
}
func (g gitFake) Deliveries(_ context.Context, which road.DeliveryFilter, _ road.Page) (road.List[road.Delivery], error) {
	var out []road.Delivery
	for _, d := range g.f.deliveries {
		if (which.State == "" || which.State == d.State) && (which.Hook == "" || which.Hook == d.Hook) {
			out = append(out, d)
		}
	}
	return road.List[road.Delivery]{Items: out}, g.f.fault(road.PartGit)
}
func (g gitFake) Redeliver(_ context.Context, id string) error {
	return g.f.do(road.PartGit, "redeliver %s", id)
}

func before(d time.Duration) *time.Time { return ptr(fixtureNow.Add(-d)) }
