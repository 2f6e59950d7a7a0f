package dora

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/fawkes-idp/fawkes/services/dora/event"
)

// longLog is a store whose log holds so many entries of each origin, the last of
// which may not be readable.
type longLog struct {
	Store
	n     int
	fault error
}

func (l longLog) EventsOf(_ context.Context, origins []int64, _ int64, yield func(Entry) error) error {
	var body []byte
	for _, o := range origins {
		for n := range l.n {
			body = fmt.Appendf(body[:0], "%d/%d", o, n) // the same memory each time, as a database's
			if err := yield(Entry{Origin: o, At: event.Time(n), Body: body}); err != nil {
				return err
			}
		}
	}
	return l.fault
}

func TestTheWholeLogIsAppliedInItsOrder(t *testing.T) {
	for _, n := range []int{0, 1, pageEvents - 1, pageEvents, pageEvents + 1, 10*pageEvents + 3} {
		seen := map[int64]int{}
		err := readAll(t.Context(), longLog{n: n}, []int64{3, 7}, 1<<60, func() {}, func(origin int64, at event.Time, body []byte) error {
			if want := fmt.Sprintf("%d/%d", origin, seen[origin]); string(body) != want || at != event.Time(seen[origin]) {
				return fmt.Errorf("entry %d of %d says %q at %d", seen[origin], origin, body, at)
			}
			seen[origin]++
			return nil
		})
		if err != nil || seen[3] != n || seen[7] != n {
			t.Errorf("%d entries of two origins: %v %v", n, seen, err)
		}
	}
}

func TestAFaultOfTheLogOrOfAnEventEndsTheReading(t *testing.T) {
	broken := errors.New("broken")
	if err := readAll(t.Context(), longLog{n: 5000, fault: broken}, []int64{1}, 1, func() {}, func(int64, event.Time, []byte) error { return nil }); !errors.Is(err, broken) {
		t.Errorf("a fault of the log: %v", err)
	}
	n := 0
	if err := readAll(t.Context(), longLog{n: 50_000}, []int64{1, 2, 3}, 1, func() {}, func(int64, event.Time, []byte) error { n++; return broken }); !errors.Is(err, broken) || n != 1 {
		t.Errorf("a fault of an event: %v after %d", err, n)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := readAll(ended, longLog{n: 50_000}, []int64{1}, 1, func() {}, func(int64, event.Time, []byte) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("a reading that is not wanted any more: %v", err)
	}
}
