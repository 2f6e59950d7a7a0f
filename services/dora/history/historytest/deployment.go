package historytest

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/fawkes-idp/fawkes/services/dora/event"
)

// target is a service with the repository that it is built from.
type target struct {
	service string
	repo    int // index into world.repos
}

// deployed is what a deployment brought, for those that follow or fail.
type deployed struct {
	target
	source, id, environment string
	commit                  *commit
	digest                  string
	finished                event.Time
}

var targets = []target{{"web", 0}, {"api", 0}, {"worker", 0}, {"ledger", 1}, {"edge", 2}}

// deploy brings a version of a service to an environment, and reports it in
// one of the ways that sources do.
func (w *world) deploy() {
	t := pick(w, targets)
	r := w.repos[t.repo]
	d := &deployed{target: t, source: "ci", id: w.name("d"), environment: pick(w, []string{"production", "production", "staging", "eu-1"})}
	if w.chance(20) { // two sources that count from 1 on their own
		d.source, d.id = pick(w, []string{"ci", "gitops"}), pick(w, []string{"1", "2", "3"})
	}
	if w.chance(12) {
		d.source, d.id = "argocd", w.name("sync-")
	}
	d.commit, d.digest = w.version(t, d.environment, r)
	start := w.skewed()
	d.finished = start + event.Time(time.Duration(w.rng.IntN(20))*time.Minute/time.Microsecond)
	b := &event.Deployment{ID: d.id, Service: event.Some(t.service), Environment: event.Some(d.environment),
		StartedAt: event.Some(start), Outcome: event.Some(event.OutcomeSuccess), FinishedAt: event.Some(d.finished)}
	if d.source == "argocd" {
		w.byGitOps(d, b, r)
	} else {
		w.sayVersion(d, b, r)
	}
	if w.chance(20) { // nobody said when it began
		b.StartedAt = event.Opt[event.Time]{}
	}
	switch {
	case w.chance(10):
		b.Outcome = event.Some(event.OutcomeFailure)
	case w.chance(4):
		b.Outcome = event.Some(event.OutcomeAborted)
	case w.chance(5) && b.StartedAt.Known:
		b.Outcome, b.FinishedAt = event.Opt[string]{}, event.Null[event.Time]() // still running
	}
	if w.chance(15) {
		b.Unplanned = event.Some(w.chance(70))
	}
	if w.chance(30) && b.StartedAt.Known { // announced first
		running := *b
		running.Outcome, running.FinishedAt = event.Opt[string]{}, event.Null[event.Time]()
		w.emit(d.source, start, &running)
	}
	w.emit(d.source, d.finished, b)
	w.deployed = append(w.deployed, d)
	if w.chance(30) {
		w.echo(d, r)
	}
	if w.chance(40) {
		w.now = max(w.now, d.finished)
	}
	w.explain()
}

// version chooses what to deploy: usually the main branch, else something that
// this lane has had before, or any commit at all.
func (w *world) version(t target, environment string, r *repo) (*commit, string) {
	var before []*deployed
	for _, d := range w.deployed {
		if d.service == t.service && d.environment == environment {
			before = append(before, d)
		}
	}
	if n := len(before); n > 0 {
		switch k := w.rng.IntN(100); {
		case k < 10:
			return before[n-1].commit, before[n-1].digest // again
		case k < 30:
			back := before[max(0, n-1-w.rng.IntN(4))]
			return back.commit, back.digest // back, or forward again
		case k < 40:
			return pick(w, r.commits), ""
		}
	}
	return r.main, ""
}

// sayVersion reports the version by SHA, by digest, or as a GitOps controller
// does: by digest, beside the environment repository's revision.
func (w *world) sayVersion(d *deployed, b *event.Deployment, r *repo) {
	byDigest := d.digest != "" || w.chance(35)
	if byDigest && d.digest == "" {
		h := sha256.Sum256([]byte("image of " + d.commit.sha))
		d.digest = "sha256:" + hex.EncodeToString(h[:])
		if w.chance(85) {
			w.digests = append(w.digests, d.digest)
			w.emitArtifact(d.digest, r, d.commit)
		}
	}
	switch {
	case byDigest && w.chance(50):
		gitops := w.repos[3]
		w.onMain(gitops)
		b.Digest, b.SHA, b.Repo = event.Some(d.digest), event.Some(gitops.main.sha), event.Some(Deploy)
	case byDigest:
		b.Digest = event.Some(d.digest)
	default:
		b.SHA, b.Repo = event.Some(w.abbreviated(d.commit.sha)), event.Some(w.spelling(r))
		if w.chance(10) && d.service != "edge" {
			b.Repo = event.Opt[string]{}
		}
		if w.chance(10) && d.service == "edge" {
			b.Service = event.Opt[string]{}
		}
	}
}

func (w *world) emitArtifact(digest string, r *repo, c *commit) {
	a := &event.Artifact{Digest: digest, Repo: r.url, SHA: c.sha}
	if w.chance(50) {
		a.MadeAt = event.Some(w.now)
	}
	w.emit("ci", 0, a)
}

// explain corrects an artifact: the registry was told the wrong source first.
func (w *world) explain() {
	if len(w.digests) > 0 && w.chance(3) {
		r := w.repos[pick(w, targets).repo]
		a := &event.Artifact{Digest: pick(w, w.digests), Repo: r.url, SHA: pick(w, r.commits).sha, MadeAt: event.Some(w.now)}
		w.emit("registry", w.now, a)
	}
}

// incident opens one, and at times resolves it: with a cause that it names, by
// the version that it names, or by nothing but its time.
func (w *world) incident() {
	i := &event.Incident{ID: w.name("inc-"), OpenedAt: event.Some(w.skewed()), Severity: event.Some(pick(w, []string{"critical", "minor"}))}
	source := pick(w, []string{"pager", "alerts", "ci"})
	i.Service = event.Some(pick(w, targets).service)
	if w.chance(60) {
		i.Environment = event.Some(pick(w, []string{"production", "eu-1", "staging"}))
	}
	if n := len(w.deployed); n > 0 {
		d := w.deployed[max(0, n-1-w.rng.IntN(6))]
		switch k := w.rng.IntN(100); {
		case k < 15:
			i.CausedByDeployment = event.Some(d.source + "/" + d.id)
		case k < 30:
			i.CausedByDeployment = event.Some(d.id)
			i.Service = event.Some(d.service)
		case k < 35:
			i.CausedByDeployment = event.Some("nowhere")
		case k < 42 && len(w.told) > 0:
			other := w.told[max(0, len(w.told)-1-w.rng.IntN(6))]
			i.CausedByDeployment = event.Some(pick(w, []string{other.id, other.source + "/" + other.id}))
		case k < 45:
			i.SHA = event.Some(w.abbreviated(d.commit.sha))
		case k < 55 && d.digest != "":
			i.Digest = event.Some(d.digest)
		case k < 60:
			i.Service = event.Opt[string]{}
		case k < 85:
			i.Service, i.Environment = event.Some(d.service), event.Some(d.environment)
			i.OpenedAt = event.Some(d.finished + event.Time(time.Duration(w.rng.IntN(8*60))*time.Minute/time.Microsecond))
		}
	}
	w.emit(source, 0, i)
	if w.chance(70) {
		done := *i
		done.ResolvedAt = event.Some(i.OpenedAt.V + event.Time(time.Duration(w.rng.IntN(600))*time.Minute/time.Microsecond))
		if w.chance(20) { // closed by a source that says no more
			done = event.Incident{ID: i.ID, OpenedAt: i.OpenedAt, ResolvedAt: done.ResolvedAt}
		}
		w.emit(source, 0, &done)
		if w.chance(10) { // and opened again
			again := *i
			again.ResolvedAt = event.Null[event.Time]()
			w.emit(source, done.ResolvedAt.V+1, &again)
		}
	}
}
