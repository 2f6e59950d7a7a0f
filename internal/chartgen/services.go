package main

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/fawkes-idp/fawkes/internal/app"
	"github.com/fawkes-idp/fawkes/internal/kit/module"
)

// facts are what the templates know of the code.
type facts struct {
	Port         int       `yaml:"port"`         // that each service listens on
	DrainSeconds int       `yaml:"drainSeconds"` // that a service may take to end
	Services     []service `yaml:"services"`
}

type service struct {
	Name     string   `yaml:"name"`
	Summary  string   `yaml:"summary"`
	Database bool     `yaml:"database"`
	Calls    []string `yaml:"calls"`
	Paths    []path   `yaml:"paths"`
}

// path is an address that an Ingress can name.
type path struct {
	Path string `yaml:"path"`
	Type string `yaml:"type"`
}

func describe(modules []module.Module) (facts, error) {
	_, port, err := net.SplitHostPort(app.DefaultListen)
	if err != nil {
		return facts{}, fmt.Errorf("the default address: %w", err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return facts{}, fmt.Errorf("the default address: %w", err)
	}
	out := facts{Port: number, DrainSeconds: int(app.DrainFor.Seconds())}
	for _, m := range modules {
		s := service{Name: m.Name, Summary: m.Summary, Database: m.Migrations != nil, Calls: m.Calls}
		for _, route := range m.Routes {
			if p, ok := ingressPath(route); ok {
				s.Paths = append(s.Paths, p)
			}
		}
		out.Services = append(out.Services, s)
	}
	return out, nil
}

// ingressPath is a pattern of http.ServeMux as an Ingress has it; one with a wildcard has no portable form there.
func ingressPath(route string) (path, bool) {
	switch {
	case strings.Contains(route, "{"):
		return path{}, false
	case route == "/":
		return path{"/", "Prefix"}, true
	case strings.HasSuffix(route, "/"):
		return path{strings.TrimSuffix(route, "/"), "Prefix"}, true
	}
	return path{route, "Exact"}, true
}
