package httpapi

import "net/http"

const (
	// DataPolicy is the Content-Security-Policy of everything that is not a page.
	DataPolicy = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
	// PagePolicy is that of a page: everything it needs comes from where it comes
	// from itself, no script or style stands in its text, and nobody frames it.
	PagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
		"connect-src 'self'; manifest-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)

// setSecurityHeaders sets what every answer carries. A handler that answers with
// a page replaces the policy by PagePolicy.
func (e *edge) setSecurityHeaders(h http.Header) {
	for _, f := range e.headers {
		h[f.name] = f.value
	}
}

// securityHeaders are the headers of every answer, by their canonical names. All
// answers share the values, which nobody changes in place.
func securityHeaders() []header {
	return []header{
		{"Content-Security-Policy", []string{DataPolicy}},
		{"X-Content-Type-Options", []string{"nosniff"}},
		{"X-Frame-Options", []string{"DENY"}},
		{"Referrer-Policy", []string{"same-origin"}},
		{"Cross-Origin-Opener-Policy", []string{"same-origin"}},
		{"Cross-Origin-Resource-Policy", []string{"same-origin"}},
	}
}

type header struct {
	name  string
	value []string
}

// Page sets the headers of an HTML answer: its type and the policy of pages.
func Page(h http.Header) {
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", PagePolicy)
}
