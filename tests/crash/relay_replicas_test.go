package crash

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore/pgtest"
	"github.com/fawkes-idp/fawkes/services/dora/relay/devlaketest"
	"github.com/fawkes-idp/fawkes/tests/process"
)

// relayBatch is how many deployments, and how many incidents and pull requests, are new in each round.
const relayBatch = 12

// awful fails a third of what is told, and a twelfth of the other requests, of which a set-up takes many: errors before
// and after the request was taken, resets before and after, answers that come when nobody waits any more, and requests to
// come later.
func awful() func(*http.Request) *devlaketest.Fault {
	var mu sync.Mutex
	rng := rand.New(rand.NewPCG(11, 13))
	return func(r *http.Request) *devlaketest.Fault {
		mu.Lock()
		defer mu.Unlock()
		of := 400
		if r.Method == http.MethodPost {
			of = 100
		}
		switch n := rng.IntN(of); {
		case n < 8:
			return &devlaketest.Fault{Status: 500, Before: true, Message: "deadlock"}
		case n < 14:
			return &devlaketest.Fault{Status: 502, Message: "bad gateway"}
		case n < 20:
			return &devlaketest.Fault{Cut: true, Before: true}
		case n < 26:
			return &devlaketest.Fault{Cut: true}
		case n < 33:
			return &devlaketest.Fault{Delay: time.Duration(1100+rng.IntN(700)) * time.Millisecond}
		case n < 34:
			return &devlaketest.Fault{Status: 429, Before: true, RetryAfter: "1"}
		}
		return nil
	}
}

// relayedRound is what is reported in a round: new entities, and changes of all that were before.
func relayedRound(round int) (lines []string) {
	at := func(n, minutes int) string {
		return time.Date(2026, 1, 1, 0, minutes, 0, 0, time.UTC).Add(time.Duration(n) * time.Hour).Format(time.RFC3339)
	}
	for n := range (round + 1) * relayBatch {
		repo, sha := fmt.Sprintf("https://git.example/acme/r%d", n%2), fmt.Sprintf("%040x", n+1)
		outcome := []string{"success", "failure"}[(n+round)%2]
		lines = append(lines, fmt.Sprintf(`{"type":"deployment","id":"d%d","project":"crash","service":"api","environment":"production","repo":%q,"sha":%q,"outcome":%q,"started_at":%q,"finished_at":%q}`,
			n, repo, sha, outcome, at(n, 0), at(n, 1+round)))
		incident := fmt.Sprintf(`{"type":"incident","id":"i%d","project":"crash","service":"api","opened_at":%q`, n, at(n, 0))
		pull := fmt.Sprintf(`{"type":"pull_request","project":"crash","repo":%q,"number":"%d","created_at":%q`, repo, n+1, at(n, 0))
		if n < round*relayBatch {
			incident += fmt.Sprintf(`,"resolved_at":%q`, at(n, 10+round))
			pull += fmt.Sprintf(`,"merged_at":%q,"closed_at":%q,"merge_sha":%q`, at(n, 10+round), at(n, 10+round), sha)
		}
		lines = append(lines, incident+"}", pull+"}")
	}
	return lines
}

// TestReplicasKilledWhileTheyRelay kills each of two replicas on one PostgreSQL in turn while they tell a DevLake that
// fails at random. DevLake keeps one row for each id, so nothing is lost and nothing is doubled when its rows are, in the
// end, those of the history: no row too few, none too many, and each as the history has it.
func TestReplicasKilledWhileTheyRelay(t *testing.T) {
	lake := devlaketest.New(t, "/api")
	lake.SetFail(awful())
	program := process.Build(t, "fawkes-service")
	dsn := pgtest.New(t).Database(t)
	env := []string{"FAWKES_DORA_DATABASE_URL=" + dsn, "FAWKES_DORA_DEVLAKE_URL=" + lake.URL,
		"FAWKES_DORA_DEVLAKE_TOKEN=" + devlaketest.Key, "FAWKES_DORA_DEVLAKE_TIMEOUT=1s"}
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() }) // with the server
	r := &pair{}
	var starting sync.WaitGroup
	for i := range 2 {
		starting.Go(func() { r.set(i, process.Service(t, program, "dora", env...)) })
	}
	starting.Wait()
	client := newClient()
	defer client.CloseIdleConnections()
	holder := func() (name string) {
		query(t, db, `SELECT holder FROM relay_state`, func(rows *sql.Rows) error { return rows.Scan(&name) })
		return name
	}
	taken := 0 // how often the relay changed hands
	for round := range kills() {
		report(t, client, r.at(round+1), relayedRound(round))
		had := len(lake.Paths())
		until(t, "some of it is sent", func() bool { return len(lake.Paths()) >= had+5+round })
		former := holder()
		r.at(round).Kill()
		client.CloseIdleConnections()
		had = len(lake.Paths())
		until(t, "the other replica sends", func() bool { return len(lake.Paths()) >= had+5 })
		if holder() != former {
			taken++
		}
		r.set(round%2, process.Service(t, program, "dora", env...))
	}
	last := relayedRound(kills())
	report(t, client, r.at(0), last)
	until(t, "some of the last is sent", func() bool { return len(lake.Commits()) > 0 })
	lake.SetFail(nil)
	want := len(last)
	for i := range 2 {
		untilRelayed(t, client, r.at(i), want)
	}
	if taken < kills()-1 { // before the first kill either may hold the relay
		t.Errorf("of %d kills %d took the relay from who held it", kills(), taken)
	}
	sameAsHistory(t, client, r.at(0), lake, want/3)
	sameAsOutbox(t, db, lake, want)
	if got := lake.Attached("crash"); len(got) != 3 || !reflect.DeepEqual(got, lake.Connections()) {
		t.Errorf("the project has the connections %v of %v, want its own and one of each repository", got, lake.Connections())
	}
	r.at(0).Stop()
	r.at(1).Stop()
	t.Logf("%d kills, %d of who held the relay; %d requests for %d entities", kills(), taken, len(lake.Paths()), want)
}

// untilRelayed waits until a replica says that DevLake has been told of everything.
func untilRelayed(t *testing.T, client *http.Client, p *process.Process, want int) {
	t.Helper()
	var status struct{ Pending, Sent, Dead, Waiting int }
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(2 * time.Minute); ; <-tick.C {
		read(t, client, p, "/api/dora/v1/relay", &status)
		if status.Pending == 0 && status.Sent == want && status.Dead == 0 && status.Waiting == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after two minutes the relay stands at %+v, want %d sent\n%s", status, want, p.Log())
		}
	}
}

// sameAsHistory compares DevLake's rows with what the service answers about the history.
func sameAsHistory(t *testing.T, client *http.Client, p *process.Process, lake *devlaketest.Server, each int) {
	t.Helper()
	type row struct {
		ID, SHA, Outcome string
		Finished         *time.Time `json:"finished_at"`
		Resolved         *time.Time `json:"resolved_at"`
	}
	list := func(name string) (all []row) {
		for cursor := ""; ; {
			var page struct {
				Items      []row
				NextCursor *string `json:"next_cursor"`
			}
			read(t, client, p, "/api/dora/v1/"+name+"?project=crash&limit=1000&cursor="+cursor, &page)
			all = append(all, page.Items...)
			if page.NextCursor == nil {
				return all
			}
			cursor = *page.NextCursor
		}
	}
	at := func(v *time.Time) any {
		if v == nil {
			return nil
		}
		return v.UTC().Format(time.RFC3339)
	}
	deployments, commits, issues := lake.Deployments(), lake.Commits(), lake.Issues()
	if len(deployments) != each || len(commits) != each || len(issues) != each || len(lake.PullRequests()) != each {
		t.Errorf("DevLake has %d deployments, %d commits, %d issues, %d pull requests; want %d of each", len(deployments), len(commits), len(issues), len(lake.PullRequests()), each)
	}
	sha := map[any]any{}
	for _, c := range commits {
		sha[c["cicdDeploymentId"]] = c["commitSha"]
	}
	told := list("deployments")
	for _, d := range told {
		id := "crash/events/" + d.ID
		got := deployments[id]
		if got["result"] != strings.ToUpper(d.Outcome) || got["finishedDate"] != at(d.Finished) || sha[id] != d.SHA {
			t.Errorf("the history has %+v, DevLake %v with the commit %v", d, got, sha[id])
		}
	}
	incidents := list("incidents")
	for _, i := range incidents {
		if got := issues["webhook:1:events/"+i.ID]; got["resolutionDate"] != at(i.Resolved) || (got["status"] == "DONE") != (i.Resolved != nil) {
			t.Errorf("the history has incident %s resolved at %v, DevLake has %v", i.ID, at(i.Resolved), got)
		}
	}
	if len(told) != each || len(incidents) != each {
		t.Errorf("the history has %d deployments and %d incidents, want %d of each", len(told), len(incidents), each)
	}
}

// sameAsOutbox compares DevLake's rows with the bodies that it was to get, pull requests included.
func sameAsOutbox(t *testing.T, db *sql.DB, lake *devlaketest.Server, want int) {
	t.Helper()
	connections := map[string]int{}
	query(t, db, `SELECT repo, connection FROM relay_connection`, func(rows *sql.Rows) error {
		var repo string
		var id int
		err := rows.Scan(&repo, &id)
		connections[repo] = id
		return err
	})
	n := 0
	query(t, db, `SELECT kind, repo, body, hash = sent_hash AND state = 'sent' FROM relay_item`, func(rows *sql.Rows) error {
		var kind, repo, text string
		var sent bool
		if err := rows.Scan(&kind, &repo, &text, &sent); err != nil {
			return err
		}
		var body, got map[string]any
		if err := json.NewDecoder(strings.NewReader(text)).Decode(&body); err != nil && err != io.EOF {
			return err
		}
		switch kind {
		case "deployment":
			got = lake.Deployments()[fmt.Sprint(body["id"])]
		case "incident":
			got = lake.Issues()[fmt.Sprintf("webhook:%d:%v", connections[repo], body["issueKey"])]
		case "pull_request":
			got = lake.PullRequests()[fmt.Sprintf("webhook:%d:%v", connections[repo], body["pullRequestKey"])]
			delete(body, "baseRepoId") // DevLake puts its own in its place
		}
		for field, v := range body {
			if !sent || !reflect.DeepEqual(got[field], v) {
				t.Errorf("%s of a %s: DevLake has %v, the outbox (sent: %v) %v", field, kind, got[field], sent, v)
			}
		}
		n++
		return nil
	})
	if n != want {
		t.Errorf("the outbox has %d entities, want %d", n, want)
	}
}
