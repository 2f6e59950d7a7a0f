package dora

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/fawkes-idp/fawkes/services/dora/devlake"
	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/project"
)

// connection finds the connection that a path names, and checks that the caller
// may use it: with the connection's own key, when caller is nil, or with a token
// of the platform.
func (s *Service) connection(r *http.Request, t devlake.Target) (src Source, caller *auth.Principal, err error) {
	key, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !found || key == "" {
		if r.Header.Get("Authorization") == "" {
			return Source{}, nil, refuse(http.StatusUnauthorized, devlake.MessageNoToken)
		}
		return Source{}, nil, refuse(http.StatusUnauthorized, devlake.MessageBadToken)
	}
	all, err := s.store.Sources(r.Context())
	if err != nil {
		return Source{}, nil, err
	}
	var named, owner *Source
	for i, src := range all {
		if src.Kind != sourceDevLake {
			continue
		}
		if subtle.ConstantTimeCompare([]byte(src.Secret), []byte(key)) == 1 {
			owner = &all[i]
		}
		if named == nil && names(t, src) {
			named = &all[i]
		}
	}
	if owner != nil {
		if t.Operation == devlake.OpConnections || t.Operation == devlake.OpConnection && r.Method != http.MethodGet || !names(t, *owner) {
			return Source{}, nil, refuse(http.StatusForbidden, devlake.MessageOtherPath)
		}
		return *owner, nil, nil
	}
	p, err := s.caller(r, t)
	if err != nil {
		return Source{}, nil, err
	}
	switch {
	case t.Operation == devlake.OpConnections:
		return Source{}, p, nil
	case named != nil && !p.CanTouch(named.Project), named == nil && t.Project != "" && !p.CanTouch(t.Project):
		return Source{}, nil, refuse(http.StatusForbidden, devlake.MessageOtherPath)
	case named != nil:
		return *named, p, nil
	case t.Project == "":
		return Source{}, nil, refuse(http.StatusNotFound, devlake.MessageNoConnection)
	case !project.ValidName(t.Project):
		return Source{}, nil, refuse(http.StatusBadRequest, fmt.Sprintf("%q cannot name a project (400)", t.Project))
	}
	// DevLake makes the connection of a project when it is first used.
	return Source{Name: t.Project, Project: t.Project}, p, nil
}

// names reports whether a path names a connection.
func names(t devlake.Target, src Source) bool {
	switch {
	case t.Project != "":
		return src.Project == t.Project
	case t.ByName:
		return src.Name == t.Connection
	}
	return t.Connection != "" && strconv.FormatInt(src.ID, 10) == t.Connection
}

// caller is who sent a request that carries no connection's key, when a token of
// the platform allows the operation.
func (s *Service) caller(r *http.Request, t devlake.Target) (*auth.Principal, error) {
	p, err := s.auth.Authenticate(r)
	if err != nil {
		if problem.From(err).Status == http.StatusUnauthorized {
			return nil, refuse(http.StatusForbidden, devlake.MessageUnknownKey)
		}
		return nil, err
	}
	scope := auth.ScopeDoraWrite
	if t.Operation == devlake.OpConnections || t.Operation == devlake.OpConnection {
		scope = auth.ScopeDoraAdmin
	}
	if !p.Can(scope) {
		return nil, refuse(http.StatusForbidden, devlake.MessageOtherPath)
	}
	return &p, nil
}

// connections lists the connections or makes one.
func (s *Service) connections(r *http.Request, caller *auth.Principal, body []byte) (any, error) {
	if r.Method == http.MethodGet {
		all, err := s.store.Sources(r.Context())
		if err != nil {
			return nil, err
		}
		out := []devlake.Connection{}
		for _, src := range all {
			if src.Kind == sourceDevLake && caller.CanTouch(src.Project) {
				out = append(out, connectionAnswer(src))
			}
		}
		return out, nil
	}
	name, err := devlake.ConnectionName(body)
	if err != nil {
		return nil, err
	}
	owner := projectOf(name)
	if !caller.CanTouch(owner) {
		return nil, refuse(http.StatusForbidden, devlake.MessageOtherPath)
	}
	src, err := s.addSource(r.Context(), Source{Kind: sourceDevLake, Name: name, Project: owner, CreatedBy: caller.Subject})
	if errors.Is(err, ErrExists) {
		return nil, refuse(http.StatusBadRequest, fmt.Sprintf(devlake.MessageNameTaken, name))
	}
	if err != nil {
		return nil, err
	}
	return devlake.NewConnection(uint64(src.ID), src.Name, src.CreatedAt.Std(), src.CreatedAt.Std()).WithKey(uint64(src.ID), src.Secret), nil
}

// oneConnection shows a connection, or removes it as DevLake does, answering
// what is gone. It cannot be renamed: what it sent carries its name.
func (s *Service) oneConnection(r *http.Request, src Source) (any, error) {
	switch r.Method {
	case http.MethodPatch:
		return nil, refuse(http.StatusBadRequest, "a connection cannot be changed, because its events carry its name; remove it and make another (400)")
	case http.MethodDelete:
		err := s.store.DeleteSource(r.Context(), src.ID)
		if err == nil {
			err = s.auditSource(r.Context(), ActionSourceRemoved, src)
		}
		if err != nil && !errors.Is(err, ErrNotFound) {
			return nil, err
		}
	}
	return connectionAnswer(src), nil
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

// addSource stores a webhook source, with a fresh secret of 256 random bits unless
// it has one.
func (s *Service) addSource(ctx context.Context, src Source) (Source, error) {
	if src.Secret == "" {
		raw := make([]byte, 32)
		if _, err := rand.Read(raw); err != nil {
			return Source{}, fmt.Errorf("draw a secret: %w", err)
		}
		src.Secret = base64.RawURLEncoding.EncodeToString(raw)
	}
	src.CreatedAt = event.Micros(s.clock.Now().Truncate(time.Microsecond))
	src, err := s.store.AddSource(ctx, src)
	if err != nil {
		return Source{}, err
	}
	return src, s.auditSource(ctx, ActionSourceAdded, src)
}

// auditSource notes what was done to a source, without its secret.
func (s *Service) auditSource(ctx context.Context, action string, src Source) error {
	return s.audit(ctx, action, src.Project, strconv.FormatInt(src.ID, 10), src.Kind+" "+src.Name)
}
