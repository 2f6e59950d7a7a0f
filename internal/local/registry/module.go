package registry

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/config"
	"github.com/fawkes-idp/fawkes/internal/kit/httpapi"
	"github.com/fawkes-idp/fawkes/internal/kit/module"
)

// Module is the registry as the program sees it.
func Module() module.Module {
	return module.Module{
		Name:    "registry",
		Summary: "container images: an OCI registry at /v2/",
		Config: []config.Key{
			{Name: "registry.max_blob", Default: "10737418240", Doc: "The most bytes one blob of an image may have.", Check: config.CheckFunc(checkBytes)},
			{Name: "registry.gc_min_age", Default: "1h", Doc: "Garbage collection leaves what is younger, unless it is told otherwise.", Check: config.IsDuration(0, 365*24*time.Hour)},
		},
		Routes: []string{"/v2/", "/api/registry/"},
		New:    open,
	}
}

func checkBytes(v string) error {
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < 1<<20 || n > 1<<40 {
		return errors.New("it must be a number of bytes from 1048576 to 1099511627776")
	}
	return nil
}

func open(ctx context.Context, d module.Deps) (*module.Service, error) {
	if d.Folder == "" {
		return nil, errors.New("the registry needs a state folder")
	}
	if err := os.MkdirAll(filepath.Join(d.Folder, storageFolder), 0o700); err != nil {
		return nil, fmt.Errorf("make the registry's folder: %w", err)
	}
	if err := os.Chmod(d.Folder, 0o700); err != nil {
		return nil, fmt.Errorf("close the registry's folder to others: %w", err)
	}
	upstream, err := newUpstream(context.WithoutCancel(ctx), d.Folder, d.Log)
	if err != nil {
		return nil, err
	}
	most, err := strconv.ParseInt(d.Config.String("max_blob"), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("registry.max_blob: %w", err)
	}
	l := layout{folder: d.Folder}
	s := &server{
		upstream: upstream, layout: l, index: newIndex(l, d.Log), verifier: d.Auth, clock: d.Clock, log: d.Log,
		maxBlob: most, metrics: newMetrics(),
	}
	for _, c := range []prometheus.Collector{s.metrics.pushed, s.metrics.damaged} {
		if err := d.Metrics.Register(c); err != nil {
			return nil, fmt.Errorf("register the registry's metrics: %w", err)
		}
	}
	api := httpapi.New(httpapi.Options{
		Service: "registry", Title: "Image registry", Version: "1",
		Description: "What the platform's image registry holds, deletion, and garbage collection. Images are pushed and pulled at /v2/, by the protocol of OCI.",
		Log:         d.Log, Tracer: d.Tracer, Metrics: d.Metrics, Verifier: d.Auth, Clock: d.Clock,
	})
	(&service{server: s, minAge: d.Config.Duration("gc_min_age")}).register(api.Huma())
	api.Mux().Handle("/v2/", auth.Basic("fawkes registry", s))
	return &module.Service{
		Handler: api.Handler(),
		Start: func(ctx context.Context) error {
			if err := s.index.load(ctx); err != nil {
				return err
			}
			<-ctx.Done()
			return nil
		},
		Stop:  func(context.Context) error { return upstream.Shutdown() },
		Ready: s.ready,
	}, nil
}

// ready looks whether the folder can be read.
func (s *server) ready(ctx context.Context) []module.Check {
	return []module.Check{{Name: "storage", Err: s.index.load(ctx)}}
}
