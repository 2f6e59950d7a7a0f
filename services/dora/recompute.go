package dora

import (
	"context"
	"log/slog"

	"github.com/fawkes-idp/fawkes/internal/kit/clock"
)

// Derive makes every projection anew from the event log and returns when it is
// stored. No service may follow the same log meanwhile; events may arrive.
func Derive(ctx context.Context, store Store, c clock.Clock, log *slog.Logger) error {
	heads, err := store.Heads(ctx)
	if err != nil {
		return err
	}
	for _, h := range heads {
		if err := store.DropProjection(ctx, h.Project); err != nil {
			return err
		}
	}
	p := newProjector(store, c, log)
	if err := p.start(ctx); err != nil {
		return err
	}
	for more := true; more; {
		if more, err = p.step(ctx); err != nil {
			return err
		}
	}
	return nil
}
