package gitops

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/fawkes-idp/fawkes/internal/local/gitops/environment"
	"github.com/fawkes-idp/fawkes/internal/local/gitops/mirror"
)

// TrailerChange names, in a commit that the platform made, the change of its
// store that the commit carries out.
const TrailerChange = "Fawkes-Change"

// Refresh looks at the environment repository and notes what it wants of each
// application. An error means that it could not be read; what was known stays.
func (e *Engine) Refresh(ctx context.Context) error {
	e.fetching.Lock()
	defer e.fetching.Unlock()
	return e.read(ctx)
}

// read is Refresh; e.fetching is held.
func (e *Engine) read(ctx context.Context) error {
	c := e.connections().Repository
	if c.URL == "" {
		e.note(repository{problem: noRepository})
		return nil
	}
	e.mirror.Use(mirror.Remote{URL: c.URL, Branch: c.Branch, Token: c.Token})
	before := e.repository()
	head, err := e.mirror.Fetch(ctx)
	if errors.Is(err, mirror.ErrEmpty) {
		before.problem, before.read = "the environment repository is empty: no "+environment.File+" yet", e.clock.Now()
		e.note(before)
		return nil
	}
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		e.count.fetches.WithLabelValues("failed").Inc()
		before.problem = err.Error()
		if before.head != "" {
			e.note(before)
			return err
		}
		// After a start the repository may be there later than we: go on with what the mirror has.
		if head, herr := e.mirror.Head(ctx); herr == nil {
			if derr := e.discover(ctx, head, before); derr != nil {
				return derr
			}
			known := e.repository()
			known.problem, known.head = err.Error(), ""
			e.note(known)
			return err
		}
		e.note(before)
		return err
	}
	e.count.fetches.WithLabelValues("read").Inc()
	if head == before.head && !strings.HasPrefix(before.problem, "fetch") {
		return nil
	}
	return e.discover(ctx, head, before)
}

func (e *Engine) note(r repository) {
	e.mu.Lock()
	e.known = r
	e.mu.Unlock()
}

// candidate is a folder that looks like an application.
type candidate struct {
	service, environment, tree string
}

// discover reads a commit.
func (e *Engine) discover(ctx context.Context, head string, before repository) error {
	now := e.clock.Now()
	all, err := e.mirror.List(ctx, head)
	if err != nil {
		return err
	}
	next := repository{head: head, environments: before.environments, read: now}
	file := mirror.Entry{}
	for _, entry := range all {
		if entry.Path == environment.File {
			file = entry
		}
	}
	if file.Path == "" {
		next.problem = "the environment repository has no " + environment.File + " yet"
		e.note(next)
		return nil
	}
	found, why := e.environments(ctx, file)
	if why != "" { // nothing is done before the file is right again; what runs goes on
		next.problem = why
		e.note(next)
		return nil
	}
	next.environments = found
	wanted, problems := candidates(all)
	if err := e.remember(ctx, head, wanted, &problems); err != nil {
		return err
	}
	next.problem = strings.Join(problems, "; ")
	e.note(next)
	e.all(ctx) // environments, and so windows, may be others
	return nil
}

// environments reads the file of environments, or says why it cannot be read.
func (e *Engine) environments(ctx context.Context, file mirror.Entry) (environment.Environments, string) {
	text, err := e.mirror.Blob(ctx, file)
	if err != nil {
		return nil, err.Error()
	}
	found, err := environment.Parse(text)
	if err != nil {
		return nil, err.Error()
	}
	return found, ""
}

// candidates are the applications of a listing, and what cannot be one.
func candidates(all []mirror.Entry) (map[string]candidate, []string) {
	wanted, problems := map[string]candidate{}, []string{}
	for _, entry := range all {
		parts := strings.Split(entry.Path, "/")
		if len(parts) != 3 || parts[0] != "apps" || entry.File() {
			continue
		}
		c := candidate{parts[1], parts[2], entry.ID}
		name := c.service + "-" + c.environment
		switch other, twice := wanted[name]; {
		case !entry.Folder():
			problems = append(problems, entry.Path+": is no folder")
		case !environment.ValidName(c.service) || !environment.ValidName(c.environment) || len(name) > 63:
			problems = append(problems, fmt.Sprintf("%q: a service and an environment are named by lower-case letters, digits and hyphens, 62 together", entry.Path))
		case twice:
			problems = append(problems, fmt.Sprintf("%s: %s/%s has the name %s already", entry.Path, other.service, other.environment, name))
		default:
			wanted[name] = c
		}
		if len(problems) > 20 {
			return wanted, append(problems[:20], "and more")
		}
	}
	return wanted, problems
}

// remember stores what a commit wants of the applications, and has those looked at
// that it changes.
func (e *Engine) remember(ctx context.Context, head string, wanted map[string]candidate, problems *[]string) error {
	stored, err := e.store.Applications(ctx)
	if err != nil {
		return err
	}
	known, present := map[string]Application{}, 0
	for _, a := range stored {
		known[a.Name] = a
		present += int(bit(a.Present))
	}
	var changed []Application
	for name, c := range wanted {
		a, there := known[name]
		if there && (a.Service != c.service || a.Environment != c.environment) {
			*problems = append(*problems, fmt.Sprintf("%s: the name %s belongs to %s", folderOf(c.service, c.environment), name, a.Path()))
			continue
		}
		if there && a.Present && a.Tree == c.tree {
			continue
		}
		if !there {
			a = Application{Name: name, UID: newUID(), Service: c.service, Environment: c.environment, Sync: Unknown, Health: Health{Status: "Missing"}}
		}
		last, err := e.mirror.Last(ctx, head, a.Path())
		if err != nil {
			return err
		}
		a.Present, a.Tree, a.Revision, a.Subject, a.Change = true, c.tree, last.ID, short(last.Subject, 200), short(last.Trailers[TrailerChange], 200)
		changed = append(changed, a)
	}
	if len(wanted) == 0 && present > 1 {
		*problems = append(*problems, "the repository names no application any more; nothing is removed for that")
	} else {
		for name, a := range known {
			if _, still := wanted[name]; !still && a.Present {
				a.Present, a.Tree, a.Subject, a.Change = false, "", "", ""
				changed = append(changed, a)
			}
		}
	}
	if len(changed) == 0 {
		return nil
	}
	// One at a time: an operation may be storing the same application.
	for _, a := range changed {
		if err := e.want(ctx, a); err != nil {
			return err
		}
	}
	return nil
}

// want stores what the repository wants of an application, and nothing else of it.
func (e *Engine) want(ctx context.Context, a Application) error {
	unlock := e.lock(a.Name)
	defer unlock()
	now, err := e.store.Application(ctx, a.Name)
	switch {
	case errors.Is(err, ErrNotFound):
		now = a
	case err != nil:
		return err
	default:
		now.Present, now.Tree, now.Revision, now.Subject, now.Change = a.Present, a.Tree, a.Revision, a.Subject, a.Change
	}
	now.Updated = e.clock.Now()
	if err := e.store.Tx(ctx, func(tx *sql.Tx) error { return e.store.PutApplication(ctx, tx, now) }); err != nil {
		return err
	}
	e.hub.tell(a.Name)
	e.queue.add(a.Name, 0)
	return nil
}

// short is the beginning of a text, as far as it is text.
func short(s string, most int) string {
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "")
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
