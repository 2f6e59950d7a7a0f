package gitops

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fawkes-idp/fawkes/internal/kit/audit"
	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/fawkes-idp/fawkes/internal/local/gitops/environment"
	"github.com/fawkes-idp/fawkes/internal/local/gitops/manifest"
)

func (s *server) registerActions(h huma.API) {
	write := func(path, id, summary string) huma.Operation {
		return operation(http.MethodPost, path, id, summary, auth.ScopeGitOpsWrite, 404, 409)
	}
	huma.Register(h, write("/applications/{name}/sync", "sync-application", "Roll out what the repository wants"), s.sync)
	huma.Register(h, write("/applications/{name}/rollback", "rollback-application", "Revert the repository to what an operation of the history rolled out"), s.rollback)
	huma.Register(h, write("/applications/{name}/promote", "promote-application", "Promote what runs to the next environment"), s.promote)
	huma.Register(h, write("/applications/{name}/restart", "restart-application", "Replace the running copies one by one"), s.restart)
	huma.Register(h, write("/applications/{name}/terminate", "terminate-operation", "End the operation that runs"), s.terminate)
	huma.Register(h, write("/promotions/{id}/approve", "approve-promotion", "Approve a promotion that waits for it"), s.decision(true))
	huma.Register(h, write("/promotions/{id}/reject", "reject-promotion", "Reject a promotion that waits for approval"), s.decision(false))
}

func caller(ctx context.Context) string {
	if p, ok := auth.FromContext(ctx); ok {
		return p.Subject
	}
	return audit.System
}

// note writes the audit log.
func (s *server) note(ctx context.Context, action, target, detail string) error {
	return s.e.store.Tx(ctx, func(tx *sql.Tx) error {
		return audit.Write(ctx, tx, audit.From(ctx, s.e.clock.Now(), action, target, detail))
	})
}

type syncRequest struct {
	Prune  bool `json:"prune,omitempty" doc:"Remove what the repository no longer has."`
	DryRun bool `json:"dry_run,omitempty" doc:"Say what would be changed, and change nothing."`
}

type syncAnswer struct {
	DryRun      bool            `json:"dry_run"`
	Application applicationInfo `json:"application"`
	Resources   []difference    `json:"resources" nullable:"false" doc:"What the sync changes."`
}

func (s *server) sync(ctx context.Context, in *struct {
	NamePath
	Body syncRequest
}) (*struct{ Body syncAnswer }, error) {
	a, err := s.e.store.Application(ctx, in.Name)
	if err != nil {
		return nil, answer(err, "application", in.Name)
	}
	out := &struct{ Body syncAnswer }{}
	out.Body.DryRun = in.Body.DryRun
	var desired []Object
	if a.Present {
		if desired, err = s.e.objects(ctx, a, a.Tree); err != nil {
			return nil, problem.New(problem.Conflict, "%s", short(err.Error(), 1000)).WithMend("correct the file and push")
		}
		if problems := s.e.cluster.Check(desired); len(problems) > 0 {
			return nil, problem.New(problem.Conflict, "%s", short(sayProblems(problems), 2000)).WithMend("take the field out, or run the application on a cluster")
		}
	}
	differences, err := manifest.Compare(desired, s.e.live(a.Name))
	if err != nil {
		return nil, err
	}
	out.Body.Resources = []difference{}
	for _, d := range differences {
		if d.Change == manifest.None || d.Change == manifest.Delete && !in.Body.Prune {
			continue
		}
		out.Body.Resources = append(out.Body.Resources, difference{d.Kind, d.Name, d.Change, d.Patch})
	}
	if !in.Body.DryRun {
		if err := s.e.Sync(ctx, in.Name, caller(ctx), in.Body.Prune); err != nil {
			return nil, answer(err, "application", in.Name)
		}
		if err := s.note(ctx, "application.synced", in.Name, fmt.Sprintf("prune %v", in.Body.Prune)); err != nil {
			return nil, err
		}
	}
	out.Body.Application, err = s.shown(ctx, in.Name)
	return out, err
}

// Sync begins an operation by hand, whatever the environment's way of syncing; a
// window that denies holds it up.
func (e *Engine) Sync(ctx context.Context, name, by string, prune bool) error {
	for {
		wait, err := e.syncNow(ctx, name, by, prune)
		if err != nil || wait == 0 {
			return err
		}
		pause(ctx, min(wait, time.Second), nil)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

func (e *Engine) syncNow(ctx context.Context, name, by string, prune bool) (time.Duration, error) {
	defer e.lock(name)()
	a, err := e.store.Application(ctx, name)
	if err != nil {
		return 0, err
	}
	env, ok := e.repository().environments.Find(a.Environment)
	if !ok {
		return 0, fmt.Errorf("%w: %s has no environment %q", ErrRefused, environment.File, a.Environment)
	}
	if open, why := env.Open(e.clock.Now()); !open {
		return 0, fmt.Errorf("%w: %s is not changed now: %s", ErrRefused, a.Environment, why)
	}
	if !a.Present {
		if !prune {
			return 0, fmt.Errorf("%w: the repository no longer has it; prune it to remove it", ErrRefused)
		}
		return 0, e.remove(ctx, a, a)
	}
	if last, err := e.store.LastOperation(ctx, name); err == nil && last.Phase == running {
		return 0, ErrBegun
	}
	desired, err := e.objects(ctx, a, a.Tree)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	_, wait, err := e.begin(ctx, a, desired, wish{kind: KindSync, by: by, prune: prune})
	if err == nil && wait == 0 {
		e.queue.add(name, 0)
	}
	return wait, err
}

type applicationAnswer struct{ Body applicationInfo }

func (s *server) rollback(ctx context.Context, in *struct {
	NamePath
	Body struct {
		ID int64 `json:"id" minimum:"1" doc:"An operation of the history that succeeded."`
	}
}) (*applicationAnswer, error) {
	if err := s.e.RollBack(ctx, in.Name, in.Body.ID, caller(ctx)); err != nil {
		return nil, answer(err, "operation of "+in.Name, fmt.Sprint(in.Body.ID))
	}
	if err := s.note(ctx, "application.rolled_back", in.Name, fmt.Sprintf("to operation %d", in.Body.ID)); err != nil {
		return nil, err
	}
	a, err := s.shown(ctx, in.Name)
	return &applicationAnswer{a}, err
}

// RollBack has the repository reverted to what a former operation rolled out; the
// roll-out follows from that commit.
func (e *Engine) RollBack(ctx context.Context, name string, id int64, by string) error {
	defer e.lock(name)()
	a, err := e.store.Application(ctx, name)
	if err != nil {
		return err
	}
	good, err := e.store.Operation(ctx, name, id)
	if err != nil {
		return err
	}
	last, err := e.store.LastOperation(ctx, name)
	if err != nil {
		return err
	}
	switch {
	case good.Phase != succeeded:
		return fmt.Errorf("%w: operation %d did not succeed", ErrRefused, id)
	case !a.Present:
		return fmt.Errorf("%w: the repository no longer has the application", ErrRefused)
	case last.Phase == running:
		return fmt.Errorf("%w: an operation runs; wait for its end, or end it", ErrRefused)
	case good.Tree == a.Tree:
		return fmt.Errorf("%w: the repository is at what operation %d rolled out", ErrRefused, id)
	}
	change := e.rollbackTo(a, last, good, by, "Asked for by "+by+".")
	change.Key += fmt.Sprintf("/%d/%d", id, e.clock.Now().UnixMicro())
	if err := e.store.Tx(ctx, func(tx *sql.Tx) error { return e.store.AddChange(ctx, tx, *change) }); err != nil {
		return err
	}
	poke(e.changes)
	return nil
}

func (s *server) promote(ctx context.Context, in *struct {
	NamePath
	Body struct {
		To string `json:"to" minLength:"1" maxLength:"63" doc:"An environment that is promoted to from this one."`
	}
}) (*struct{ Body promotionInfo }, error) {
	p, err := s.e.Promote(ctx, in.Name, in.Body.To, caller(ctx))
	if err != nil {
		return nil, answer(err, "application", in.Name)
	}
	if err := s.note(ctx, "promotion.requested", in.Name, "to "+in.Body.To); err != nil {
		return nil, err
	}
	return &struct{ Body promotionInfo }{toPromotion(p)}, nil
}

func (s *server) restart(ctx context.Context, in *NamePath) (*applicationAnswer, error) {
	a, err := s.e.store.Application(ctx, in.Name)
	if err != nil {
		return nil, answer(err, "application", in.Name)
	}
	if !a.Applied {
		return nil, problem.New(problem.Conflict, "%s does not run", in.Name)
	}
	if err := s.e.cluster.Restart(ctx, in.Name); err != nil {
		return nil, answer(err, "application", in.Name)
	}
	if err := s.note(ctx, "application.restarted", in.Name, ""); err != nil {
		return nil, err
	}
	s.e.queue.add(in.Name, 0)
	i, err := s.shown(ctx, in.Name)
	return &applicationAnswer{i}, err
}

func (s *server) terminate(ctx context.Context, in *NamePath) (*applicationAnswer, error) {
	err := s.e.store.Tx(ctx, func(tx *sql.Tx) error { return s.e.store.Terminate(ctx, tx, in.Name) })
	if isNotFound(err) {
		if _, err := s.e.store.Application(ctx, in.Name); err != nil {
			return nil, answer(err, "application", in.Name)
		}
		return nil, problem.New(problem.Conflict, "no operation of %s runs", in.Name)
	}
	if err != nil {
		return nil, err
	}
	if err := s.note(ctx, "operation.terminated", in.Name, ""); err != nil {
		return nil, err
	}
	s.e.queue.add(in.Name, 0)
	i, err := s.shown(ctx, in.Name)
	return &applicationAnswer{i}, err
}

type promotionInput struct {
	ID int64 `path:"id" minimum:"1"`
}

func (s *server) decision(approve bool) func(context.Context, *promotionInput) (*struct{ Body promotionInfo }, error) {
	return func(ctx context.Context, in *promotionInput) (*struct{ Body promotionInfo }, error) {
		p, err := s.e.Decide(ctx, in.ID, approve, caller(ctx))
		if err != nil {
			return nil, answer(err, "promotion", fmt.Sprint(in.ID))
		}
		if err := s.note(ctx, "promotion."+p.State, fmt.Sprint(in.ID), p.Service+" to "+p.To); err != nil {
			return nil, err
		}
		return &struct{ Body promotionInfo }{toPromotion(p)}, nil
	}
}
