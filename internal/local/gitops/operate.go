package gitops

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/internal/local/gitops/environment"
	"github.com/fawkes-idp/fawkes/internal/local/gitops/manifest"
	"github.com/fawkes-idp/fawkes/internal/local/gitops/notify"
)

const (
	running   = notify.Running
	succeeded = notify.Succeeded
	failed    = notify.Failed
	phaseErr  = notify.Error
)

// Why an operation ends; the receiver of notifications knows the first.
const (
	terminated = "Operation terminated"
	healthy    = "successfully synced, and what was rolled out is healthy"
)

// wish is an operation that is to begin.
type wish struct {
	kind       string
	automated  bool
	by         string
	prune      bool
	rollbackOf int64
}

// begin stores a new operation and its first notification, in one transaction,
// before anything is done. wait is more than 0 when it must begin later: what
// tells operations of an application apart is the second at which they began.
func (e *Engine) begin(ctx context.Context, a Application, objects []Object, w wish) (o Operation, wait time.Duration, err error) {
	now := e.clock.Now()
	started := now.Truncate(time.Second)
	if first := a.LastStarted.Add(time.Second); !a.LastStarted.IsZero() && started.Before(first) {
		return o, max(first.Sub(now), time.Millisecond), nil
	}
	o = Operation{App: a.Name, Kind: w.kind, Revision: a.Revision, Tree: a.Tree, Automated: w.automated, By: w.by, Prune: w.prune, RollbackOf: w.rollbackOf,
		Phase: running, Message: "the roll-out has begun", Started: started}
	if o.Detail, err = e.detail(a, objects, w.prune); err != nil {
		return o, 0, err
	}
	a.LastStarted, a.Paused = started, ""
	a.Sync, a.SyncMessage = OutOfSync, "an operation runs"
	a.Conditions = without(a.Conditions, SyncError, RollbackError, ComparisonError, OrphanedWarning)
	a.Updated = now
	err = e.store.Tx(ctx, func(tx *sql.Tx) error {
		var err error
		if o.ID, err = e.store.Begin(ctx, tx, o); err != nil {
			return err
		}
		if err := e.store.PutApplication(ctx, tx, a); err != nil {
			return err
		}
		return e.report(ctx, tx, a, o, e.health(a.Name))
	})
	if err != nil {
		return o, 0, err
	}
	e.count.begun.WithLabelValues(w.kind).Inc()
	e.resume(o.ID)
	e.outbox.Wake()
	e.hub.tell(a.Name)
	return o, 0, nil
}

// detail is what an operation is about: what it changes, and with which images.
func (e *Engine) detail(a Application, objects []Object, prune bool) (Detail, error) {
	live, _ := e.cluster.Live(a.Name)
	differences, err := manifest.Compare(objects, live)
	if err != nil {
		return Detail{}, err
	}
	became := map[string]string{manifest.Create: "created", manifest.Update: "configured", manifest.None: "unchanged", manifest.Delete: "pruned"}
	d := Detail{Project: a.Service, Annotations: map[string]string{}, Images: []string{}}
	byID := map[string]Object{}
	for _, o := range objects {
		byID[manifest.ID(o)] = o
		for _, image := range manifest.Images(o) {
			if !slices.Contains(d.Images, image) {
				d.Images = append(d.Images, image)
			}
		}
		for key, value := range manifest.Annotations(o) {
			if strings.HasPrefix(key, "fawkes.dev/") || strings.HasPrefix(key, "org.opencontainers.image.") {
				d.Annotations[key] = value
			}
		}
	}
	if project := d.Annotations["fawkes.dev/project"]; project != "" {
		d.Project = project
	}
	if d.Annotations["fawkes.dev/service"] == "" {
		d.Annotations["fawkes.dev/service"] = a.Service
	}
	d.Annotations["fawkes.dev/environment"] = a.Environment
	for _, diff := range differences {
		if diff.Change == manifest.Delete && !prune {
			continue
		}
		r := notify.Resource{Kind: diff.Kind, Namespace: diff.Namespace, Name: diff.Name, Status: "Synced", Message: resourceName(diff.Kind, diff.Name) + " " + became[diff.Change]}
		if o := byID[idOf(diff)]; o != nil {
			r.Images = manifest.Images(o)
		}
		if diff.Change == manifest.Delete {
			r.Status = "Pruned"
		}
		d.Resources = append(d.Resources, r)
	}
	return d, nil
}

func idOf(d manifest.Difference) string {
	return manifest.ID(Object{"kind": d.Kind, "metadata": map[string]any{"name": d.Name, "namespace": d.Namespace}})
}

// resourceName is how kubectl names an object.
func resourceName(kind, name string) string {
	switch kind {
	case "Deployment", "StatefulSet", "DaemonSet":
		return strings.ToLower(kind) + ".apps/" + name
	case "Ingress":
		return "ingress.networking.k8s.io/" + name
	}
	return strings.ToLower(kind) + "/" + name
}

// resume says since when this process is at an operation; fresh when it is only now.
func (e *Engine) resume(id int64) (since time.Time, fresh bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	since, there := e.resumed[id]
	if !there {
		since = e.clock.Now()
		e.resumed[id] = since
	}
	return since, !there
}

// stale is how long a cluster that was told of something new may go on telling of
// what was before.
const stale = 10 * time.Second

// advance takes an operation that runs a step further.
func (e *Engine) advance(ctx context.Context, a Application, o Operation) (time.Duration, error) {
	since, fresh := e.resume(o.ID)
	if o.Terminate {
		return e.finish(ctx, a, o, failed, terminated, e.clock.Now())
	}
	if o.Applied.IsZero() || fresh {
		end, why, err := e.apply(ctx, a, o)
		if err != nil || ctx.Err() != nil {
			return time.Second, errors.Join(err, ctx.Err())
		}
		if end != "" {
			return e.finish(ctx, a, o, end, why, e.clock.Now())
		}
		if o.Applied.IsZero() {
			o.Applied, o.Message, a.Applied = e.clock.Now(), "waiting for the roll-out to become healthy", true
			if err := e.store.Tx(ctx, func(tx *sql.Tx) error {
				return errors.Join(e.store.SetOperation(ctx, tx, o), e.store.PutApplication(ctx, tx, a))
			}); err != nil {
				return 0, err
			}
		}
	}
	now, h := e.clock.Now(), e.health(a.Name)
	if now.Before(since) {
		since = now
	}
	switch {
	case h.Status == notify.Healthy:
		at := now
		if h.Since.After(o.Applied) && h.Since.Before(now) {
			at = h.Since
		}
		return e.finish(ctx, a, o, succeeded, healthy, at)
	case h.Status == notify.Degraded && (!h.Since.Before(o.Applied) || now.Sub(since) >= stale):
		return e.finish(ctx, a, o, failed, "the roll-out failed: "+h.Message, now)
	case now.Sub(since) >= e.cfg.RolloutLimit:
		return e.finish(ctx, a, o, failed, fmt.Sprintf("the roll-out is not healthy after %s: %s", e.cfg.RolloutLimit, h.Message), now)
	}
	before := a
	a.Health = h
	return time.Second, e.keep(ctx, before, a)
}

// apply tells the cluster; end is the phase in which the operation ends for what
// the cluster said, "" when it goes on.
func (e *Engine) apply(ctx context.Context, a Application, o Operation) (end, why string, err error) {
	objects, err := e.objects(ctx, a, o.Tree)
	if err != nil {
		if ctx.Err() != nil {
			return "", "", ctx.Err()
		}
		return phaseErr, err.Error(), nil
	}
	if problems := e.cluster.Check(objects); len(problems) > 0 {
		return failed, "one or more objects are refused: " + sayProblems(problems), nil
	}
	if !o.Prune {
		objects = append(slices.Clone(objects), extra(objects, e.live(a.Name))...)
	}
	err = e.cluster.Apply(ctx, a.Name, a.Environment, objects, o.Revision)
	var refused interface{ Refused() bool }
	switch {
	case err == nil:
		return "", "", nil
	case errors.As(err, &refused) && refused.Refused():
		return failed, "one or more objects are refused: " + err.Error(), nil
	case ctx.Err() != nil || errors.Is(err, ErrClusterAway):
		return "", "", err
	}
	return phaseErr, "the cluster could not be told: " + err.Error(), nil
}

// ErrClusterAway says that the cluster does not answer now; the operation waits.
var ErrClusterAway = errors.New("the cluster is not running")

func (e *Engine) live(name string) []Object {
	live, _ := e.cluster.Live(name)
	return live
}

// extra are the live objects that are not wanted.
func extra(desired, live []Object) []Object {
	wanted := map[string]bool{}
	for _, o := range desired {
		wanted[manifest.ID(o)] = true
	}
	return slices.DeleteFunc(slices.Clone(live), func(o Object) bool { return wanted[manifest.ID(o)] })
}

func sayProblems(problems []Problem) string {
	var out []string
	for i, p := range problems {
		if i == 5 {
			out = append(out, fmt.Sprintf("and %d more", len(problems)-i))
			break
		}
		text := p.Object + ": " + p.Path + ": " + p.Why
		if p.Mend != "" {
			text += " (" + p.Mend + ")"
		}
		out = append(out, text)
	}
	return strings.Join(out, "; ")
}

// health is the application's on the cluster.
func (e *Engine) health(name string) Health {
	h, _ := e.cluster.Health(name)
	return h
}

// finish ends an operation: its phase, its notifications, and what follows of it
// (a rollback, promotions) are stored in one transaction.
func (e *Engine) finish(ctx context.Context, a Application, o Operation, phase, message string, at time.Time) (time.Duration, error) {
	before := a
	o.Phase, o.Message, o.Finished = phase, short(message, 2000), at
	if o.Finished.Before(o.Started) {
		o.Finished = o.Started
	}
	if phase == succeeded {
		o.Applied = firstOf(o.Applied, at)
		a.Sync, a.SyncMessage = Synced, ""
		if a.Revision != o.Revision {
			a.Sync, a.SyncMessage = OutOfSync, "a newer commit waits"
		}
	} else {
		a.Sync, a.SyncMessage = OutOfSync, "the last operation "+strings.ToLower(phase)
		a.Conditions = with(a.Conditions, SyncError, o.Message)
	}
	h := e.health(a.Name)
	if phase == succeeded {
		h.Status = notify.Healthy // that is why it has succeeded
		if h.Since.Before(o.Started) || h.Since.After(at) {
			h.Since = at
		}
	}
	a.Health, a.Updated = h, e.clock.Now()
	rollback := false
	err := e.store.Tx(ctx, func(tx *sql.Tx) error {
		now := a
		if err := e.store.SetOperation(ctx, tx, o); err != nil {
			return err
		}
		switch {
		case phase != succeeded:
			change, why, err := e.rollback(ctx, now, o)
			if err != nil {
				return err
			}
			if rollback = change != nil; rollback {
				err = e.store.AddChange(ctx, tx, *change)
			}
			if why != "" {
				now.Conditions = with(now.Conditions, RollbackError, why)
			}
			if err != nil {
				return err
			}
		default:
			if err := e.promotions(ctx, tx, now, o); err != nil {
				return err
			}
		}
		if err := e.store.PutApplication(ctx, tx, now); err != nil {
			return err
		}
		return e.report(ctx, tx, now, o, h)
	})
	if errors.Is(err, ErrNotFound) { // it has been ended already
		return 0, nil
	}
	if err != nil {
		return time.Second, err
	}
	e.mu.Lock()
	delete(e.resumed, o.ID)
	e.mu.Unlock()
	e.count.finished.WithLabelValues(o.Kind, phase).Inc()
	e.count.rollout.Observe(o.Finished.Sub(o.Started).Seconds())
	e.log.Info("an operation has ended", "application", a.Name, "operation", o.ID, "kind", o.Kind, "phase", phase, "message", o.Message, "revision", o.Revision, "was", before.Sync)
	e.outbox.Wake()
	e.hub.tell(a.Name)
	poke(e.changes)
	return time.Millisecond, nil // there may be a newer commit
}

func firstOf(a, b time.Time) time.Time {
	if a.IsZero() {
		return b
	}
	return a
}

// rollback decides what follows of an operation that failed: a change that
// reverts its commit, or why there is none. A rollback that fails is never rolled
// back in its turn.
func (e *Engine) rollback(ctx context.Context, a Application, o Operation) (*Change, string, error) {
	env, ok := e.repository().environments.Find(a.Environment)
	switch {
	case o.Kind == KindHeal || o.Message == terminated:
		return nil, "", nil
	case o.Kind == KindRollback:
		return nil, "the rollback failed as well; nothing more is done by itself: push a commit, or roll back to an older entry of the history", nil
	case !ok || env.Rollback != environment.Automatic:
		return nil, "roll-outs of this environment are not rolled back by themselves", nil
	case !a.Present || a.Revision != o.Revision:
		return nil, "", nil // a newer commit waits
	}
	good, err := e.store.Good(ctx, a.Name, o.ID)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, "there is no roll-out that succeeded before, and so nothing to go back to", nil
	case err != nil:
		return nil, "", err
	case good.Tree == o.Tree:
		return nil, "the same manifests succeeded before, so that a revert would bring nothing", nil
	}
	return e.rollbackTo(a, o, good, "", o.Message), "", nil
}

// rollbackTo is the change that brings back what an operation rolled out.
func (e *Engine) rollbackTo(a Application, undone, good Operation, by, because string) *Change {
	return &Change{
		Key: fmt.Sprintf("rollback/%s/%d", a.Name, undone.ID), App: a.Name, Created: e.clock.Now(),
		Body: ChangeBody{Rollback: &RollbackChange{Of: undone.ID, To: good.ID, From: a.Revision, Expect: a.Tree, Tree: good.Tree, Base: good.Revision, By: by, Because: short(because, 500)}},
	}
}

func with(all []Condition, kind, message string) []Condition {
	return append(without(all, kind), Condition{kind, short(message, 2000)})
}

func without(all []Condition, kinds ...string) []Condition {
	return slices.DeleteFunc(slices.Clone(all), func(c Condition) bool { return slices.Contains(kinds, c.Type) })
}
