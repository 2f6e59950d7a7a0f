package dora

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history/historytest"
)

// archived asks for the events before a day and gives the lines and the end.
func (s *server) archived(before string) (events []string, end archiveEnd) {
	s.t.Helper()
	text := s.want(200, http.MethodGet, "/api/dora/v1/archive?before="+before, "", nil)
	lines := bufio.NewScanner(strings.NewReader(text))
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		if err := json.Unmarshal(lines.Bytes(), &end); err != nil {
			s.t.Fatal(err)
		}
		if !end.Complete {
			events = append(events, lines.Text())
		}
	}
	if !end.Complete || int(end.Events) != len(events) {
		s.t.Fatalf("the archive ends in %+v after %d events", end, len(events))
	}
	return events, end
}

func (s *server) compact(end archiveEnd) compacted {
	s.t.Helper()
	body, err := json.Marshal(map[string]any{"before": end.Before, "up_to": end.UpTo, "sum": end.Sum})
	if err != nil {
		s.t.Fatal(err)
	}
	var out compacted
	if err := json.Unmarshal([]byte(s.want(200, http.MethodPost, "/api/dora/v1/archive:compact", string(body), nil)), &out); err != nil {
		s.t.Fatal(err)
	}
	return out
}

func (s *server) allStored() map[string]map[string][]byte {
	s.t.Helper()
	heads, err := s.store.Heads(context.Background())
	if err != nil {
		s.t.Fatal(err)
	}
	out := map[string]map[string][]byte{}
	for _, h := range heads {
		out[h.Project] = stored(s.t, s.store, h.Project)
	}
	return out
}

// TestArchivingChangesNoNumber archives made-up histories whose entities are
// reported again and again, at different points, derives everything anew from
// what is left, lets the histories go on, and puts the archive back: at every
// step the projections are those of a log of which nothing was taken.
func TestArchivingChangesNoNumber(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		removed := int64(0)
		for seed := range int64(6) {
			whole, cut := fmt.Sprintf("whole-%d", seed), fmt.Sprintf("cut-%d", seed)
			events := historytest.Scramble(seed, historytest.Generate(seed, 14))
			half := len(events) / 2
			take(t, s, cut, events[:half])
			take(t, s, cut, touched(events[:half]))
			ends := time.Time{}
			for _, e := range events {
				if at := e.At.Std(); at.After(ends) && at.Before(s.clock.Now()) {
					ends = at
				}
			}
			before := ends.AddDate(0, -int(seed%3), 0)
			lines, end := s.archived(before.Format(time.DateOnly))
			done := s.compact(end)
			removed += done.Removed
			if len(done.Untouched) > 0 {
				t.Errorf("history %d: the projects %v were left alone", seed, done.Untouched)
			}
			left, _ := s.archived(before.Format(time.DateOnly))
			if len(lines)-len(left) != int(done.Removed) {
				t.Errorf("history %d: %d of %d events are left, and %d were taken out", seed, len(left), len(lines), done.Removed)
			}
			take(t, s, cut, events[half:])
			for _, e := range [][]event.Event{events[:half], touched(events[:half]), events[half:]} {
				take(t, s, whole, e)
			}
			if diff := cmp.Diff(stored(t, s.store, whole), stored(t, s.store, cut)); diff != "" {
				t.Fatalf("history %d after archiving (-whole +archived):\n%s", seed, diff)
			}
			var res unarchived
			text := s.want(200, http.MethodPost, "/api/dora/v1/archive:restore", strings.Join(lines, "\n"), []string{"Content-Type", "application/x-ndjson"})
			if err := json.Unmarshal([]byte(text), &res); err != nil || res.Restored+res.There != len(lines) || res.Restored > int(done.Removed) {
				// Some may have been reported again meanwhile.
				t.Errorf("history %d: restored %+v %v, want %d of %d", seed, res, err, done.Removed, len(lines))
			}
			s.caughtUp()
			if diff := cmp.Diff(stored(t, s.store, whole), stored(t, s.store, cut)); diff != "" {
				t.Fatalf("history %d after restoring (-whole +restored):\n%s", seed, diff)
			}
			_, end = s.archived(before.Format(time.DateOnly))
			removed += s.compact(end).Removed
		}
		if removed == 0 {
			t.Error("nothing was ever taken out")
		}
		s.caughtUp()
		grew := s.allStored()
		s.stop()
		if err := Derive(t.Context(), s.store, s.clock, s.svc.log); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(grew, s.allStored()); diff != "" {
			t.Errorf("derived from what is left (-before +anew):\n%s", diff)
		}
	})
}

// touched are later reports of the same entities that state the same again, and
// events that no metric knows.
func touched(events []event.Event) []event.Event {
	var out []event.Event
	for i, e := range events {
		again := e
		again.At += 1_000_000
		out = append(out, again)
		if i%5 == 0 {
			out = append(out, event.Event{Source: "x", At: e.At, Body: &event.Other{Kind: fmt.Sprint("k", i)}})
		}
	}
	return out
}

func TestWhatWasNotArchivedIsNotTakenOut(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		for n := range 5 {
			s.post(deploymentLine("1", "a", fmt.Sprintf("2025-01-0%dT10:00:00Z", n+1)))
		}
		s.post(deploymentLine("2", "a", "2026-03-01T10:00:00Z"))
		lines, end := s.archived("2026-01-15")
		if len(lines) != 5 || !end.Before.Equal(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)) {
			t.Errorf("%d events from before %s", len(lines), end.Before)
		}
		body := func(sum string) string {
			return fmt.Sprintf(`{"before":%q,"up_to":%d,"sum":%q}`, end.Before.Format(time.RFC3339), end.UpTo, sum)
		}
		s.want(409, http.MethodPost, "/api/dora/v1/archive:compact", body(strings.Repeat("0", 64)), nil, "archive again")
		// One that arrives in between is not in the archive, and stays.
		s.post(deploymentLine("1", "late", "2025-01-01T09:00:00Z"))
		if done := s.compact(end); done.Removed != 4 {
			t.Errorf("%+v, want all but the last report and the late one taken out", done)
		}
		if left, _ := s.archived("2026-01-15"); len(left) != 2 {
			t.Errorf("left: %v", left)
		}
		s.want(422, http.MethodGet, "/api/dora/v1/archive?before=January", "", nil, "query.before")
		s.want(422, http.MethodGet, "/api/dora/v1/archive?before=2027-01-01", "", nil, "future")
		s.want(422, http.MethodGet, "/api/dora/v1/archive", "", nil, "dora.retention")
		s.svc.cfg.Retention = 60 * 24 * time.Hour
		if _, end := s.archived(""); !end.Before.Equal(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)) {
			t.Errorf("with a retention of 60 days, events are archived from before %s", end.Before)
		}
		s.want(400, http.MethodPost, "/api/dora/v1/archive:restore", `{"key":"00","event":{}}`, nil)
		limited := []string{"Authorization", "Bearer " + s.token("dora:admin", "shop")}
		s.want(403, http.MethodGet, "/api/dora/v1/archive?before=2026-01-15", "", limited)
		s.want(403, http.MethodPost, "/api/dora/v1/archive:restore", "{}", limited)
		s.want(403, http.MethodPost, "/api/dora/v1/archive:compact", body(end.Sum), limited)
	})
}
