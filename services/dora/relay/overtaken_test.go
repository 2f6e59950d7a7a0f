package relay_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
	"github.com/fawkes-idp/fawkes/services/dora/relay"
	"github.com/fawkes-idp/fawkes/services/dora/relay/devlaketest"
)

// late makes the first of the requests about incidents take effect only when its sender has given it up for long.
func late(delay time.Duration) func(*http.Request) *devlaketest.Fault {
	var n atomic.Int64
	return func(r *http.Request) *devlaketest.Fault {
		if strings.HasSuffix(r.URL.Path, "/issues") && n.Add(1) == 1 {
			return &devlaketest.Fault{Delay: delay}
		}
		return nil
	}
}

// A first try times out, its repetition is accepted, the incident changes and that is accepted too; only then does the
// first try take effect. DevLake must know the change in the end.
func TestALateFirstTryDoesNotUndoWhatCameAfterItsRepetition(t *testing.T) {
	onEach(t, func(t *testing.T, db *sqlstore.DB) {
		lake, s := devlaketest.New(t, ""), newSource()
		lake.Fail = late(1500 * time.Millisecond)
		cfg := settings(lake.URL)
		cfg.Timeout = 300 * time.Millisecond
		cfg.Pace.Confirm, cfg.Pace.Margin = 2500*time.Millisecond, 50*time.Millisecond
		s.set("shop", incident("a", 2, 0))
		v := run(t, db, cfg, s)
		v.settled(1) // by the repetition
		s.set("shop", incident("a", 2, 9))
		resolved := func(relay.Status) bool {
			return lake.Issues()["webhook:1:pagerduty/a"]["resolutionDate"] == "2026-03-02T09:09:00Z"
		}
		v.until("the change arrives", resolved)
		effects := func() int { return lake.Requests()["POST plugins/webhook/connections"] - 1 } // one made the connection
		v.until("the late one and a last one arrive", func(relay.Status) bool { return effects() == 4 })
		v.settled(1)
		if !resolved(relay.Status{}) {
			t.Errorf("in the end DevLake has %v", lake.Issues())
		}
		equal(t, "requests that took effect", effects(), 4)
	})
}

// A repetition that is accepted costs no further request when nothing changes.
func TestARepetitionIsNotConfirmedWhenNothingChanges(t *testing.T) {
	onEach(t, func(t *testing.T, db *sqlstore.DB) {
		lake, s := devlaketest.New(t, ""), newSource()
		lake.Fail = late(200 * time.Millisecond)
		cfg := settings(lake.URL)
		cfg.Timeout = 100 * time.Millisecond
		cfg.Pace.Margin = 50 * time.Millisecond
		s.set("shop", incident("a", 2, 0))
		v := run(t, db, cfg, s)
		v.settled(1)
		effects := func() int { return lake.Requests()["POST plugins/webhook/connections"] - 1 }
		v.until("the late one arrives", func(relay.Status) bool { return effects() == 2 })
		// What comes after the doubt is over is told once.
		began := time.Now()
		v.until("the doubt is over", func(relay.Status) bool { return time.Since(began) > 2*cfg.Pace.Confirm })
		s.set("shop", incident("a", 2, 9))
		v.until("the change arrives", func(relay.Status) bool { return effects() == 3 })
		v.settled(1)
		equal(t, "requests that took effect", effects(), 3)
	})
}
