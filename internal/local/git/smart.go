package git

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/httpapi"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

const (
	// mostRequest is the most bytes, unpacked, of what a client asks when it fetches.
	mostRequest = 64 << 20
	// pushSlack is by how much a request may be longer than the pack in it.
	pushSlack = 16 << 20
	// placeWait is how long a client waits for its turn to run git.
	placeWait = 30 * time.Second
)

// call is one request of a git client.
type call struct {
	name    string // owner/name
	service string // upload-pack or receive-pack
	refs    bool   // it asks for the references, which begins every exchange
	who     auth.Principal
}

// writes says whether the client is about to push.
func (c call) writes() bool { return c.service == "receive-pack" }

func (c call) does() string {
	if c.writes() {
		return "push"
	}
	return "fetch"
}

// addresses are those of git's smart protocol; every other below /git/ is the console's.
func addresses() []string {
	const at = "/git/{owner}/{name}/"
	return []string{at + "info/refs", at + "git-upload-pack", at + "git-receive-pack"}
}

// handleGit answers git clients.
func (s *Service) handleGit(w http.ResponseWriter, r *http.Request) {
	c, err := s.read(r)
	if err == nil {
		err = s.admit(r, &c)
	}
	if err == nil {
		err = s.serve(w, r, c)
	}
	result := "answered"
	if err != nil {
		result = "refused"
		s.refuse(w, r, err)
	}
	if c.service != "" {
		s.count.requests.WithLabelValues(c.does(), result).Inc()
	}
}

// read finds out what is asked.
func (s *Service) read(r *http.Request) (c call, err error) {
	c.name = r.PathValue("owner") + "/" + strings.TrimSuffix(r.PathValue("name"), ".git")
	if !ValidName(c.name) {
		return c, problem.New(problem.NotFound, "%q cannot be a repository's name: use owner/name of lower-case letters, digits, '-', '_' and '.'", clip(c.name, 140))
	}
	service := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	method := http.MethodPost
	if service == "refs" {
		service, method, c.refs = r.URL.Query().Get("service"), http.MethodGet, true
	}
	if r.Method != method {
		return c, problem.New(problem.MethodNot, "%s is not allowed here", r.Method).WithMend("use " + method)
	}
	if service != "git-upload-pack" && service != "git-receive-pack" {
		return c, problem.New(problem.Forbidden, "only git's smart protocol is spoken here: use a newer git")
	}
	c.service = strings.TrimPrefix(service, "git-")
	return c, nil
}

// admit judges the caller.
func (s *Service) admit(r *http.Request, c *call) error {
	p, err := s.auth.Authenticate(r)
	if err != nil {
		if problem.From(err).Status == http.StatusUnauthorized {
			return problem.New(problem.Unauthenticated, "%s", problem.From(err).Detail).WithCause(err).WithMend("give an API token as the password, whatever the user name (`fawkes token create NAME --scope git:read,git:write`), " +
				"or let git ask the running platform: git config credential.helper '!fawkes git credential'")
		}
		return err
	}
	scope := auth.ScopeGitRead
	if c.writes() {
		scope = auth.ScopeGitWrite
	}
	if !p.Can(scope) {
		return problem.New(problem.Forbidden, "the token lacks the scope %s", scope).WithMend("make one that has it: fawkes token create NAME --scope git:read,git:write")
	}
	c.who = p
	return nil
}

// serve runs git for the client.
func (s *Service) serve(w http.ResponseWriter, r *http.Request, c call) error {
	guard, err := s.prepare(r.Context())
	if err != nil {
		return problem.New(problem.Unavailable, "the git server is not ready: %v", err).WithCause(err)
	}
	root, path := s.repositories(), c.name+".git"
	repository, err := s.store.repository(r.Context(), c.name)
	switch {
	case err == nil:
	case !errors.Is(err, ErrNotFound):
		return err
	case !c.writes() || !s.cfg.PushCreate:
		return problem.New(problem.NotFound, "there is no repository %s here: make it with `fawkes git create %s`", c.name, c.name)
	case c.refs:
		// A push makes the repository, but asking what is there does not: the client is shown an empty one.
		root, path = s.temporary(), "empty/empty.git"
	default:
		if repository, err = s.create(r.Context(), Repository{Name: c.name}); err != nil {
			return err
		}
	}
	leave, err := s.place(r.Context())
	if err != nil {
		return err
	}
	defer leave()

	run := backendRun{drain: c.writes()}
	most := int64(mostRequest)
	if c.writes() {
		most = s.cfg.MaxPush + pushSlack
	}
	httpapi.Allow(r, httpapi.Limits{Body: most, Timeout: -1, Streams: true})
	if r.Method == http.MethodPost {
		if run.body, err = unpacked(r, most); err != nil {
			return err
		}
	}
	defer finish(http.NewResponseController(w), r.Body)
	run.env = s.environment(r, c, guard, root, path, repository.Protected)
	err = s.git.runBackend(r.Context(), w, run)
	if c.writes() && !c.refs {
		// Whatever became of the client: the references may have moved.
		if aerr := s.announce(context.WithoutCancel(r.Context()), c.name, c.who.Name); aerr != nil {
			s.log.Warn("a push was not announced; it is at the next push or start", "repository", c.name, "error", aerr)
		}
		select {
		case s.tidy <- c.name:
		default: // there is enough to do; a later push asks again
		}
	}
	return err
}

// environment is all that the backend learns.
func (s *Service) environment(r *http.Request, c call, g *guard, root, path string, rules []Rule) []string {
	settings := []setting{
		{"http.uploadpack", "true"}, {"http.receivepack", "true"}, {"http.getanyfile", "false"},
		{"uploadpack.allowFilter", "true"}, {"uploadpack.allowAnySHA1InWant", "true"}, {"uploadpack.keepAlive", "5"},
		{"transfer.fsckObjects", "true"}, {"receive.fsckObjects", "true"},
		{"transfer.unpackLimit", "1"}, // packs are checked as a stream, whatever is in them
		{"receive.maxInputSize", fmt.Sprint(s.cfg.MaxPush)},
		{"receive.advertisePushOptions", "false"}, {"receive.shallowUpdate", "false"}, {"receive.keepAlive", "5"},
	}
	settings = append(settings, g.settings()...)
	name := clip(strings.Map(printable, c.who.Name), 100)
	if name == "" {
		name = "unknown"
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	rest := "/git-" + c.service
	query := ""
	if c.refs {
		rest, query = "/info/refs", "service=git-"+c.service
	}
	env := []string{
		"GATEWAY_INTERFACE=CGI/1.1", "SERVER_PROTOCOL=HTTP/1.1", "REQUEST_METHOD=" + r.Method, "QUERY_STRING=" + query,
		"GIT_PROJECT_ROOT=" + root, "PATH_INFO=/" + path + rest, "GIT_HTTP_EXPORT_ALL=1",
		"REMOTE_USER=" + name, "REMOTE_ADDR=" + host, "GIT_COMMITTER_NAME=" + name, "GIT_COMMITTER_EMAIL=" + "pusher@fawkes.invalid",
	}
	if r.Method == http.MethodPost {
		env = append(env, "CONTENT_TYPE="+"application/x-git-"+c.service+"-request")
	}
	if v := r.Header.Get("Git-Protocol"); validProtocol(v) {
		env = append(env, "GIT_PROTOCOL="+v, "HTTP_GIT_PROTOCOL="+v)
	}
	env = append(env, g.environment(c.name, rules)...)
	return s.git.environment(settings, env...)
}

// printable leaves out what has no place in a name.
func printable(r rune) rune {
	if r < ' ' || r == 0x7f || r == '<' || r == '>' || r == '\n' {
		return -1
	}
	return r
}

// validProtocol says whether v is like "version=2".
func validProtocol(v string) bool {
	return v != "" && len(v) <= 64 && strings.Trim(v, "abcdefghijklmnopqrstuvwxyz0123456789=:-") == ""
}

// place waits for a place to run git in.
func (s *Service) place(ctx context.Context) (leave func(), err error) {
	timer := time.NewTimer(placeWait)
	defer timer.Stop()
	select {
	case s.places <- struct{}{}:
		return func() { <-s.places }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-timer.C:
		return nil, problem.New(problem.Unavailable, "%d clients fetch and push already: try again in a moment", cap(s.places))
	}
}

// unpacked is the body as git reads it, bounded also where it was compressed.
func unpacked(r *http.Request, most int64) (io.Reader, error) {
	if want := "application/x-git-" + strings.TrimPrefix(r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:], "git-") + "-request"; r.Header.Get("Content-Type") != want {
		return nil, problem.New(problem.UnsupportedType, "the body is not of type %s", want)
	}
	switch r.Header.Get("Content-Encoding") {
	case "", "identity":
		return r.Body, nil
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, problem.New(problem.InvalidBody, "the body is not gzip").WithCause(err)
		}
		return &bounded{r: z, left: most, most: most}, nil
	}
	return nil, problem.New(problem.UnsupportedType, "bodies are read as they are, or in gzip")
}

// bounded ends a reader that is too long with an error.
type bounded struct {
	r          io.Reader
	left, most int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, &http.MaxBytesError{Limit: b.most}
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// refuse answers with text, which git shows to its user.
func (s *Service) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		return // nobody is there any more
	}
	p := problem.Prepare(r.Context(), err)
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	if r.Method == http.MethodPost {
		h.Set("Connection", "close") // the rest of the body is not read
	}
	w.WriteHeader(p.Status)
	text := p.Detail
	if text == "" {
		text = p.Title
	}
	if p.Mend != "" {
		text += "\n" + p.Mend
	}
	if p.Code == problem.Internal {
		text += " (" + p.RequestID + ")"
	}
	fmt.Fprintln(w, text)
}
