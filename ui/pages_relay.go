package ui

import (
	"context"
	"net/http"
	"net/url"

	"github.com/a-h/templ"

	"github.com/fawkes-idp/fawkes/ui/delivery"
	"github.com/fawkes-idp/fawkes/ui/view"
)

// relay shows how far DevLake has been told, and what it refused.
func (c *console) relay(_ http.ResponseWriter, r *http.Request, f view.Frame) (templ.Component, error) {
	f.Title = "Relay to DevLake"
	p := view.RelayPage{Done: r.URL.Query().Get("done")}
	err := both(r.Context(),
		func(ctx context.Context) (err error) {
			p.Relay, err = c.reader.Relay(ctx)
			return err
		},
		func(ctx context.Context) (err error) {
			p.Dead, err = c.reader.DeadLetters(ctx, delivery.Page{Limit: listLimit, Cursor: r.URL.Query().Get("cursor")})
			return err
		})
	if err != nil {
		return nil, err
	}
	p.First, p.Next = nextPage(f, p.Dead.NextCursor)
	return view.Relay(f, p), nil
}

// settleDead sends dead letters again or discards them: the one that the form names, or all.
func (c *console) settleDead(w http.ResponseWriter, r *http.Request, _ view.Frame) (templ.Component, error) {
	if err := r.ParseForm(); err != nil {
		return nil, formFault(err)
	}
	discard := r.PostForm.Get("do") == "discard"
	if err := c.reader.SettleDeadLetters(r.Context(), r.PostForm.Get("id"), discard); err != nil {
		return nil, err
	}
	done := "retry"
	if discard {
		done = "discard"
	}
	http.Redirect(w, r, address("/relay", url.Values{"done": {done}}), http.StatusSeeOther)
	return nil, errAnswered
}
