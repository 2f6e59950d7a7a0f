package relay_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
	"github.com/fawkes-idp/fawkes/services/dora/history"
	"github.com/fawkes-idp/fawkes/services/dora/relay"
	"github.com/fawkes-idp/fawkes/services/dora/relay/devlaketest"
)

func TestDevLakeIsSetUpAndToldOfEverything(t *testing.T) {
	for _, prefix := range []string{"", "/api"} {
		t.Run("prefix "+prefix, func(t *testing.T) {
			onEach(t, func(t *testing.T, db *sqlstore.DB) {
				lake, s := devlaketest.New(t, prefix), newSource()
				s.set("shop", deployed("1", 1), deployed("2", 5), incident("a", 6, 9), incident("b", 7, 0), pull("api", 1, 3), pull("web", 1, 4), pull("web", 2, 0))
				v := run(t, db, settings(lake.URL), s)
				v.settled(7)

				p := lake.Project("shop")
				if p == nil || len(p.Metrics) != 1 || p.Metrics[0]["pluginName"] != "dora" || p.Metrics[0]["enable"] != true {
					t.Fatalf("the project in DevLake is %+v", p)
				}
				equal(t, "connections", len(lake.Connections()), 3)
				if got := lake.Attached("shop"); !slices.Equal(got, lake.Connections()) {
					t.Errorf("the blueprint has %v, want all of %v", got, lake.Connections())
				}
				d := lake.Deployments()["shop/github/2"]
				if d["result"] != "SUCCESS" || d["environment"] != "PRODUCTION" || d["startedDate"] != "2026-03-02T09:05:00Z" || d["finishedDate"] != "2026-03-02T09:06:00Z" {
					t.Errorf("deployment 2 is %v", d)
				}
				equal(t, "deployment commits", len(lake.Commits()), 2)
				issues := lake.Issues()
				equal(t, "issues", len(issues), 2)
				if i := issues["webhook:1:pagerduty/a"]; i["status"] != "DONE" || i["resolutionDate"] != "2026-03-02T09:09:00Z" || i["type"] != "INCIDENT" {
					t.Errorf("the resolved incident is %v", i)
				}
				if i := issues["webhook:1:pagerduty/b"]; i["status"] != "TODO" || i["resolutionDate"] != nil {
					t.Errorf("the open incident is %v", i)
				}
				// Pull request 1 of both repositories.
				equal(t, "pull requests", len(lake.PullRequests()), 3)

				s.set("shop", deployed("1", 1), deployed("2", 5), incident("a", 6, 9), incident("b", 7, 20), pull("api", 1, 3), pull("web", 1, 4), pull("web", 2, 8))
				v.until("the changes arrive", func(relay.Status) bool {
					return lake.Issues()["webhook:1:pagerduty/b"]["resolutionDate"] == "2026-03-02T09:20:00Z"
				})
				v.settled(7)
				equal(t, "issues after the change", len(lake.Issues()), 2)
				merged := 0
				for _, p := range lake.PullRequests() {
					if p["status"] == "MERGED" {
						merged++
					}
				}
				equal(t, "merged pull requests", merged, 3)
			})
		})
	}
}

func TestWhatWasSentIsNotSentAgain(t *testing.T) {
	onEach(t, func(t *testing.T, db *sqlstore.DB) {
		lake, s := devlaketest.New(t, ""), newSource()
		s.set("shop", deployed("1", 1), incident("a", 2, 0))
		v := run(t, db, settings(lake.URL), s)
		v.settled(2)
		v.end()
		count := func() (n int) {
			for _, p := range lake.Paths() {
				if strings.HasPrefix(p, "POST /plugins/webhook/connections/") {
					n++
				}
			}
			return n
		}
		was := count()
		// The same history, read anew by another process, with one more deployment.
		s.set("shop", deployed("1", 1), incident("a", 2, 0), deployed("2", 3))
		v = run(t, db, settings(lake.URL), s)
		v.settled(3)
		equal(t, "posts after the restart", count()-was, 1)
		equal(t, "projects made", lake.Requests()["POST projects"], 1)
		equal(t, "connections made", lake.Requests()["POST plugins/webhook/connections"], 1+3)
	})
}

func TestADeploymentWaitsForWhatDevLakeRequires(t *testing.T) {
	onEach(t, func(t *testing.T, db *sqlstore.DB) {
		lake, s := devlaketest.New(t, ""), newSource()
		unresolved, runs, short := deployed("unresolved", 1), deployed("runs", 2), deployed("short", 3)
		unresolved.SHA, runs.FinishedAt, short.SHA = "", 0, "abc1234"
		s.set("shop", unresolved, runs, short)
		v := run(t, db, settings(lake.URL), s)
		v.settled(1) // the abbreviated one has waited for long
		st := v.status()
		if w := st.Projects[0].Waiting; w["source_sha_unknown"] != 1 || w["not_finished"] != 1 || len(w) != 2 {
			t.Errorf("waiting: %v", w)
		}
		s.set("shop", deployed("unresolved", 1), deployed("runs", 2), short)
		v.settled(3)
		equal(t, "waiting", sum(v.status()).waiting, 0)
		equal(t, "rows", len(lake.Commits()), 3)
	})
}

func TestOnlyTheProjectsThatAreAskedForAreRelayed(t *testing.T) {
	onEach(t, func(t *testing.T, db *sqlstore.DB) {
		lake, s := devlaketest.New(t, ""), newSource()
		s.set("shop", deployed("1", 1))
		s.set("bank", deployed("1", 1))
		cfg := settings(lake.URL)
		cfg.Projects = []string{"bank"}
		v := run(t, db, cfg, s)
		v.settled(1)
		if lake.Project("shop") != nil || len(lake.Deployments()) != 1 || lake.Deployments()["bank/github/1"] == nil {
			t.Errorf("DevLake has %v", lake.Deployments())
		}
	})
}

func TestARefusalIsADeadLetterUntilSomebodyDecides(t *testing.T) {
	onEach(t, func(t *testing.T, db *sqlstore.DB) {
		lake, s := devlaketest.New(t, ""), newSource()
		lake.Fail = func(r *http.Request) *devlaketest.Fault {
			if strings.HasSuffix(r.URL.Path, "/issues") {
				return &devlaketest.Fault{Status: 422, Before: true, Message: "the issue is too strange"}
			}
			return nil
		}
		s.set("shop", deployed("1", 1), incident("a", 2, 0), incident("b", 3, 0))
		v := run(t, db, settings(lake.URL), s)
		v.until("two dead", func(st relay.Status) bool { return sum(st) == totals{sent: 1, dead: 2} })
		dead, err := v.outbox.DeadLetters(t.Context(), "", 0, 10)
		if err != nil || len(dead) != 2 {
			t.Fatal(dead, err)
		}
		equal(t, "attempts", dead[0].Attempts, 1)
		equal(t, "status", dead[0].Status, 422)
		if !strings.Contains(dead[0].Error, "the issue is too strange") {
			t.Errorf("the error is %q", dead[0].Error)
		}
		st := v.status()
		if st.Reachable == nil || !*st.Reachable {
			t.Errorf("a DevLake that refuses one thing is not unreachable: %+v", st)
		}
		if n, err := v.outbox.Discard(t.Context(), dead[1].ID, "", time.Now()); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		lake.SetFail(nil)
		if n, err := v.outbox.Retry(t.Context(), 0, "shop", time.Now()); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		v.until("one sent, one discarded", func(st relay.Status) bool { return sum(st) == totals{sent: 2, discarded: 1} })
		equal(t, "issues", len(lake.Issues()), 1)
		// What was given up comes back when it changes.
		s.set("shop", deployed("1", 1), incident("a", 2, 0), incident("b", 3, 9))
		v.settled(3)
		if _, err := v.outbox.DeadLetter(t.Context(), dead[0].ID); err == nil {
			t.Error("what was sent is still a dead letter")
		}
	})
}

func TestADevLakeThatIsDownCostsAProbeAndLosesNothing(t *testing.T) {
	onEach(t, func(t *testing.T, db *sqlstore.DB) {
		lake, s := devlaketest.New(t, ""), newSource()
		s.set("shop", deployed("0", 1))
		v := run(t, db, settings(lake.URL), s)
		v.settled(1)
		lake.SetFail(func(*http.Request) *devlaketest.Fault {
			return &devlaketest.Fault{Status: 503, Before: true, Message: "down"}
		})
		before := len(lake.Paths())
		rows := []any{deployed("0", 1)}
		for i := range 300 {
			rows = append(rows, deployed(fmt.Sprint("d", i), i))
		}
		s.set("shop", rows...)
		v.until("DevLake is known to be down", func(st relay.Status) bool { return st.Reachable != nil && !*st.Reachable && st.Error != "" })
		v.until("some probes", func(relay.Status) bool { return len(lake.Paths()) > before+8+4 })
		posts := 0
		for _, p := range lake.Paths()[before:] {
			if strings.HasPrefix(p, "POST") {
				posts++
			}
		}
		if posts > 8 { // one round of parallel requests opened the breaker
			t.Errorf("%d items were sent to a DevLake that is down", posts)
		}
		equal(t, "dead", sum(v.status()).dead, 0)
		lake.SetFail(nil)
		v.settled(301)
		equal(t, "deployments", len(lake.Deployments()), 301)
		if st := v.status(); st.Error != "" || !*st.Reachable || st.SentAt.IsZero() {
			t.Errorf("afterwards the status is %+v", st)
		}
	})
}

func TestABadKeyIsSaidAndKillsNothing(t *testing.T) {
	onEach(t, func(t *testing.T, db *sqlstore.DB) {
		lake, s := devlaketest.New(t, ""), newSource()
		s.set("shop", deployed("1", 1))
		cfg := settings(lake.URL)
		cfg.Token = "a-secret-key-that-devlake-does-not-know"
		v := run(t, db, cfg, s)
		v.until("the refusal shows", func(st relay.Status) bool {
			return strings.Contains(st.Error, "api key is invalid") && strings.Contains(st.Error, "dora.devlake_token") && !*st.Reachable
		})
		equal(t, "totals", sum(v.status()), totals{pending: 1})
		v.end()
		if strings.Contains(v.logs.String(), cfg.Token) {
			t.Errorf("the log holds the key:\n%s", v.logs)
		}
		cfg.Token = ""
		v = run(t, db, cfg, s)
		if st := v.status(); !strings.Contains(st.Fault, "dora.devlake_token") {
			t.Errorf("without a key the fault is %q", st.Fault)
		}
		v = run(t, db, settings(lake.URL), s)
		v.settled(1)
	})
}

func TestAFailureThatLastsIsGivenUpAfterItsTime(t *testing.T) {
	onEach(t, func(t *testing.T, db *sqlstore.DB) {
		lake, s := devlaketest.New(t, ""), newSource()
		lake.Fail = func(r *http.Request) *devlaketest.Fault {
			if strings.HasSuffix(r.URL.Path, "/issues") {
				return &devlaketest.Fault{Status: 500, Before: true, Message: "Data too long for column"}
			}
			return nil
		}
		cfg := settings(lake.URL)
		cfg.Pace.Age = 100 * time.Millisecond
		s.set("shop", incident("a", 2, 0), deployed("1", 1))
		v := run(t, db, cfg, s)
		v.until("it is dead", func(st relay.Status) bool { return sum(st) == totals{sent: 1, dead: 1} })
		dead, err := v.outbox.DeadLetters(t.Context(), "shop", 0, 10)
		if err != nil || len(dead) != 1 || dead[0].Attempts < cfg.Pace.Attempts || !strings.Contains(dead[0].Error, "Data too long") {
			t.Errorf("dead letters: %+v, %v", dead, err)
		}
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	onEach(t, func(t *testing.T, db *sqlstore.DB) {
		lake, s := devlaketest.New(t, ""), newSource()
		s.set("shop", deployed("0", 1))
		v := run(t, db, settings(lake.URL), s)
		v.settled(1)
		lake.SetFail(func(*http.Request) *devlaketest.Fault {
			return &devlaketest.Fault{Status: 429, Before: true, RetryAfter: "3600", Message: "slower, please"}
		})
		before := len(lake.Paths())
		s.set("shop", deployed("0", 1), deployed("1", 2))
		v.until("it was refused", func(st relay.Status) bool { return strings.Contains(st.Error, "slower, please") })
		s.set("shop", deployed("0", 1), deployed("1", 2), deployed("2", 3))
		v.until("the second is in the outbox", func(st relay.Status) bool { return sum(st).pending == 2 })
		began := time.Now()
		v.until("many rounds have passed", func(relay.Status) bool { return time.Since(began) > 200*time.Millisecond })
		equal(t, "requests", len(lake.Paths())-before, 1)
	})
}

func TestAProjectThatIsThereKeepsWhatItHas(t *testing.T) {
	onEach(t, func(t *testing.T, db *sqlstore.DB) {
		lake, s := devlaketest.New(t, ""), newSource()
		other := map[string]any{"pluginName": "github", "connectionId": 4, "scopes": []any{map[string]any{"scopeId": "12"}}}
		lake.Add(devlaketest.Project{Name: "shop", Description: "made by hand", Metrics: []map[string]any{{"pluginName": "linker", "pluginOption": map[string]any{"x": "y"}, "enable": true}},
			Blueprint: map[string]any{"mode": "NORMAL", "cronConfig": "0 * * * *", "connections": []any{other}}})
		lake.Add(devlaketest.Project{Name: "bare"})
		s.set("shop", deployed("1", 1))
		s.set("bare", deployed("1", 1))
		run(t, db, settings(lake.URL), s).settled(2)
		p := lake.Project("shop")
		connections, _ := p.Blueprint["connections"].([]any)
		if p.Description != "made by hand" || len(p.Metrics) != 2 || p.Blueprint["cronConfig"] != "0 * * * *" || len(connections) != 2 {
			t.Errorf("the project is %+v", p)
		}
		if first, _ := connections[0].(map[string]any); first["pluginName"] != "github" || fmt.Sprint(first["scopes"]) != "[map[scopeId:12]]" {
			t.Errorf("its own connection is %v", first)
		}
		if got := lake.Attached("bare"); len(got) != 1 {
			t.Errorf("the project without a blueprint has %v", got)
		}
	})
}

func TestAConnectionThatSomebodyRemovedIsMadeAgain(t *testing.T) {
	onEach(t, func(t *testing.T, db *sqlstore.DB) {
		lake, s := devlaketest.New(t, ""), newSource()
		s.set("shop", deployed("1", 1))
		v := run(t, db, settings(lake.URL), s)
		v.settled(1)
		lake.RemoveConnection("fawkes-shop")
		s.set("shop", deployed("1", 1), deployed("2", 2))
		v.until("both are told anew", func(relay.Status) bool {
			d := lake.Deployments()
			return d["shop/github/2"]["scope"] == "webhook:2" && d["shop/github/1"]["scope"] == "webhook:2"
		})
		v.settled(2)
	})
}

func TestAnotherDevLakeIsToldOfEverything(t *testing.T) {
	onEach(t, func(t *testing.T, db *sqlstore.DB) {
		first, second, s := devlaketest.New(t, ""), devlaketest.New(t, ""), newSource()
		s.set("shop", deployed("1", 1), incident("a", 2, 0))
		v := run(t, db, settings(first.URL), s)
		v.settled(2)
		v.end()
		v = run(t, db, settings(second.URL), s)
		v.until("the second has both", func(relay.Status) bool { return len(second.Deployments()) == 1 && len(second.Issues()) == 1 })
		v.settled(2)
	})
}

func TestARedirectIsNotFollowed(t *testing.T) {
	onEach(t, func(t *testing.T, db *sqlstore.DB) {
		lake, s := devlaketest.New(t, ""), newSource()
		s.set("shop", deployed("1", 1))
		elsewhere := http.RedirectHandler(lake.URL+"/rest/plugins/webhook/connections", http.StatusTemporaryRedirect)
		v := run(t, db, settings(serve(t, elsewhere)), s)
		v.until("the redirect shows", func(st relay.Status) bool { return strings.Contains(st.Error, "redirected") })
		equal(t, "requests at the other host", len(lake.Paths()), 0)
	})
}

func TestWhatDevLakeNeverHeardOfAndIsGoneIsForgotten(t *testing.T) {
	onEach(t, func(t *testing.T, db *sqlstore.DB) {
		lake, s := devlaketest.New(t, ""), newSource()
		lake.Fail = func(*http.Request) *devlaketest.Fault { return &devlaketest.Fault{Status: 503, Before: true} }
		s.set("shop", deployed("1", 1), deployed("mistaken", 2))
		v := run(t, db, settings(lake.URL), s)
		v.until("both are in the outbox", func(st relay.Status) bool { return sum(st).pending == 2 })
		s.set("shop", deployed("1", 1))
		v.until("one is", func(st relay.Status) bool { return sum(st).pending == 1 })
		lake.SetFail(nil)
		v.settled(1)
		if lake.Deployments()["shop/github/mistaken"] != nil {
			t.Error("DevLake was told of what is gone")
		}
	})
}

func TestMetricsShowTheOutbox(t *testing.T) {
	onEach(t, func(t *testing.T, db *sqlstore.DB) {
		lake, s := devlaketest.New(t, ""), newSource()
		unresolved := deployed("unresolved", 1)
		unresolved.SHA = ""
		s.set("shop", deployed("1", 1), incident("a", 2, 0), unresolved)
		v := run(t, db, settings(lake.URL), s)
		v.settled(2)
		value := func(name, label string) float64 {
			families, err := v.reg.Gather()
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range families {
				for _, m := range f.GetMetric() {
					if f.GetName() == name && (label == "" || slices.ContainsFunc(m.GetLabel(), func(l labelPair) bool { return l.GetValue() == label })) {
						return m.GetGauge().GetValue() + m.GetCounter().GetValue()
					}
				}
			}
			return -1
		}
		v.until("the gauges follow", func(relay.Status) bool {
			return value("fawkes_dora_relay_items", "sent") == 2 && value("fawkes_dora_relay_items", "waiting") == 1 && value("fawkes_dora_relay_reachable", "") == 1
		})
		equal(t, "accepted deployments", value("fawkes_dora_relay_requests_total", "deployment"), 1)
	})
}

func TestNothingIsContactedWithoutAnAddress(t *testing.T) {
	s := newSource()
	s.set("shop", deployed("1", 1))
	r, err := relay.New(relay.Config{}, nil, s, nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Begin(t.Context())()
	if st, err := r.Status(t.Context()); err != nil || st.Configured {
		t.Errorf("the status is %+v, %v", st, err)
	}
}

func TestLongNamesStayWithinDevLakesColumns(t *testing.T) {
	onEach(t, func(t *testing.T, db *sqlstore.DB) {
		lake, s := devlaketest.New(t, ""), newSource()
		name := strings.Repeat("p", 128)
		d, i := deployed(strings.Repeat("i", 500), 1), incident(strings.Repeat("k", 500), 2, 3)
		twin := deployed(strings.Repeat("i", 500)+"2", 1)
		d.Title, i.Title = strings.Repeat("t", 2000), strings.Repeat("ü", 2000)
		s.set(name, d, twin, i, &history.PullRequest{Repo: "https://git.example/" + strings.Repeat("r", 200), Number: "5", CreatedAt: at(1)})
		run(t, db, settings(lake.URL), s).settled(4)
		equal(t, "deployments", len(lake.Deployments()), 2)
		for _, c := range lake.Connections() {
			if len(c) > 100 {
				t.Errorf("the connection %q is %d bytes long", c, len(c))
			}
		}
	})
}
