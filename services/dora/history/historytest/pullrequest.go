package historytest

import (
	"strconv"

	"github.com/fawkes-idp/fawkes/services/dora/event"
)

// pull is a pull request that is still open or was closed.
type pull struct {
	repo   *repo
	number string
	author string
	opened event.Time
	branch []*commit // oldest first
	closed bool
}

// pullRequest opens one, lets people work on it and usually merges it.
func (w *world) pullRequest(r *repo) {
	r.pulls++
	p := &pull{repo: r, number: strconv.Itoa(r.pulls), author: pick(w, people)}
	base := r.main
	if w.chance(20) {
		base = pick(w, r.tips)
	}
	w.grow(p, base, 1+w.rng.IntN(3))
	w.tick()
	p.opened = w.skewed()
	w.reportPull(p, func(b *event.PullRequest) {})
	w.review(p)
	if w.chance(20) { // the branch is rewritten: other commits, and another head
		p.branch = nil
		w.grow(p, base, 1+w.rng.IntN(2))
		w.reportPull(p, func(b *event.PullRequest) {})
	}
	w.tick()
	if w.chance(25) {
		w.waiting = append(w.waiting, p)
		return
	}
	w.merge(p)
}

func (w *world) grow(p *pull, from *commit, n int) {
	for range n {
		from = w.commit(p.repo, []*commit{from})
		p.branch = append(p.branch, from)
		w.tick()
	}
}

func (w *world) head(p *pull) *commit { return p.branch[len(p.branch)-1] }

// reportPull reports the pull request as it stands now.
func (w *world) reportPull(p *pull, change func(*event.PullRequest)) {
	b := &event.PullRequest{Repo: w.spelling(p.repo), Number: p.number, Author: event.Some(p.author),
		CreatedAt: event.Some(p.opened), HeadSHA: event.Some(w.head(p).sha), Base: event.Some("main"),
		Title: event.Some("Change " + p.number), MergedAt: event.Null[event.Time](), ClosedAt: event.Null[event.Time](),
		MergeSHA: event.Null[string]()}
	if w.chance(60) {
		b.Commits = event.Some(hashes(p.branch))
	}
	change(b)
	w.emit("github", w.now, b)
	if w.chance(10) { // another source speaks of it at the same time
		other := *b
		other.Title = event.Some("A change, " + p.number)
		other.Commits = event.Opt[[]string]{}
		w.emit(event.SourceBulk, w.now, &other)
	}
}

func (w *world) review(p *pull) {
	for range w.rng.IntN(4) {
		if w.chance(60) {
			w.tick()
		}
		b := &event.Review{Repo: p.repo.url, Number: p.number, Author: pick(w, people), SubmittedAt: event.Some(w.skewed()),
			Kind: pick(w, []string{event.ReviewComment, event.ReviewApproval, event.ReviewChangesRequested})}
		w.emit("github", w.now, b)
	}
}

// changePullRequest closes, reopens or merges a pull request that waits.
func (w *world) changePullRequest() {
	if len(w.waiting) == 0 {
		return
	}
	i := w.rng.IntN(len(w.waiting))
	p := w.waiting[i]
	switch {
	case p.closed:
		p.closed = false
		w.reportPull(p, func(b *event.PullRequest) {})
	case w.chance(40):
		p.closed = true
		w.reportPull(p, func(b *event.PullRequest) { b.ClosedAt = event.Some(w.now) })
	default:
		w.waiting = append(w.waiting[:i], w.waiting[i+1:]...)
		w.merge(p)
	}
}

// merge brings the branch to main in one of the ways that hosts offer.
func (w *world) merge(p *pull) {
	r := p.repo
	var tip *commit
	switch w.rng.IntN(6) {
	case 0, 1:
		tip = w.commit(r, []*commit{r.main, w.head(p)})
	case 2:
		side := w.commit(r, []*commit{pick(w, r.tips)})
		tip = w.commit(r, []*commit{r.main, w.head(p), side}) // octopus
	case 3:
		tip = w.commit(r, []*commit{r.main}) // squash
	case 4:
		tip = r.main
		for _, c := range p.branch { // rebase: other hashes, the same authored times
			next := &commit{sha: w.hash(r.long), parents: []*commit{tip}, at: c.at}
			w.record(r, next)
			tip = next
		}
	default:
		if p.branch[0].parents[0] == r.main {
			tip = w.head(p) // fast-forward
		} else {
			tip = w.commit(r, []*commit{r.main, w.head(p)})
		}
	}
	w.advance(r, tip)
	merged := w.skewed()
	w.reportPull(p, func(b *event.PullRequest) {
		b.MergedAt, b.ClosedAt = event.Some(merged), event.Some(merged)
		b.MergeSHA = event.Some(w.abbreviated(tip.sha))
		if w.chance(5) {
			b.MergeSHA = event.Null[string]()
		}
	})
	if w.chance(15) {
		w.review(p) // a late remark
	}
}
