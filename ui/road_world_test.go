package ui

import (
	"fmt"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/ui/road"
)

var roadStages = []string{"checkout", "build", "unit-test", "behavior-test", "secrets", "static-analysis", "image", "image-scan", "sbom", "sign", "push", "promote"}

// stagesUntil are the stages of a run that is at one of them, which has the status; start is when the first began.
func stagesUntil(at, status string, start time.Time) []road.Stage {
	out := make([]road.Stage, 0, len(roadStages))
	when, reached := start, false
	for i, name := range roadStages {
		s := road.Stage{Name: name, Status: road.StagePassed, StartedAt: ptr(when)}
		took := time.Duration(300+i*i*90) * time.Millisecond
		switch {
		case reached:
			s = road.Stage{Name: name, Status: road.StagePending}
			if status != road.StageRunning {
				s.Status, s.Reason = road.StageSkipped, "an earlier stage failed"
			}
		case name == at:
			s.Status, reached = status, true
			if status != road.StageRunning {
				s.FinishedAt = ptr(when.Add(took))
			}
		case name == "image-scan":
			s.Status, s.Reason, s.StartedAt = road.StageSkipped, "no image scanner is installed", nil
		default:
			s.FinishedAt = ptr(when.Add(took))
		}
		when = when.Add(took)
		out = append(out, s)
	}
	return out
}

const hostile = `<script>alert("x")</script>`

const roadDigest = "sha256:9c56cc51b374c3ba189210d5b6d4bf57790d351c96c47c02190ecf1e430635ab"

// roadWorld is a road on which everything happens at once.
func roadWorld() *roadFake {
	f := &roadFake{logs: map[string]string{}, artifacts: map[string]string{}, kinds: map[string]string{}, absent: map[string]bool{}, files: map[string]road.File{}}
	run := func(id, repository, subject, status string, ago time.Duration, n int) road.Run {
		return road.Run{ID: id, Repository: repository, CloneURL: "http://127.0.0.1:8080/git/" + repository + ".git", Branch: "main", SHA: sha(n), Subject: subject, Author: "Ada Lovelace",
			Trigger: "push", Attempt: 1, Status: status, QueuedAt: before(ago), StartedAt: before(ago - time.Second)}
	}
	running := run("run-107", "fawkes/hello", "Greet in the reader's language", road.RunRunning, 14*time.Second, 107)
	running.Stages = stagesUntil("static-analysis", road.StageRunning, *running.StartedAt)
	running.Isolation = &road.Isolation{Landlock: true, PIDNamespace: true, NetworkNamespace: false, Notes: []string{"no network namespace: the kernel refuses user namespaces"}}
	good := run("run-106", "fawkes/hello", "A page for those who come first", road.RunSucceeded, 40*time.Minute, 106)
	good.Stages, good.FinishedAt = stagesUntil("", "", *good.StartedAt), ptr(good.StartedAt.Add(19*time.Second))
	good.Digest, good.Image, good.PromotedTo = roadDigest, "127.0.0.1:8080/fawkes/hello", []string{"production"}
	good.Gate = &road.Gate{Passed: true, Rules: []road.GateRule{{Name: "secrets", Passed: true, Detail: "no secret found, 0 allowed"}, {Name: "static_analysis", Passed: true, Detail: "2 findings, none an error"}, {Name: "tests", Passed: true, Detail: "14 tests passed"}}}
	good.Isolation, good.CPUSeconds, good.PeakMemory = running.Isolation, num(21.4), ptr(int64(412_000_000))
	bad := run("run-105", "team/shop", "Prices "+hostile, road.RunFailed, 2*time.Hour, 105)
	bad.Stages, bad.FinishedAt, bad.Reason = stagesUntil("unit-test", road.StageFailed, *bad.StartedAt), ptr(bad.StartedAt.Add(6*time.Second)), "2 of 14 tests failed"
	leak := run("run-104", "team/shop", "Pay by card", road.RunFailed, 3*time.Hour, 104)
	leak.Stages, leak.FinishedAt, leak.Reason = stagesUntil("secrets", road.StageFailed, *leak.StartedAt), ptr(leak.StartedAt.Add(8*time.Second)), "the quality gate refused it: 1 secret"
	leak.Gate = &road.Gate{Rules: []road.GateRule{{Name: "secrets", Passed: false, Detail: "1 secret found, 0 allowed"}, {Name: "tests", Passed: true, Detail: "14 tests passed"}}}
	canceled := run("run-103", "team/shop", "Try another cache", road.RunCanceled, 5*time.Hour, 103)
	canceled.Branch, canceled.FinishedAt, canceled.Reason = "feature/cache", ptr(canceled.StartedAt.Add(3*time.Second)), "canceled by Ada Lovelace"
	canceled.Stages = stagesUntil("build", road.StageCanceled, *canceled.StartedAt)
	superseded := run("run-102", "team/shop", "", road.RunSuperseded, 6*time.Hour, 102)
	superseded.StartedAt, superseded.FinishedAt = nil, before(6*time.Hour)
	interrupted := run("run-101", "fawkes/hello", "First commit", road.RunInterrupted, 30*time.Hour, 101)
	interrupted.Stages, interrupted.FinishedAt = stagesUntil("image", road.StageCanceled, *interrupted.StartedAt), ptr(interrupted.StartedAt.Add(9*time.Second))
	again := run("run-100", "fawkes/hello", "First commit", road.RunSucceeded, 29*time.Hour, 101)
	again.Trigger, again.Attempt, again.RetryOf, again.Stages, again.FinishedAt = "recovered", 2, "run-101", stagesUntil("", "", *again.StartedAt), ptr(again.StartedAt.Add(17*time.Second))
	queued := run("run-108", "team/shop", "Round to the cent", road.RunQueued, 5*time.Second, 108)
	queued.StartedAt, queued.Position = nil, 1
	f.runs = []road.Run{running, queued, good, bad, leak, canceled, superseded, interrupted, again}
	f.queue = road.Queue{Limit: 2, Running: 1, Queued: []road.Run{queued}}

	f.logs["run-107 static-analysis"] = "gosec 2.22.9\n\x1b[32mok\x1b[0m  cmd/hello\n" + hostile + "\nscanning internal/"
	var log strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&log, "ok  \tshop/p%d\t0.0%ds\n", i, i%9)
	}
	log.WriteString("=== RUN   TestPrices\n    prices_test.go:12: got 2, want 3\n\x1b[31m--- FAIL: TestPrices (0.00s)\x1b[0m\nFAIL\tshop/prices\t0.01s\n")
	f.logs["run-105 unit-test"] = log.String()
	f.artifacts = map[string]string{
		"tests.xml":     `<testsuite name="shop/prices"><testcase name="TestPrices"><failure>prices_test.go:12: got 2, want ` + "&lt;script&gt;" + `</failure></testcase><testcase name="TestRounding"/></testsuite>`,
		"gosec.sarif":   `{"runs":[{"tool":{"driver":{"name":"gosec"}},"results":[{"ruleId":"G101","level":"error","message":{"text":"Potential hardcoded credentials <b>"},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"cmd/shop/main.go"},"region":{"startLine":12}}}]}]}]}`,
		"broken.sarif":  `{`,
		"sbom.cdx.json": `{}`,
		"summary.md":    "# " + hostile,
	}
	f.kinds = map[string]string{"tests.xml": "junit", "gosec.sarif": "sarif", "broken.sarif": "sarif", "sbom.cdx.json": "sbom", "summary.md": "summary"}
	f.world()
	return f
}

// world adds the applications, the images and the repositories.
func (f *roadFake) world() {
	old := "sha256:1111cc51b374c3ba189210d5b6d4bf57790d351c96c47c02190ecf1e43061111"
	app := func(service, environment, health, sync string, n int, digest string) road.App {
		return road.App{Name: service + "-" + environment, Service: service, Environment: environment, Project: service, Path: "apps/" + service + "/" + environment,
			Repository: "http://127.0.0.1:8080/git/fawkes/environments.git", Automatic: true, Sync: sync, Revision: sha(900 + n), Health: health, HealthSince: before(38 * time.Minute),
			Images: []road.AppImage{{Name: "127.0.0.1:8080/fawkes/" + service, Digest: digest, Revision: sha(n)}}, URL: "http://" + service + ".localhost:8081", Desired: 2, Ready: 2,
			SourceRepository: "http://127.0.0.1:8080/git/fawkes/" + service + ".git", SourceRevision: sha(n), UpdatedAt: before(3 * time.Second),
			Operation: &road.Operation{Phase: road.PhaseSucceeded, StartedAt: before(39 * time.Minute), FinishedAt: before(38 * time.Minute), By: "gitops", Revision: sha(900 + n)}}
	}
	shop := app("shop", "production", road.Degraded, road.OutOfSync, 92, old)
	shop.Ready, shop.HealthMessage = 1, "instance shop-2 exits with 1 after 0.4 s: listen tcp :80: permission "+hostile
	shop.Operation = &road.Operation{Phase: road.PhaseFailed, Message: "not healthy within 60 s; rolled back to " + sha(91)[:7], StartedAt: before(5 * time.Minute), FinishedAt: before(4 * time.Minute), By: "ada", Revision: sha(992)}
	shop.Conditions = []road.Condition{{Type: "SyncError", Message: "Deployment/shop: spec.template.spec.hostNetwork cannot be had without a container"}}
	rolling := app("hello", "dev", road.Progressing, road.Synced, 107, roadDigest)
	rolling.Ready, rolling.Operation = 1, &road.Operation{Phase: road.PhaseRunning, Message: "waiting for 1 of 2 replicas", StartedAt: before(4 * time.Second), By: "gitops", Revision: sha(907)}
	staging := app("hello", "staging", road.Healthy, road.Synced, 106, roadDigest)
	staging.PausedByWindow = "no roll-out on Saturday and Sunday"
	production := app("hello", "production", road.Healthy, road.Synced, 106, roadDigest)
	production.Resources = []road.Resource{{Kind: "Deployment", Name: "hello", Status: road.Synced, Health: road.Healthy, Message: ""}, {Kind: "Service", Name: "hello", Status: road.Synced, Health: road.Healthy, Message: ""}, {Kind: "ConfigMap", Name: "hello", Status: road.OutOfSync, Health: "", Message: "differs in data.GREETING"}}
	f.apps = []road.App{rolling, staging, production, app("shop", "dev", road.Healthy, road.Synced, 105, roadDigest), shop}
	f.diff = []road.ResourceDiff{
		{Kind: "Deployment", Name: "shop", Change: "update", Patch: "@@ -10,4 +10,4 @@\n spec:\n-  replicas: 1\n+  replicas: 2\n   selector: <x>\n"},
		{Kind: "ConfigMap", Name: "shop", Change: "create", Patch: "+apiVersion: v1\n+kind: ConfigMap\n"}, {Kind: "Service", Name: "shop", Change: "none", Patch: ""},
	}
	f.history = []road.Sync{
		{ID: "12", Revision: sha(906), Digest: roadDigest, SourceRevision: sha(106), Phase: road.PhaseSucceeded, StartedAt: before(39 * time.Minute), FinishedAt: before(38 * time.Minute), By: "gitops"},
		{ID: "11", Revision: sha(905), Digest: old, SourceRevision: sha(99), Phase: road.PhaseFailed, Message: "not healthy within 60 s", StartedAt: before(3 * time.Hour), FinishedAt: before(3*time.Hour - time.Minute), By: "ada"},
		{ID: "10", Revision: sha(904), Digest: old, SourceRevision: sha(98), Phase: road.PhaseSucceeded, StartedAt: before(26 * time.Hour), FinishedAt: before(26*time.Hour - 4*time.Second), By: "gitops", Kind: "rollback", RollbackOf: "11"},
	}
	f.instances = []road.Instance{
		{Name: "hello-1", Digest: roadDigest, State: "running", Ready: true, StartedAt: before(38 * time.Minute), Port: 41001},
		{Name: "hello-2", Digest: roadDigest, State: "back-off", Restarts: 3, StartedAt: before(time.Minute), LastExit: "exit 1: " + hostile},
	}
	f.appLog = "listening on :41001\n\x1b[33mwarn\x1b[0m slow answer\n" + hostile + "\n"
	f.environments = []road.Environment{
		{Name: "dev", Kind: "development", Open: true, Applications: 2},
		{Name: "staging", Kind: "staging", From: "dev", Promote: "automatic", Open: true, Applications: 1},
		{Name: "production", Kind: "production", From: "staging", Promote: "approval", Windows: []string{"deny Sat, Sun 00:00–24:00 Europe/Berlin"}, Reason: "no roll-out on Saturday and Sunday", Applications: 2},
	}
	f.promotions = []road.Promotion{
		{ID: "p7", Service: "shop", From: "staging", To: "production", SourceRevision: sha(105), State: road.PromotionWaitsApproval, RequestedAt: before(12 * time.Minute)},
		{ID: "p6", Service: "hello", From: "dev", To: "staging", SourceRevision: sha(106), State: road.PromotionDone, RequestedAt: before(50 * time.Minute), DecidedBy: "ada"},
	}
	f.images = []road.ImageRepository{{Name: "fawkes/hello", Tags: 4, Manifests: 6, Size: 38_000_000, PushedAt: before(40 * time.Minute)}, {Name: "team/shop", Tags: 1, Manifests: 1, Size: 10_200_000, PushedAt: nil}}
	f.manifests = []road.Manifest{
		{Digest: roadDigest, MediaType: "application/vnd.oci.image.manifest.v1+json", Tags: []string{"main", sha(106)[:12]}, Size: 9_400_000, CreatedAt: before(40 * time.Minute), Platform: "linux/amd64", Entrypoint: "/app/hello", Signed: true, SBOM: true,
			Revision: sha(106), Source: "http://127.0.0.1:8080/git/fawkes/hello.git", Layers: []road.Layer{{Digest: roadDigest, MediaType: "application/vnd.oci.image.layer.v1.tar+gzip", Size: 9_000_000}},
			Annotations: map[string]string{"org.opencontainers.image.revision": sha(106), "note": hostile}, Config: `{"config":{"Entrypoint":["/app/hello"]}}`, Referrers: []road.Referrer{{Digest: old, Type: "application/vnd.cyclonedx+json", Size: 2048}}},
		{Digest: old, Tags: nil, Size: 9_300_000, CreatedAt: before(30 * time.Hour), Platform: "linux/amd64"},
	}
	f.collected = road.Collected{Blobs: 3, Manifests: 1, Bytes: 1_200_000, Seconds: 0.2}
	f.repos = []road.Repository{
		{Name: "fawkes/environments", Description: "What runs where", DefaultBranch: "main", CloneURL: "http://127.0.0.1:8080/git/fawkes/environments.git", Size: 120_000, PushedAt: before(38 * time.Minute), HeadSHA: sha(906)},
		{Name: "fawkes/hello", DefaultBranch: "main", CloneURL: "http://127.0.0.1:8080/git/fawkes/hello.git", Size: 92_000, PushedAt: before(14 * time.Second), HeadSHA: sha(107)},
		{Name: "team/empty", DefaultBranch: "main", CloneURL: "http://127.0.0.1:8080/git/team/empty.git"},
	}
	f.refs = []road.Ref{{Name: "main", Kind: "branch", SHA: sha(107)}, {Name: "feature/cache", Kind: "branch", SHA: sha(103)}, {Name: "v1.0.0", Kind: "tag", SHA: sha(101)}}
	patch := "@@ -1,3 +1,4 @@ package main\n package main\n-var greeting = \"hi\"\n+var greeting = \"hello\"\n+// " + hostile + "\n // end \u202e\n"
	for i, subject := range []string{"Greet in the reader's language", "A page for those who come first " + hostile, "First commit"} {
		f.commits = append(f.commits, road.Commit{SHA: sha(107 - i), Author: "Ada Lovelace", Email: "ada@example.com", AuthoredAt: before(time.Duration(i*26+1) * time.Hour), CommittedAt: before(time.Duration(i*26) * time.Hour),
			Subject: subject, Body: "Because readers come from everywhere.", Parents: []string{sha(106 - i)}, Files: []road.FileChange{
				{Path: "cmd/hello/main.go", Status: "modified", Added: 2, Deleted: 1, Patch: patch}, {Path: "logo.png", Status: "added", Binary: true}, {Path: "b.txt", OldPath: "a.txt", Status: "renamed", Truncated: true}, {Path: "old.go", Status: "deleted", Deleted: 4},
			}})
	}
	f.entries = []road.Entry{{Name: "cmd", Path: "cmd", Type: "tree", Size: 0, Mode: "040000", SHA: sha(1)}, {Name: "lib", Path: "lib", Type: "commit", Size: 0, Mode: "160000", SHA: sha(2)}, {Name: "README.md", Path: "README.md", Type: "blob", Size: 220, Mode: "100644", SHA: sha(3)}, {Name: "main.go", Path: "main.go", Type: "blob", Size: 1840, Mode: "100644", SHA: sha(4)}}
	f.files["README.md"] = road.File{Path: "README.md", Size: 220, Text: "# hello\n\nSays hello. " + hostile + "\n"}
	f.files["main.go"] = road.File{Path: "main.go", Size: 1840, Text: "package main\n\nfunc main() {\n\tprintln(\"" + hostile + "\") // \u202e hidden\n}\n", Truncated: true}
	f.files["logo.png"] = road.File{Path: "logo.png", Size: 99_000, Binary: true}
	f.hooks = []road.Hook{{Name: "dora", URL: "http://127.0.0.1:8080/webhooks/dora/github", Repository: "*", Events: []string{"push"}, Active: true}, {Name: "runner", URL: "http://127.0.0.1:8080/webhooks/runner/github", Repository: "*", Events: []string{"push"}, Active: true}}
	f.deliveries = []road.Delivery{
		{ID: "31", Hook: "runner", Event: "push", Repository: "fawkes/hello", Ref: "refs/heads/main", State: road.DeliveryDelivered, Attempts: 1, Status: 202, CreatedAt: before(14 * time.Second), DeliveredAt: before(13 * time.Second)},
		{ID: "30", Hook: "dora", Event: "push", Repository: "fawkes/hello", Ref: "refs/heads/main", State: road.DeliveryPending, Attempts: 2, Status: 503, Error: "answered 503", CreatedAt: before(time.Minute), NextAt: ptr(fixtureNow.Add(time.Minute))},
		{ID: "29", Hook: "dora", Event: "create", Repository: "team/empty", State: road.DeliveryDead, Attempts: 1, Status: 404, Error: hostile, CreatedAt: before(26 * time.Hour)},
	}
}

// pagesOfRoad are addresses that between them draw every page of the road.
func pagesOfRoad() []string {
	return []string{
		"/", "/road", "/runs", "/runs?status=failed&repository=team%2Fshop", "/runs?q=nothing", "/runs/run-107", "/runs/run-106", "/runs/run-105", "/runs/run-105?stage=unit-test&line=1", "/runs/run-104", "/runs/run-103", "/runs/run-102", "/runs/run-101", "/runs/run-108", "/runs/none",
		"/apps", "/apps?health=Degraded", "/apps?q=none", "/apps/hello-dev", "/apps/hello-staging", "/apps/hello-production?instance=hello-1", "/apps/shop-production?instance=gone", "/promotions",
		"/registry", "/registry?q=none", "/registry?done=try&blobs=3&bytes=1200000&manifests=1", "/registry/fawkes/hello", "/registry/fawkes/hello?digest=" + roadDigest,
		"/git", "/git?q=env", "/git/fawkes/hello", "/git/team/empty", "/git/fawkes/hello/tree/cmd?ref=feature/cache", "/git/fawkes/hello/file/main.go", "/git/fawkes/hello/file/logo.png", "/git/fawkes/hello/log?q=First", "/git/fawkes/hello/log?q=none",
		"/git/fawkes/hello/commits/" + sha(107), "/git/fawkes/hello/compare/main...feature", "/git/deliveries", "/git/deliveries?state=dead&hook=dora",
	}
}
