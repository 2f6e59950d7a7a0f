package ui

import (
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/clock"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/fawkes-idp/fawkes/ui/road"
)

// along serves the console with a given road.
func along(f *roadFake, g gate) http.Handler {
	c := &console{reader: shop(), road: f.reader(), publicURL: "http://127.0.0.1:8080", gate: g, clock: clock.NewManual(fixtureNow), log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	return c.handler()
}

// viewer is someone who may look at everything and change nothing.
func viewer() gateFake {
	return gateFake{who: auth.Principal{Subject: "p2", Name: "Vera", Kind: auth.KindPerson, Roles: []string{"viewer"}, Scopes: []string{auth.ScopeConsole, auth.ScopeReadAll}}}
}

// reads fails when a page's text lacks one of the words.
func reads(t *testing.T, h http.Handler, target string, words ...string) seen {
	t.Helper()
	w := visit(t, h, target)
	got := text(w.doc)
	if w.Code != http.StatusOK {
		t.Errorf("%s answers %d: %.300s", target, w.Code, got)
	}
	for _, want := range words {
		if !strings.Contains(got, want) {
			t.Errorf("%s lacks %q:\n%.1500s", target, want, got)
		}
	}
	return w
}

func TestTheNavigationStandsOnEveryPageAndSaysWhereOneIs(t *testing.T) {
	h := along(roadWorld(), lead())
	for target, area := range map[string]string{"/": "Projects", "/p/shop": "Projects", "/runs": "Runs", "/runs/run-106": "Runs", "/apps/hello-dev": "Applications", "/promotions": "Applications", "/registry/fawkes/hello": "Registry", "/git/fawkes/hello": "Git", "/runs/none": "Runs"} {
		w := visit(t, h, target)
		var at string
		var all []string
		each(w.doc, func(n *html.Node) {
			if has(n, "data-area") {
				all = append(all, attr(n, "href"))
				if attr(n, "aria-current") == "true" {
					at += text(n)
				}
			}
		})
		if at != area || !slices.Equal(all, []string{"/", "/runs", "/apps", "/registry", "/git"}) {
			t.Errorf("%s stands in %q of %v, want %q", target, at, all, area)
		}
	}
}

func TestRunsAreListedWithWhatTheyDoAndTheQueue(t *testing.T) {
	h := along(roadWorld(), lead())
	reads(t, h, "/runs", "Queue", "1 running, 2 at once · 1 waiting", "Round to the cent", "Running static analysis", "Queued 1st in the queue", "Failed in unit test", "Succeeded promoted to production", "attempt 2", "39 min ago", "How pushed code is kept apart here", "Landlock, its own processes.", "No network of its own")
	w := reads(t, h, "/runs?status=failed&repository=team%2Fshop&q=Prices", "Prices <script>")
	if strings.Contains(text(w.doc), "Greet in") {
		t.Error("the filter shows another run")
	}
	if got := visit(t, h, "/runs?status=failed&q=Pay").body; !strings.Contains(got, `name="status" value="failed"`) {
		t.Error("the search forgets the status")
	}
	reads(t, h, "/runs?q=nothing", "No run is like this")
}

func TestARunShowsItsStagesItsGateAndWhatItReached(t *testing.T) {
	h := along(roadWorld(), lead())
	w := reads(t, h, "/runs/run-106", "A page for those who come first", "Succeeded promoted to production", "image scan skipped", "production healthy", "The quality gate let it through", "2 findings, none an error", "Landlock, its own processes", "No network namespace", "tests.xml", "Run again")
	for _, to := range []string{"/registry/fawkes/hello?digest=" + url.QueryEscape(roadDigest), "/apps/hello-production", "/git/fawkes/hello/commits/" + sha(106), "/runs/run-106/artifacts/sbom.cdx.json"} {
		if !slices.Contains(links(w.doc), to) {
			t.Errorf("the run does not lead to %s: %v", to, links(byID(w.doc, "main")))
		}
	}
	if strings.Contains(w.body, "data-live=") {
		t.Error("a run whose version has arrived still follows a stream")
	}
	w = reads(t, h, "/runs/run-107", "Running static analysis", "Cancel", "gosec 2.22.9", "ok cmd/hello")
	if !strings.Contains(w.body, `data-live="/api/runner/v1/runs/run-107/stream"`) || !strings.Contains(w.body, `<span class="t-2">ok</span>`) {
		t.Error("the running run is not followed, or its colors are lost")
	}
	if strings.Contains(text(byID(w.doc, "log")), "scanning") {
		t.Error("a line that is still being written is shown as a whole one")
	}
	reads(t, h, "/runs/run-104", "The quality gate refused it", "1 secret found, 0 allowed", "cmd/shop/main.go:12", "Potential hardcoded credentials <b>")
	reads(t, h, "/runs/run-102", "Superseded", "The stages are known when the run begins", "No stage was begun")
	reads(t, h, "/runs/run-100", "the attempt before", "begun again after the platform was stopped")
	if w := visit(t, h, "/runs/none"); w.Code != http.StatusNotFound {
		t.Errorf("an unknown run answers %d", w.Code)
	}
}

func TestAFindingLeadsToItsLine(t *testing.T) {
	w := visit(t, along(roadWorld(), lead()), "/runs/run-104")
	if want := "/git/team/shop/file/cmd/shop/main.go?ref=" + sha(104) + "#L12"; !slices.Contains(links(w.doc), want) {
		t.Errorf("no link to %s", want)
	}
}

func TestARunLeadsToTheEvidenceOfItsCommit(t *testing.T) {
	f := roadWorld()
	f.runs[2].CloneURL = "https://git.example/shop/api"
	w := visit(t, along(f, lead()), "/runs/run-106")
	if want := "/p/shop/changes/" + sha(106); !slices.Contains(links(w.doc), want) {
		t.Errorf("no link to %s", want)
	}
}

func TestALongLogOpensWhereItFailedAndIsBounded(t *testing.T) {
	h := along(roadWorld(), lead())
	w := reads(t, h, "/runs/run-105", "First failure", "--- FAIL: TestPrices", "1 test failed", "got 2, want <script>")
	log := byID(w.doc, "log")
	n := 0
	each(log, func(n2 *html.Node) {
		if n2.Data == "li" {
			n++
		}
	})
	if n != 500 || !strings.Contains(w.body, `<li id="L3003" class="fails">`) {
		t.Errorf("%d lines are shown, want the last 500 with the failure marked", n)
	}
	if to := "/runs/run-105?line=3003&stage=unit-test#L3003"; !slices.Contains(links(log), to) {
		t.Errorf("the first failure is not linked: %v", links(log)[:3])
	}
	w = visit(t, h, "/runs/run-105?stage=unit-test&line=1")
	if got := text(byID(w.doc, "log")); !strings.Contains(got, "shop/p0 ") || !strings.Contains(got, "Lines from 2001 on") || strings.Contains(got, "FAIL") {
		t.Errorf("the first window is not the first 2000 lines: %.200s", got)
	}
	if w := visit(t, h, "/runs/run-105?line=x"); w.Code != http.StatusUnprocessableEntity {
		t.Errorf("a line that is no number answers %d", w.Code)
	}
}

func TestTheRestOfALogComesInPieces(t *testing.T) {
	f := roadWorld()
	h := along(f, lead())
	page := visit(t, h, "/runs/run-107")
	var box *html.Node
	each(page.doc, func(n *html.Node) {
		if has(n, "data-log") {
			box = n
		}
	})
	next, lines := attr(box, "data-next"), attr(box, "data-lines")
	if lines != "3" {
		t.Fatalf("%s lines were shown, want 3", lines)
	}
	f.logs["run-107 static-analysis"] += "cmd\nsecond <b>\nthird"
	w := visit(t, h, attr(box, "data-log")+"&after="+next+"&lines="+lines)
	if w.Header().Get("Log-Lines") != "5" || w.Header().Get("Log-Done") != "false" || !strings.Contains(w.body, `<li id="L4">`) || !strings.Contains(w.body, "scanning internal/cmd") || !strings.Contains(w.body, "second &lt;b&gt;") || strings.Contains(w.body, "third") {
		t.Errorf("the piece is %v: %s", w.Header(), w.body)
	}
	again := visit(t, h, attr(box, "data-log")+"&after="+w.Header().Get("Log-Next")+"&lines=5")
	if again.body != "" || again.Header().Get("Log-Next") != w.Header().Get("Log-Next") {
		t.Errorf("nothing new gives %q, next %s", again.body, again.Header().Get("Log-Next"))
	}
}

func TestLogsAndArtifactsAreFilesAndNeverPages(t *testing.T) {
	h := along(roadWorld(), lead())
	w := visit(t, h, "/runs/run-105/log?stage=unit-test")
	if !strings.HasPrefix(w.Header().Get("Content-Disposition"), "attachment") || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") || strings.Count(w.body, "\n") != 3004 {
		t.Errorf("the log comes as %v with %d lines", w.Header(), strings.Count(w.body, "\n"))
	}
	w = visit(t, h, "/runs/run-105/artifacts/summary.md")
	if !strings.HasPrefix(w.Header().Get("Content-Disposition"), "attachment") || w.Header().Get("Content-Type") != "application/octet-stream" || w.body != "# "+hostile {
		t.Errorf("the artifact comes as %v: %q", w.Header(), w.body)
	}
	if w := visit(t, h, "/runs/run-105/artifacts/none"); w.Code != http.StatusNotFound {
		t.Errorf("an unknown artifact answers %d", w.Code)
	}
}

func TestApplicationsStandByServiceAndEnvironment(t *testing.T) {
	h := along(roadWorld(), lead())
	w := reads(t, h, "/apps", "dev staging production", "closed: no roll-out on Saturday and Sunday", "Progressing : hello-dev", "1/2 ready", "Degraded : shop-production out of sync", "Waits for approval", "Approve shop to production", "deny Sat, Sun")
	if !slices.Contains(links(w.doc), "http://hello.localhost:8081") {
		t.Error("the address of a running application is not linked")
	}
	if got := text(visit(t, h, "/apps?health=Degraded").doc); strings.Contains(got, "hello-dev") || !strings.Contains(got, "shop-production") {
		t.Error("the health does not filter")
	}
}

func TestAnApplicationShowsItsHealthWithTheCauseItsDifferenceAndItsHistory(t *testing.T) {
	h := along(roadWorld(), lead())
	reads(t, h, "/apps/shop-production", "Degraded", "Instance shop-2 exits with 1", "Out of sync", "1 of 2", "The roll-out failed", "Not healthy within 60 s", "SyncError : Deployment/shop", "2 resources differ", "to be updated Deployment/shop", "removed − replicas: 1", "added + replicas: 2", "to be created ConfigMap/shop")
	w := reads(t, h, "/apps/hello-production?instance=hello-1", "What runs is what the repository declares", "listening on :41001", "back-off", "exit 1: <script>", "rollback", "Roll back to", "differs in data.GREETING")
	if got := text(byID(w.doc, "history")); strings.Count(got, "Roll back to") != 1 {
		t.Errorf("want one version to go back to, that of another digest which was good: %s", got)
	}
	reads(t, h, "/apps/hello-dev", "Rolling out", "Waiting for 1 of 2 replicas", "Stop the operation", "Promote to staging")
	reads(t, h, "/apps/hello-staging", "hostNetwork cannot be had without a container", "Held back: no roll-out on Saturday", "Promote to production")
	reads(t, h, "/apps/shop-production?instance=gone", "There is no such instance any more")
}

func TestTheRegistryShowsWhatItHolds(t *testing.T) {
	h := along(roadWorld(), lead())
	reads(t, h, "/registry", "2 repositories · 48.2 MB in 31 blobs", "fawkes/hello", "40 min ago")
	w := reads(t, h, "/registry/fawkes/hello", "docker pull 127.0.0.1:8080/fawkes/hello:main", "signed", "not signed", "no SBOM", "9.4 MB")
	if !slices.Contains(links(w.doc), "/git/fawkes/hello/commits/"+sha(106)) {
		t.Error("an image does not lead to its commit")
	}
	w = reads(t, h, "/registry/fawkes/hello?digest="+url.QueryEscape(roadDigest), "/app/hello", "org.opencontainers.image.revision", "application/vnd.cyclonedx+json", "It runs as hello-dev")
	if !slices.Contains(links(w.doc), "/apps/hello-production") {
		t.Error("an image does not lead to the applications that run it")
	}
	reads(t, h, "/registry?done=try&blobs=3&bytes=1200000&manifests=1", "would delete 3 blobs of 1.2 MB and 1 manifest. Nothing was deleted.")
}

func TestTheGitServerIsBrowsed(t *testing.T) {
	h := along(roadWorld(), lead())
	reads(t, h, "/git", "3 repositories", "http://127.0.0.1:8080/git/fawkes/hello.git", "nothing was pushed yet", "1 given up")
	reads(t, h, "/git?q=env", "fawkes/environments")
	w := reads(t, h, "/git/fawkes/hello?ref=v1.0.0", "README.md", "Says hello. <script>", "submodule at", "Greet in the reader's language")
	for _, to := range []string{"/git/fawkes/hello/tree/cmd?ref=v1.0.0", "/git/fawkes/hello/file/main.go?ref=v1.0.0"} {
		if !slices.Contains(links(w.doc), to) {
			t.Errorf("the folder does not lead to %s", to)
		}
	}
	w = reads(t, h, "/git/fawkes/hello/file/main.go", "package main", "⟦U+202E⟧ hidden", "Only its beginning is shown")
	if !strings.Contains(w.body, `<li id="L4"><a class="line-number" href="#L4"`) {
		t.Error("a line has no anchor")
	}
	reads(t, h, "/git/fawkes/hello/file/logo.png", "It is not text")
	reads(t, h, "/git/fawkes/hello/log", "First commit", "authored 2 days ago")
	reads(t, h, "/git/fawkes/hello/commits/"+sha(107), "Because readers come from everywhere", "4 files changed", "cmd/hello/main.go", "// <script>alert", "from a.txt", "It is not text", "too long to be shown whole", "Running")
	reads(t, h, "/git/fawkes/hello/compare/main...feature", "What feature has that main lacks")
	reads(t, h, "/git/team/empty", "Nothing was pushed yet", "git push http://127.0.0.1:8080/git/team/empty.git HEAD:main")
	reads(t, h, "/git/deliveries?state=dead", "Given up", "answered 404", "Send again")
	if w := visit(t, h, "/git/fawkes/hello.git"); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/git/fawkes/hello" {
		t.Errorf("a clone URL in a browser leads to %q", w.Header().Get("Location"))
	}
}

func TestWhatIsAskedForIsDoneOnceAndSaid(t *testing.T) {
	f := roadWorld()
	h := along(f, lead())
	for _, c := range []struct {
		path string
		form url.Values
		did  string
		to   string
	}{
		{"/runs", url.Values{"repository": {"fawkes/hello"}, "ref": {"main"}}, "start fawkes/hello main", "/runs/run-new?done=start"},
		{"/runs/run-107", url.Values{"do": {"cancel"}}, "cancel run-107", "/runs/run-107?done=cancel"},
		{"/runs/run-105", url.Values{"do": {"retry"}}, "retry run-105", "/runs/run-new?done=retry"},
		{"/apps/hello-dev", url.Values{"do": {"sync"}, "prune": {"true"}}, "sync hello-dev prune=true dry=false", "/apps/hello-dev?done=sync"},
		{"/apps/hello-dev", url.Values{"do": {"sync"}, "dry_run": {"true"}}, "sync hello-dev prune=false dry=true", "/apps/hello-dev?changes=2&done=dry_run"},
		{"/apps/hello-dev", url.Values{"do": {"rollback"}, "id": {"10"}}, "rollback hello-dev 10", "/apps/hello-dev?done=rollback"},
		{"/apps/hello-dev", url.Values{"do": {"promote"}, "to": {"staging"}}, "promote hello-dev staging", "/apps/hello-dev?done=promote"},
		{"/apps/hello-dev", url.Values{"do": {"restart"}}, "restart hello-dev", "/apps/hello-dev?done=restart"},
		{"/apps/hello-dev", url.Values{"do": {"terminate"}}, "terminate hello-dev", "/apps/hello-dev?done=terminate"},
		{"/promotions/p7", url.Values{"do": {"approve"}, "next": {"/apps?health=Degraded"}}, "decide p7 true", "/apps?done=approve"},
		{"/promotions/p7", url.Values{"do": {"reject"}, "next": {"https://evil.example/"}}, "decide p7 false", "/promotions?done=reject"},
		{"/registry", url.Values{"do": {"try"}}, "collect keep=2 dry=true", "/registry?blobs=3&bytes=1200000&done=try&manifests=1&ms=200"},
		{"/registry", url.Values{"do": {"collect"}}, "collect keep=2 dry=false", "/registry?blobs=3&bytes=1200000&done=collect&manifests=1&ms=200"},
		{"/registry/fawkes/hello", url.Values{"do": {"delete"}, "digest": {roadDigest}}, "delete fawkes/hello " + roadDigest, "/registry/fawkes/hello?done=delete"},
		{"/git", url.Values{"name": {"team/new"}, "description": {"x"}}, "create team/new x", "/git/team/new?done=create"},
		{"/git/deliveries/29", url.Values{"do": {"redeliver"}}, "redeliver 29", "/git/deliveries?done=redeliver"},
	} {
		f.did = nil
		w := send(t, h, c.path, c.form)
		if w.Code != http.StatusSeeOther || w.Header().Get("Location") != c.to || !slices.Equal(f.did, []string{c.did}) {
			t.Errorf("%s %v: did %v, answer %d to %q; want %q and %q", c.path, c.form, f.did, w.Code, w.Header().Get("Location"), c.did, c.to)
		}
	}
	for _, c := range []struct {
		path string
		form url.Values
	}{{"/runs/run-107", url.Values{"do": {"burn"}}}, {"/apps/hello-dev", url.Values{}}, {"/promotions/p7", url.Values{}}, {"/registry", url.Values{}}, {"/registry/fawkes/hello", url.Values{}}, {"/git", url.Values{"name": {"../etc"}}}} {
		f.did = nil
		if w := send(t, h, c.path, c.form); w.Code != http.StatusUnprocessableEntity || len(f.did) > 0 {
			t.Errorf("%s %v: did %v, answer %d", c.path, c.form, f.did, w.Code)
		}
	}
	reads(t, h, "/apps/hello-dev?done=rollback", "The rollback was asked for")
	reads(t, h, "/apps/hello-dev?changes=2&done=dry_run", "A sync would change 2 resources")
	f.problem = "environments.yaml line 3: there is no environment named stagin"
	reads(t, h, "/apps", "Environments.yaml line 3: there is no environment named stagin.")
	if got := text(visit(t, h, "/apps/hello-dev?done=<b>").doc); strings.Contains(got, "<b>") {
		t.Error("a word of the address reaches the page")
	}
}

func TestWhoMayOnlyLookIsOfferedNothingToChange(t *testing.T) {
	h := along(roadWorld(), viewer())
	for _, target := range pagesOfRoad() {
		w := visit(t, h, target)
		each(w.doc, func(n *html.Node) {
			if n.Data == "form" && attr(n, "method") == "post" && attr(n, "action") != "/signout" {
				t.Errorf("%s offers a viewer the form to %s", target, attr(n, "action"))
			}
		})
	}
}

func TestAPartThatIsNotRunHereIsSaidAndBreaksNothing(t *testing.T) {
	f := roadWorld()
	for _, part := range []string{road.PartRunner, road.PartGitOps, road.PartRegistry, road.PartGit} {
		f.absent[part] = true
	}
	h := along(f, lead())
	for target, stand := range map[string]string{"/runs": "Jenkins", "/runs/run-1": "Jenkins", "/apps": "Argo CD", "/promotions": "Argo CD", "/registry": "Harbor", "/git": "GitHub", "/git/a/b": "GitHub", "/git/deliveries": "GitHub"} {
		reads(t, h, target, "Served by "+stand+" here")
	}
	reads(t, h, "/", "3.2 /day")
	f.absent = map[string]bool{road.PartGitOps: true}
	reads(t, h, "/runs/run-106", "Succeeded", "production not seen yet")
	reads(t, h, "/registry/fawkes/hello?digest="+url.QueryEscape(roadDigest), "No application declares it now")
}

func TestAPartThatIsDownIsSaid(t *testing.T) {
	f := roadWorld()
	f.err = problem.New(problem.Unavailable, "the runner does not answer").WithMend("load the page again in a moment")
	h := along(f, lead())
	if w := visit(t, h, "/runs"); w.Code != http.StatusServiceUnavailable || !strings.Contains(text(w.doc), "The runner does not answer. Load the page again") {
		t.Errorf("answer %d: %s", w.Code, text(w.doc))
	}
	reads(t, h, "/", "3.2 /day") // the overview goes without
}

func TestEveryPageIsUsefulWhenNothingIsThere(t *testing.T) {
	h := along(&roadFake{runs: []road.Run{}}, lead())
	reads(t, h, "/runs", "Nothing was pushed yet", "git push http://127.0.0.1:8080/git/<owner>/<name>.git main", "fawkes new service", "fawkes token create laptop --scope git:write")
	reads(t, h, "/apps", "Nothing is declared yet", "fawkes new service")
	reads(t, h, "/promotions", "None yet")
	reads(t, h, "/registry", "No image yet", "crane push image.tar 127.0.0.1:8080/team/tool:v1")
	reads(t, h, "/git", "No repository yet", "git push http://127.0.0.1:8080/git/<owner>/<name>.git main")
	reads(t, h, "/git/deliveries", "No delivery")
	c := &console{reader: &readerFake{}, road: (&roadFake{}).reader(), publicURL: "http://127.0.0.1:8080", gate: lead(), clock: clock.NewManual(fixtureNow), log: slog.New(slog.DiscardHandler)}
	reads(t, c.handler(), "/", "No project yet", "fawkes new service", "http://127.0.0.1:8080/git/", "fawkes dora import git")
}

func TestTheOverviewShowsTheRoad(t *testing.T) {
	h := along(roadWorld(), lead())
	w := reads(t, h, "/", "Latest runs", "Greet in the reader's language", "Applications", "production degraded · out of sync")
	if !strings.Contains(w.body, `data-live="/api/runner/v1/stream /api/gitops/v1/stream"`) || !strings.Contains(w.body, `data-refresh="/road"`) {
		t.Error("the overview does not follow the road")
	}
	if got := visit(t, h, "/road").body; !strings.HasPrefix(strings.TrimSpace(got), `<div id="road-now"`) {
		t.Errorf("the piece of the overview is %.120s", got)
	}
}

func TestUntrustedTextNeverBecomesMarkup(t *testing.T) {
	h := along(roadWorld(), lead())
	for _, target := range append(pagesOfRoad(), "/runs/run-107/tail?stage=static-analysis&after=0&lines=0") {
		if w := visit(t, h, target); strings.Contains(w.body, "<script>alert") || strings.ContainsAny(w.body, "\x1b\u202e") {
			t.Errorf("%s carries text of others as markup, or hides some of it", target)
		}
	}
}
