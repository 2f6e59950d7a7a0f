package dora

import (
	"context"
	"log/slog"

	"github.com/fawkes-idp/fawkes/internal/kit/clock"
)

// Derive makes every projection anew from the event log and returns when it is
// stored. Readers see the old projections until then. No service may follow the
// same log meanwhile; events may arrive.
func Derive(ctx context.Context, store Store, c clock.Clock, log *slog.Logger) error {
	p := newProjector(store, c, log)
	p.anew = true
	if err := p.start(ctx); err != nil {
		return err
	}
	for more := true; more; {
		var err error
		if more, err = p.step(ctx); err != nil {
			return err
		}
	}
	return nil
}
