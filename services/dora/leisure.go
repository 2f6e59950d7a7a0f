package dora

import (
	"context"
	"time"
)

// While events come in by the thousand and nobody asks for what follows from
// them, deriving it a few times a second would take processor and memory from
// those who report. The projection then waits for the flood to end, or for
// somebody who asks. The wait is bounded, so that what has gathered is taken in
// within a few seconds; until it is, answers say how much they lack.
const (
	// floodSize events that came in since the last settling may be a flood; it is
	// one while at least floodStep come in during each leisureStep.
	floodSize   = 2000
	floodStep   = 250
	leisureStep = 250 * time.Millisecond
	// mostLeisure and mostBacklog end the wait though the flood goes on.
	mostLeisure = 60 * time.Second
	mostBacklog = 500_000
)

// came counts events that were stored by this process, and wakes the projector.
func (p *projector) came(n int) {
	p.arrived.Add(int64(n))
	p.notify()
}

// leisure waits for the end of a flood of events, for somebody who asks, for
// another replica, or for the bounds of the wait.
func (p *projector) leisure(ctx context.Context) {
	if len(p.peers) != 1 || p.moving.Load() || p.watched != nil && p.watched() {
		return // whoever asks another replica cannot hurry this one, nor who only looks on
	}
	arrived := p.arrived.Load()
	if arrived-p.taken < floodSize {
		return
	}
	t := time.NewTicker(leisureStep)
	defer t.Stop()
	for range mostLeisure / leisureStep {
		select {
		case <-ctx.Done():
			return
		case <-p.hurry:
			return
		case <-t.C:
		}
		if p.moving.Load() {
			return
		}
		now := p.arrived.Load()
		if now-arrived < floodStep || now-p.taken > mostBacklog {
			return
		}
		arrived = now
	}
}
