package dora

import (
	"context"
	"io/fs"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/config"
	"github.com/fawkes-idp/fawkes/internal/kit/httpapi"
	"github.com/fawkes-idp/fawkes/internal/kit/module"
	"github.com/fawkes-idp/fawkes/services/dora/migrations"
	"github.com/fawkes-idp/fawkes/services/dora/relay"
)

// Migrations has the folders sqlite/ and postgres/.
func Migrations() fs.FS { return migrations.FS }

// Module is the service as the program sees it.
func Module() module.Module {
	return module.Module{
		Name:     "dora",
		Summary:  "delivery metrics with their evidence, from an append-only log of delivery events",
		Calls:    []string{"identity"},
		Outbound: []string{"devlake"},
		Config: append([]config.Key{
			{Name: "dora.github_secret", Secret: true, Doc: "The secret that GitHub signs its deliveries with, for webhooks that `fawkes dora source add` did not set up; empty: none is believed."},
			{Name: "dora.retention", Default: "0s", Doc: "Events older than this are taken by a `fawkes dora archive` that names no day; 0s keeps everything.", Check: config.IsDuration(0, 100*365*24*time.Hour)},
			{Name: "dora.github_incident_labels", Default: "incident", Doc: "Labels, separated by commas, that make a GitHub issue an incident."},
			{Name: "dora.quarantine_mib", Default: "256", Check: config.IsInt(1, 1<<20), Doc: "Most MiB of deliveries that could not be read; one sender may take an eighth. The oldest make room."},
			{Name: "dora.gauges", Default: "500", Check: config.IsInt(1, 100000), Doc: "Most projects and services together, and most sources, that have gauges of their own at /metrics; the others are counted."},
			{Name: "dora.streams", Default: "200", Check: config.IsInt(1, 100000), Doc: "How many streams of events (server-sent events) one process serves at a time; further ones are answered 503."},
		}, relay.Keys()...),
		Migrations: Migrations(),
		Passing:    []string{"replica"},
		Routes: []string{
			"/api/dora/", "/webhooks/dora/",
			"/api/rest/plugins/webhook/", "/rest/plugins/webhook/", "/plugins/webhook/",
			"/dora/api/", "/projects/{id}/dora/metrics", "/groups/{id}/dora/metrics", "/api/v4/projects/{id}/dora/metrics", "/api/v4/groups/{id}/dora/metrics",
		},
		New: open,
	}
}

func open(_ context.Context, d module.Deps) (*module.Service, error) {
	s, err := New(Config{
		GitHubSecret:         d.Config.String("github_secret"),
		Retention:            d.Config.Duration("retention"),
		GitHubIncidentLabels: words(d.Config.String("github_incident_labels")),
		Gauges:               d.Config.Int("gauges"),
		Streams:              d.Config.Int("streams"),
		PublicURL:            d.PublicURL,
		QuarantineMiB:        d.Config.Int("quarantine_mib"),
		DevLake:              relay.FromSection(d.Config), Outbox: relay.NewOutbox(d.DB),
	}, NewStore(d.DB), d.Clock, d.Log, d.Metrics, d.Auth)
	if err != nil {
		return nil, err
	}
	api := httpapi.New(httpapi.Options{
		Service: "dora", Title: "Delivery metrics", Version: "1",
		Description: "Delivery events in; the five DORA metrics, and the evidence behind each number, out.",
		Log:         d.Log, Tracer: d.Tracer, Metrics: d.Metrics, Verifier: d.Auth, Clock: d.Clock,
	})
	s.register(api)
	return &module.Service{
		Handler: api.Handler(),
		Start:   s.Run,
		Stop:    s.Stop,
		Ready:   s.ready,
	}, nil
}

func words(s string) []string {
	var out []string
	for _, w := range strings.Split(s, ",") {
		if w = strings.TrimSpace(w); w != "" {
			out = append(out, w)
		}
	}
	return out
}

// ready checks what the service stands on: that the log can be read, and that
// the projection follows it. A projection that is merely behind is no reason to
// send callers away: answers say by how much.
func (s *Service) ready(ctx context.Context) []module.Check {
	_, err := s.store.LogHead(ctx)
	return []module.Check{
		{Name: "event log", Err: err},
		{Name: "projection", Err: s.projector.fault()},
	}
}
