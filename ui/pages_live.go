package ui

import (
	"context"
	"net/http"

	"github.com/a-h/templ"

	"github.com/fawkes-idp/fawkes/ui/view"
)

const (
	// liveRange is the window of the numbers on the live page.
	liveRange = "30d"
	// liveEvents is how many of the latest events it lists.
	liveEvents = 25
)

// live shows what comes in and the numbers that it moves. The page follows the service's stream and asks for its
// middle again when something happened; without JavaScript it is as of when it was loaded.
func (c *console) live(_ http.ResponseWriter, r *http.Request, f view.Frame) (templ.Component, error) {
	if err := c.inProject(r, &f, "live", "Live"); err != nil {
		return nil, err
	}
	f.Scope = f.Scope.With("range", liveRange)
	w := f.Scope.Window(f.Now, f.Zone)
	p := view.LivePage{Window: windowText(f, w)}
	err := both(r.Context(),
		func(ctx context.Context) (err error) {
			p.Report, p.Previous, err = c.reports(ctx, f.Scope, w)
			return err
		},
		func(ctx context.Context) (err error) {
			p.Events, err = c.reader.Recent(ctx, f.Scope.Project, liveEvents)
			return err
		})
	if err != nil {
		return nil, err
	}
	return view.Live(f, p), nil
}
