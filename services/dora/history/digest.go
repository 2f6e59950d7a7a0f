package history

import (
	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/project"
)

// origin is the commit that an image was made from; sha is "" when nobody knows.
type origin struct{ repo, sha string }

// madeFrom says from which commit an image was made: as its artifact was
// reported; else as the deployments say that name a commit beside the digest.
// An image is made from one commit, so where they disagree none is believed.
func (l *Ledger) madeFrom(digest string) (origin, bool) {
	if digest == "" {
		return origin{}, false
	}
	if a := l.artifacts[digest]; a != nil {
		return origin{a.repo.v, a.sha.v}, true
	}
	o, ok := l.stated[digest]
	if !ok {
		o = l.statement(digest)
		l.stated[digest] = o
	}
	return o, o.sha != ""
}

func (l *Ledger) statement(digest string) origin {
	var out origin
	for _, d := range l.byDigest[digest] {
		if d.digest.v != digest || project.ClassOf(d.source) == project.ClassGitOps {
			continue
		}
		repo, sha := l.ownSource(d)
		switch {
		case sha == "":
			continue
		case out.sha != "" && !sameVersion(out.sha, sha):
			return origin{}
		case len(sha) > len(out.sha):
			out.sha = sha
		}
		if out.repo == "" || repo != "" && repo < out.repo {
			out.repo = repo
		}
	}
	return out
}

// ownSource says from which repository and commit a deployment was made as far
// as its own reports tell. The revision that stands beside a digest is often
// another repository's, that of the environment (GitOps). It is believed only
// when it is of the repository that the service is declared for.
func (l *Ledger) ownSource(d *deploymentFacts) (repo, sha string) {
	if d.digest.v != "" {
		name, _ := l.spec.Named(d.source, d.service.v, "")
		v, _ := l.spec.Service(name)
		if d.repo.v != "" && v.Repo != "" && event.RepoKey(v.Repo) != event.RepoKey(d.repo.v) {
			return v.Repo, ""
		}
	}
	return d.repo.v, d.sha.v
}

// sourceOf says from which repository and commit a deployment was made, and how
// that is known: by its image's artifact, else by its own reports, else by what
// others say of its image. GitOps knows commits by hearsay: of it the image goes
// before its own reports.
func (l *Ledger) sourceOf(d *deploymentFacts) (repo, sha, by string) {
	if a := l.artifacts[d.digest.v]; a != nil && d.digest.v != "" {
		return a.repo.v, a.sha.v, "digest"
	}
	repo, sha = l.ownSource(d)
	if sha == "" || project.ClassOf(d.source) == project.ClassGitOps {
		if o, ok := l.madeFrom(d.digest.v); ok {
			return o.repo, o.sha, "digest"
		}
	}
	if sha == "" {
		return repo, "", ""
	}
	return repo, sha, "sha"
}

// explained notes that more is known of an image: whoever names it is looked at
// again.
func (l *Ledger) explained(digest string) {
	if digest != "" {
		l.state.explained[digest] = struct{}{}
	}
}

// lookAgain marks the deployments that name an image of which more is known.
func (l *Ledger) lookAgain() {
	s := &l.state
	for digest := range s.explained {
		delete(l.stated, digest)
		for _, d := range l.byDigest[digest] {
			s.stale[d] = true
		}
		s.incidentsChanged = true // they may name the digest
	}
	clear(s.explained)
}
