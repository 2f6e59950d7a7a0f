package gitops

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/httpapi"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/fawkes-idp/fawkes/internal/local/gitops/manifest"
	"github.com/fawkes-idp/fawkes/internal/local/gitops/notify"
)

const base = "/api/gitops/v1"

// register adds all that the module answers.
func (s *server) register(api *httpapi.API) {
	h := api.Huma()
	read := func(method, path, id, summary string, errs ...int) huma.Operation {
		return operation(method, path, id, summary, auth.ScopeGitOpsRead, errs...)
	}
	huma.Register(h, read(http.MethodGet, "/applications", "list-applications", "List applications"), s.listApplications)
	huma.Register(h, read(http.MethodGet, "/applications/{name}", "get-application", "An application with its objects and what is wrong with it", 404), s.getApplication)
	huma.Register(h, read(http.MethodGet, "/applications/{name}/diff", "diff-application", "What a sync would change", 404, 409), s.diff)
	huma.Register(h, read(http.MethodGet, "/applications/{name}/history", "list-history", "Operations of an application, newest first", 404), s.history)
	huma.Register(h, read(http.MethodGet, "/applications/{name}/instances", "list-instances", "Running copies of an application", 404), s.instances)
	huma.Register(h, read(http.MethodGet, "/applications/{name}/logs", "read-logs", "The last lines of a copy", 404), s.logs)
	huma.Register(h, read(http.MethodGet, "/environments", "list-environments", "Environments in the order of promotion, and whether they may be changed now"), s.listEnvironments)
	huma.Register(h, read(http.MethodGet, "/promotions", "list-promotions", "Promotions, newest first"), s.listPromotions)
	s.registerActions(h)
	s.registerConnections(h)
	api.Mux().Handle("GET "+base+"/stream", s.auth.Require(auth.ScopeGitOpsRead)(http.HandlerFunc(s.stream)))
	api.Mux().Handle("GET "+base+"/applications/{name}/logs/stream", s.auth.Require(auth.ScopeGitOpsRead)(http.HandlerFunc(s.streamLogs)))
	api.Mux().HandleFunc("POST "+hookPath, s.hook)
}

func operation(method, path, id, summary, scope string, errs ...int) huma.Operation {
	return huma.Operation{OperationID: id, Method: method, Path: base + path, Summary: summary, Tags: []string{"gitops"},
		Security: auth.Needs(scope), Errors: append([]int{401, 403, 422}, errs...), MaxBodyBytes: 64 << 10}
}

type syncInfo struct {
	Status   string  `json:"status" enum:"Synced,OutOfSync,Unknown"`
	Revision *string `json:"revision" doc:"The commit that was rolled out last; null before the first."`
	Message  *string `json:"message"`
}

type healthInfo struct {
	Status  string     `json:"status" enum:"Healthy,Progressing,Degraded,Suspended,Missing,Unknown"`
	Message *string    `json:"message"`
	Since   *time.Time `json:"since"`
}

type operationInfo struct {
	ID          int64      `json:"id"`
	Kind        string     `json:"kind" enum:"sync,rollback,heal"`
	Phase       string     `json:"phase" enum:"Running,Succeeded,Failed,Error"`
	Message     string     `json:"message"`
	StartedAt   time.Time  `json:"started_at"`
	FinishedAt  *time.Time `json:"finished_at"`
	InitiatedBy string     `json:"initiated_by" doc:"A person, or automatic."`
	Revision    string     `json:"revision"`
}

type imageInfo struct {
	Name     string  `json:"name"`
	Digest   *string `json:"digest"`
	Revision *string `json:"revision" doc:"The commit of the source that it was made from."`
}

type replicasInfo struct {
	Desired int `json:"desired"`
	Ready   int `json:"ready"`
}

type sourceInfo struct {
	Repository *string `json:"repository"`
	Revision   *string `json:"revision"`
}

type applicationInfo struct {
	Name        string         `json:"name"`
	Service     string         `json:"service"`
	Environment string         `json:"environment"`
	Project     string         `json:"project"`
	Path        string         `json:"path" doc:"Its folder in the environment repository."`
	Repository  string         `json:"repository"`
	Automatic   bool           `json:"automatic" doc:"Whether commits are rolled out by themselves."`
	Desired     *string        `json:"desired_revision" doc:"The commit that is wanted; null where the repository no longer has the application."`
	Subject     *string        `json:"subject" doc:"That commit's subject."`
	Sync        syncInfo       `json:"sync"`
	Health      healthInfo     `json:"health"`
	Operation   *operationInfo `json:"operation" doc:"The last operation; null before the first."`
	Images      []imageInfo    `json:"images" nullable:"false"`
	URL         *string        `json:"url"`
	Replicas    replicasInfo   `json:"replicas"`
	Source      sourceInfo     `json:"source"`
	Paused      *string        `json:"paused_by_window" doc:"The window that holds a sync up."`
	UpdatedAt   time.Time      `json:"updated_at"`
}

type objectInfo struct {
	Kind    string  `json:"kind"`
	Name    string  `json:"name"`
	Status  string  `json:"status" enum:"Synced,OutOfSync"`
	Health  *string `json:"health"`
	Message *string `json:"message"`
}

type applicationDetail struct {
	applicationInfo
	Resources  []objectInfo `json:"resources" nullable:"false"`
	Conditions []Condition  `json:"conditions" nullable:"false"`
}

func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// info is an application as the API tells of it.
func (s *server) info(a Application, o Operation, good string) applicationInfo {
	env, _ := s.e.repository().environments.Find(a.Environment)
	h := a.Health
	if a.Applied { // what the cluster says now
		h = s.e.health(a.Name)
	}
	out := applicationInfo{
		Name: a.Name, Service: a.Service, Environment: a.Environment, Project: a.Service, Path: a.Path(),
		Repository: s.e.connections().Repository.URL, Automatic: env.Sync == "automatic",
		Sync:   syncInfo{a.Sync, text(good), text(a.SyncMessage)},
		Health: healthInfo{orUnknown(h.Status), text(h.Message), moment(h.Since)},
		Images: []imageInfo{}, URL: text(s.e.cluster.URL(a.Name)), Paused: text(a.Paused), UpdatedAt: a.Updated,
	}
	if a.Present {
		out.Desired, out.Subject = text(a.Revision), text(a.Subject)
	}
	if o.ID > 0 {
		out.Operation = toOperation(o)
		if o.Detail.Project != "" {
			out.Project = o.Detail.Project
		}
		out.Source = sourceInfo{text(o.Detail.Annotations["fawkes.dev/repository"]), text(o.Detail.Annotations["fawkes.dev/revision"])}
		for _, image := range o.Detail.Images {
			name, digest, _ := strings.Cut(image, "@")
			out.Images = append(out.Images, imageInfo{name, text(digest), out.Source.Revision})
		}
	}
	for _, i := range s.e.cluster.Instances(a.Name) {
		if i.Ready {
			out.Replicas.Ready++
		}
	}
	for _, object := range s.e.live(a.Name) {
		out.Replicas.Desired += replicasOf(object)
	}
	return out
}

// replicasOf is how many copies an object wants.
func replicasOf(o Object) int {
	if manifest.Kind(o) != "Deployment" {
		return 0
	}
	spec, _ := o["spec"].(map[string]any)
	switch n := spec["replicas"].(type) {
	case int64:
		return int(n)
	case int:
		return n
	case float64:
		return int(n)
	}
	return 1
}

func orUnknown(s string) string {
	if s == "" {
		return notify.Unknown
	}
	return s
}

func toOperation(o Operation) *operationInfo {
	by := o.By
	if by == "" {
		by = "automatic"
	}
	return &operationInfo{o.ID, o.Kind, o.Phase, o.Message, o.Started, moment(o.Finished), by, o.Revision}
}

// one is the application of a name, with its last operation and the revision that
// was rolled out last.
func (s *server) one(ctx context.Context, name string) (a Application, o Operation, good string, err error) {
	if a, err = s.e.store.Application(ctx, name); err != nil {
		return a, o, "", answer(err, "application", name)
	}
	if o, err = s.e.store.LastOperation(ctx, name); err != nil && !isNotFound(err) {
		return a, o, "", err
	}
	if o.Phase == succeeded {
		return a, o, o.Revision, nil
	}
	last, err := s.e.store.Good(ctx, name, 0)
	if err != nil && !isNotFound(err) {
		return a, o, "", err
	}
	return a, o, last.Revision, nil
}

func (s *server) shown(ctx context.Context, name string) (applicationInfo, error) {
	a, o, good, err := s.one(ctx, name)
	if err != nil {
		return applicationInfo{}, err
	}
	return s.info(a, o, good), nil
}

// answer turns the module's errors into problems.
func answer(err error, thing, id string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrNotFound):
		return problem.New(problem.NotFound, "there is no %s %q", thing, short(id, 100))
	case errors.Is(err, ErrRefused):
		return problem.New(problem.Conflict, "%s", strings.TrimPrefix(err.Error(), ErrRefused.Error()+": "))
	case errors.Is(err, ErrBegun):
		return problem.New(problem.Conflict, "an operation of %q runs", short(id, 100)).WithMend("wait for its end, or end it: POST …/terminate")
	case errors.Is(err, ErrClusterAway):
		return problem.New(problem.Unavailable, "what applications run on is starting or stopping")
	}
	return err
}

// Listing is what every list takes.
type Listing struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"100" doc:"How many items at most."`
	Cursor string `query:"cursor" maxLength:"200" doc:"The next_cursor of the page before; absent for the first."`
}

func (l Listing) before() (int64, error) {
	if l.Cursor == "" {
		return 0, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(l.Cursor)
	n, err2 := strconv.ParseInt(string(raw), 10, 64)
	if err != nil || err2 != nil || n <= 0 {
		return 0, problem.New(problem.InvalidCursor, "the cursor was not made by this list").WithField("cursor").WithMend("leave it out to start from the first page")
	}
	return n, nil
}

// paged cuts a page and gives the cursor of the next.
func paged[T any](l Listing, rows []T, id func(T) int64) ([]T, string) {
	if len(rows) <= l.Limit {
		return rows, ""
	}
	rows = rows[:l.Limit]
	return rows, base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(id(rows[len(rows)-1]), 10)))
}

// NamePath names an application in an address.
type NamePath struct {
	Name string `path:"name" maxLength:"63" pattern:"^[a-z0-9-]+$" doc:"Name of the application: service, hyphen, environment." example:"hello-production"`
}

type applicationFilter struct {
	Listing
	Environment string `query:"environment" maxLength:"63"`
	Service     string `query:"service" maxLength:"63"`
	Health      string `query:"health" enum:"Healthy,Progressing,Degraded,Suspended,Missing,Unknown"`
	Sync        string `query:"sync" enum:"Synced,OutOfSync,Unknown"`
	Q           string `query:"q" maxLength:"100" doc:"A part of the name."`
}

type page[T any] struct {
	Items      []T    `json:"items" nullable:"false"`
	NextCursor string `json:"next_cursor,omitempty" doc:"Absent on the last page."`
}

type applicationPage struct {
	Items      []applicationInfo `json:"items" nullable:"false"`
	NextCursor string            `json:"next_cursor,omitempty" doc:"Absent on the last page."`
	Problem    *string           `json:"problem" doc:"Why the environment repository, or a part of it, is not read; null when all is well."`
	Revision   *string           `json:"revision" doc:"The commit of the environment repository that was read last."`
}

func (s *server) listApplications(ctx context.Context, in *applicationFilter) (*struct{ Body applicationPage }, error) {
	after := ""
	if in.Cursor != "" {
		raw, err := base64.RawURLEncoding.DecodeString(in.Cursor)
		if err != nil || len(raw) > 63 {
			return nil, problem.New(problem.InvalidCursor, "the cursor was not made by this list").WithField("cursor").WithMend("leave it out to start from the first page")
		}
		after = string(raw)
	}
	apps, err := s.e.store.Applications(ctx)
	if err != nil {
		return nil, err
	}
	last, err := s.e.store.LastOperations(ctx)
	if err != nil {
		return nil, err
	}
	out := &struct{ Body applicationPage }{}
	out.Body.Items = []applicationInfo{}
	repo := s.e.repository()
	out.Body.Problem, out.Body.Revision = text(repo.problem), text(repo.head)
	for _, a := range apps {
		if a.Name <= after || !a.Present && !a.Applied || in.Environment != "" && a.Environment != in.Environment || in.Service != "" && a.Service != in.Service ||
			in.Sync != "" && a.Sync != in.Sync || !strings.Contains(a.Name, in.Q) {
			continue
		}
		o := last[a.Name]
		good := o.Revision
		if o.Phase != succeeded {
			former, err := s.e.store.Good(ctx, a.Name, 0)
			if err != nil && !isNotFound(err) {
				return nil, err
			}
			good = former.Revision
		}
		one := s.info(a, o, good)
		if in.Health != "" && one.Health.Status != in.Health {
			continue
		}
		if len(out.Body.Items) == in.Limit {
			out.Body.NextCursor = base64.RawURLEncoding.EncodeToString([]byte(out.Body.Items[in.Limit-1].Name))
			break
		}
		out.Body.Items = append(out.Body.Items, one)
	}
	return out, nil
}

func (s *server) getApplication(ctx context.Context, in *NamePath) (*struct{ Body applicationDetail }, error) {
	a, o, good, err := s.one(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	out := &struct{ Body applicationDetail }{applicationDetail{applicationInfo: s.info(a, o, good), Resources: []objectInfo{}, Conditions: a.Conditions}}
	if out.Body.Conditions == nil {
		out.Body.Conditions = []Condition{}
	}
	differences, err := s.differences(ctx, a)
	if err != nil {
		return nil, err
	}
	_, objects := s.e.cluster.Health(a.Name)
	for _, d := range differences {
		r := objectInfo{Kind: d.Kind, Name: d.Name, Status: Synced}
		if d.Change != manifest.None {
			r.Status = OutOfSync
		}
		for _, h := range objects {
			if h.Kind == d.Kind && h.Name == d.Name {
				r.Health, r.Message = text(h.Status), text(h.Message)
			}
		}
		out.Body.Resources = append(out.Body.Resources, r)
	}
	return out, nil
}

// differences are those of an application now; of what cannot be rendered, none
// but what runs.
func (s *server) differences(ctx context.Context, a Application) ([]manifest.Difference, error) {
	live := s.e.live(a.Name)
	desired := live
	if a.Present {
		rendered, err := s.e.objects(ctx, a, a.Tree)
		if err == nil {
			desired = rendered
		}
	}
	return manifest.Compare(desired, live)
}
