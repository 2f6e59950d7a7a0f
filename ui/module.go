// Package ui is the console: the pages in which people read how well they deliver, and open each number to the
// deployments, commits and incidents behind it; and the delivery road itself, from a push to the running application.
//
// It computes nothing. Every page is a question to a service, asked over HTTP with the reader's own session, and
// drawn on the server as HTML and SVG. The question stands in the URL (ui/scope); the numbers come as the delivery
// metrics service gives them (ui/delivery), runs, applications, images and repositories as the parts of the road give
// them (ui/road); the marks of charts are placed by ui/chart, quantities are written by ui/units and the pages drawn
// by ui/view. What programs and people wrote is made safe to look at by ui/terminal, ui/patch and ui/findings.
// JavaScript adds speed, keys and liveliness and is not needed; nothing is asked of any other host.
//
// Signing in and out belongs to services/identity; the console sends there whoever has no session.
package ui

import (
	"context"

	"github.com/fawkes-idp/fawkes/internal/kit/httpapi"
	"github.com/fawkes-idp/fawkes/internal/kit/module"
	"github.com/fawkes-idp/fawkes/ui/assets"
	"github.com/fawkes-idp/fawkes/ui/delivery"
	"github.com/fawkes-idp/fawkes/ui/road"
)

//go:generate go tool -modfile=../tools/go.mod templ generate

// Module is the console as the program sees it. Its one route is what no other service answers.
func Module() module.Module {
	return module.Module{
		Name:    "console",
		Summary: "the pages in which people read the delivery metrics and their evidence",
		Needs:   []string{"identity", "dora"},
		Calls:   []string{"identity", "dora", road.PartRunner, road.PartGitOps, road.PartRegistry, road.PartGit},
		Routes:  []string{"/"},
		New:     open,
	}
}

func open(_ context.Context, d module.Deps) (*module.Service, error) {
	if err := assets.Check(); err != nil {
		return nil, err
	}
	reader, err := delivery.NewHTTP(d.Peers)
	if err != nil {
		return nil, err
	}
	parts, err := road.NewHTTP(d.Peers, d.Clock)
	if err != nil {
		return nil, err
	}
	c := &console{reader: reader, road: parts, gate: d.Auth, clock: d.Clock, log: d.Log, publicURL: d.PublicURL}
	return &module.Service{
		Handler: httpapi.Wrap(httpapi.Options{Service: "console", Log: d.Log, Tracer: d.Tracer, Metrics: d.Metrics, Clock: d.Clock}, c.handler()),
	}, nil
}
