package gitops

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/internal/local/gitops/mirror"
)

// mostPushes bounds how often a push is tried again because somebody was faster.
const mostPushes = 8

// result is what became of a change.
type result struct {
	change Change
	state  string
	commit string // "" where there was nothing to change
	why    string
}

// WriteChanges writes what waits into the environment repository: a commit for
// each change, all in one push. A change whose commit is there already, because
// the process ended between the push and the note of it, is noted and not written
// again.
func (e *Engine) WriteChanges(ctx context.Context) error {
	e.fetching.Lock()
	defer e.fetching.Unlock()
	pending, err := e.store.Pending(ctx, 100)
	if err != nil || len(pending) == 0 {
		return err
	}
	c := e.connections().Repository
	if c.URL == "" {
		return nil
	}
	e.mirror.Use(mirror.Remote{URL: c.URL, Branch: c.Branch, Token: c.Token})
	for range mostPushes {
		results, err := e.push(ctx, pending)
		if errors.Is(err, mirror.ErrBehind) {
			continue
		}
		if err != nil {
			return err
		}
		if err := e.written(ctx, results); err != nil {
			return err
		}
		return e.read(ctx)
	}
	return errors.New("the environment repository moves too fast to be written")
}

// push makes the commits on top of what is there, and pushes them.
func (e *Engine) push(ctx context.Context, pending []Change) ([]result, error) {
	head, err := e.mirror.Fetch(ctx)
	if err != nil {
		return nil, err
	}
	tip := head
	var results []result
	for _, c := range pending {
		there, err := e.mirror.WithTrailer(ctx, head, TrailerChange, c.Key)
		if err != nil {
			return nil, err
		}
		if there != "" {
			results = append(results, result{c, ChangeDone, there, ""})
			continue
		}
		edit, why, err := e.edit(ctx, tip, c)
		if err != nil {
			return nil, err
		}
		if why != "" {
			results = append(results, result{c, ChangeFailed, "", why})
			continue
		}
		next, err := e.mirror.Commit(ctx, tip, edit)
		if err != nil {
			return nil, err
		}
		r := result{c, ChangeDone, next, ""}
		if next == tip {
			r.commit, r.why = "", "it was so already"
		}
		results, tip = append(results, r), next
	}
	if tip == head {
		return results, nil
	}
	return results, e.mirror.Push(ctx, tip)
}

// edit is the commit of a change on top of another; why says that there is none
// to make.
func (e *Engine) edit(ctx context.Context, parent string, c Change) (edit mirror.Edit, why string, err error) {
	switch {
	case c.Body.Rollback != nil:
		return e.editRollback(ctx, parent, c)
	case c.Body.Promote > 0:
		return e.editPromotion(ctx, parent, c)
	}
	return edit, "the change says nothing", nil
}

// editRollback reverts, of the commits since a roll-out, what they did to the
// application's folder: its folder is as it was then.
func (e *Engine) editRollback(ctx context.Context, parent string, c Change) (edit mirror.Edit, why string, err error) {
	r := c.Body.Rollback
	a, err := e.store.Application(ctx, c.App)
	if err != nil {
		return edit, "", err
	}
	now, err := e.mirror.TreeOf(ctx, parent, a.Path())
	switch {
	case errors.Is(err, mirror.ErrNoFolder):
		return edit, "the application was removed meanwhile", nil
	case err != nil:
		return edit, "", err
	case now != r.Expect && now != r.Tree:
		return edit, "a newer commit has changed the application meanwhile", nil
	}
	reverted, err := e.mirror.Between(ctx, r.Base, parent, a.Path())
	if err != nil {
		return edit, "", err
	}
	var m strings.Builder
	title := a.Name + " to " + r.Base[:min(len(r.Base), 10)]
	if len(reverted) > 0 {
		title = fmt.Sprintf("%q", strings.ReplaceAll(reverted[0].Subject, `"`, "'"))
	}
	fmt.Fprintf(&m, "Revert %s\n\n", title)
	for _, commit := range reverted {
		fmt.Fprintf(&m, "This reverts commit %s in %s.\n", commit.ID, a.Path())
	}
	fmt.Fprintf(&m, "\n%s\n\nFawkes-Application: %s\nFawkes-Rollback-Of: %d\nFawkes-Rollback-To: %d\n%s: %s\n", oneLine(r.Because), a.Name, r.Of, r.To, TrailerChange, c.Key)
	return mirror.Edit{Message: m.String(), Trees: map[string]string{a.Path(): r.Tree}, At: e.clock.Now()}, "", nil
}

func (e *Engine) editPromotion(ctx context.Context, parent string, c Change) (edit mirror.Edit, why string, err error) {
	p, err := e.store.Promotion(ctx, c.Body.Promote)
	if err != nil {
		return edit, "", err
	}
	if p.State != Promoting {
		return edit, "the promotion is " + p.State, nil
	}
	from, to := folderOf(p.Service, p.From), folderOf(p.Service, p.To)
	source, err := e.mirror.Tree(ctx, p.Tree, from)
	if err != nil {
		return edit, err.Error(), ctx.Err()
	}
	var target map[string][]byte
	switch tree, err := e.mirror.TreeOf(ctx, parent, to); {
	case err == nil:
		if target, err = e.mirror.Tree(ctx, tree, to); err != nil {
			return edit, err.Error(), ctx.Err()
		}
	case !errors.Is(err, mirror.ErrNoFolder):
		return edit, "", err
	}
	env, there := e.repository().environments.Find(p.To)
	if !there {
		return edit, "there is no environment " + p.To + " any more", nil
	}
	files, err := promoted(source, target, env)
	if err != nil {
		return edit, err.Error(), ctx.Err()
	}
	what := p.SourceRevision
	if what == "" {
		what = p.Revision
	}
	message := fmt.Sprintf("promote(%s): %s %s\n\nFrom %s, where it is healthy.\n\n", p.Service, p.To, what[:min(len(what), 7)], p.From)
	if p.Digest != "" {
		message += "Fawkes-Digest: " + oneLine(p.Digest) + "\n"
	}
	if p.SourceRevision != "" {
		message += "Fawkes-Revision: " + oneLine(p.SourceRevision) + "\n"
	}
	if p.DecidedBy != "" {
		message += "Fawkes-Decided-By: " + oneLine(p.DecidedBy) + "\n"
	}
	message += fmt.Sprintf("Fawkes-Promotion: %d\n%s: %s\n", p.ID, TrailerChange, c.Key)
	return mirror.Edit{Message: message, Files: map[string]map[string][]byte{to: files}, At: e.clock.Now()}, "", nil
}

func oneLine(s string) string {
	return strings.TrimSpace(strings.Join(strings.Fields(short(s, 500)), " "))
}

// written notes what became of changes.
func (e *Engine) written(ctx context.Context, results []result) error {
	now := e.clock.Now()
	err := e.store.Tx(ctx, func(tx *sql.Tx) error {
		for _, r := range results {
			if err := e.store.SetChange(ctx, tx, r.change.ID, r.state, r.commit, r.why, now); err != nil {
				return err
			}
			if err := e.writtenPromotion(ctx, tx, r, now); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, r := range results {
		kind := "promotion"
		if r.change.Body.Rollback != nil {
			kind = "rollback"
		}
		e.count.changes.WithLabelValues(kind, r.state).Inc()
		e.log.Info("a change of the environment repository", "application", r.change.App, "kind", kind, "state", r.state, "commit", r.commit, "reason", r.why)
		if r.state == ChangeFailed && r.change.Body.Rollback != nil {
			if err := e.condition(ctx, r.change.App, "no rollback is made: "+r.why); err != nil {
				return err
			}
		}
		e.hub.tell(r.change.App)
	}
	return nil
}

// condition says on an application that it is not rolled back.
func (e *Engine) condition(ctx context.Context, name, why string) error {
	defer e.lock(name)()
	a, err := e.store.Application(ctx, name)
	if err != nil {
		return err
	}
	before := a
	a.Conditions = with(a.Conditions, RollbackError, why)
	return e.keep(ctx, before, a)
}

func (e *Engine) writtenPromotion(ctx context.Context, tx *sql.Tx, r result, now time.Time) error {
	if r.change.Body.Promote == 0 {
		return nil
	}
	to := Done
	if r.state == ChangeFailed {
		to = Rejected
	}
	err := e.store.MovePromotion(ctx, tx, r.change.Body.Promote, []string{Promoting}, to, r.why, r.commit, now, "")
	if isNotFound(err) {
		return nil // it has been noted
	}
	return err
}
