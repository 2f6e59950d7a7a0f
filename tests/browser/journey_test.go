package browser

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

var wide = look{width: 1440, height: 900, scheme: "light"}

// The first visit: sent to sign in, signed in by the link, the empty console says what to paste, and after that very
// import the metrics are there. From a number down to one commit of the repository.
func TestFromTheFirstLinkToACommit(t *testing.T) {
	p := start(t)
	dir, commits := repository(t)
	b := open(t, p.url, wide)

	b.visit("/p/demo?range=30d")
	b.at("/signin", map[string]string{"next": "/p/demo?range=30d"})
	b.reads("fawkes open")

	b.visit(p.link(t))
	b.at("/p/demo", map[string]string{"range": "30d"}) // on to where the visit was going
	b.reads("The project is not known")
	b.forgive("404")

	b.visit("/")
	b.reads("No project yet", "fawkes dora import git <path-or-url> --project demo --service api --deployments 'tags:v*'")
	b.shot("empty-light-wide")
	b.click(".copy")
	b.until("the button's answer", `/Copied|Selected/.test(document.querySelector(".copy span").innerText)`)

	p.fawkes(t, "dora", "import", "git", dir, "--project", "demo", "--service", "api", "--deployments", "tags:v*")
	b.visit("/")
	b.reads("demo", "1 service")
	b.shot("overview-after-import")
	b.click(".project h2 a")
	b.at("/p/demo", nil)
	b.reads("Deployment frequency", "Change lead time", "Change fail rate", "9 deployments")

	b.click("#card-change_lead_time h3 a")
	b.at("/p/demo/metrics/change_lead_time", nil)
	b.reads("Evidence", "24 changes", "Counts", "Commit graph: the first successful deployment that contains it.")
	rows := eval[[]string](b, `Array.from(document.querySelectorAll(".evidence tr:not(.uncounted) [data-open]")).map(a => decodeURIComponent(a.pathname.split("/").pop()))`)
	known := map[string]bool{}
	for _, c := range commits {
		known[c] = true
	}
	if len(rows) != 24 {
		t.Errorf("%d rows of evidence count, want the 24 changes of n", len(rows))
	}
	for _, r := range rows {
		if !known[r] {
			t.Errorf("the evidence names %s, which is no commit of the repository", r)
		}
	}

	b.click(".evidence tr:not(.uncounted) [data-open]")
	b.at("/p/demo/changes/"+rows[0], nil)
	b.reads(rows[0], "Where it went", "git show "+rows[0])
	b.shot("commit-light-wide")
	b.click("[aria-labelledby=deliveries-title] [data-open]")
	b.reads("api to production", "What it replaced")
	b.shot("deployment-light-wide")
}

// The question is changed by its controls, and the address always says it.
func TestTheQuestionStandsInTheAddress(t *testing.T) {
	p := start(t)
	shop(t, p)
	b := open(t, p.url, wide)
	b.signIn(p)

	b.visit("/p/shop")
	b.reads("Deployment frequency", "Where the lead time goes")
	b.click("#range-30d")
	b.at("/p/shop", map[string]string{"range": "30d"})
	b.until("the range in use", `document.querySelector("#range-30d").getAttribute("aria-current") === "true"`)

	choose := func(id, value string) {
		t.Helper()
		b.do("choose "+value, chromedp.SetValue(chromedp.ID(id), value)) // which tells the page of the change
	}
	choose("f-profile", "devlake-2023")
	b.at("/p/shop", map[string]string{"range": "30d", "profile": "devlake-2023"})
	b.until("the profile on the page", `document.querySelector(".profile").innerText === "devlake-2023"`)
	choose("f-service", "web")
	b.at("/p/shop", map[string]string{"range": "30d", "profile": "devlake-2023", "service": "web", "team": "", "environment": ""})
	b.until("the service in the words of the page", `document.querySelector(".lede").innerText.startsWith("web in production")`)

	b.click(".tabs a[href*=deployments]")
	b.at("/p/shop/deployments", map[string]string{"range": "30d", "profile": "devlake-2023", "service": "web"})
	b.until("only that service", `Array.from(document.querySelectorAll("tbody tr td:nth-child(2)")).every(c => c.innerText.startsWith("web"))`)

	b.do("go back", chromedp.NavigateBack())
	b.at("/p/shop", map[string]string{"service": "web", "range": "30d"})
	b.until("the page of before", `document.querySelector("#f-service") && document.querySelector("#f-service").value === "web"`)

	b.click("#range-custom")
	b.do("from", chromedp.SetValue(chromedp.ID("from"), "2020-01-01"))
	b.do("to", chromedp.SetValue(chromedp.ID("to"), "2020-02-01"))
	b.click(".days button")
	b.at("/p/shop", map[string]string{"range": "custom", "from": "2020-01-01", "to": "2020-02-01", "service": "web"})
	b.reads("There is no deployment in 2020-01-01 to 2020-02-01.", "Show the last 30 days")
	if got := b.text("#card-change_fail_rate"); strings.Contains(got, "0 %") || !strings.Contains(got, "–") {
		t.Errorf("an empty window's change fail rate is shown as %q, want a dash with its reason", got)
	}
	b.click(".notice a")
	b.at("/p/shop", map[string]string{"range": "30d", "from": "", "service": "web"})
}

// What a person does without a mouse.
func TestTheConsoleByKeyboard(t *testing.T) {
	p := start(t)
	shop(t, p)
	b := open(t, p.url, wide)
	b.signIn(p)
	press := func(keys string) {
		t.Helper()
		b.do("press "+keys, chromedp.KeyEvent(keys))
	}

	press("\t")
	b.until("the skip link first", `document.activeElement.className === "skip"`)
	press("\r")
	b.until("the content after it", `location.hash === "#main"`)
	b.key("/")
	b.until("the search in focus", `document.activeElement.id === "search"`)
	press("sho\r")
	b.at("/", map[string]string{"q": "sho"})
	b.until("the search's result", `document.querySelectorAll(".project").length === 1`)
	eval[chromedp.Void](b, `document.activeElement.blur()`)
	b.key("?")
	b.until("the list of keys", `document.getElementById("shortcuts").open`)
	b.shot("shortcuts-light-wide")
	press("\x1b")
	b.until("the list gone", `!document.getElementById("shortcuts").open`)
	b.key("j")
	b.until("the first project in focus", `document.activeElement.innerText === "shop"`)
	press("\r")
	b.at("/p/shop", nil)
	b.reads("Deployment frequency")
	b.key("g")
	b.key("d")
	b.at("/p/shop/deployments", nil)
	b.until("the list", `document.querySelector("h1").innerText === "Deployments" && document.querySelectorAll("tbody [data-open]").length > 5`)
	b.key("j")
	b.key("j")
	b.until("the second row in focus", `document.activeElement === document.querySelectorAll("tbody [data-open]")[1]`)
	b.key("k")
	b.until("the first row in focus", `document.activeElement === document.querySelectorAll("tbody [data-open]")[0]`)
}

// Everything is there without JavaScript: the numbers, the charts, the tables, the controls.
func TestReadingWithoutJavaScript(t *testing.T) {
	p := start(t)
	shop(t, p)
	b := open(t, p.url, look{width: 1440, height: 900, scheme: "light", noScript: true})
	b.visit(p.link(t))
	b.at("/", nil)
	b.visit("/p/shop?service=api")
	b.reads("Deployment frequency", "Where the lead time goes", "Coding", "deployments")
	if n := eval[int](b, `document.querySelectorAll("svg.canvas path.line, svg.canvas rect.bar").length`); n < 5 {
		t.Errorf("%d marks are drawn, want the charts without a script", n)
	}
	if v := eval[bool](b, `Array.from(document.querySelectorAll("button, kbd")).some(e => e.classList.contains("js-only") && e.offsetParent)`); v {
		t.Error("a control that needs JavaScript is shown without it")
	}
	b.shot("project-noscript-wide")
	b.click(".data summary")
	b.until("the chart's table", `document.querySelector(".data").open && document.querySelector(".data tbody tr").innerText.length > 10`)
	b.do("choose a profile", chromedp.SetValue(chromedp.ID("f-profile"), "devlake-2023"))
	b.click(".apply")
	b.at("/p/shop", map[string]string{"service": "api", "profile": "devlake-2023"})
	b.until("the other profile's page", `document.querySelector(".profile").innerText === "devlake-2023"`)
	b.click(".data summary")
	b.click(".data tbody a")
	b.at("/p/shop/metrics/deployment_frequency", map[string]string{"service": "api", "profile": "devlake-2023", "range": "custom"})
	b.reads("Evidence", "Counts")
}

// Signing out ends the session: the page behind it is closed again.
func TestSigningOut(t *testing.T) {
	p := start(t)
	b := open(t, p.url, wide)
	b.signIn(p)
	b.click("#account summary")
	b.shot("menu-light-wide")
	b.click(`form[action="/signout"] button`)
	b.at("/signin", nil)
	b.visit("/p/shop")
	b.at("/signin", map[string]string{"next": "/p/shop"})
}
