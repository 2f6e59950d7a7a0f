package relay_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
	"github.com/fawkes-idp/fawkes/services/dora/history"
	"github.com/fawkes-idp/fawkes/services/dora/relay"
	"github.com/fawkes-idp/fawkes/services/dora/relay/devlaketest"
)

// set-ups repeat: what a count of requests shows.
func writes(lake *devlaketest.Server) (n int) {
	for _, p := range lake.Paths() {
		if strings.HasPrefix(p, "PATCH") || p == "POST /projects" || p == "POST /blueprints" || p == "POST /plugins/webhook/connections" {
			n++
		}
	}
	return n
}

// DevLake's open API has no path for a project with a slash in its name.
func TestAProjectWithASlashInItsNameIsSetUpOnce(t *testing.T) {
	onEach(t, func(t *testing.T, db *sqlstore.DB) {
		lake, s := devlaketest.New(t, "/api"), newSource()
		for i := range 150 { // more than a page of projects whose names hold it
			lake.Add(devlaketest.Project{Name: fmt.Sprintf("team/shop-%03d", i)})
		}
		s.set("team/shop", deployed("1", 1))
		v := run(t, db, settings(lake.URL), s)
		v.settled(1)
		v.end()
		if got := lake.Attached("team/shop"); len(got) != 1 || lake.Deployments()["team/shop/github/1"] == nil {
			t.Errorf("the project has %v; DevLake has %v", got, lake.Deployments())
		}
		was := writes(lake)
		s.set("team/shop", deployed("1", 1), deployed("2", 2))
		run(t, db, settings(lake.URL), s).settled(2)
		equal(t, "writes of the second set-up", writes(lake)-was, 0)
	})
}

func TestAProjectWithASlashThatLacksDORASaysWhatToDo(t *testing.T) {
	onEach(t, func(t *testing.T, db *sqlstore.DB) {
		lake, s := devlaketest.New(t, ""), newSource()
		lake.Add(devlaketest.Project{Name: "team/shop"})
		s.set("team/shop", deployed("1", 1))
		v := run(t, db, settings(lake.URL), s)
		v.until("the fault shows", func(st relay.Status) bool {
			return len(st.Projects) == 1 && strings.Contains(st.Projects[0].Error, `enable the DORA metrics of "team/shop" in DevLake's user interface`)
		})
	})
}

// DevLake shows a plan with its secrets masked: it must not come back so.
func TestABlueprintKeepsWhatIsNotOfTheRelay(t *testing.T) {
	onEach(t, func(t *testing.T, db *sqlstore.DB) {
		lake, s := devlaketest.New(t, ""), newSource()
		plan := []any{[]any{map[string]any{"plugin": "gitextractor", "options": map[string]any{"url": "https://me:secret@git.example/api"}}}}
		lake.Add(devlaketest.Project{Name: "shop", Metrics: []map[string]any{{"pluginName": "dora", "pluginOption": map[string]any{}, "enable": true}},
			Blueprint: map[string]any{"mode": "ADVANCED", "cronConfig": "0 * * * *", "plan": plan, "connections": []any{}}})
		s.set("shop", deployed("1", 1))
		run(t, db, settings(lake.URL), s).settled(1)
		if got := fmt.Sprint(lake.Plan("shop")); got != fmt.Sprint(plan) {
			t.Errorf("the plan is %s", got)
		}
		equal(t, "connections", len(lake.Attached("shop")), 1)
	})
}

// A connection that somebody deleted stays in the blueprint, and DevLake stores no blueprint that has one.
func TestADeletedConnectionDoesNotKeepTheBlueprintFromBeingMended(t *testing.T) {
	onEach(t, func(t *testing.T, db *sqlstore.DB) {
		lake, s := devlaketest.New(t, ""), newSource()
		other := map[string]any{"pluginName": "github", "connectionId": 1, "scopes": []any{map[string]any{"scopeId": "12"}}}
		lake.Add(devlaketest.Project{Name: "shop", Metrics: []map[string]any{{"pluginName": "dora", "pluginOption": map[string]any{}, "enable": true}},
			Blueprint: map[string]any{"mode": "NORMAL", "connections": []any{other}}})
		s.set("shop", deployed("1", 1))
		v := run(t, db, settings(lake.URL), s)
		v.settled(1)
		lake.RemoveConnection("fawkes-shop")
		s.set("shop", deployed("1", 1), deployed("2", 2))
		v.until("both are told anew", func(relay.Status) bool {
			return lake.Deployments()["shop/github/1"]["scope"] == "webhook:2" && lake.Deployments()["shop/github/2"]["scope"] == "webhook:2"
		})
		v.settled(2)
		connections, _ := lake.Project("shop").Blueprint["connections"].([]any)
		if len(connections) != 2 || fmt.Sprint(connections[0]) != fmt.Sprint(map[string]any{"pluginName": "github", "connectionId": 1, "scopes": []any{map[string]any{"scopeId": "12"}}}) {
			t.Errorf("the connections are %v", connections)
		}
	})
}

// After an upgrade DevLake answers 428 to everything until somebody confirms its migration.
func TestADevLakeThatIsToBeMigratedIsWaitedFor(t *testing.T) {
	onEach(t, func(t *testing.T, db *sqlstore.DB) {
		lake, s := devlaketest.New(t, ""), newSource()
		migration := func(*http.Request) *devlaketest.Fault {
			return &devlaketest.Fault{Status: http.StatusPreconditionRequired, Before: true, Message: "New migration scripts detected. Database migration is required to launch DevLake. (428)"}
		}
		s.set("shop", deployed("0", 1))
		v := run(t, db, settings(lake.URL), s)
		v.settled(1)
		lake.SetFail(migration)
		rows := []any{deployed("0", 1), incident("a", 2, 0)}
		for i := range 20 {
			rows = append(rows, deployed(fmt.Sprint("d", i), i))
		}
		s.set("shop", rows...)
		v.until("it is said", func(st relay.Status) bool {
			return st.Reachable != nil && !*st.Reachable && strings.Contains(st.Error, "Database migration is required")
		})
		before := len(lake.Paths())
		v.until("some probes", func(relay.Status) bool { return len(lake.Paths()) > before+2 })
		equal(t, "totals", sum(v.status()), totals{pending: 21, sent: 1})
		lake.SetFail(nil)
		v.settled(22)
	})
}

// Addresses and hashes that DevLake's columns have no room for are left out; the rest is told.
func TestWhatDevLakesColumnsCannotHoldIsLeftOut(t *testing.T) {
	onEach(t, func(t *testing.T, db *sqlstore.DB) {
		lake, s := devlaketest.New(t, ""), newSource()
		long := "https://status.example/" + strings.Repeat("a", 300)
		i, p := incident("a", 2, 3), pull("api", 1, 5)
		i.URL, p.URL = long, long
		p.SHA, p.Head = strings.Repeat("ab", 32), strings.Repeat("cd", 32)
		s.set("shop", i, p, &history.PullRequest{Repo: "https://github.com/acme/api", Number: "2", CreatedAt: at(1), URL: "https://github.com/acme/api/pull/2", SHA: sha(3)})
		run(t, db, settings(lake.URL), s).settled(3)
		for _, row := range lake.PullRequests() {
			if short := row["id"] == "github.com/acme/api#2"; (row["url"] != nil) != short || (row["mergeCommitSha"] != nil) != short {
				t.Errorf("DevLake has %v", row)
			}
		}
		for _, row := range lake.Issues() {
			if row["url"] != nil {
				t.Errorf("DevLake has %v", row)
			}
		}
	})
}

// A DevLake that never answered is not called reachable, however few requests it cost to learn that.
func TestADevLakeThatNeverAnsweredIsNotReachable(t *testing.T) {
	onEach(t, func(t *testing.T, db *sqlstore.DB) {
		s := newSource()
		s.set("shop", deployed("1", 1))
		cfg := settings("http://127.0.0.1:1")
		cfg.Pace.Backoff = time.Hour // one try
		v := run(t, db, cfg, s)
		v.until("the fault shows", func(st relay.Status) bool { return strings.Contains(st.Error, "refused") })
		if st := v.status(); st.Reachable == nil || *st.Reachable {
			t.Errorf("the status is %+v", st)
		}
	})
}
