package dora

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/fawkes-idp/fawkes/services/dora/devlake"
	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history"
	"github.com/fawkes-idp/fawkes/services/dora/project"
)

// devlakeError is an answer in DevLake's own form.
type devlakeError struct {
	status int
	answer devlake.Answer
}

func (e *devlakeError) Error() string { return e.answer.Message }

func refuse(status int, message string) error {
	return &devlakeError{status, devlake.Refuse(message)}
}

// handleDevLake speaks the webhook API of Apache DevLake, so that clients made
// for it work as they are: 200 with an empty body, and errors in its form.
func (s *Service) handleDevLake(w http.ResponseWriter, r *http.Request) {
	answer, err := s.takeDevLake(r)
	if err != nil {
		var own *devlakeError
		var fault *event.FieldError
		p := problem.From(err)
		switch {
		case errors.As(err, &own):
		case errors.As(err, &fault):
			own = &devlakeError{}
			own.status, own.answer = devlake.Failure(err)
		case p.Status < 500 || p.Status == http.StatusServiceUnavailable || p.Status == http.StatusGatewayTimeout:
			own = &devlakeError{p.Status, devlake.Refuse(p.Detail)}
		default:
			problem.Prepare(r.Context(), err) // into the log
			own = &devlakeError{}
			own.status, own.answer = devlake.Failure(err)
		}
		s.count.deliveries.WithLabelValues(sourceDevLake, map[bool]string{true: "quarantined", false: "refused"}[fault != nil]).Inc()
		s.json(w, r, own.status, own.answer)
		return
	}
	if answer != nil {
		s.json(w, r, http.StatusOK, answer)
		return
	}
	s.count.deliveries.WithLabelValues(sourceDevLake, "accepted").Inc()
	w.WriteHeader(http.StatusOK)
}

func (s *Service) json(w http.ResponseWriter, r *http.Request, status int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		problem.Write(w, r, fmt.Errorf("encode the answer: %w", err))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	s.write(w, r, append(text, '\n'))
}

func (s *Service) takeDevLake(r *http.Request) (any, error) {
	t, ok := devlake.Route(r.URL.EscapedPath())
	if !ok {
		return nil, refuse(http.StatusNotFound, "nothing is at "+r.URL.Path)
	}
	if !t.Allows(r.Method) {
		return nil, refuse(http.StatusMethodNotAllowed, r.Method+" is not allowed here")
	}
	src, err := s.connection(r, t)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	switch t.Operation {
	case devlake.OpConnections:
		return s.connections(r, body)
	case devlake.OpConnection:
		if r.Method != http.MethodGet {
			return nil, refuse(http.StatusMethodNotAllowed, "use `fawkes dora source` to change a connection")
		}
		return connectionAnswer(src), nil
	}
	now := event.Micros(s.clock.Now())
	var events []event.Event
	switch t.Operation {
	case devlake.OpDeployments:
		events, err = devlake.Deployments(src.Name, body)
	case devlake.OpIssues:
		events, err = devlake.Issue(src.Name, body, now)
	case devlake.OpCloseIssue:
		if s.resolved(r, src, t.IssueKey) {
			return nil, nil // closed already: closing again must not move the time
		}
		events, err = devlake.Close(src.Name, t.IssueKey, now)
	case devlake.OpPullRequests:
		events, err = devlake.PullRequest(src.Name, body)
	}
	if err != nil {
		s.quarantine(r.Context(), Quarantined{Source: devlake.Source(src.Name), Project: src.Project, Kind: string(t.Operation)}, err, body)
		return nil, err
	}
	for i := range events {
		events[i].Project = src.Project
	}
	_, err = s.Take(r.Context(), events)
	return nil, err
}

// resolved reports whether an incident of the connection is resolved already.
func (s *Service) resolved(r *http.Request, src Source, key string) bool {
	a, err := s.reader.project(r.Context(), src.Project)
	if err != nil {
		return false // not known yet: then it is not closed either
	}
	want := history.Key(devlake.Source(src.Name), key)
	return slices.ContainsFunc(a.History.Incidents, func(i *history.Incident) bool { return i.Key() == want && i.ResolvedAt != 0 })
}

// connection finds the connection that a path names, and checks that the caller
// may use it: with the connection's own key, or with a token that may write.
func (s *Service) connection(r *http.Request, t devlake.Target) (Source, error) {
	key, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !found || key == "" {
		if r.Header.Get("Authorization") == "" {
			return Source{}, refuse(http.StatusUnauthorized, devlake.MessageNoToken)
		}
		return Source{}, refuse(http.StatusUnauthorized, devlake.MessageBadToken)
	}
	all, err := s.store.Sources(r.Context())
	if err != nil {
		return Source{}, err
	}
	var named, owner *Source
	for i, src := range all {
		if src.Kind != sourceDevLake {
			continue
		}
		if subtle.ConstantTimeCompare([]byte(src.Secret), []byte(key)) == 1 {
			owner = &all[i]
		}
		if t.ByName && src.Name == t.Connection || !t.ByName && t.Connection != "" && strconv.FormatInt(src.ID, 10) == t.Connection ||
			t.Project != "" && src.Project == t.Project && named == nil {
			named = &all[i]
		}
	}
	scope := auth.ScopeDoraWrite
	if t.Operation == devlake.OpConnections || t.Operation == devlake.OpConnection {
		scope = auth.ScopeDoraAdmin
	}
	if owner == nil {
		p, err := s.auth.Authenticate(r)
		switch {
		case err != nil && problem.From(err).Status == http.StatusUnauthorized:
			return Source{}, refuse(http.StatusForbidden, devlake.MessageUnknownKey)
		case err != nil:
			return Source{}, err
		case !p.Can(scope) || t.Project != "" && !p.CanTouch(t.Project) || named != nil && !p.CanTouch(named.Project):
			return Source{}, refuse(http.StatusForbidden, devlake.MessageOtherPath)
		}
	}
	switch {
	case t.Operation == devlake.OpConnections:
		if owner != nil {
			return Source{}, refuse(http.StatusForbidden, devlake.MessageOtherPath)
		}
		return Source{}, nil
	case owner != nil && (named == nil || named.ID != owner.ID):
		return Source{}, refuse(http.StatusForbidden, devlake.MessageOtherPath)
	case named != nil:
		return *named, nil
	case t.Project != "":
		if !project.ValidName(t.Project) {
			return Source{}, refuse(http.StatusBadRequest, fmt.Sprintf("%q cannot name a project (400)", t.Project))
		}
		// DevLake makes the connection of a project when it is first used.
		return Source{Name: t.Project, Project: t.Project}, nil
	}
	return Source{}, refuse(http.StatusNotFound, devlake.MessageNoConnection)
}

// connections lists the connections or makes one.
func (s *Service) connections(r *http.Request, body []byte) (any, error) {
	if r.Method == http.MethodGet {
		all, err := s.store.Sources(r.Context())
		if err != nil {
			return nil, err
		}
		out := []devlake.Connection{}
		for _, src := range all {
			if src.Kind == sourceDevLake {
				out = append(out, connectionAnswer(src))
			}
		}
		return out, nil
	}
	name, err := devlake.ConnectionName(body)
	if err != nil {
		return nil, err
	}
	by := ""
	if p, err := s.auth.Authenticate(r); err == nil {
		by = p.Subject
	}
	src, err := s.addSource(r.Context(), Source{Kind: sourceDevLake, Name: name, Project: projectOf(name), CreatedBy: by})
	if errors.Is(err, ErrExists) {
		return nil, refuse(http.StatusBadRequest, fmt.Sprintf(devlake.MessageNameTaken, name))
	}
	if err != nil {
		return nil, err
	}
	return devlake.NewConnection(uint64(src.ID), src.Name, src.CreatedAt.Std(), src.CreatedAt.Std()).WithKey(uint64(src.ID), src.Secret), nil
}

// projectOf is the project that a connection feeds when nobody says otherwise:
// the one of its name.
func projectOf(name string) string {
	if project.ValidName(name) {
		return name
	}
	return nameFor(name)
}

func connectionAnswer(src Source) devlake.Connection {
	at := src.CreatedAt.Std()
	return devlake.NewConnection(uint64(src.ID), src.Name, at, at).WithKey(uint64(src.ID), "")
}

// addSource stores a webhook source with a fresh secret of 256 random bits.
func (s *Service) addSource(ctx context.Context, src Source) (Source, error) {
	raw := make([]byte, 32)
	if _, err := rand.Read(raw); err != nil {
		return Source{}, fmt.Errorf("draw a secret: %w", err)
	}
	src.Secret = base64.RawURLEncoding.EncodeToString(raw)
	src.CreatedAt = event.Micros(s.clock.Now().Truncate(time.Microsecond))
	return s.store.AddSource(ctx, src)
}
