package ui

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/fawkes-idp/fawkes/ui/view"
)

const (
	themeCookie = "fawkes_theme"
	themeAge    = 365 * 24 * 60 * 60
)

// toSignIn sends a browser to the sign-in page and says where it wanted to go. A swap by htmx is made a whole
// navigation, so that the sign-in page is not drawn inside the console.
func toSignIn(w http.ResponseWriter, r *http.Request) {
	to := "/signin?" + url.Values{"next": {r.URL.RequestURI()}}.Encode()
	if r.Header.Get("HX-Request") == "true" {
		w.Header().Set("HX-Redirect", to)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// signIn asks for the one-time link. It stands here for a console that runs apart from identity, whose own
// sign-in page otherwise answers this address.
func (c *console) signIn(w http.ResponseWriter, r *http.Request) {
	f := c.frame(r)
	f.Title = "Sign in"
	c.render(w, r, http.StatusOK, view.SignIn(f))
}

// signOut ends the session where it began and drops its cookie. Only a page of this host may ask for it.
func (c *console) signOut(w http.ResponseWriter, r *http.Request) {
	f := c.frame(r)
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		c.fault(w, r, f, problem.New(problem.Forbidden, "the request comes from another site's page"))
		return
	}
	if err := c.sessions.End(r); err != nil {
		c.fault(w, r, f, err)
		return
	}
	http.SetCookie(w, &http.Cookie{Name: auth.CookieName, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	http.Redirect(w, r, "/signin", http.StatusSeeOther)
}

// theme keeps the chosen colours in a cookie and goes back to the page it came from.
func (c *console) theme(w http.ResponseWriter, r *http.Request) {
	to := r.URL.Query().Get("to")
	switch to {
	case view.ThemeLight, view.ThemeDark:
		http.SetCookie(w, &http.Cookie{Name: themeCookie, Value: to, Path: "/", MaxAge: themeAge, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	default:
		http.SetCookie(w, &http.Cookie{Name: themeCookie, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	}
	http.Redirect(w, r, localPath(r.URL.Query().Get("next")), http.StatusSeeOther)
}

func themeOf(r *http.Request) string {
	if k, err := r.Cookie(themeCookie); err == nil && (k.Value == view.ThemeLight || k.Value == view.ThemeDark) {
		return k.Value
	}
	return view.ThemeSystem
}

// localPath accepts only a path of this host; anything else becomes the overview.
func localPath(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t") {
		return "/"
	}
	return u.RequestURI()
}

func nameOf(p auth.Principal) string {
	if p.Name != "" {
		return p.Name
	}
	return p.Subject
}

func rolesOf(p auth.Principal) string { return strings.Join(p.Roles, ", ") }
