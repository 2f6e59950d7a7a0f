package identity

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"html/template"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/httpapi"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

//go:embed signin.html
var signinHTML string

//go:embed signin.css
var signinCSS string

// page is what the one template shows. Nothing in it comes from the request.
type page struct {
	Title, Text string
	Next        string // where to go on at once; empty: stay
	Ask         bool   // show the form for a code
	Style       template.CSS
}

// pages serves the two addresses that people's browsers meet: /signin and /signout. They work without JavaScript
// and load nothing.
type pages struct {
	service  *Service
	template *template.Template
	policy   string
	secure   bool // cookies only over https
	origin   *http.CrossOriginProtection
}

func newPages(s *Service) (*pages, error) {
	t, err := template.New("signin").Parse(signinHTML)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(signinCSS))
	return &pages{
		service:  s,
		template: t,
		policy: "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
			"'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
		secure: strings.HasPrefix(s.config.PublicURL, "https://"),
		origin: http.NewCrossOriginProtection(),
	}, nil
}

func (p *pages) register(api *httpapi.API) {
	api.Mux().HandleFunc("GET /signin", p.signIn)
	api.Mux().HandleFunc("POST /signout", p.signOut)
	html := func(text string) *huma.Response {
		return &huma.Response{Description: text, Content: map[string]*huma.MediaType{"text/html": {Schema: &huma.Schema{Type: huma.TypeString}}}}
	}
	doc := api.Huma().OpenAPI()
	doc.AddOperation(&huma.Operation{
		OperationID: "open-signin-link", Method: http.MethodGet, Path: "/signin", Tags: []string{"sign-in"}, Security: auth.Open(),
		Summary: "Open a one-time sign-in link in a browser",
		Parameters: []*huma.Param{{
			Name: "code", In: "query", Schema: &huma.Schema{Type: huma.TypeString}, Description: "The code; without one the page says how to get a link.",
		}},
		Responses: map[string]*huma.Response{
			"200": html("Signed in: the session's cookie is set, and the page goes on to the console."),
			"410": html("The code was used, has expired or never was; the page says how to get a new link."),
		},
	})
	doc.AddOperation(&huma.Operation{
		OperationID: "sign-out", Method: http.MethodPost, Path: "/signout", Tags: []string{"sign-in"}, Security: auth.Open(),
		Summary: "End the browser's session and go to the sign-in page",
		Responses: map[string]*huma.Response{
			"303": {Description: "Signed out: the cookie is removed."},
			"403": {Description: "The request comes from another site's page."},
		},
	})
}

// signIn opens a sign-in link. Only a real visit uses the code up: HEAD and a browser's prefetch do not.
func (p *pages) signIn(w http.ResponseWriter, r *http.Request) {
	code := r.URL.Query().Get("code")
	switch {
	case code == "":
		p.show(w, r, http.StatusOK, page{
			Title: "Sign in to Fawkes", Ask: true,
			Text: "Run fawkes open in a terminal of the machine where Fawkes runs. It prints a link that signs you in, once.",
		})
		return
	case r.Method == http.MethodHead:
		w.Header().Set("Cache-Control", "no-store")
		return
	case prefetch(r):
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusServiceUnavailable) // the browser asks again when the person really goes there
		return
	}
	secret, session, err := p.service.SignIn(r.Context(), strings.TrimSpace(code), r.UserAgent())
	if errors.Is(err, ErrCode) {
		p.service.metrics.signIns.WithLabelValues("refused").Inc()
		p.show(w, r, http.StatusGone, page{
			Title: "This link cannot be used (any more)", Ask: true,
			Text: "A sign-in link works once and for ten minutes. Run fawkes open to get a new link. If you have just signed in with this one, go on to the console.",
		})
		return
	}
	if err != nil {
		p.service.metrics.signIns.WithLabelValues("failed").Inc()
		problem.Write(w, r, err)
		return
	}
	p.service.metrics.signIns.WithLabelValues("signed_in").Inc()
	p.setCookie(w, secret, int(p.service.config.SessionLife.Seconds()))
	p.service.log.Info("signed in", "person", session.PersonID, "session", session.ID)
	p.show(w, r, http.StatusOK, page{Title: "You are signed in", Text: "Going on to the console.", Next: "/"})
}

// signOut ends the browser's session and leads to the sign-in page.
func (p *pages) signOut(w http.ResponseWriter, r *http.Request) {
	if err := p.origin.Check(r); err != nil {
		problem.Write(w, r, problem.New(problem.Forbidden, "the request comes from another site's page"))
		return
	}
	if c, err := r.Cookie(auth.CookieName); err == nil {
		if err := p.service.SignOut(r.Context(), c.Value); err != nil {
			problem.Write(w, r, err)
			return
		}
	}
	p.setCookie(w, "", -1)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", "/signin")
	w.WriteHeader(http.StatusSeeOther)
}

func (p *pages) setCookie(w http.ResponseWriter, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: auth.CookieName, Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: p.secure, SameSite: http.SameSiteLaxMode,
	})
}

func (p *pages) show(w http.ResponseWriter, r *http.Request, status int, view page) {
	view.Style = template.CSS(signinCSS) //nolint:gosec // our own file
	var b bytes.Buffer
	if err := p.template.Execute(&b, view); err != nil {
		problem.Write(w, r, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", p.policy)
	h.Set("Referrer-Policy", "no-referrer") // the code stands in the address
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		p.service.log.Debug("the browser left before its page", "error", err)
	}
}

// prefetch says whether a browser only looks ahead.
func prefetch(r *http.Request) bool {
	for _, name := range []string{"Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"} {
		v := strings.ToLower(r.Header.Get(name))
		if strings.Contains(v, "prefetch") || strings.Contains(v, "prerender") || strings.Contains(v, "preview") {
			return true
		}
	}
	return false
}
