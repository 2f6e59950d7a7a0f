package dora

import (
	"context"
	"sync"
	"time"
)

// Deriving a long history takes all processors for seconds. While events come in
// fast it rests between pieces of its work, so that whoever reports them hardly
// notices; it then takes longer by as much.
const (
	crowdRate   = 1000 // events a second
	crowdSample = 50 * time.Millisecond
	leastWork   = 3 * time.Millisecond // before a rest
	restShare   = 4                    // of a rest to the work before it
	mostNap     = 80 * time.Millisecond
)

// crowd tells whether events come in fast.
type crowd struct {
	mu      sync.Mutex
	at      time.Time
	arrived int64
	fast    bool
}

// now takes in how many events have arrived by now.
func (c *crowd) now(arrived int64, at time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if since := at.Sub(c.at); since >= crowdSample {
		c.fast = !c.at.IsZero() && float64(arrived-c.arrived) >= crowdRate*since.Seconds()
		c.at, c.arrived = at, arrived
	}
	return c.fast
}

// giveWay makes, for one goroutine, what it calls between two pieces of work.
func (p *projector) giveWay(ctx context.Context) func() func() {
	return func() func() {
		begin := time.Now() //nolint:forbidigo // it measures
		return func() {
			worked := time.Since(begin)
			if worked < leastWork {
				return
			}
			if alive := p.alive.Load(); p.moving.Load() || alive != nil && len(*alive) > 1 {
				return // another replica, or who asks it, may wait for this one
			}
			now := time.Now() //nolint:forbidigo // it measures
			if p.crowd.now(p.arrived.Load(), now) {
				sleep(ctx, min(restShare*worked, mostNap))
			}
			begin = time.Now() //nolint:forbidigo // it measures
		}
	}
}
