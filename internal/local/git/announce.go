package git

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/webhook"
)

const (
	// mostCommits is how many commits a push tells; GitHub tells as many.
	mostCommits = 2048
	// together is how many changes are announced in one transaction.
	together = 32
)

// change is a reference that is not as it was announced; "" stands for one that is not there.
type change struct{ ref, before, after string }

// branch is the name of a branch, or "" for a tag.
func (c change) branch() string {
	b, ok := strings.CutPrefix(c.ref, "refs/heads/")
	if !ok {
		return ""
	}
	return b
}

// event is one delivery that a change causes, before it is addressed.
type event struct {
	name   string
	change change
	body   []byte
}

// announce compares the references of a repository with what was announced, and has the hooks told of what differs,
// in the transaction that notes it. pusher is who pushed, "" where that is not known any more.
func (s *Service) announce(ctx context.Context, name, pusher string) error {
	defer s.locks.take(name)()
	r, err := s.store.repository(ctx, name)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	refs, err := s.git.refs(ctx, s.dir(name))
	if err != nil {
		return err
	}
	known, err := s.store.announced(ctx, name)
	if err != nil {
		return err
	}
	changes := differences(refs, known)
	if len(changes) == 0 {
		return nil
	}
	if r, err = s.settleDefault(ctx, r, refs); err != nil {
		return err
	}
	if pusher == "" {
		pusher = s.lastPusher(ctx, name, changes)
	}
	a := &announcement{s: s, repository: r, dir: s.dir(name), refs: refs, known: known, pusher: pusher, size: size(s.dir(name)), now: s.clock.Now()}
	for batch := range slices.Chunk(changes, together) {
		if err := a.tell(ctx, batch); err != nil {
			return err
		}
	}
	return nil
}

// differences are the changes since the announcement: branches before tags, by name.
func differences(refs []ref, known map[string]string) (out []change) {
	there := make(map[string]bool, len(refs))
	for _, r := range refs {
		there[r.Name] = true
		if known[r.Name] != r.SHA {
			out = append(out, change{r.Name, known[r.Name], r.SHA})
		}
	}
	for name, sha := range known {
		if !there[name] {
			out = append(out, change{name, sha, ""})
		}
	}
	slices.SortFunc(out, func(a, b change) int { return strings.Compare(a.ref, b.ref) })
	return out
}

// settleDefault makes a branch that is there the default one, where the first push brought another than was expected.
func (s *Service) settleDefault(ctx context.Context, r Repository, refs []ref) (Repository, error) {
	first := ""
	for _, ref := range refs {
		branch, ok := strings.CutPrefix(ref.Name, "refs/heads/")
		switch {
		case !ok:
		case branch == r.DefaultBranch:
			return r, nil
		case first == "" || branch == "main" || branch == "master" && first != "main":
			first = branch
		}
	}
	if first == "" {
		return r, nil
	}
	if err := s.point(ctx, r.Name, first); err != nil {
		return r, err
	}
	for i := range r.Protected {
		if r.Protected[i].Branch == r.DefaultBranch {
			r.Protected[i].Branch = first
		}
	}
	r.DefaultBranch = first
	return r, s.store.put(ctx, r)
}

// lastPusher is who moved the first of the changed references last, by git's own record.
func (s *Service) lastPusher(ctx context.Context, name string, changes []change) string {
	for _, c := range changes {
		if c.after == "" {
			continue
		}
		out, err := s.git.text(ctx, s.dir(name), "read who pushed", nil, "reflog", "-1", "--format=%gn", c.ref)
		if err == nil && strings.TrimSpace(out) != "" {
			return clean(strings.TrimSpace(out), 100)
		}
	}
	return "unknown"
}

// announcement is what one comparison found.
type announcement struct {
	s          *Service
	repository Repository
	dir        string
	refs       []ref
	known      map[string]string // moves on with what was told
	pusher     string
	size       int64
	now        time.Time
}

// tell stores the deliveries of some changes and notes them as announced.
func (a *announcement) tell(ctx context.Context, changes []change) error {
	hooks, err := a.s.store.hooks(ctx, a.s.store.db.Read)
	if err != nil {
		return err
	}
	var events []event
	if slices.ContainsFunc(hooks, func(h Hook) bool {
		return h.hears(a.repository.Name, eventPush) || h.hears(a.repository.Name, eventCreate) || h.hears(a.repository.Name, eventDelete)
	}) {
		for _, c := range changes {
			more, err := a.events(ctx, c)
			if err != nil {
				return fmt.Errorf("announce %s of %s: %w", c.ref, a.repository.Name, err)
			}
			events = append(events, more...)
			a.move(c)
		}
	}
	err = a.s.store.db.Tx(ctx, func(tx *sql.Tx) error {
		hooks, err := a.s.store.hooks(ctx, tx)
		if err != nil {
			return err
		}
		for _, e := range events {
			seq, err := nextSeq(ctx, tx, a.now)
			if err != nil {
				return err
			}
			for _, h := range hooks {
				if !h.hears(a.repository.Name, e.name) {
					continue
				}
				if err := a.s.enqueue(ctx, tx, seq, h, a.repository.Name, e); err != nil {
					return err
				}
			}
		}
		for _, c := range changes {
			if err := setAnnounced(ctx, tx, a.repository.Name, c.ref, c.after); err != nil {
				return err
			}
		}
		return setPushed(ctx, tx, a.repository.Name, a.size, a.now)
	})
	if err != nil {
		return err
	}
	a.s.outbox.Wake()
	a.s.count.announced.Add(float64(len(changes)))
	for _, c := range changes {
		a.move(c)
		a.s.feed.publish(pushNews{Repository: a.repository.Name, Ref: c.ref, Before: orNone(c.before), After: orNone(c.after), At: a.now})
	}
	return nil
}

// move notes a change as told.
func (a *announcement) move(c change) {
	if c.after == "" {
		delete(a.known, c.ref)
	} else {
		a.known[c.ref] = c.after
	}
}

// enqueue addresses an event to a hook.
func (s *Service) enqueue(ctx context.Context, tx *sql.Tx, seq int64, h Hook, repository string, e event) error {
	id := deliveryID(seq, h.Name, e.name, repository, e.change)
	_, err := s.outbox.Add(ctx, tx, webhook.Message{
		Key: id, Target: h.Name, URL: h.URL, Body: e.body,
		Header: map[string]string{
			"X-GitHub-Event": e.name, "X-GitHub-Delivery": id,
			"X-GitHub-Hook-ID": strconv.FormatInt(h.Created.UnixMicro(), 10), "X-GitHub-Hook-Installation-Target-Type": "repository",
		},
		Note: map[string]string{"event": e.name, "repository": repository, "ref": e.change.ref, "after": e.change.after},
	})
	return err
}

// events are the deliveries of one change, as GitHub makes them: a new or removed reference is a push too.
func (a *announcement) events(ctx context.Context, c change) ([]event, error) {
	push, err := a.push(ctx, c)
	if err != nil {
		return nil, err
	}
	out := []event{{name: eventPush, change: c}}
	if out[0].body, err = json.Marshal(push); err != nil {
		return nil, err
	}
	if c.before != "" && c.after != "" {
		return out, nil
	}
	p := refPayload{Ref: c.branch(), RefType: "branch", PusherType: "user", Repository: push.Repository, Sender: push.Sender}
	if p.Ref == "" {
		p.Ref, p.RefType = strings.TrimPrefix(c.ref, "refs/tags/"), "tag"
	}
	e := event{name: eventDelete, change: c}
	if c.before == "" {
		e.name, p.MasterBranch, p.Description = eventCreate, a.repository.DefaultBranch, push.Repository.Description
	}
	if e.body, err = json.Marshal(p); err != nil {
		return nil, err
	}
	return append(out, e), nil
}

// push is the body of a push.
func (a *announcement) push(ctx context.Context, c change) (p pushPayload, err error) {
	page := a.s.pageURL(a.repository.Name)
	p = pushPayload{
		Ref: c.ref, Before: orNone(c.before), After: orNone(c.after), Created: c.before == "", Deleted: c.after == "",
		Compare: page + "/compare/" + short(orNone(c.before)) + "..." + short(orNone(c.after)), Commits: []hookCommit{},
		Repository: a.s.hookRepository(a.repository, a.size, a.now),
		Pusher:     hookPerson{Name: a.pusher}, Sender: hookUser{a.pusher, "User"},
	}
	if p.Deleted {
		return p, nil
	}
	head := ""
	for _, r := range a.refs {
		if r.Name == c.ref {
			head = r.Commit
		}
	}
	if p.Created {
		for _, r := range a.refs {
			if r.Name != c.ref && r.Commit == head && head != "" && strings.HasPrefix(r.Name, "refs/heads/") {
				p.BaseRef = &r.Name
				break
			}
		}
	}
	if head == "" {
		return p, nil // a tag of something that is no commit
	}
	var list []commit
	distinct := map[string]bool{}
	if c.branch() != "" {
		if list, distinct, err = a.brought(ctx, c); err != nil {
			return p, err
		}
	}
	return p, a.fill(ctx, &p, head, list, distinct, page)
}

// brought are the commits that a branch got, the oldest first, and which of them no other branch or tag had.
func (a *announcement) brought(ctx context.Context, c change) (list []commit, distinct map[string]bool, err error) {
	var others strings.Builder
	for ref, sha := range a.known {
		if ref != c.ref {
			others.WriteString("^" + sha + "\n")
		}
	}
	revisions := c.after + "\n"
	switch {
	case c.before != "":
		revisions += "^" + c.before + "\n"
	default:
		revisions += others.String() // a new branch brings what nobody had
	}
	limit := "--max-count=" + strconv.Itoa(mostCommits)
	list, err = a.s.git.commits(ctx, a.dir, "read the pushed commits", strings.NewReader(revisions), "--topo-order", "--reverse", limit, "--ignore-missing", "--stdin")
	if err != nil {
		return nil, nil, err
	}
	distinct = make(map[string]bool, len(list))
	if c.before == "" || others.Len() == 0 {
		for _, c := range list {
			distinct[c.SHA] = true
		}
		return list, distinct, nil
	}
	out, err := a.s.git.text(ctx, a.dir, "tell new commits from known ones", strings.NewReader(revisions+others.String()), "rev-list", limit, "--ignore-missing", "--stdin")
	if err != nil {
		return nil, nil, err
	}
	for _, sha := range strings.Fields(out) {
		distinct[sha] = true
	}
	return list, distinct, nil
}

// fill puts commits with their paths, the head and whether the branch was forced into the body.
func (a *announcement) fill(ctx context.Context, p *pushPayload, head string, list []commit, distinct map[string]bool, page string) error {
	alone := !slices.ContainsFunc(list, func(c commit) bool { return c.SHA == head }) // a known commit: it is told as the head only
	if alone {
		one, err := a.s.git.commits(ctx, a.dir, "read the pushed head", strings.NewReader(head+"\n"), "--no-walk", "--stdin")
		if err != nil {
			return err
		}
		list = append(list, one...)
	}
	shas := make([]string, len(list))
	for i, c := range list {
		shas[i] = c.SHA
	}
	changed, err := a.s.git.changed(ctx, a.dir, shas)
	if err != nil {
		return err
	}
	for _, c := range list {
		h := toHookCommit(c, changed[c.SHA], page, distinct[c.SHA])
		if c.SHA == head {
			p.HeadCommit = &h
			if alone {
				continue
			}
		}
		p.Commits = append(p.Commits, h)
	}
	if p.Before != noCommit && p.After != noCommit && strings.HasPrefix(p.Ref, "refs/heads/") {
		_, err := a.s.git.text(ctx, a.dir, "see whether a branch was forced", nil, "merge-base", "--is-ancestor", "--end-of-options", p.Before, p.After)
		switch code := exitCode(err); {
		case err == nil:
		case code == 1, code == 128: // no ancestor, or gone already
			p.Forced = true
		default:
			return err
		}
	}
	return nil
}

func orNone(sha string) string {
	if sha == "" {
		return noCommit
	}
	return sha
}
