package browser

import (
	"fmt"
	"strings"
	"testing"
)

// A push appears on the list of runs by itself and is watched through every stage to the healthy application, without
// the page being loaded again. From there lie one click away: the image, the application, the evidence of the commit.
func TestACommitIsWatchedDownTheRoad(t *testing.T) {
	p, r := startRoad(t)
	b := open(t, p.url, wide)
	b.signIn(p)

	b.visit("/runs")
	b.reads("Nothing was pushed yet", "fawkes new service", "git push "+p.url+"/git/")
	b.accessible("the empty list of runs")
	b.follows()
	b.samePage()
	sha, _, err := r.Push(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b.until("the run in the list", fmt.Sprintf(`Array.from(document.querySelectorAll(".run-row .sha")).some(e => e.innerText === %q)`, sha[:7]))
	b.stillSamePage("a run that begins")
	b.click(".run-row [data-open]")
	b.reads("fawkes/hello", "main")
	b.samePage()
	b.within(delivery, "a stage that runs", `document.querySelector(".stop-run, .stop-good") !== null`)
	b.shot("run-underway-light-wide")
	b.within(delivery, "lines of a log", `document.querySelectorAll("#log li").length > 0`)
	b.within(delivery, "the end of the run", `["succeeded", "failed"].includes(document.querySelector("[data-status]").dataset.status)`)
	if got := b.text("[data-status]"); !strings.Contains(got, "Succeeded promoted to production") {
		b.fail("the run ended so: %s", b.text("main"))
	}
	b.within(delivery, "the healthy application", `document.querySelector("#env-production .stop-time").innerText === "healthy"`)
	b.stillSamePage("a run that ends")
	b.until("nothing is followed any more", `document.querySelector("[data-live]") === null`)
	b.reads("The quality gate let it through", "Pipeline kept apart by", "Artifacts", "bill of materials")
	if got := b.text("[data-status]"); strings.Contains(got, "failed") {
		t.Errorf("the run: %s", got)
	}
	b.accessible("a run")
	b.shot("run-succeeded-light-wide")
	b.click("#stage-unit-test")
	b.at(eval[string](b, "location.pathname"), map[string]string{"stage": "unit-test"})
	b.until("that stage's log", `document.querySelector("#log .meta").innerText === "unit test" && document.querySelectorAll("#log li").length > 1`)

	run := eval[string](b, "location.pathname")
	b.within(delivery, "the evidence in the delivery metrics", fmt.Sprintf(`(async () => (await (await fetch(%q)).text()).includes("Evidence of the commit"))()`, run))
	b.visit(run)
	b.click(`a[href*="/changes/"]`)
	b.reads(sha, "Where it went")
	b.visit(run)
	b.click(`main a[href^="/registry/"]`)
	b.reads("signed", "SBOM", "hello-production", sha[:7])
	b.accessible("an image")
	b.shot("image-light-wide")

	b.visit("/")
	b.reads("Latest runs", "hello", "production healthy")
	b.accessible("the overview with the road")
	b.shot("overview-road-light-wide")
	b.follows()
	b.samePage()

	// A failing test stops there; the overview tells it by itself.
	write(t, r.Work(), "planted_test.go", "package main\n\nimport \"testing\"\n\nfunc TestPlanted(t *testing.T) { t.Fatal(\"planted <b>\") }\n")
	broken := p.commitAndPush(t, r.Work(), "Break <script>alert(1)</script>")
	b.within(delivery, "the failed run on the overview", `Array.from(document.querySelectorAll("#road-now li")).some(li => li.innerText.includes("Break <script>") && li.querySelector(".state-bad"))`)
	b.stillSamePage("a failure")
	b.visit("/runs?status=failed")
	b.reads("Break <script>alert(1)</script>", "Failed", broken[:7])
	b.click(".run-row [data-open]")
	b.reads("Failed in", "Run again", "First failure")
	b.until("the line that failed", `document.querySelectorAll("#log li.fails").length > 0`)
	b.accessible("a failed run")
	b.shot("run-failed-light-wide")

	// A pattern that the gate refuses: each finding leads to its line.
	p.git(t, r.Work(), "rm", "-q", "planted_test.go")
	write(t, r.Work(), "sum.go", "package main\n\nimport \"crypto/md5\"\n\nvar _ = md5.New\n")
	weak := p.commitAndPush(t, r.Work(), "Sum by MD5")
	b.visit("/runs?sha=" + weak)
	b.within(delivery, "the refused run", `document.querySelector(".run-row .tone-bad") !== null`)
	b.click(".run-row [data-open]")
	b.reads("The quality gate refused it", "sum.go:3", "G501")
	b.accessible("a refused run")
	b.shot("run-refused-light-wide")
	b.click(`a[href*="/file/sum.go"]`)
	b.at("/git/fawkes/hello/file/sum.go", map[string]string{"ref": weak})
	b.until("the line of the finding", `location.hash === "#L3" && document.querySelector("#L3 code").innerText === 'import "crypto/md5"'`)
}

// Without JavaScript everything of a run is there, as of when the page was loaded.
func TestTheRoadWithoutScript(t *testing.T) {
	p := start(t)
	b := open(t, p.url, look{width: 390, height: 844, scheme: "dark", noScript: true})
	b.visit(p.link(t))
	b.at("/", nil)
	for path, words := range map[string]string{
		"/runs": "Nothing was pushed yet", "/apps": "Nothing is declared yet", "/registry": "No image yet", "/git": "No repository yet", "/git/deliveries": "No delivery", "/promotions": "None yet",
	} {
		b.visit(path)
		b.reads(words)
		if over := eval[int](b, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); over > 0 {
			t.Errorf("%s is %d pixels wider than the window", path, over)
		}
	}
	b.click(`.areas a[data-area="apps"]`)
	b.at("/apps", nil)
}
