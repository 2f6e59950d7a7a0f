package dora

import (
	"context"
	"errors"

	"github.com/fawkes-idp/fawkes/services/dora/history"
	"github.com/fawkes-idp/fawkes/services/dora/project"
	"github.com/fawkes-idp/fawkes/services/dora/relay"
)

// relaySource is the history as the relay follows it: the stored projections,
// whichever process derives them.
type relaySource struct{ *Service }

// Heads implements relay.Source.
func (s relaySource) Heads(ctx context.Context) ([]relay.Head, error) {
	all, err := s.store.Heads(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]relay.Head, 0, len(all))
	for _, h := range all {
		if h.Format == blockFormat {
			out = append(out, relay.Head{Project: h.Project, Began: h.Began, Rev: h.Rev})
		}
	}
	return out, nil
}

// History implements relay.Source.
func (s relaySource) History(ctx context.Context, want relay.Head) (project.Spec, *history.Projection, error) {
	head, err := s.store.Head(ctx, want.Project)
	if errors.Is(err, ErrNotFound) {
		return project.Spec{}, nil, relay.ErrGone
	}
	if err != nil {
		return project.Spec{}, nil, err
	}
	declared, err := s.store.Project(ctx, want.Project)
	if errors.Is(err, ErrNotFound) {
		declared, err = undeclared(want.Project), nil
	}
	if err != nil {
		return project.Spec{}, nil, err
	}
	a, err := s.reader.at(ctx, head, declared)
	if errors.Is(err, ErrNotFound) || errors.Is(err, errOtherFormat) {
		return project.Spec{}, nil, relay.ErrGone
	}
	return declared.Spec, a.History, err
}
