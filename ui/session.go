package ui

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/ui/view"
)

const (
	themeCookie = "fawkes_theme"
	themeAge    = 365 * 24 * 60 * 60

	nextCookie = "fawkes_next"
	nextAge    = 15 * 60 // a sign-in link is good for ten minutes
	nextMax    = 2000
)

// toSignIn sends a browser to the sign-in page, which is identity's. Where it wanted to go stands in the address
// and in a short-lived cookie, because the one-time link is opened apart from that address. A swap by htmx is made
// a whole navigation, so that the sign-in page is not drawn inside the console.
func toSignIn(w http.ResponseWriter, r *http.Request) {
	next := r.URL.RequestURI()
	to := "/signin?" + url.Values{"next": {next}}.Encode()
	if next != "/" && len(next) <= nextMax {
		http.SetCookie(w, &http.Cookie{Name: nextCookie, Value: url.QueryEscape(next), Path: "/", MaxAge: nextAge, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	}
	if r.Header.Get("HX-Request") == "true" {
		w.Header().Set("HX-Redirect", to)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// onward gives the page that someone wanted before they signed in, once.
func onward(w http.ResponseWriter, r *http.Request) (string, bool) {
	k, err := r.Cookie(nextCookie)
	if err != nil {
		return "", false
	}
	http.SetCookie(w, &http.Cookie{Name: nextCookie, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	next, err := url.QueryUnescape(k.Value)
	if err != nil {
		return "", false
	}
	next = localPath(next)
	return next, next != "/" && r.URL.RequestURI() == "/"
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
