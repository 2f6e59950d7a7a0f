package runner

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/fawkes-idp/fawkes/internal/sandbox"
)

type runAnswer struct{ Body runInfo }

type runList struct {
	Items      []runInfo `json:"items" nullable:"false"`
	NextCursor string    `json:"next_cursor,omitempty" doc:"Absent on the last page."`
}

type runsAnswer struct{ Body runList }

// runID is the path parameter of one run.
type runID struct {
	ID string `path:"id" maxLength:"64" pattern:"^run-[a-z0-9]+$" doc:"The id, as lists show it."`
}

type runFilter struct {
	Limit      int    `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"How many items at most."`
	Cursor     string `query:"cursor" maxLength:"200" doc:"The next_cursor of the page before; absent for the first."`
	Repository string `query:"repository" maxLength:"201" doc:"Only of this repository, owner/name."`
	Branch     string `query:"branch" maxLength:"255"`
	Status     string `query:"status" enum:"queued,running,succeeded,failed,canceled,superseded,interrupted"`
	SHA        string `query:"sha" maxLength:"64" doc:"Only of this commit, in full."`
	Query      string `query:"q" maxLength:"200" doc:"Text in the subject, author, repository, branch or commit."`
}

type queueBody struct {
	Running int       `json:"running" doc:"How many runs are worked on."`
	Limit   int       `json:"limit" doc:"How many may be at once."`
	Waiting int       `json:"waiting" doc:"How many wait."`
	Reason  *string   `json:"reason" doc:"Why none begins, when nothing can."`
	Queued  []runInfo `json:"queued" nullable:"false" doc:"Those that wait, in their order, the first 100."`
}

type queueAnswer struct{ Body queueBody }

type logBody struct {
	Text string `json:"text"`
	Next int64  `json:"next" doc:"Give this as after to go on."`
	Done bool   `json:"done" doc:"Nothing will come any more."`
}

type logAnswer struct{ Body logBody }

type logQuery struct {
	ID    string `path:"id" maxLength:"64" pattern:"^run-[a-z0-9]+$" doc:"The id, as lists show it."`
	Stage string `query:"stage" maxLength:"63" pattern:"^[a-z0-9][a-z0-9-]*$" doc:"Only this stage's log; all stages in their order without one."`
	After int64  `query:"after" minimum:"0" doc:"Begin at this byte."`
	Limit int    `query:"limit" minimum:"1" maximum:"1048576" default:"262144" doc:"How many bytes at most."`
}

type artifactInfo struct {
	Name      string `json:"name"`
	Kind      string `json:"kind" enum:"junit,sarif,sbom,summary,coverage,gate,events,image,other"`
	SizeBytes int64  `json:"size_bytes"`
	MediaType string `json:"media_type"`
}

type artifactList struct {
	Items []artifactInfo `json:"items" nullable:"false"`
}

type artifactsAnswer struct{ Body artifactList }

type artifactQuery struct {
	ID   string `path:"id" maxLength:"64" pattern:"^run-[a-z0-9]+$" doc:"The id, as lists show it."`
	Name string `path:"name" maxLength:"128" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]*$"`
}

type newRunBody struct {
	Repository string `json:"repository" maxLength:"201" doc:"owner/name" example:"fawkes/hello"`
	Ref        string `json:"ref,omitempty" maxLength:"255" doc:"A branch, or the commit that one points at; the default branch without one."`
}

type isolationBody struct {
	Landlock         bool     `json:"landlock" doc:"The kernel refuses files that were not given."`
	PIDNamespace     bool     `json:"pid_namespace" doc:"Other processes are hidden, and all of it ends at once."`
	UserNamespace    bool     `json:"user_namespace" doc:"Namespaces are made without root's rights."`
	NetworkNamespace bool     `json:"network_namespace" doc:"A loopback of its own and no other network."`
	Chroot           bool     `json:"chroot" doc:"A program can have a root folder of its own."`
	Notes            []string `json:"notes" nullable:"false" doc:"What could not be had, and why."`
}

type isolationAnswer struct{ Body isolationBody }

func (s *Service) registerRuns(api huma.API) {
	read, write := auth.ScopeRunnerRead, auth.ScopeRunnerWrite
	huma.Register(api, operation(http.MethodGet, "/runs", "list-runs", "runs", "List runs, the newest first", read, 400, 401, 403, 422), s.listRuns)
	huma.Register(api, operation(http.MethodGet, "/runs/{id}", "get-run", "runs", "One run with its stages", read, 401, 403, 404), s.getRun)
	huma.Register(api, operation(http.MethodGet, "/runs/{id}/log", "get-run-log", "runs", "What a run wrote, from a byte on", read, 401, 403, 404, 422), s.getLog)
	huma.Register(api, operation(http.MethodGet, "/runs/{id}/artifacts", "list-artifacts", "runs", "The files that a run made", read, 401, 403, 404), s.listArtifacts)
	get := operation(http.MethodGet, "/runs/{id}/artifacts/{name}", "get-artifact", "runs", "One file that a run made", read, 401, 403, 404)
	get.Responses = map[string]*huma.Response{"200": {Description: "The file", Content: map[string]*huma.MediaType{
		"application/octet-stream": {Schema: &huma.Schema{Type: "string", Format: "binary"}}}}}
	huma.Register(api, get, s.getArtifact)
	start := operation(http.MethodPost, "/runs", "start-run", "runs", "Queue a run for what a branch is now", write, 401, 403, 404, 409, 422)
	start.DefaultStatus = http.StatusCreated
	huma.Register(api, start, s.startRun)
	huma.Register(api, operation(http.MethodPost, "/runs/{id}/cancel", "cancel-run", "runs", "End a run, or take it from the queue", write, 401, 403, 404), s.cancelRun)
	retry := operation(http.MethodPost, "/runs/{id}/retry", "retry-run", "runs", "Queue a run that is over once more", write, 401, 403, 404, 409)
	retry.DefaultStatus = http.StatusCreated
	huma.Register(api, retry, s.retryRun)
	huma.Register(api, operation(http.MethodGet, "/queue", "get-queue", "runs", "What waits and how much may run at once", read, 401, 403), s.getQueue)
	huma.Register(api, operation(http.MethodGet, "/isolation", "get-isolation", "runs", "What this machine can confine pushed code by", read, 401, 403), s.getIsolation)
}

func (s *Service) listRuns(ctx context.Context, in *runFilter) (*runsAnswer, error) {
	before, err := parseCursor(in.Cursor)
	if err != nil {
		return nil, err
	}
	runs, err := s.store.Runs(ctx, Filter{
		Repository: in.Repository, Branch: in.Branch, SHA: in.SHA, Query: in.Query, Status: Status(in.Status),
		Before: before, Limit: in.Limit + 1,
	})
	if err != nil {
		return nil, err
	}
	a := &runsAnswer{Body: runList{Items: []runInfo{}}}
	if len(runs) > in.Limit {
		runs = runs[:in.Limit]
		a.Body.NextCursor = cursorOf(runs[len(runs)-1].Seq)
	}
	for _, r := range runs {
		a.Body.Items = append(a.Body.Items, toRunInfo(r))
	}
	return a, nil
}

// info is a run with its place in the queue.
func (s *Service) info(ctx context.Context, r Run) (runInfo, error) {
	info := toRunInfo(r)
	if r.Status == Queued {
		n, err := s.store.Position(ctx, r)
		if err != nil {
			return info, err
		}
		info.Position = &n
	}
	return info, nil
}

func (s *Service) answerRun(ctx context.Context, r Run, err error, id string) (*runAnswer, error) {
	if err != nil {
		return nil, answer(err, "run", id)
	}
	info, err := s.info(ctx, r)
	if err != nil {
		return nil, err
	}
	return &runAnswer{Body: info}, nil
}

func (s *Service) getRun(ctx context.Context, in *runID) (*runAnswer, error) {
	r, err := s.store.Run(ctx, in.ID)
	return s.answerRun(ctx, r, err, in.ID)
}

func (s *Service) startRun(ctx context.Context, in *struct{ Body newRunBody }) (*runAnswer, error) {
	if !repositoryForm.MatchString(in.Body.Repository) {
		return nil, problem.New(problem.InvalidField, "%q is not owner/name", clean(in.Body.Repository, 100)).WithField("repository")
	}
	if in.Body.Ref != "" && !validBranch(strings.TrimPrefix(in.Body.Ref, "refs/heads/")) {
		return nil, problem.New(problem.InvalidField, "%q is no branch", clean(in.Body.Ref, 100)).WithField("ref")
	}
	r, err := s.Begin(ctx, in.Body.Repository, in.Body.Ref)
	if errors.Is(err, ErrNotFound) {
		return nil, problem.New(problem.NotFound, "%v", err)
	}
	return s.answerRun(ctx, r, err, r.ID)
}

func (s *Service) cancelRun(ctx context.Context, in *runID) (*runAnswer, error) {
	r, err := s.Cancel(ctx, in.ID, callerName(ctx))
	return s.answerRun(ctx, r, err, in.ID)
}

func (s *Service) retryRun(ctx context.Context, in *runID) (*runAnswer, error) {
	r, err := s.Repeat(ctx, in.ID)
	return s.answerRun(ctx, r, err, in.ID)
}

func (s *Service) getQueue(ctx context.Context, _ *struct{}) (*queueAnswer, error) {
	queued, running, err := s.store.Counts(ctx)
	if err != nil {
		return nil, err
	}
	waiting, err := s.store.Waiting(ctx, 100)
	if err != nil {
		return nil, err
	}
	c, err := s.store.Connections(ctx)
	if err != nil {
		return nil, err
	}
	a := &queueAnswer{Body: queueBody{Running: running, Limit: s.config.Concurrency, Waiting: queued, Reason: word(c.Ready()), Queued: []runInfo{}}}
	for i, r := range waiting {
		info := toRunInfo(r)
		place := i + 1
		info.Position = &place
		a.Body.Queued = append(a.Body.Queued, info)
	}
	return a, nil
}

func (s *Service) getLog(ctx context.Context, in *logQuery) (*logAnswer, error) {
	r, err := s.store.Run(ctx, in.ID)
	if err != nil {
		return nil, answer(err, "run", in.ID)
	}
	dir := filepath.Join(s.folder(r.ID), "logs")
	a := &logAnswer{}
	if in.Stage != "" {
		a.Body.Text, a.Body.Next, err = readLog(dir, in.Stage, in.After, in.Limit)
	} else {
		a.Body.Text, a.Body.Next, err = readAllLogs(dir, r.Detail.Stages, in.After, in.Limit)
	}
	if err != nil {
		return nil, err
	}
	a.Body.Done = r.Status.Final() && a.Body.Text == ""
	return a, nil
}

func (s *Service) listArtifacts(ctx context.Context, in *runID) (*artifactsAnswer, error) {
	r, err := s.store.Run(ctx, in.ID)
	if err != nil {
		return nil, answer(err, "run", in.ID)
	}
	a := &artifactsAnswer{Body: artifactList{Items: []artifactInfo{}}}
	all, err := os.ReadDir(filepath.Join(s.folder(r.ID), "artifacts"))
	if errors.Is(err, fs.ErrNotExist) {
		return a, nil
	}
	if err != nil {
		return nil, err
	}
	for _, f := range all {
		info, err := f.Info()
		if err != nil || !info.Mode().IsRegular() || !artifactForm.MatchString(f.Name()) || len(a.Body.Items) == mostArtifacts {
			continue
		}
		kind := r.Detail.Artifacts[f.Name()]
		if kind == "" {
			kind = artifactKind("", f.Name())
		}
		a.Body.Items = append(a.Body.Items, artifactInfo{f.Name(), kind, info.Size(), mediaType(f.Name())})
	}
	return a, nil
}

func mediaType(name string) string {
	switch ext := filepath.Ext(name); ext {
	case ".sarif":
		return "application/sarif+json"
	case ".txt", ".log", ".md", ".out":
		return "text/plain; charset=utf-8"
	default:
		if t := mime.TypeByExtension(ext); t != "" {
			return t
		}
	}
	return "application/octet-stream"
}

// getArtifact sends a file as a download: what pushed code made is never a page of this host.
func (s *Service) getArtifact(ctx context.Context, in *artifactQuery) (*huma.StreamResponse, error) {
	r, err := s.store.Run(ctx, in.ID)
	if err != nil {
		return nil, answer(err, "run", in.ID)
	}
	root, err := os.OpenRoot(filepath.Join(s.folder(r.ID), "artifacts"))
	if err != nil {
		return nil, noFile(err, in.Name)
	}
	f, err := root.Open(in.Name)
	_ = root.Close()
	if err != nil {
		return nil, noFile(err, in.Name)
	}
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() {
		_ = f.Close()
		return nil, answer(ErrNotFound, "artifact", in.Name)
	}
	return &huma.StreamResponse{Body: func(h huma.Context) {
		defer f.Close()
		h.SetHeader("Content-Type", mediaType(in.Name))
		h.SetHeader("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": in.Name}))
		h.SetHeader("X-Content-Type-Options", "nosniff")
		h.SetHeader("Cache-Control", "no-store")
		_, _ = io.Copy(h.BodyWriter(), f) // a reader that went away
	}}, nil
}

func noFile(err error, name string) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || strings.Contains(err.Error(), "escapes") {
		return answer(ErrNotFound, "artifact", name)
	}
	return err
}

func (s *Service) getIsolation(context.Context, *struct{}) (*isolationAnswer, error) {
	r := sandbox.Probe()
	return &isolationAnswer{Body: isolationBody{
		Landlock: r.Landlock, PIDNamespace: r.PIDNamespace, UserNamespace: r.UserNamespace, NetworkNamespace: r.NetworkNamespace,
		Chroot: r.Chroot, Notes: append([]string{}, r.Notes...),
	}}, nil
}
