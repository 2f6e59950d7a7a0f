package main

import (
	_ "embed" // the page
	"encoding/json"
	"html/template"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

//go:embed page.html
var pageHTML string

// app is the program's state while it serves.
type app struct {
	settings settings
	log      *slog.Logger
	started  time.Time
	page     *template.Template
	metrics  *metrics
	traces   *tracer
	draining atomic.Bool
}

func newApp(s settings, log *slog.Logger) *app {
	return &app{
		settings: s, log: log, started: time.Now(), metrics: newMetrics(),
		page:   template.Must(template.New("page").Parse(pageHTML)),
		traces: newTracer(s, log),
	}
}

// handler is every route, each counted and traced.
func (a *app) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.showPage)
	mux.HandleFunc("GET /api/about", a.about)
	mux.HandleFunc("GET /healthz", a.alive)
	mux.HandleFunc("GET /readyz", a.ready)
	mux.HandleFunc("GET /metrics", a.showMetrics)
	return a.observed(mux)
}

// about is what the page shows.
type about struct {
	Service     string `json:"service"`
	Version     string `json:"version"`
	Environment string `json:"environment"`
	Host        string `json:"host"`
	Greeting    string `json:"greeting"`
}

func (a *app) describe() about {
	s := a.settings
	return about{Service: s.service, Version: s.version, Environment: s.environment, Host: s.host, Greeting: greeting(s.environment)}
}

// Short is the commit as people say it.
func (a about) Short() string {
	if len(a.Version) >= 12 && strings.Trim(a.Version, "0123456789abcdef") == "" {
		return a.Version[:7]
	}
	return a.Version
}

func greeting(environment string) string {
	return "Hello from " + environment
}

func (a *app) showPage(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	w.Header().Set("Cache-Control", "no-store")
	if err := a.page.Execute(w, a.describe()); err != nil {
		a.log.Warn("page not sent", "error", err.Error())
	}
}

func (a *app) about(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(a.describe()); err != nil {
		a.log.Warn("answer not sent", "error", err.Error())
	}
}
