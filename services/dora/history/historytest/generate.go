package historytest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/services/dora/event"
)

// Generate makes a history of about size steps; a step is a commit, a pull
// request, a deployment or an incident with all that is reported about it. The
// events stand in the order in which they happened. Equal arguments give equal
// events.
func Generate(seed int64, size int) []event.Event {
	w := &world{
		rng: rand.New(rand.NewPCG(uint64(seed), 0x6661776b6573)),
		now: event.Micros(time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)),
	}
	w.seed = seed
	for _, url := range []string{Mono, Ledger, Edge, Deploy, Notes} {
		r := &repo{url: url, long: url == Ledger}
		w.repos = append(w.repos, r)
		w.commit(r, none)
	}
	for range size {
		w.step()
	}
	return w.events
}

// world is the delivery of one project while it is being made up.
type world struct {
	rng      *rand.Rand
	seed     int64
	now      event.Time
	count    int // of hashes made
	ids      int // of entities named
	repos    []*repo
	events   []event.Event
	deployed []*deployed // in order
	told     []*deployed // what other sources reported of them
	waiting  []*pull     // pull requests that are not merged
	digests  []string    // of artifacts that somebody may still explain
}

// repo is one repository: its commits in order, the last of the main branch,
// and the commits that main has had as its tip.
type repo struct {
	url     string
	long    bool // hashes of 64 digits
	commits []*commit
	main    *commit
	tips    []*commit
	pulls   int
}

type commit struct {
	sha     string
	parents []*commit
	at      event.Time
}

// none stands for a commit without parents.
var none = []*commit{}

func (w *world) chance(percent int) bool { return w.rng.IntN(100) < percent }

func pick[T any](w *world, of []T) T { return of[w.rng.IntN(len(of))] }

// tick lets some time pass: often none at all, at times weeks.
func (w *world) tick() {
	switch {
	case w.chance(15):
	case w.chance(4):
		w.now += event.Time(time.Duration(5+w.rng.IntN(30)) * 24 * time.Hour / time.Microsecond)
	default:
		w.now += event.Time(time.Duration(1+w.rng.IntN(240)) * time.Minute / time.Microsecond)
	}
}

// skewed is now, as a clock would tell it that may be wrong.
func (w *world) skewed() event.Time {
	if w.chance(8) {
		return w.now + event.Time(time.Duration(w.rng.IntN(600)-300)*time.Minute/time.Microsecond)
	}
	return w.now
}

func (w *world) hash(long bool) string {
	w.count++
	h := sha256.Sum256(fmt.Appendf(nil, "%d/%d", w.seed, w.count))
	if long {
		return hex.EncodeToString(h[:])
	}
	return hex.EncodeToString(h[:20])
}

func (w *world) name(prefix string) string {
	w.ids++
	return fmt.Sprintf("%s%d", prefix, w.ids)
}

func (w *world) emit(source string, at event.Time, b event.Body) {
	e := event.New(source, Project, b)
	if at > e.At {
		e.At = at
	}
	w.events = append(w.events, e)
}

var (
	people = []string{"ada", "Grace", "linus", "barbara"}
	files  = []string{"web/index.html", "web/app.css", "api/main.go", "api/v1/orders.go", "worker/run.go", "shared/base.css", "shared/db/schema.sql", "README.md"}
)

// step does one of the things that happen in a project.
func (w *world) step() {
	w.tick()
	switch n := w.rng.IntN(100); {
	case n < 16:
		w.onMain(pick(w, w.repos))
	case n < 42:
		w.pullRequest(pick(w, w.repos))
	case n < 49:
		w.changePullRequest()
	case n < 52:
		w.forcePush(pick(w, w.repos))
	case n < 56:
		w.build(pick(w, w.repos))
	case n < 86:
		w.deploy()
	default:
		w.incident()
	}
}

// onMain commits straight to the main branch.
func (w *world) onMain(r *repo) {
	w.advance(r, w.commit(r, []*commit{r.main}))
}

func (w *world) advance(r *repo, c *commit) {
	r.main = c
	r.tips = append(r.tips, c)
}

// commit makes a commit and, nearly always, reports it: from git, from the
// host, or from both, which know different things about it.
func (w *world) commit(r *repo, parents []*commit) *commit {
	c := &commit{sha: w.hash(r.long), parents: parents, at: w.skewed()}
	w.record(r, c)
	if len(parents) == 0 {
		w.advance(r, c)
	}
	return c
}

func (w *world) record(r *repo, c *commit) {
	r.commits = append(r.commits, c)
	if w.chance(2) && len(c.parents) > 0 {
		return // never reported: a hole in what is known
	}
	b := &event.Commit{Repo: w.spelling(r), SHA: c.sha, Author: event.Some(pick(w, people)),
		AuthoredAt: event.Some(c.at), CommittedAt: event.Some(max(w.now, c.at)), Parents: event.Some(hashes(c.parents))}
	if r.url == Mono && (len(c.parents) < 2 || w.chance(30)) && !w.chance(6) {
		b.Paths = event.Some([]string{pick(w, files), pick(w, files)})
	}
	if w.chance(5) {
		b.CommittedAt = event.Opt[event.Time]{}
	}
	if !w.chance(4) {
		w.emit(event.SourceGit, 0, b)
	}
	if w.chance(20) { // the host knows less, and calls people by other names
		less := *b
		less.Parents = event.Opt[[]string]{}
		if w.chance(60) && len(c.parents) > 0 { // a push tells what its head holds
			less.Ancestors = event.Some(hashes(append(slices.Clone(c.parents), c.parents[0].parents...)))
		}
		if w.chance(50) {
			less.Paths = event.Opt[[]string]{}
		}
		if w.chance(50) {
			less.Author = event.Some(pick(w, people) + "@example.com")
		}
		if w.chance(20) {
			less.Author = event.Null[string]()
		}
		w.emit("github", w.now, &less)
	}
}

// spelling is one of the ways to write a repository's URL.
func (w *world) spelling(r *repo) string {
	switch n := w.rng.IntN(100); {
	case n < 4:
		return r.url + "/"
	case n < 8:
		return "ssh://git@" + strings.TrimPrefix(r.url, "https://")
	case n < 10:
		return "git@" + strings.Replace(strings.TrimPrefix(r.url, "https://"), "/", ":", 1)
	}
	return r.url
}

func hashes(of []*commit) []string {
	out := make([]string, len(of))
	for i, c := range of {
		out[i] = c.sha
	}
	return out
}

// abbreviated is the hash, at times cut to its first digits.
func (w *world) abbreviated(sha string) string {
	if w.chance(8) {
		return sha[:7+w.rng.IntN(6)]
	}
	return sha
}

// forcePush throws the latest commits of main away: the branch goes on from an
// earlier tip. What was deployed from the commits thrown away stays deployed.
func (w *world) forcePush(r *repo) {
	back := min(len(r.tips), 1+w.rng.IntN(3))
	base := r.tips[len(r.tips)-back]
	w.advance(r, w.commit(r, []*commit{base}))
}

func (w *world) build(r *repo) {
	b := &event.Build{Repo: r.url, SHA: r.main.sha, ID: w.name("build-"), Branch: event.Some("main"),
		Outcome:   event.Some(pick(w, []string{event.OutcomeSuccess, event.OutcomeFailure, event.OutcomeUnstable})),
		StartedAt: event.Some(w.now), FinishedAt: event.Some(w.now + 60_000_000)}
	if w.chance(30) {
		b.Attempt = event.Some(2)
	}
	w.emit("ci", 0, b)
}
