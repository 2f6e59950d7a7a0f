package relay

import (
	"math/rand/v2"
	"time"
)

// breaker keeps requests from a DevLake that does not take them. It opens after
// some failures in a row; when its pause is over, one probe tells whether it
// closes. It belongs to one goroutine.
type breaker struct {
	first, most time.Duration
	failures    int // in a row
	opened      int // in a row
	open        bool
	until       time.Time
}

const (
	opensAfter = 5
	mostProbe  = time.Minute
)

func newBreaker(first time.Duration) *breaker {
	return &breaker{first: first, most: max(mostProbe, first)}
}

// success notes that DevLake took a request.
func (b *breaker) success() { *b = breaker{first: b.first, most: b.most} }

// failure notes that it did not; at once opens the breaker without waiting for
// more, and no request is made before after is over.
func (b *breaker) failure(now time.Time, atOnce bool, after time.Duration) {
	b.failures++
	if !atOnce && after == 0 && b.failures < opensAfter && !b.open {
		return
	}
	if b.open && now.Before(b.until) { // of the same round of parallel requests
		if t := now.Add(after); t.After(b.until) {
			b.until = t
		}
		return
	}
	b.open = true
	b.until = now.Add(max(backoff(b.first, b.most, b.opened), after))
	b.opened++
}

// backoff is the pause after n failures before this one: first, doubled each
// time, at most most, of which a random part of up to a half is taken off, so
// that many do not come back at the same moment.
func backoff(first, most time.Duration, n int) time.Duration {
	d := first
	for range min(n, 62) {
		if d *= 2; d >= most || d <= 0 {
			d = most
			break
		}
	}
	d = min(d, most)
	return d - rand.N(d/2+1)
}
