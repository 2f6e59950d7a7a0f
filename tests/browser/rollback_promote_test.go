package browser

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// A version goes from environment to environment: by itself as far as it may, and into production when somebody
// approves it in the console. A version that does not get healthy is taken back by itself; a good one is taken back by
// a click. The page tells all of it while it happens.
func TestAVersionIsPromotedAndRolledBack(t *testing.T) {
	p, r := startRoad(t)
	b := open(t, p.url, wide)
	b.signIn(p)
	first, _, err := r.Push(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b.visit("/apps")
	b.reads("Nothing is declared yet", "production", "approval")
	b.follows()
	b.samePage()
	healthy := func(name, sha string) string {
		return fmt.Sprintf(`(() => { const a = document.getElementById("app-%s"); return a !== null && a.closest(".app-cell").innerText.includes(%q) && a.innerText.includes("Healthy"); })()`, name, sha[:7])
	}
	b.within(delivery, "the first version in production", healthy("hello-production", first))
	b.stillSamePage("a roll-out")

	// The second version begins in dev, as services from templates do.
	edit(t, r.Work(), "fawkes.yaml", "to: production", "to: dev")
	edit(t, r.Work(), "page.html", "<main>", "<!-- second --><main>")
	// Three environments on one machine cannot have the same host; each is reached by its own port.
	edit(t, r.Work(), "deploy/kustomization.yaml", "  - ingress.yaml\n", "")
	p.git(t, r.Work(), "rm", "-q", "deploy/ingress.yaml")
	second := p.commitAndPush(t, r.Work(), "Begin in dev")
	b.within(delivery, "the second version in staging", healthy("hello-staging", second))
	b.within(delivery, "a promotion that waits", `document.querySelector("[id^=approve-]") !== null`)
	b.stillSamePage("a promotion")
	b.accessible("applications with a promotion that waits")
	b.shot("apps-waiting-light-wide")
	b.click("[id^=approve-]")
	b.reads("The promotion was approved")
	b.within(delivery, "the second version in production", healthy("hello-production", second))
	b.shot("apps-promoted-light-wide")
	b.visit("/promotions")
	b.reads("Done", "staging → production", "decided by")
	b.accessible("promotions")

	// Back to the first version by a click, which is a revert in the environment repository.
	b.visit("/apps/hello-production")
	b.reads("Healthy", "Synced", "What runs is what the repository declares", second[:7], first[:7])
	b.accessible("an application")
	b.shot("app-healthy-light-wide")
	b.click("[id^=rollback-] summary")
	b.accessible("an application with its question open")
	b.shot("app-rollback-question-light-wide")
	b.click("[id^=rollback-] button")
	b.reads("The rollback was asked for")
	b.follows()
	b.samePage()
	b.within(delivery, "the first version again", fmt.Sprintf(`document.querySelector(".app-facts .sha").title === %q && document.querySelector("[data-health]").dataset.health === "Healthy" && document.querySelector("[data-phase]").dataset.phase === "Succeeded"`, first))
	b.stillSamePage("a rollback")
	b.until("it in the history", `document.querySelector("#history tbody tr").innerText.includes("rollback") || document.querySelector("#history").innerText.includes("rollback")`)
	b.shot("app-rolled-back-light-wide")
	log := p.git(t, t.TempDir(), "ls-remote", p.url+"/git/fawkes/environments.git", "main")
	if !strings.Contains(log, "refs/heads/main") {
		t.Fatalf("the environment repository: %s", log)
	}
	b.visit("/git/fawkes/environments/log")
	b.until("the revert", `/[Rr]evert|rollback/.test(document.querySelector(".commits").innerText)`)

	// A version that says it is not healthy is taken back by itself; the page of production says so.
	edit(t, r.Work(), "fawkes.yaml", "to: dev", "to: production")
	edit(t, r.Work(), "deploy/configmap.yaml", "HEALTH: passing", "HEALTH: failing")
	b.visit("/apps/hello-production")
	b.follows()
	b.samePage()
	page := b.text(".lede a")
	sick := p.commitAndPush(t, r.Work(), "Not healthy")
	b.within(delivery, "the failed roll-out in the history", fmt.Sprintf(`Array.from(document.querySelectorAll("#history tbody tr")).some(tr => tr.innerText.includes("Failed") && tr.innerHTML.includes(%q))`, sick))
	b.within(delivery, "the good version again", fmt.Sprintf(`document.querySelector("[data-health]").dataset.health === "Healthy" && document.querySelector("[data-phase]").dataset.phase === "Succeeded" && document.querySelector(".app-facts .sha").title !== %q`, sick))
	b.stillSamePage("a roll-out that fails")
	b.shot("app-taken-back-light-wide")
	// A browser knows that every name below localhost is this machine; Go asks the name server.
	home := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
	}}}
	answer, err := home.Get(strings.Fields(page)[0])
	if err != nil {
		t.Fatalf("the application at %q: %v", page, err)
	}
	text, err := io.ReadAll(answer.Body)
	if cerr := answer.Body.Close(); err != nil || cerr != nil || answer.StatusCode != http.StatusOK {
		t.Errorf("the application answers %s: %.200s (%v, %v)", answer.Status, text, err, cerr)
	}

	// What an instance writes stands below the instances.
	b.click("[id^=instance-]")
	b.until("its log", `document.querySelectorAll("#log li").length > 0`)
	b.accessible("an application with a log")
	narrow := open(t, p.url, look{width: 390, height: 844, scheme: "dark"})
	narrow.signIn(p)
	for _, path := range []string{"/apps", "/apps/hello-production", "/runs", "/"} {
		narrow.visit(path)
		narrow.until("the page", `document.readyState === "complete" && document.querySelector("main h1") !== null`)
		if over := eval[int](narrow, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); over > 0 {
			t.Errorf("%s is %d pixels wider than a telephone", path, over)
		}
		for _, low := range eval[[]string](narrow, contrast) {
			t.Errorf("%s: %s", path, low)
		}
		narrow.accessible(path)
		narrow.shot("road" + strings.ReplaceAll(path, "/", "-") + "-dark-390")
	}
}
