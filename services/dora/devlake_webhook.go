package dora

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/fawkes-idp/fawkes/services/dora/devlake"
	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history"
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
		retryLater(w, own.status)
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
	src, caller, err := s.connection(r, t)
	if err != nil {
		return nil, err
	}
	if caller != nil {
		r = r.WithContext(auth.NewContext(r.Context(), *caller))
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, unreadable(err)
	}
	switch t.Operation {
	case devlake.OpConnections:
		return s.connections(r, caller, body)
	case devlake.OpConnection:
		return s.oneConnection(r, src)
	}
	if t.Operation == devlake.OpCloseIssue && s.resolved(r.Context(), src.Project, src.Name, t.IssueKey) {
		return nil, nil // closed already: closing again must not move the time
	}
	events, err := devlakeEvents(t.Operation, src.Name, t.IssueKey, body, event.Micros(s.clock.Now()))
	if err != nil {
		room := sourceDevLake + " " + src.Name
		s.quarantine(r.Context(), Quarantined{Source: devlake.Source(src.Name), SourceName: src.Name, Room: room, Project: src.Project,
			Kind: string(t.Operation), Delivery: t.IssueKey}, err, body)
		return nil, err
	}
	_, _, err = s.takeOf(r.Context(), events, src.Project)
	return nil, err
}

// devlakeEvents reads the body of an operation that reports something.
func devlakeEvents(op devlake.Operation, connection, issueKey string, body []byte, now event.Time) ([]event.Event, error) {
	switch op {
	case devlake.OpDeployments:
		return devlake.Deployments(connection, body)
	case devlake.OpIssues:
		return devlake.Issue(connection, body, now)
	case devlake.OpCloseIssue:
		return devlake.Close(connection, issueKey, now)
	case devlake.OpPullRequests:
		return devlake.PullRequest(connection, body)
	}
	return nil, event.Fault("operation", "%q reports nothing", op)
}

// resolved reports whether an incident of the connection is resolved already.
func (s *Service) resolved(ctx context.Context, project, connection, key string) bool {
	a, err := s.reader.project(ctx, project)
	if err != nil {
		return false // not known yet: then it is not closed either
	}
	want := history.Key(devlake.Source(connection), key)
	return slices.ContainsFunc(a.History.Incidents, func(i *history.Incident) bool { return i.Key() == want && i.ResolvedAt != 0 })
}
