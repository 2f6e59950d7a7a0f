package relay_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore/storetest"
	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history"
	"github.com/fawkes-idp/fawkes/services/dora/migrations"
	"github.com/fawkes-idp/fawkes/services/dora/relay"
	"github.com/fawkes-idp/fawkes/services/dora/relay/devlaketest"
)

// flaky makes a DevLake that fails a third of the requests in every way that
// servers and networks know. late is how long a request may linger that its
// caller has given up.
func flaky(seed uint64, late time.Duration) func(*http.Request) *devlaketest.Fault {
	var mu sync.Mutex
	rng := rand.New(rand.NewPCG(seed, 1))
	return func(*http.Request) *devlaketest.Fault {
		mu.Lock()
		defer mu.Unlock()
		switch n := rng.IntN(100); {
		case n < 8:
			return &devlaketest.Fault{Status: 500, Before: true, Message: "Deadlock found when trying to get lock"}
		case n < 14:
			return &devlaketest.Fault{Status: 502, Message: "bad gateway"} // it took effect all the same
		case n < 20:
			return &devlaketest.Fault{Cut: true, Before: true}
		case n < 26:
			return &devlaketest.Fault{Cut: true}
		case n < 29:
			return &devlaketest.Fault{Delay: late}
		case n < 31:
			return &devlaketest.Fault{Status: 429, Before: true, RetryAfter: "0"}
		}
		return nil
	}
}

// world is a history that changes at random, and what DevLake should hold of it.
type world struct {
	rng         *rand.Rand
	deployments []*history.Deployment
	incidents   []*history.Incident
	pulls       []*history.PullRequest
}

func (w *world) change() {
	for range 1 + w.rng.IntN(4) {
		switch n := w.rng.IntN(6); {
		case n == 0:
			w.deployments = append(w.deployments, deployed(fmt.Sprint("d", len(w.deployments)), len(w.deployments)))
		case n == 1:
			w.incidents = append(w.incidents, incident(fmt.Sprint("i", len(w.incidents)), len(w.incidents), 0))
		case n == 2:
			w.pulls = append(w.pulls, pull([]string{"api", "web"}[w.rng.IntN(2)], len(w.pulls)+1, 0))
		case n == 3 && len(w.deployments) > 0:
			k := w.rng.IntN(len(w.deployments))
			d := *w.deployments[k]
			d.FinishedAt += event.Time(w.rng.IntN(90)) * 1e6
			d.Outcome = []string{event.OutcomeSuccess, event.OutcomeFailure, event.OutcomeAborted}[w.rng.IntN(3)]
			w.deployments[k] = &d
		case n == 4 && len(w.incidents) > 0:
			k := w.rng.IntN(len(w.incidents))
			i := *w.incidents[k]
			i.ResolvedAt = event.Time(w.rng.IntN(2)) * (i.OpenedAt + event.Time(w.rng.IntN(1000))*1e6) // open again, too
			w.incidents[k] = &i
		case n == 5 && len(w.pulls) > 0:
			k := w.rng.IntN(len(w.pulls))
			p := *w.pulls[k]
			p.MergedAt = p.CreatedAt + event.Time(1+w.rng.IntN(1000))*1e6
			w.pulls[k] = &p
		}
	}
}

func (w *world) rows() []any {
	var out []any
	for _, d := range w.deployments {
		out = append(out, d)
	}
	for _, i := range w.incidents {
		out = append(out, i)
	}
	for _, p := range w.pulls {
		out = append(out, p)
	}
	return out
}

func stamp(t event.Time) any {
	if t == 0 {
		return nil
	}
	return t.Std().UTC().Format(time.RFC3339Nano)
}

// check compares what DevLake holds with the world, row by row.
func (w *world) check(t *testing.T, lake *devlaketest.Server) {
	t.Helper()
	deployments, issues, pulls := lake.Deployments(), lake.Issues(), lake.PullRequests()
	equal(t, "rows of deployments", len(deployments), len(w.deployments))
	equal(t, "rows of deployment commits", len(lake.Commits()), len(w.deployments))
	equal(t, "rows of issues", len(issues), len(w.incidents))
	equal(t, "rows of pull requests", len(pulls), len(w.pulls))
	results := map[string]string{event.OutcomeSuccess: "SUCCESS", event.OutcomeFailure: "FAILURE", event.OutcomeAborted: "ABORT"}
	for _, d := range w.deployments {
		row := deployments["shop/"+d.Key()]
		if row["finishedDate"] != stamp(d.FinishedAt) || row["result"] != results[d.Outcome] {
			t.Errorf("deployment %s ended %v as %v; DevLake has %v, %v", d.ID, stamp(d.FinishedAt), d.Outcome, row["finishedDate"], row["result"])
		}
	}
	for _, i := range w.incidents {
		if row := issues["webhook:1:"+i.Key()]; row["resolutionDate"] != stamp(i.ResolvedAt) {
			t.Errorf("incident %s was resolved at %v; DevLake has %v", i.ID, stamp(i.ResolvedAt), row["resolutionDate"])
		}
	}
	merged := map[string]any{}
	for _, row := range pulls {
		id, _ := row["id"].(string)
		merged[id] = row["mergedDate"]
	}
	for _, p := range w.pulls {
		if id := event.RepoKey(p.Repo) + "#" + p.Number; merged[id] != stamp(p.MergedAt) {
			t.Errorf("pull request %s was merged at %v; DevLake has %v", id, stamp(p.MergedAt), merged[id])
		}
	}
}

func hasty(url string) relay.Config {
	cfg := settings(url)
	cfg.Timeout = 60 * time.Millisecond
	cfg.Pace.Confirm, cfg.Pace.Margin, cfg.Pace.Attempts = 250*time.Millisecond, 40*time.Millisecond, 1000
	return cfg
}

func TestADevLakeThatFailsAtRandomEndsUpWithEverythingOnce(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			onEach(t, func(t *testing.T, db *sqlstore.DB) {
				lake, s := devlaketest.New(t, ""), newSource()
				lake.Fail = flaky(seed, 150*time.Millisecond)
				w := &world{rng: rand.New(rand.NewPCG(seed, 2))}
				w.change()
				s.set("shop", w.rows()...)
				v := run(t, db, hasty(lake.URL), s)
				tick := time.NewTicker(15 * time.Millisecond)
				defer tick.Stop()
				for round := range 60 {
					w.change()
					s.set("shop", w.rows()...)
					<-tick.C
					if round%20 == 10 { // another process takes over
						v.end()
						v = run(t, db, hasty(lake.URL), s)
					}
				}
				lake.SetFail(nil)
				v.settled(len(w.rows()))
				w.check(t, lake)
				equal(t, "dead", sum(v.status()).dead, 0)
			})
		})
	}
}

func TestTwoReplicasSendEachThingOnceAndOneTakesOver(t *testing.T) {
	db := storetest.OpenPostgres(t, migrations.FS)
	lake, s := devlaketest.New(t, ""), newSource()
	var rows []any
	for i := range 200 {
		rows = append(rows, deployed(fmt.Sprint("d", i), i))
	}
	s.set("shop", rows...)
	first, second := run(t, db, settings(lake.URL), s), run(t, db, settings(lake.URL), s)
	first.settled(200)
	posts := func() int { return lake.Requests()["POST plugins/webhook/connections"] }
	equal(t, "posts", posts(), 200+1)
	// The one that holds the relay ends; the other takes the rest over.
	first.end()
	rows = append(rows, deployed("more", 300))
	s.set("shop", rows...)
	second.settled(201)
	equal(t, "posts in all", posts(), 201+1)
	equal(t, "deployments", len(lake.Deployments()), 201)
}

func TestAnOldHolderCannotWrite(t *testing.T) {
	onEach(t, func(t *testing.T, db *sqlstore.DB) {
		lake, s := devlaketest.New(t, ""), newSource()
		s.set("shop", deployed("1", 1))
		v := run(t, db, settings(lake.URL), s)
		v.settled(1)
		// Somebody takes the relay from it: it must notice and send nothing more.
		_, err := db.Write.ExecContext(t.Context(), `UPDATE relay_state SET holder = 'somebody', fence = fence + 1, until = $1`, time.Now().Add(time.Second).UnixMicro())
		if err != nil {
			t.Fatal(err)
		}
		s.set("shop", deployed("1", 1), deployed("2", 2))
		v.settled(2) // once the other's lease has run out
		var holder string
		var fence int64
		if err := db.Read.QueryRowContext(t.Context(), `SELECT holder, fence FROM relay_state`).Scan(&holder, &fence); err != nil {
			t.Fatal(err)
		}
		if holder == "somebody" || fence != 3 {
			t.Errorf("the holder is %s with fence %d, want the relay with 3", holder, fence)
		}
	})
}
