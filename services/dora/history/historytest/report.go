package historytest

import (
	"time"

	"github.com/fawkes-idp/fawkes/services/dora/event"
)

// byGitOps reports the version as Argo CD does: by the image's digest, or by a
// tag that tells nothing, beside the environment repository's revision.
func (w *world) byGitOps(d *deployed, b *event.Deployment, r *repo) {
	w.sayVersion(d, b, r)
	b.SHA, b.Repo = event.Opt[string]{}, event.Opt[string]{}
	if w.chance(40) {
		b.Digest = event.Opt[string]{}
	}
	if w.chance(30) {
		b.SHA, b.Repo = event.Some(w.repos[3].main.sha), event.Some(Deploy)
	}
	if b.Digest.Known || w.chance(60) {
		return
	}
	b.SHA, b.Repo = event.Opt[string]{}, event.Opt[string]{}
}

// echo lets other sources report a deployment that one has reported: before or
// after it, once or again, knowing more or less. At times they mean another.
func (w *world) echo(d *deployed, r *repo) {
	for _, source := range []string{"argocd", "jenkins", "github", "devlake:shop", "git"} {
		if source == d.source || !w.chance(30) {
			continue
		}
		for again := true; again; again = w.chance(20) {
			w.report(d, source, r)
		}
	}
}

func (w *world) report(d *deployed, source string, r *repo) {
	off := w.rng.IntN(20) - 10
	switch n := w.rng.IntN(100); {
	case n < 15:
		off = w.rng.IntN(600) - 300
	case n < 25:
		off = w.rng.IntN(3600) - 1800
	}
	finished := d.finished + event.Time(time.Duration(off)*time.Minute/time.Microsecond)
	b := &event.Deployment{ID: w.name("e"), Service: event.Some(d.service), Environment: event.Some(d.environment),
		Outcome: event.Some(event.OutcomeSuccess), FinishedAt: event.Some(finished)}
	if w.chance(60) {
		b.StartedAt = event.Some(finished - event.Time(time.Duration(w.rng.IntN(30))*time.Minute/time.Microsecond))
	}
	c := d.commit
	if w.chance(8) {
		c = pick(w, r.commits)
	}
	switch n := w.rng.IntN(100); {
	case n < 10 && source == "argocd": // by a tag
	case d.digest != "" && n < 30:
		b.Digest = event.Some(d.digest)
	case d.digest != "" && n < 60:
		b.Digest = event.Some(d.digest)
		fallthrough
	default:
		b.SHA = event.Some(w.abbreviated(c.sha))
		if w.chance(70) {
			b.Repo = event.Some(w.spelling(r))
		}
	}
	if w.chance(10) {
		b.Outcome = event.Some(event.OutcomeFailure)
	}
	if w.chance(10) && b.StartedAt.Known {
		b.Outcome, b.FinishedAt = event.Opt[string]{}, event.Null[event.Time]()
	}
	if w.chance(15) {
		b.Unplanned = event.Some(w.chance(70))
	}
	if w.chance(30) {
		b.Title, b.URL = event.Some("Release "+b.ID), event.Some("https://ci.example/"+b.ID)
	}
	w.emit(source, finished, b)
	w.told = append(w.told, &deployed{target: d.target, source: source, id: b.ID})
}
