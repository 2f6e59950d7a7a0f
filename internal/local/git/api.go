package git

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/httpapi"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

const base = "/api/git/v1"

// register adds everything below /api/git/.
func (s *Service) register(api *httpapi.API) {
	s.registerRepositories(api.Huma())
	s.registerHistory(api.Huma())
	s.registerHooks(api.Huma())
	api.Mux().Handle("GET "+base+"/stream", s.auth.Require(auth.ScopeGitRead)(http.HandlerFunc(s.handleStream)))
	describeStream(api.Huma().OpenAPI())
}

func operation(method, path, id, tag, summary, scope string, errs ...int) huma.Operation {
	return huma.Operation{
		OperationID: id, Method: method, Path: base + path, Summary: summary, Tags: []string{tag},
		Security: auth.Needs(scope), Errors: append([]int{401, 403}, errs...), MaxBodyBytes: 64 << 10,
	}
}

func describeStream(doc *huma.OpenAPI) {
	op := &huma.Operation{
		OperationID: "stream-pushes", Method: http.MethodGet, Path: base + "/stream", Tags: []string{"repositories"}, Summary: "Pushes, as they happen",
		Description: "Server-sent events: push, with repository, ref, before, after and at. A stream tells nothing of what was before it.",
		Security:    auth.Needs(auth.ScopeGitRead), Responses: map[string]*huma.Response{},
	}
	for status, text := range map[string]string{"200": "The stream", "401": "No credential", "403": "The credential may not", "503": "Too many streams; come again after Retry-After"} {
		op.Responses[status] = &huma.Response{Description: text}
	}
	op.Responses["200"].Content = map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{Type: "string"}}}
	if doc.Paths == nil {
		doc.Paths = map[string]*huma.PathItem{}
	}
	doc.Paths[base+"/stream"] = &huma.PathItem{Get: op}
}

// Named is the repository in an address.
type Named struct {
	Owner string `path:"owner" maxLength:"64" doc:"What stands before the slash in the repository's name." example:"shop"`
	Own   string `path:"name" maxLength:"64" doc:"What stands after it." example:"api"`
}

func (n Named) name() string { return n.Owner + "/" + n.Own }

// repository finds the one in an address.
func (s *Service) repository(ctx context.Context, n Named) (Repository, error) {
	name := n.name()
	if !ValidName(name) {
		return Repository{}, invalidName(name)
	}
	r, err := s.store.repository(ctx, name)
	if errors.Is(err, ErrNotFound) {
		return r, problem.New(problem.NotFound, "there is no repository %q", name).WithMend("make it: fawkes git create " + name)
	}
	return r, err
}

// at finds a repository's folder and a commit in it.
func (s *Service) at(ctx context.Context, n Named, ref string) (r Repository, dir, sha string, err error) {
	if r, err = s.repository(ctx, n); err != nil {
		return r, "", "", err
	}
	if _, err = s.prepare(ctx); err != nil {
		return r, "", "", problem.New(problem.Unavailable, "the git server is not ready: %v", err).WithCause(err)
	}
	leave, err := s.place(ctx)
	if err != nil {
		return r, "", "", err
	}
	defer leave()
	dir = s.dir(r.Name)
	sha, err = s.git.resolve(ctx, dir, ref)
	return r, dir, sha, err
}

// Listing is the input of every list.
type Listing struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"100" doc:"How many items at most."`
	Cursor string `query:"cursor" maxLength:"500" doc:"The next_cursor of the page before; absent for the first."`
}

// cursor packs words that hold no line break; place unpacks as many.
func cursor(words ...string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strings.Join(words, "\n")))
}

func (l Listing) place(n int) ([]string, error) {
	raw, err := base64.RawURLEncoding.DecodeString(l.Cursor)
	words := strings.Split(string(raw), "\n")
	if err != nil || len(words) != n {
		return nil, badCursor()
	}
	return words, nil
}

func badCursor() error {
	return problem.New(problem.InvalidCursor, "the cursor was not made by this list").WithField("cursor").WithMend("leave it out to start from the first page")
}

// moment is a time that may be missing.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// text is a word that may be missing.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// each maps a list; none is an empty list, which is [] in JSON.
func each[A, B any](in []A, f func(A) B) []B {
	out := make([]B, 0, len(in))
	for _, a := range in {
		out = append(out, f(a))
	}
	return out
}
