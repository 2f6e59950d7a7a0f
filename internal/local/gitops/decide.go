package gitops

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/internal/local/gitops/environment"
	"github.com/fawkes-idp/fawkes/internal/local/gitops/manifest"
	"github.com/fawkes-idp/fawkes/internal/local/gitops/notify"
)

// healPause is the least time between two attempts to bring back what was changed
// outside.
const healPause = 30 * time.Second

// decide looks at an application of which no operation runs: whether one is to
// begin, and how it stands.
func (e *Engine) decide(ctx context.Context, a Application, last Operation) (time.Duration, error) {
	before := a
	a.Health = e.health(a.Name)
	repo := e.repository()
	env, known := repo.environments.Find(a.Environment)
	if repo.environments == nil {
		return 0, e.settle(ctx, before, a, last) // nothing is known yet; what runs goes on
	}
	if !a.Present {
		return e.gone(ctx, before, a, last, env)
	}
	if !known {
		a.Sync, a.SyncMessage, a.Paused = Unknown, "", ""
		a.Conditions = with(a.Conditions, ComparisonError, fmt.Sprintf("%s: %s has no environment %q", a.Path(), environment.File, a.Environment))
		return 0, e.settle(ctx, before, a, last)
	}
	desired, err := e.objects(ctx, a, a.Tree)
	if err != nil {
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		a.Sync, a.SyncMessage, a.Paused = Unknown, "what is wanted cannot be rendered", ""
		a.Conditions = with(a.Conditions, ComparisonError, err.Error())
		return 0, e.settle(ctx, before, a, last)
	}
	a.Conditions = without(a.Conditions, ComparisonError, OrphanedWarning)
	differences, err := manifest.Compare(desired, e.live(a.Name))
	if err != nil {
		return 0, err
	}
	changes := 0
	for _, d := range differences {
		if d.Change != manifest.None {
			changes++
		}
	}
	a.Sync, a.SyncMessage, a.Paused = Synced, "", ""
	if changes > 0 {
		a.Sync, a.SyncMessage = OutOfSync, fmt.Sprintf("%d of %d objects differ", changes, len(differences))
	}
	w, wait, err := e.wanted(ctx, &a, last, env, changes)
	if err != nil {
		return 0, err
	}
	if w == nil {
		return wait, e.settle(ctx, before, a, last)
	}
	o, later, err := e.begin(ctx, a, desired, *w)
	switch {
	case errors.Is(err, ErrBegun):
		return 0, e.settle(ctx, before, a, last)
	case err != nil || later > 0:
		return later, err
	}
	a, err = e.store.Application(ctx, a.Name)
	if err != nil {
		return 0, err
	}
	return e.advance(ctx, a, o)
}

// wanted is the operation that is to begin by itself, nil for none.
func (e *Engine) wanted(ctx context.Context, a *Application, last Operation, env environment.Environment, changes int) (*wish, time.Duration, error) {
	had, err := e.store.HadOperation(ctx, a.Name, a.Revision)
	if err != nil {
		return nil, 0, err
	}
	fresh := !had && (last.ID == 0 || last.Revision != a.Revision)
	if fresh && strings.HasPrefix(a.Change, "rollback/") {
		change, err := e.store.ChangeOf(ctx, a.Change)
		if err == nil && change.App == a.Name && change.Body.Rollback != nil {
			r := change.Body.Rollback // somebody, or the platform, has decided it: no window holds it up
			return &wish{kind: KindRollback, automated: true, by: r.By, prune: true, rollbackOf: r.Of}, 0, nil
		}
		if err != nil && !errors.Is(err, ErrNotFound) {
			return nil, 0, err
		}
	}
	drifted := !fresh && changes > 0 && last.Phase == succeeded && last.Revision == a.Revision
	switch {
	case changes == 0:
		if last.Phase == succeeded || last.Revision != a.Revision {
			a.Conditions = without(a.Conditions, SyncError, RollbackError)
		}
		return nil, 0, nil
	case drifted:
		a.SyncMessage += ": changed outside of the repository"
	case !fresh && last.Phase != succeeded:
		a.SyncMessage += ": the operation for this commit did not succeed; sync by hand, or push a commit"
		return nil, 0, nil
	}
	if env.Sync != environment.Automatic {
		a.SyncMessage += "; this environment is synced by hand"
		return nil, 0, nil
	}
	now := e.clock.Now()
	if open, why := env.Open(now); !open {
		a.Paused = why
		if a.Sync == OutOfSync {
			a.SyncMessage += "; " + why
		}
		return nil, time.Minute - now.Sub(now.Truncate(time.Minute)), nil
	}
	if !drifted {
		return &wish{kind: KindSync, automated: true, prune: true}, 0, nil
	}
	if last.Kind == KindHeal {
		if left := healPause - now.Sub(last.Finished); left > 0 {
			return nil, left, nil
		}
	}
	return &wish{kind: KindHeal, automated: true, prune: true}, 0, nil
}

// gone is an application that the repository no longer has.
func (e *Engine) gone(ctx context.Context, before, a Application, last Operation, env environment.Environment) (time.Duration, error) {
	if !a.Applied {
		return 0, e.settle(ctx, before, a, last)
	}
	a.Sync, a.SyncMessage = OutOfSync, "the repository no longer has it"
	if env.Sync == environment.Manual {
		a.Conditions = with(a.Conditions, OrphanedWarning, "the repository no longer has it; sync it with --prune to remove it")
		return 0, e.settle(ctx, before, a, last)
	}
	if open, why := env.Open(e.clock.Now()); !open {
		a.Paused = why
		return time.Minute, e.settle(ctx, before, a, last)
	}
	return 0, e.remove(ctx, before, a)
}

// remove takes an application off the cluster.
func (e *Engine) remove(ctx context.Context, before, a Application) error {
	if err := e.cluster.Delete(ctx, a.Name); err != nil {
		return fmt.Errorf("remove %s: %w", a.Name, err)
	}
	a.Applied, a.Sync, a.SyncMessage, a.Paused, a.Conditions = false, Synced, "removed", "", nil
	a.Health = Health{Status: notify.Missing}
	return e.keep(ctx, before, a)
}

// settle stores how an application stands, and reports one that became degraded
// after its operation had succeeded.
func (e *Engine) settle(ctx context.Context, before, now Application, last Operation) error {
	degraded := now.Health.Status == notify.Degraded && before.Health.Status != notify.Degraded &&
		last.Phase == succeeded && !now.Health.Since.Before(last.Started)
	if !degraded {
		return e.keep(ctx, before, now)
	}
	now.Updated = e.clock.Now()
	err := e.store.Tx(ctx, func(tx *sql.Tx) error {
		if err := e.store.PutApplication(ctx, tx, now); err != nil {
			return err
		}
		return e.report(ctx, tx, now, last, now.Health)
	})
	if err == nil {
		e.outbox.Wake()
		e.hub.tell(now.Name)
	}
	return err
}
