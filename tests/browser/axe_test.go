package browser

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// axe is axe-core 4.14.1, as published (testdata/axe-core has its licences).
//
//go:embed testdata/axe-core/axe.min.js
var axe string

// violation is a rule of axe-core that a page breaks, with where it does.
type violation struct {
	Rule   string   `json:"rule"`
	Impact string   `json:"impact"`
	Help   string   `json:"help"`
	Where  []string `json:"where"`
}

// serious runs axe-core on the page at hand and gives the violations of impact serious and critical.
func (b *tab) serious() []violation {
	b.t.Helper()
	eval[bool](b, axe+"\n;true")
	// The outcome is left on the window, because the evaluation does not wait for promises.
	eval[bool](b, `(window.__axe = null, axe.run(document, {resultTypes: ["violations"]}).then(
		r => { window.__axe = JSON.stringify(r.violations.filter(v => v.impact === "serious" || v.impact === "critical").map(
			v => ({rule: v.id, impact: v.impact, help: v.help, where: v.nodes.slice(0, 5).map(n => n.target.join(" ") + ": " + n.html.slice(0, 160))}))) },
		e => { window.__axe = JSON.stringify([{rule: "axe", impact: "critical", help: String(e), where: []}]) }), true)`)
	b.until("the audit by axe-core", `window.__axe !== null`)
	var out []violation
	if err := json.Unmarshal([]byte(eval[string](b, `window.__axe`)), &out); err != nil {
		b.t.Fatalf("read the audit: %v", err)
	}
	return out
}

// accessible fails the journey when axe-core finds a serious or critical fault on the page.
func (b *tab) accessible(page string) {
	b.t.Helper()
	for _, v := range b.serious() {
		b.t.Errorf("%s: axe-core: %s (%s): %s\n\t%s", page, v.Rule, v.Impact, v.Help, strings.Join(v.Where, "\n\t"))
	}
}

// Every page in both themes passes axe-core without a serious or critical fault.
func TestPagesPassAxeCore(t *testing.T) {
	p := start(t)
	shop(t, p)
	for _, l := range []look{{1440, 900, "light", false}, {390, 844, "dark", false}} {
		t.Run(fmt.Sprintf("%s-%d", l.scheme, l.width), func(t *testing.T) {
			b := open(t, p.url, l)
			b.signIn(p)
			for _, page := range pages {
				b.visit(page.path)
				b.until("the page", `document.readyState === "complete" && document.querySelector("main h1") !== null`)
				b.accessible(page.name)
			}
		})
	}
}

// The audit itself is tested: a page with known faults is told on.
func TestTheAuditFindsPlantedFaults(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		if _, err := w.Write([]byte(`<!doctype html><html><head><title>x</title></head><body><main><h1>x</h1><img src="data:image/gif;base64,R0lGODlhAQABAAAAACw="><input type="text"></main></body></html>`)); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(s.Close)
	b := watch(t, s.URL, wide)
	b.visit("/")
	found := map[string]bool{}
	for _, v := range b.serious() {
		found[v.Rule] = true
	}
	for _, rule := range []string{"image-alt", "label", "html-has-lang"} {
		if !found[rule] {
			t.Errorf("axe-core does not tell on %s; it found %v", rule, found)
		}
	}
}
