package devlake

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
)

// ErrMigrating says that DevLake migrates its database first; the set-up is to be run again.
var ErrMigrating = errors.New("DevLake migrates its database; run the set-up again")

// setup is one run.
type setup struct {
	plan    *Plan
	env     func(string) string
	log     *slog.Logger
	api     *api
	ids     map[string]uint64            // of the connections, by their names in the plan
	scopes  map[string]map[string]string // ids of scopes by connection and name
	changes int
}

// Setup brings a DevLake to what the plan says, and tells how many changes that took.
func Setup(ctx context.Context, plan *Plan, env func(string) string, log *slog.Logger) (changes int, err error) {
	s := &setup{plan: plan, env: env, log: log, api: newAPI(plan.DevLake, nil), ids: map[string]uint64{}, scopes: map[string]map[string]string{}}
	for _, step := range []func(context.Context) error{s.ready, s.connections, s.allScopes, s.projects, s.apiKey} {
		if err := step(ctx); err != nil {
			return s.changes, err
		}
	}
	return s.changes, nil
}

func (s *setup) changed(what, name string) {
	s.changes++
	s.log.Info(what, "name", name)
}

// ready begins a migration that waits for somebody's word: a new version of DevLake is one that the inventory pins.
func (s *setup) ready(ctx context.Context) error {
	err := s.api.do(ctx, http.MethodGet, "/projects?page=1&pageSize=1", nil, nil)
	if refused(err, http.StatusPreconditionRequired) {
		if err := s.api.do(ctx, http.MethodGet, "/proceed-db-migration", nil, nil); err != nil {
			return fmt.Errorf("begin the migration of DevLake's database: %w", err)
		}
		return ErrMigrating
	}
	if err != nil {
		return fmt.Errorf("DevLake is not ready: %w", err)
	}
	return nil
}

// apiKey makes sure that Vault has a key that DevLake takes. A key is shown once only: one that Vault has not, or that
// DevLake does not take, is made anew.
func (s *setup) apiKey(ctx context.Context) error {
	key := s.plan.APIKey
	k, err := openVault(ctx, key.Vault)
	if err != nil {
		return err
	}
	if k.value() != "" {
		err := newAPI(s.plan.DevLake, http.Header{"Authorization": {"Bearer " + k.value()}}).do(ctx, http.MethodGet, "/rest/plugins/webhook/connections", nil, nil)
		if err == nil {
			return nil
		}
		if !refused(err, http.StatusUnauthorized, http.StatusForbidden) {
			return fmt.Errorf("try the API key: %w", err)
		}
	}
	var list struct {
		Keys []remote `json:"apikeys"`
	}
	if err := s.api.do(ctx, http.MethodGet, fmt.Sprintf("/api-keys?page=1&pageSize=%d", pageSize), nil, &list); err != nil {
		return fmt.Errorf("list DevLake's API keys: %w", err)
	}
	var made struct {
		APIKey string `json:"apiKey"`
	}
	method, path, body := http.MethodPost, "/api-keys", any(map[string]any{"name": key.Name, "type": "devlake", "allowedPath": ".*"})
	if i := slices.IndexFunc(list.Keys, func(r remote) bool { return r.Name == key.Name }); i >= 0 {
		method, path, body = http.MethodPut, "/api-keys/"+strconv.FormatUint(list.Keys[i].ID, 10), nil
	}
	if err := s.api.do(ctx, method, path, body, &made); err != nil {
		return fmt.Errorf("make an API key: %w", err)
	}
	if made.APIKey == "" {
		return errors.New("DevLake's answer has no API key")
	}
	if err := k.keep(ctx, made.APIKey); err != nil {
		return err
	}
	s.changed("API key kept in Vault", key.Name)
	return nil
}
