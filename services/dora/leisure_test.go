package dora

import (
	"context"
	"testing"
	"time"

	"log/slog"

	"github.com/fawkes-idp/fawkes/internal/kit/clock"
)

// A projection that waits for a flood of events to end must not make anybody
// wait who asks, and must not wait for ever.
func TestLeisureEndsWhenSomebodyAsksOrTheFloodEnds(t *testing.T) {
	fresh := func(arrived int) *projector {
		p := newProjector(nil, clock.System(), slog.New(slog.DiscardHandler))
		p.peers = []string{p.id}
		p.came(arrived)
		return p
	}
	took := func(p *projector) time.Duration {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		begin := time.Now()
		p.leisure(ctx)
		if ctx.Err() != nil {
			t.Fatal("it did not end")
		}
		return time.Since(begin)
	}
	if d := took(fresh(floodSize - 1)); d >= leisureStep {
		t.Errorf("a few events are no flood, but it waited %s", d)
	}
	if d := took(fresh(floodSize)); d < leisureStep {
		t.Errorf("a flood has to be waited for, but it waited %s only", d)
	}
	asked := fresh(floodSize)
	asked.press()
	if d := took(asked); d >= leisureStep {
		t.Errorf("somebody asks, but it waited %s", d)
	}
	joined := fresh(floodSize)
	joined.moving.Store(true)
	if d := took(joined); d >= leisureStep {
		t.Errorf("another replica came, but it waited %s", d)
	}
	unknown := fresh(floodSize)
	unknown.peers = nil
	if d := took(unknown); d >= leisureStep {
		t.Errorf("it is not known whether there are other replicas, but it waited %s", d)
	}
	endless := fresh(floodSize)
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(leisureStep / 10)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				endless.came(mostBacklog / 10)
			}
		}
	}()
	took(endless)
	if got := endless.arrived.Load(); got <= mostBacklog {
		t.Errorf("it stopped waiting at %d events, want more than %d", got, mostBacklog)
	}
	close(stop)
	<-done
}
