package dora

import (
	"context"
	"log/slog"

	"github.com/fawkes-idp/fawkes/internal/kit/clock"
)

// Derive makes every projection anew from the event log and returns when it is
// stored. Readers see the old projections until then. It takes the leases of all
// projects, whoever holds them; events may arrive meanwhile.
func Derive(ctx context.Context, store Store, c clock.Clock, log *slog.Logger) error {
	p := newProjector(store, c, log)
	p.anew, p.force, p.doubt = true, true, true
	p.alive.Store(&[]string{p.id})
	defer p.leave(ctx)
	for more := true; more; {
		var err error
		if more, err = p.step(ctx); err != nil {
			return err
		}
	}
	return nil
}
