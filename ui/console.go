package ui

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/a-h/templ"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/clock"
	"github.com/fawkes-idp/fawkes/internal/kit/httpapi"
	"github.com/fawkes-idp/fawkes/ui/assets"
	"github.com/fawkes-idp/fawkes/ui/delivery"
	"github.com/fawkes-idp/fawkes/ui/road"
	"github.com/fawkes-idp/fawkes/ui/scope"
	"github.com/fawkes-idp/fawkes/ui/view"
)

// gate tells who sent a request and puts the caller into the context; it is the kit's Verifier.
type gate interface {
	Authenticate(r *http.Request) (auth.Principal, error)
	Require(scope string) func(http.Handler) http.Handler
}

// console answers the pages' addresses.
type console struct {
	reader    delivery.Reader
	road      road.Reader
	gate      gate
	clock     clock.Clock
	log       *slog.Logger
	publicURL string // where people reach the platform
}

// errAnswered is a page's word that it has answered by itself.
var errAnswered = errors.New("answered")

// page answers one address for a signed-in person. A returned error becomes a page of its own.
type page func(w http.ResponseWriter, r *http.Request, f view.Frame) (templ.Component, error)

// handler lays out the console's addresses.
func (c *console) handler() http.Handler {
	mux := http.NewServeMux()
	get := func(pattern string, p page) { mux.Handle("GET "+pattern, c.signedIn(p)) }
	post := func(pattern string, p page) { mux.Handle("POST "+pattern, c.signedIn(p)) }
	get("/{$}", c.overview)
	get("/keyboard", c.keyboard)
	get("/quarantine", c.quarantine)
	get("/quarantine/{id}", c.quarantineEntry)
	post("/quarantine", c.settleAll)
	post("/quarantine/{id}", c.settle)
	get("/relay", c.relay)
	post("/relay", c.settleDead)
	get("/p/{project}", c.project)
	get("/p/{project}/metrics/{metric}", c.metric)
	get("/p/{project}/deployments", c.deployments)
	get("/p/{project}/deployments/{key}", c.deployment)
	get("/p/{project}/changes", c.changes)
	get("/p/{project}/changes/{sha}", c.change)
	get("/p/{project}/incidents", c.incidents)
	get("/p/{project}/incidents/{key}", c.incident)
	get("/p/{project}/live", c.live)
	get("/p/{project}/compare", c.compare)
	get("/p/{project}/settings", c.settings)
	c.roadRoutes(mux)
	get("/", c.nowhere)
	mux.Handle("GET "+assets.Prefix, assets.Handler())
	mux.HandleFunc("GET /theme", c.theme)
	return mux
}

// signedIn shows the page to people who are signed in and may use the console, and sends others to sign in.
func (c *console) signedIn(p page) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if clean, ok := withoutEmpty(r.URL); ok {
			http.Redirect(w, r, clean, http.StatusSeeOther)
			return
		}
		f := c.frame(r)
		who, err := c.gate.Authenticate(r)
		if err != nil {
			if statusOf(err) == http.StatusUnauthorized {
				toSignIn(w, r)
				return
			}
			c.fault(w, r, f, err)
			return
		}
		f.User, f.Roles, f.May = nameOf(who), rolesOf(who), who.Can
		if !who.Can(auth.ScopeConsole) {
			c.fault(w, r, f, forbiddenConsole())
			return
		}
		f.Scope, err = scope.Parse(r.PathValue("project"), r.URL.Query())
		if err != nil {
			f.Scope = scope.Scope{Project: r.PathValue("project")}
			c.fault(w, r, f, err)
			return
		}
		c.gate.Require(auth.ScopeConsole)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if next, ok := onward(w, r); ok {
				http.Redirect(w, r, next, http.StatusSeeOther)
				return
			}
			body, err := p(w, r, f)
			if errors.Is(err, errAnswered) {
				return
			}
			if err != nil && statusOf(err) == http.StatusUnauthorized { // the session ended meanwhile
				toSignIn(w, r)
				return
			}
			if err != nil {
				c.fault(w, r, f, err)
				return
			}
			c.render(w, r, http.StatusOK, body)
		})).ServeHTTP(w, r)
	})
}

// withoutEmpty gives the address without its empty parameters, which a form without JavaScript sends.
func withoutEmpty(u *url.URL) (string, bool) {
	q := u.Query()
	found := false
	for name, values := range q {
		if len(values) == 1 && values[0] == "" {
			q.Del(name)
			found = true
		}
	}
	return address(u.EscapedPath(), q), found
}

func (c *console) frame(r *http.Request) view.Frame {
	return view.Frame{Theme: themeOf(r), Here: r.URL.RequestURI(), Area: areaOf(r.URL.Path), Now: c.clock.Now(), Zone: time.UTC}
}

// render writes a page. It goes through a buffer, so that a fault in drawing never leaves half a page with a good status.
func (c *console) render(w http.ResponseWriter, r *http.Request, status int, body templ.Component) {
	buf := templ.GetBuffer()
	defer templ.ReleaseBuffer(buf)
	if err := body.Render(r.Context(), buf); err != nil && r.Context().Err() != nil {
		return // nobody waits for it any more
	} else if err != nil {
		c.log.ErrorContext(r.Context(), "draw a page", "path", r.URL.Path, "error", err)
		http.Error(w, "The page could not be drawn; the log says why.", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	httpapi.Page(h)
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if _, err := w.Write(buf.Bytes()); err != nil {
		c.log.DebugContext(r.Context(), "write a page", "path", r.URL.Path, "error", err)
	}
}
