package ui

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/clock"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/fawkes-idp/fawkes/ui/delivery"
)

// seen is a page as a browser gets it.
type seen struct {
	*httptest.ResponseRecorder
	body string
	doc  *html.Node
}

func serve(r delivery.Reader, g gate) http.Handler {
	c := &console{reader: r, road: roadWorld().reader(), publicURL: "http://127.0.0.1:8080", gate: g, clock: clock.NewManual(fixtureNow), log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	return c.handler()
}

func visit(t *testing.T, h http.Handler, target string, headers ...string) seen {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	doc, err := html.Parse(strings.NewReader(w.Body.String()))
	if err != nil {
		t.Fatalf("GET %s: %v", target, err)
	}
	return seen{w, w.Body.String(), doc}
}

// each walks the elements of a page.
func each(n *html.Node, f func(n *html.Node)) {
	if n.Type == html.ElementNode {
		f(n)
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		each(c, f)
	}
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, name string) bool {
	for _, a := range n.Attr {
		if a.Key == name {
			return true
		}
	}
	return false
}

var spaces = regexp.MustCompile(`[\s\x{a0}\x{202f}]+`)

// text is what a reader reads of a node, with single spaces.
func text(n *html.Node) string {
	var b strings.Builder
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		if n.Type == html.TextNode {
			b.WriteString(n.Data + " ")
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c)
		}
	}
	walk(n)
	return strings.TrimSpace(spaces.ReplaceAllString(b.String(), " "))
}

func byID(n *html.Node, id string) *html.Node {
	var found *html.Node
	each(n, func(e *html.Node) {
		if attr(e, "id") == id {
			found = e
		}
	})
	return found
}

func links(n *html.Node) []string {
	var out []string
	each(n, func(e *html.Node) {
		if e.Data == "a" {
			out = append(out, attr(e, "href"))
		}
	})
	return out
}

// pagesOfShop are addresses that between them draw every page.
func pagesOfShop() []string {
	q := "?range=6m&service=api&team=checkout&environment=staging&interval=month&profile=devlake-2023"
	return []string{
		"/", "/keyboard", "/relay", "/quarantine", "/quarantine/q1", "/p/shop" + q, "/p/shop", "/p/legacy", "/p/billing",
		"/p/shop/metrics/deployment_frequency" + q, "/p/shop/metrics/change_lead_time", "/p/shop/metrics/change_fail_rate",
		"/p/shop/metrics/failed_deployment_recovery_time", "/p/shop/metrics/deployment_rework_rate",
		"/p/shop/deployments" + q, "/p/shop/deployments/argocd%2F895" + q, "/p/shop/deployments/argocd%2F781", "/p/shop/changes" + q, "/p/shop/changes/" + sha(2) + q,
		"/p/shop/incidents" + q, "/p/shop/incidents/alertmanager%2F7c1" + q, "/p/shop/incidents/alertmanager%2F7c2", "/p/shop/settings" + q, "/p/shop/live", "/p/shop/compare" + q, "/p/legacy/compare", "/p/nope", "/nowhere", "/p/shop?range=never",
	}
}

// everyPage are the addresses of the delivery metrics and of the delivery road.
func everyPage() []string { return append(pagesOfShop(), pagesOfRoad()...) }

func TestWhoIsNotSignedInIsSentToSignInAndComesBack(t *testing.T) {
	h := serve(shop(), gateFake{err: problem.New(problem.Unauthenticated, "the request carries no credential")})
	w := visit(t, h, "/p/shop?range=7d")
	if want := "/signin?next=%2Fp%2Fshop%3Frange%3D7d"; w.Code != http.StatusSeeOther || w.Header().Get("Location") != want {
		t.Fatalf("answer %d to %q, want 303 to %q", w.Code, w.Header().Get("Location"), want)
	}
	if strings.Contains(w.body, "argocd") || strings.Contains(w.body, "frequency") {
		t.Errorf("the answer shows what lies behind sign-in: %s", w.body)
	}
	cookie := w.Result().Cookies()[0]
	back := visit(t, serve(shop(), lead()), "/", "Cookie", cookie.Name+"="+cookie.Value)
	if back.Code != http.StatusSeeOther || back.Header().Get("Location") != "/p/shop?range=7d" {
		t.Errorf("after sign-in the answer is %d to %q, want 303 to the page asked for", back.Code, back.Header().Get("Location"))
	}
	if c := back.Result().Cookies()[0]; c.Name != cookie.Name || c.MaxAge >= 0 {
		t.Errorf("the cookie is not removed: %v", c)
	}
}

func TestASwapOfSomeoneSignedOutBecomesAWholeNavigation(t *testing.T) {
	h := serve(shop(), gateFake{err: problem.New(problem.Unauthenticated, "expired")})
	w := visit(t, h, "/p/shop", "HX-Request", "true")
	if got := w.Header().Get("HX-Redirect"); !strings.HasPrefix(got, "/signin?next=") {
		t.Errorf("HX-Redirect is %q", got)
	}
}

func TestOnwardOnlyLeadsToThisHost(t *testing.T) {
	for _, next := range []string{"https://evil.example/", "//evil.example/x", "///evil.example/", "/\\evil.example", "javascript:alert(1)", "x"} {
		w := visit(t, serve(shop(), lead()), "/theme?to=dark&next="+url.QueryEscape(next))
		if got := w.Header().Get("Location"); got != "/" {
			t.Errorf("theme leads to %q for next=%q, want /", got, next)
		}
		w = visit(t, serve(shop(), lead()), "/", "Cookie", nextCookie+"="+url.QueryEscape(next))
		if w.Code != http.StatusOK {
			t.Errorf("a forged next cookie %q leads to %q", next, w.Header().Get("Location"))
		}
	}
}

func TestTheConsoleNeedsItsScope(t *testing.T) {
	w := visit(t, serve(shop(), gateFake{who: auth.Principal{Subject: "x", Scopes: []string{"dora:write"}}}), "/p/shop")
	if w.Code != http.StatusForbidden || !strings.Contains(w.body, "viewer role") {
		t.Errorf("answer %d, want 403 with the mend", w.Code)
	}
}

func TestIdentityDownIsSaidAndNotASignIn(t *testing.T) {
	w := visit(t, serve(shop(), gateFake{err: problem.New(problem.Unavailable, "identity does not answer")}), "/p/shop")
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.body, "Identity does not answer.") || strings.Contains(w.body, "/signout") {
		t.Errorf("answer %d: %s", w.Code, text(w.doc))
	}
}

func TestThemeIsKeptInACookie(t *testing.T) {
	w := visit(t, serve(shop(), lead()), "/theme?to=dark&next=%2Fp%2Fshop%3Frange%3D7d")
	if w.Header().Get("Location") != "/p/shop?range=7d" {
		t.Errorf("leads to %q", w.Header().Get("Location"))
	}
	c := w.Result().Cookies()[0]
	page := visit(t, serve(shop(), lead()), "/p/shop", "Cookie", c.Name+"="+c.Value)
	if !strings.Contains(page.body, `data-theme="dark"`) {
		t.Error("the page is not dark")
	}
	page = visit(t, serve(shop(), lead()), "/p/shop", "Cookie", c.Name+"=\"><script>")
	if !strings.Contains(page.body, `data-theme="system"`) {
		t.Error("a forged theme reaches the page")
	}
}

func TestInternalFaultsAreNotShown(t *testing.T) {
	f := shop()
	f.err = errors.New("dial tcp 10.0.0.7: secret detail")
	w := visit(t, serve(f, lead()), "/")
	if w.Code != http.StatusInternalServerError || strings.Contains(w.body, "secret detail") {
		t.Errorf("answer %d: %s", w.Code, text(w.doc))
	}
}

func TestAFaultyAddressNamesTheFieldAndTheMend(t *testing.T) {
	w := visit(t, serve(shop(), lead()), "/p/shop?range=never")
	if w.Code != http.StatusUnprocessableEntity || !strings.Contains(text(w.doc), "7d, 30d, 90d, 6m, 1y, all, custom") {
		t.Errorf("answer %d: %s", w.Code, text(w.doc))
	}
}

func TestOneProjectsFaultDoesNotHideTheOthers(t *testing.T) {
	f := shop()
	whole := f.report
	f.report = func(q delivery.Query) (delivery.Report, error) {
		if q.Project == "billing" {
			return delivery.Report{}, problem.New(problem.Unavailable, "the projection is being rebuilt")
		}
		return whole(q)
	}
	w := visit(t, serve(f, lead()), "/")
	if w.Code != http.StatusOK || !strings.Contains(w.body, "3.2") || !strings.Contains(w.body, "the projection is being rebuilt") {
		t.Errorf("answer %d: %s", w.Code, text(w.doc))
	}
}

func TestPagesCarryNothingThatThePolicyForbids(t *testing.T) {
	h := serve(shop(), lead())
	for _, target := range everyPage() {
		w := visit(t, h, target)
		csp := w.Header().Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: policy %q", target, csp)
		}
		each(w.doc, func(n *html.Node) {
			for _, a := range n.Attr {
				switch {
				case a.Key == "style":
					t.Errorf("%s: <%s> has a style attribute", target, n.Data)
				case strings.HasPrefix(a.Key, "on") && n.Data != "rect":
					t.Errorf("%s: <%s> has the handler %s", target, n.Data, a.Key)
				case a.Key == "href" && attr(n, "rel") == "external noreferrer" && strings.HasPrefix(a.Val, "http://"): // a running application
				case (a.Key == "href" || a.Key == "src" || a.Key == "action") && !strings.HasPrefix(a.Val, "/") && !strings.HasPrefix(a.Val, "#"):
					t.Errorf("%s: <%s %s=%q> leaves this host", target, n.Data, a.Key, a.Val)
				}
			}
			if n.Data == "style" || n.Data == "script" && n.FirstChild != nil {
				t.Errorf("%s: a <%s> stands in the page", target, n.Data)
			}
		})
	}
}

func TestPagesAreSoundForAssistiveTechnology(t *testing.T) {
	h := serve(shop(), lead())
	for _, target := range everyPage() {
		if target == "/road" { // a piece of the overview
			continue
		}
		w := visit(t, h, target)
		ids, headings, h1 := map[string]int{}, []int{}, 0
		var wanted []string
		each(w.doc, func(n *html.Node) {
			if id := attr(n, "id"); id != "" {
				ids[id]++
			}
			for _, key := range []string{"aria-labelledby", "aria-describedby"} {
				wanted = append(wanted, strings.Fields(attr(n, key))...)
			}
			switch n.Data {
			case "h1", "h2", "h3", "h4":
				if n.Parent.Data != "dialog" {
					headings = append(headings, int(n.Data[1]-'0'))
				}
				if n.Data == "h1" {
					h1++
				}
			case "input", "select":
				if attr(n, "type") != "hidden" && attr(n, "aria-label") == "" && n.Parent.Data != "label" {
					t.Errorf("%s: <%s name=%q> has no label", target, n.Data, attr(n, "name"))
				}
			case "a", "button", "summary":
				if text(n) == "" && attr(n, "aria-label") == "" {
					t.Errorf("%s: a <%s> to %q says nothing", target, n.Data, attr(n, "href"))
				}
			case "th":
				if attr(n, "scope") == "" {
					t.Errorf("%s: <th>%s</th> has no scope", target, text(n))
				}
			case "svg":
				if !has(n, "aria-hidden") && attr(n, "role") == "" && !insideSVG(n) {
					t.Errorf("%s: an <svg class=%q> is neither named nor hidden", target, attr(n, "class"))
				}
			}
		})
		if h1 != 1 {
			t.Errorf("%s: %d headings of the first level, want 1", target, h1)
		}
		for i := 1; i < len(headings); i++ {
			if headings[i] > headings[i-1]+1 {
				t.Errorf("%s: a heading of level %d follows one of level %d", target, headings[i], headings[i-1])
			}
		}
		for id, n := range ids {
			if n > 1 {
				t.Errorf("%s: the id %q is given %d times", target, id, n)
			}
		}
		for _, id := range wanted {
			if ids[id] == 0 {
				t.Errorf("%s: nothing has the id %q that a label names", target, id)
			}
		}
		for _, want := range []string{`lang="en"`, `class="skip"`, `id="main"`} {
			if !strings.Contains(w.body, want) {
				t.Errorf("%s: lacks %s", target, want)
			}
		}
	}
}

func insideSVG(n *html.Node) bool {
	for p := n.Parent; p != nil; p = p.Parent {
		if p.Data == "svg" {
			return true
		}
	}
	return false
}

func TestAnOlderBrowserGetsTheSameFromTheSameAddress(t *testing.T) {
	h := serve(shop(), lead())
	a, b := visit(t, h, "/p/shop?range=6m"), visit(t, h, "/p/shop?range=6m", "HX-Request", "true", "HX-Boosted", "true")
	if a.body != b.body {
		t.Error("a swap and a whole page differ")
	}
	if a.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("a page of a signed-in person may be kept: %q", a.Header().Get("Cache-Control"))
	}
}

func TestTimesAreInTheProjectsZone(t *testing.T) {
	w := visit(t, serve(shop(), lead()), "/p/shop")
	if got := text(w.doc); !strings.Contains(got, "As of 23 Nov 2026, 18:31") || !strings.Contains(got, "Europe/Berlin") {
		t.Errorf("the page does not speak in the project's zone (%s)", fixtureNow.Format(time.RFC3339))
	}
}

func TestEmptyFieldsOfAFormLeaveTheAddress(t *testing.T) {
	w := visit(t, serve(shop(), lead()), "/p/shop/deployments?service=api&environment=&interval=")
	if got := w.Header().Get("Location"); w.Code != http.StatusSeeOther || got != "/p/shop/deployments?service=api" {
		t.Errorf("answer %d to %q, want 303 to the address without empty parameters", w.Code, got)
	}
	if got := visit(t, serve(shop(), lead()), "//evil.example?x=").Header().Get("Location"); strings.HasPrefix(got, "//evil") {
		t.Errorf("a crafted path leads to %q", got)
	}
}
