package gitops

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/fawkes-idp/fawkes/internal/local/gitops/environment"
	"github.com/fawkes-idp/fawkes/internal/local/gitops/manifest"
)

func isNotFound(err error) bool { return errors.Is(err, ErrNotFound) }

// promotions stores what follows of an operation that succeeded: the promotion to
// each environment that comes next. A rollback and a self-heal bring nothing on.
func (e *Engine) promotions(ctx context.Context, tx *sql.Tx, a Application, o Operation) error {
	if o.Kind != KindSync {
		return nil
	}
	for _, next := range e.repository().environments.Next(a.Environment) {
		p := e.promotion(a, o, next, "")
		waiting, err := e.store.PromotionOf(ctx, p.Key)
		switch {
		case err == nil && waiting.State == WaitingHealth: // somebody asked for it before it was healthy
			p.ID = waiting.ID
			if err := e.store.MovePromotion(ctx, tx, p.ID, []string{WaitingHealth}, p.State, "", "", p.Decided, p.DecidedBy); err != nil {
				return err
			}
			if p.State == Promoting {
				err = e.addPromotionChange(ctx, tx, p)
			}
			if err != nil {
				return err
			}
			continue
		case err != nil && !isNotFound(err):
			return err
		}
		if err := e.addPromotion(ctx, tx, p); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) addPromotion(ctx context.Context, tx *sql.Tx, p Promotion) error {
	id, added, err := e.store.AddPromotion(ctx, tx, p)
	if err != nil || !added {
		return err
	}
	p.ID = id
	if p.State == Promoting {
		return e.addPromotionChange(ctx, tx, p)
	}
	return nil
}

func (e *Engine) addPromotionChange(ctx context.Context, tx *sql.Tx, p Promotion) error {
	return e.store.AddChange(ctx, tx, Change{Key: fmt.Sprintf("promote/%d", p.ID), App: p.Service + "-" + p.To, Created: e.clock.Now(), Body: ChangeBody{Promote: p.ID}})
}

// promotion is the step of what an operation rolled out to an environment.
func (e *Engine) promotion(a Application, o Operation, to environment.Environment, by string) Promotion {
	p := Promotion{
		Key:     fmt.Sprintf("%s/%s/%s/%s", a.Service, a.Environment, to.Name, o.Revision),
		Service: a.Service, From: a.Environment, To: to.Name, Revision: o.Revision, Tree: o.Tree,
		Digest: digestOf(o.Detail.Images), SourceRevision: o.Detail.Annotations["fawkes.dev/revision"],
		State: WaitingApproval, Requested: e.clock.Now(), RequestedBy: by,
	}
	if to.Promote == environment.Automatic {
		p.State, p.Decided, p.DecidedBy = Promoting, p.Requested, by
		if by == "" {
			p.DecidedBy = environment.Automatic
		}
	}
	return p
}

// digestOf is the digest of the first image that has one.
func digestOf(images []string) string {
	for _, image := range images {
		if _, digest, pinned := strings.Cut(image, "@"); pinned {
			return digest
		}
	}
	return ""
}

// Promote asks for what runs in one environment to be promoted to another. What
// waits or is done already for the same commit is given as it is.
func (e *Engine) Promote(ctx context.Context, name, to, by string) (Promotion, error) {
	defer e.lock(name)()
	a, err := e.store.Application(ctx, name)
	if err != nil {
		return Promotion{}, err
	}
	envs := e.repository().environments
	env, ok := envs.Find(to)
	if !ok || env.From != a.Environment {
		return Promotion{}, fmt.Errorf("%w: %q is not promoted to from %q", ErrRefused, to, a.Environment)
	}
	o, err := e.store.LastOperation(ctx, name)
	if isNotFound(err) {
		return Promotion{}, fmt.Errorf("%w: %s has never been rolled out", ErrRefused, name)
	}
	if err != nil {
		return Promotion{}, err
	}
	p := e.promotion(a, o, env, by)
	switch o.Phase {
	case succeeded:
	case running:
		p.State, p.Reason = WaitingHealth, "the roll-out in "+a.Environment+" runs"
	default:
		return Promotion{}, fmt.Errorf("%w: the last roll-out of %s did not succeed", ErrRefused, name)
	}
	if o.Phase == succeeded { // the same again, when the one before has come to its end
		if former, err := e.store.PromotionOf(ctx, p.Key); err == nil && (former.State == Done || former.State == Rejected || former.State == Superseded) {
			p.Key += fmt.Sprintf("/%d", e.clock.Now().UnixMicro())
		}
	}
	if err := e.store.Tx(ctx, func(tx *sql.Tx) error { return e.addPromotion(ctx, tx, p) }); err != nil {
		return Promotion{}, err
	}
	poke(e.changes)
	e.hub.tell(name)
	return e.store.PromotionOf(ctx, p.Key)
}

// ErrRefused says that what was asked for does not fit the state of things; the
// text after it says why.
var ErrRefused = errors.New("refused")

// Decide approves or rejects a promotion that waits for it.
func (e *Engine) Decide(ctx context.Context, id int64, approve bool, by string) (Promotion, error) {
	p, err := e.store.Promotion(ctx, id)
	if err != nil {
		return p, err
	}
	to, why := Promoting, ""
	if !approve {
		to, why = Rejected, "rejected by "+by
	}
	err = e.store.Tx(ctx, func(tx *sql.Tx) error {
		if err := e.store.MovePromotion(ctx, tx, id, []string{WaitingApproval}, to, why, "", e.clock.Now(), by); err != nil {
			return err
		}
		if approve {
			return e.addPromotionChange(ctx, tx, p)
		}
		return nil
	})
	if isNotFound(err) {
		if approve && (p.State == Promoting || p.State == Done) || !approve && p.State == Rejected {
			return p, nil // decided so before
		}
		return p, fmt.Errorf("%w: the promotion is %s", ErrRefused, p.State)
	}
	if err != nil {
		return p, err
	}
	poke(e.changes)
	e.hub.tell(p.Service + "-" + p.To)
	return e.store.Promotion(ctx, id)
}

// promoted are the files of an application's folder after a promotion.
func promoted(source, target map[string][]byte, to environment.Environment) (map[string][]byte, error) {
	out := map[string][]byte{}
	for name, text := range target {
		if !strings.HasPrefix(name, "base/") {
			out[name] = text // what people made for this environment stays
		}
	}
	for name, text := range source {
		if strings.HasPrefix(name, "base/") {
			out[name] = text
		}
	}
	merged, err := manifest.Promote(source[manifest.Kustomization], target[manifest.Kustomization], to.Name, to.Kind == "production")
	if err != nil {
		return nil, err
	}
	if _, there := target[manifest.Kustomization]; !there {
		for name, text := range source { // a first promotion takes everything along
			if _, has := out[name]; !has {
				out[name] = text
			}
		}
	}
	out[manifest.Kustomization] = merged
	return out, nil
}
