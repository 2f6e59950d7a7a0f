package dora

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/services/dora/event"
)

const quarantineAt = "/api/dora/v1/quarantine"

// inQuarantine lists it, the newest first.
func (s *server) inQuarantine(query string) (out struct {
	Items  []quarantineBody
	Total  int
	Counts map[string]int
}) {
	s.t.Helper()
	text := s.want(200, http.MethodGet, quarantineAt+"?"+query, "", nil)
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		s.t.Fatal(err)
	}
	return out
}

// replay replays a delivery, with a body unless that is "", and wants a status.
func (s *server) replay(status int, id, body string, texts ...string) replayed {
	s.t.Helper()
	request := ""
	if body != "" {
		text, err := json.Marshal(map[string]string{"body": body})
		if err != nil {
			s.t.Fatal(err)
		}
		request = string(text)
	}
	var out replayed
	if text := s.want(status, http.MethodPost, quarantineAt+"/"+id+"/replay", request, nil, texts...); status == 200 {
		if err := json.Unmarshal([]byte(text), &out); err != nil {
			s.t.Fatal(err)
		}
	}
	return out
}

// TestEveryKindOfQuarantinedDeliveryIsReplayed puts one of each origin into the
// quarantine, and replays it with what should have been sent.
func TestEveryKindOfQuarantinedDeliveryIsReplayed(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		push := pushOf(pushed("a", "2026-03-02T08:00:00Z"))
		secret, _ := s.addSource("github", "hook", "shop")
		devlakeKey, connection := s.addSource("devlake", "ci", "shop")
		devlake := func(path, body string) func() {
			return func() {
				s.call(http.MethodPost, devlakeBase+"/connections/"+connection+path, body, "Authorization", "Bearer "+devlakeKey)
			}
		}
		issue := `{"issueKey":"I-1","title":"t","type":"INCIDENT","status":"TODO","originalStatus":"new","createdDate":"2026-03-02T09:00:00Z"}`
		for _, c := range []struct {
			name, source, field string
			send                func()
			right               string
			events              int
		}{
			{"webhook", "github", "commits[0].timestamp", func() {
				s.deliver(secret, delivery{"push", "d-1", strings.Replace(push, "2026-03-02T08:00:00Z", "soon", 1)})
			}, push, 1},
			{"one event", "events", "sha", func() {
				s.call(http.MethodPost, "/api/dora/v1/events?project=shop", strings.Replace(commitLine("b", "2026-03-02T08:00:00Z"), hash("b"), "no", 1))
			}, commitLine("b", "2026-03-02T08:00:00Z"), 1},
			{"line of a batch", "events", "authored_at", func() {
				s.call(http.MethodPost, batchPath+"?project=shop", strings.Replace(commitLine("c", "2026-03-02T08:00:00Z"), `"authored_at":"2026-03-02T08:00:00Z",`, "", 1))
			}, commitLine("c", "2026-03-02T08:00:00Z"), 1},
			{"deployment of DevLake", "devlake:ci", "deploymentCommits[0].commitSha", devlake("/deployments", strings.Replace(devlakeDeployment("1", "2026-03-02T09:00:00Z", "a"), hash("a"), "zz", 1)), devlakeDeployment("1", "2026-03-02T09:00:00Z", "a"), 1},
			{"issue of DevLake", "devlake:ci", "createdDate", devlake("/issues", strings.Replace(issue, "2026-03-02T09:00:00Z", "today", 1)), issue, 1},
		} {
			c.send()
			list := s.inQuarantine("status=open&project=shop")
			if list.Total != 1 || len(list.Items) != 1 || list.Counts["open"] != 1 {
				t.Fatalf("%s: %+v in quarantine", c.name, list)
			}
			q := list.Items[0]
			if q.Source != c.source || q.Field != c.field || q.Project != "shop" || q.Status != "open" || q.Attempts != 0 || q.Truncated {
				t.Errorf("%s: %+v, want the field %s of %s", c.name, q, c.field, c.source)
			}
			s.replay(422, q.ID, "", c.field)
			if one := get[quarantineBody](s, quarantineAt+"/"+q.ID); one.Attempts != 1 || one.Status != "open" || one.TriedAt == nil {
				t.Errorf("%s: after a replay of the same %+v", c.name, one)
			}
			before, _ := s.kept()
			s.clock.Advance(time.Hour)
			if got := s.replay(200, q.ID, c.right); got.Stored != c.events || got.Duplicates != 0 || got.Attempts != 2 {
				t.Errorf("%s: %+v", c.name, got)
			}
			if got := s.replay(200, q.ID, c.right); got.Stored != 0 || got.Duplicates != c.events {
				t.Errorf("%s again: %+v", c.name, got)
			}
			if after, _ := s.kept(); after != before+c.events {
				t.Errorf("%s: %d events more", c.name, after-before)
			}
			one := get[quarantineBody](s, quarantineAt+"/"+q.ID)
			if one.Status != "replayed" || one.SettledAt == nil || one.SettledBy != "operator" || one.Attempts != 3 {
				t.Errorf("%s: after the replays %+v", c.name, one)
			}
		}
		if p := get[projectBody](s, "/api/dora/v1/projects/shop"); p.Entities["commit"] != 3 || p.Entities["deployment"] != 1 || p.Entities["incident"] != 1 {
			t.Errorf("entities %v", p.Entities)
		}
		s.replay(404, "999", "")
	})
}

// TestADeliveryIsReadAgainWithTheTimeItCame replays the closing of an issue,
// which has no time of its own.
func TestReplayKeepsTheTimeOfReceipt(t *testing.T) {
	onSQLite(t, func(t *testing.T, s *server) {
		came := s.clock.Now()
		q := Quarantined{Source: "devlake:ci", SourceName: "ci", Project: "shop", Kind: "close_issue", Delivery: "I-9"}
		s.svc.quarantine(context.Background(), q, event.Fault("x", "y"), nil)
		s.clock.Advance(48 * time.Hour)
		s.replay(200, s.inQuarantine("").Items[0].ID, "")
		log, err := s.store.Events(context.Background(), 0, 10)
		if err != nil || len(log) != 1 || !log[0].At.Std().Equal(came) {
			t.Errorf("%+v %v, want the time %s", log, err, came)
		}
	})
}

func TestManyAreReplayedAfterAFix(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		// What was refused once and is right now: as after a fix of what reads it.
		for n := range mostAtOnce + 3 {
			q := Quarantined{Source: "events", Project: "shop", Kind: "line"}
			body := commitLine(fmt.Sprint(n), "2026-03-02T08:00:00Z")
			if n%100 == 0 {
				body = `{"type":"commit"}`
			}
			s.svc.quarantine(context.Background(), q, event.Fault("sha", "once"), []byte(body))
		}
		s.svc.quarantine(context.Background(), Quarantined{Source: "events", Project: "web", Kind: "line"}, event.Fault("sha", "once"), []byte(commitLine("w", "2026-03-02T08:00:00Z")))
		var all settledMany
		cursor, calls := "", 0
		for {
			var one settledMany
			if err := json.Unmarshal([]byte(s.want(200, http.MethodPost, quarantineAt+":replay?project=shop&source=events"+cursor, "", nil)), &one); err != nil {
				t.Fatal(err)
			}
			all.Replayed, all.Failed, all.Stored, all.Errors, calls = all.Replayed+one.Replayed, all.Failed+one.Failed, all.Stored+one.Stored, append(all.Errors, one.Errors...), calls+1
			if one.NextCursor == nil {
				break
			}
			cursor = "&cursor=" + *one.NextCursor
		}
		if calls < 2 || all.Replayed != mostAtOnce-3 || all.Stored != all.Replayed || all.Failed != 6 || len(all.Errors) != 6 || all.Errors[0].Field != "repo" {
			t.Errorf("in %d calls %d replayed, %d stored, %d failed: %+v", calls, all.Replayed, all.Stored, all.Failed, all.Errors)
		}
		if l := s.inQuarantine("project=shop&limit=1"); l.Counts["open"] != 6 || l.Counts["replayed"] != all.Replayed || l.Total != mostAtOnce+3 {
			t.Errorf("after: %+v", l.Counts)
		}
		if l := s.inQuarantine("project=shop&status=open"); l.Items[0].Field != "repo" || l.Items[0].Attempts != 1 {
			t.Errorf("what is still wrong: %+v", l.Items[0])
		}
		s.want(200, http.MethodPost, quarantineAt+":discard?project=shop", "", nil, `"discarded":6`)
		if l := s.inQuarantine(""); l.Counts["open"] != 1 || l.Counts["discarded"] != 6 {
			t.Errorf("after discarding: %+v", l.Counts)
		}
	})
}

func TestWhatWasCutIsNotReplayedAsItIs(t *testing.T) {
	onSQLite(t, func(t *testing.T, s *server) {
		secret, _ := s.addSource("github", "", "shop")
		push := strings.Replace(pushOf(pushed("a", "2026-03-02T08:00:00Z")), "{", `{"padding":"`+strings.Repeat("x", 2<<20)+`",`, 1)
		s.deliver(secret, delivery{"push", "d", strings.Replace(push, "2026-03-02T08:00:00Z", "soon", 1)})
		q := s.inQuarantine("").Items[0]
		if !q.Truncated || q.Size <= 2<<20 {
			t.Fatalf("%+v", q)
		}
		s.replay(409, q.ID, "", "--body")
		if got := s.replay(200, q.ID, push); got.Stored != 1 {
			t.Errorf("%+v", got)
		}
		// A line that is too long was never kept.
		s.call(http.MethodPost, batchPath, strings.Repeat("x", maxLine+2))
		if q := s.inQuarantine("source=events").Items[0]; !q.Truncated || q.Size <= maxLine {
			t.Errorf("%+v", q)
		}
	})
}

func TestDiscardingIsSaidOnce(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		s.want(422, http.MethodPost, "/api/dora/v1/events?project=shop", `{"type":"commit","x":1}`, nil)
		id := s.inQuarantine("").Items[0].ID
		s.want(200, http.MethodPost, quarantineAt+"/"+id+"/discard", "", nil, `"status":"discarded"`, `"settled_by":"operator"`)
		s.want(409, http.MethodPost, quarantineAt+"/"+id+"/discard", "", nil, "discarded")
		s.want(200, http.MethodGet, "/api/dora/v1/audit", "", nil, "quarantine.discarded")
		if got := s.replay(200, id, commitLine("a", "2026-03-02T08:00:00Z")); got.Stored != 1 || got.Status != "replayed" {
			t.Errorf("%+v", got)
		}
		s.want(200, http.MethodGet, "/api/dora/v1/audit", "", nil, "quarantine.replayed")
	})
}

// TestTheQuarantineHasABound lets one sender fill it: its own oldest make room,
// another's stay.
func TestTheQuarantineHasABound(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		ctx := context.Background()
		room := Space{Total: 100 << 10, Share: 60 << 10}
		put := func(who string, size int) int64 {
			id, _, err := s.store.Quarantine(ctx, Quarantined{Source: "events", Room: who, Body: make([]byte, size), Size: int64(size)}, room)
			if err != nil {
				t.Fatal(err)
			}
			return id
		}
		victim := put("victim", 10<<10)
		// Not so long ago that the service itself, which removes what is old as soon as it runs, forgets it.
		settledAt := event.Micros(s.clock.Now())
		settled := Quarantined{ID: put("victim", 1), Status: statusReplayed, SettledAt: settledAt}
		if err := s.store.SettleQuarantined(ctx, settled, 1); err != nil {
			t.Fatal(err)
		}
		var last int64
		for range 200 {
			last = put("hostile", 5<<10)
		}
		held := func() (n map[string]int, bytes int64) {
			rows, err := s.store.Quarantined(ctx, QuarantineFilter{}, 0, 1000)
			if err != nil {
				t.Fatal(err)
			}
			n = map[string]int{}
			for _, q := range rows {
				n[q.Room]++
				bytes += q.Size
			}
			return n, bytes
		}
		if n, bytes := held(); n["victim"] != 2 || n["hostile"] < 5 || bytes > room.Total {
			t.Errorf("%v hold %d bytes", n, bytes)
		}
		if _, err := s.store.QuarantinedOne(ctx, victim); err != nil {
			t.Errorf("what a sender that took little sent: %v", err)
		}
		if n, err := s.store.PurgeQuarantine(ctx, settledAt+1); err != nil || n != 1 {
			t.Errorf("%d purged, %v, want what was settled", n, err)
		}
		for who := range 20 {
			last = put(fmt.Sprint("one of many ", who), 9<<10)
		}
		if n, bytes := held(); bytes > room.Total || n["hostile"] > 4 {
			t.Errorf("%v hold %d bytes", n, bytes)
		}
		if _, err := s.store.QuarantinedOne(ctx, last); err != nil {
			t.Errorf("the newest: %v", err)
		}
	})
}

func TestSettledDeliveriesAreForgotten(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		for range 3 {
			s.want(422, http.MethodPost, "/api/dora/v1/events?project=shop", `{"type":"commit","x":1}`, nil)
		}
		s.want(200, http.MethodPost, quarantineAt+"/1/discard", "", nil)
		s.clock.Advance(settledFor / 2)
		s.want(200, http.MethodPost, quarantineAt+"/2/discard", "", nil)
		n, err := s.store.PurgeQuarantine(context.Background(), event.Micros(s.clock.Now().Add(time.Hour-settledFor/2)))
		if l := s.inQuarantine(""); err != nil || n != 1 || l.Total != 2 || l.Items[1].ID != "2" {
			t.Errorf("%d forgotten, %v, %+v stay", n, err, l)
		}
	})
}
