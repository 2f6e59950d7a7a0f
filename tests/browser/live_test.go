package browser

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// What comes in appears on the live page by itself, and moves its numbers; the page is never loaded again.
func TestTheLivePageFollowsWhatComesIn(t *testing.T) {
	p := start(t)
	shop(t, p)
	b := open(t, p.url, wide)
	b.signIn(p)
	b.visit("/p/shop/live")
	b.reads("Live", "Deployment frequency", "Events")
	b.until("the stream", `document.querySelector("#live-state").dataset.state === "on"`)
	eval[bool](b, `(window.__samePage = true)`)
	deployments := func() string { return b.text("#card-deployment_frequency .facts") }
	before := deployments()

	now := time.Now().UTC().Truncate(time.Second)
	for i := range 3 {
		at := now.Add(time.Duration(i-10) * time.Minute).Format(time.RFC3339)
		p.post(t, "/api/dora/v1/events?project=shop", "application/json", []byte(fmt.Sprintf(
			`{"type":"deployment","id":"live-%d","service":"api","environment":"production","repo":"https://git.example/shop.git","sha":%q,"outcome":"success","started_at":%q,"finished_at":%q}`,
			i, strings.Repeat(fmt.Sprint(i+1), 40), at, at)))
		b.until("the deployment", fmt.Sprintf(`Array.from(document.querySelectorAll("#live-now [data-row] a")).some(a => decodeURIComponent(a.href).includes("live-%d"))`, i))
	}
	b.until("other numbers", fmt.Sprintf(`document.querySelector("#card-deployment_frequency .facts").innerText.replace(/[\s\u00a0\u202f]+/g, " ").trim() !== %q`, before))
	if !eval[bool](b, `window.__samePage === true`) {
		t.Error("the page was loaded again")
	}
	if top := b.text("#live-now [data-row]"); !strings.Contains(top, "api → production · success") {
		t.Errorf("the newest event stands not on top: %s", top)
	}
	b.accessible("the live page")
	b.shot("live-light-wide")

	b.click("#live-now [data-row] a")
	b.reads("api to production")
	b.visit("/p/shop/live")
	b.until("the stream again", `document.querySelector("#live-state").dataset.state === "on"`)
	b.click(".tabs a") // leaving by a swap ends the stream
	b.at("/p/shop", nil)
	b.reads("Where the lead time goes")
}

// Without JavaScript the live page is as of when it was loaded, and says so.
func TestTheLivePageWithoutScript(t *testing.T) {
	p := start(t)
	shop(t, p)
	b := open(t, p.url, look{width: 1440, height: 900, scheme: "light", noScript: true})
	b.visit(p.link(t))
	b.at("/", nil)
	b.visit("/p/shop/live")
	got := eval[string](b, `document.body.innerText`)
	for _, want := range []string{"Load the page again for what came since", "Deployment frequency", "deployment"} {
		if !strings.Contains(got, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}
