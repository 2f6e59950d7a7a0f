package event

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds on what one report may carry.
const (
	maxText    = 512
	maxURL     = 2048
	maxList    = 10_000
	maxPath    = 4096
	maxParents = 256
)

var (
	buildOutcomes      = []string{OutcomeSuccess, OutcomeFailure, OutcomeAborted, OutcomeUnstable}
	deploymentOutcomes = []string{OutcomeSuccess, OutcomeFailure, OutcomeAborted}
	reviewKinds        = []string{ReviewComment, ReviewApproval, ReviewChangesRequested}
)

// firstFault returns the first error that is not nil.
func firstFault(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func required(field, v string) error {
	if strings.TrimSpace(v) == "" {
		return Fault(field, "is required")
	}
	return text(field, v, maxText)
}

func text(field, v string, most int) error {
	if len(v) > most {
		return Fault(field, "is %d bytes long, at most %d are taken", len(v), most)
	}
	if !utf8.ValidString(v) {
		return Fault(field, "is not valid UTF-8")
	}
	for _, r := range v {
		if r != '\t' && unicode.IsControl(r) {
			return Fault(field, "holds a control character")
		}
	}
	return nil
}

func optText(field string, v Opt[string]) error { return text(field, v.V, maxText) }

func optURL(field string, v Opt[string]) error { return text(field, v.V, maxURL) }

func repo(field, v string) error {
	if strings.TrimSpace(v) == "" {
		return Fault(field, "is required: the repository's URL")
	}
	if RepoKey(v) == "" {
		return Fault(field, "%q names no repository", v)
	}
	return text(field, v, maxURL)
}

func optRepo(field string, v Opt[string]) error {
	if !v.Known {
		return nil
	}
	return repo(field, v.V)
}

func sha(field, v string) error {
	if v == "" {
		return Fault(field, "is required: a commit's hash")
	}
	if len(v) < 4 || len(v) > 64 {
		return Fault(field, "%q is not a commit's hash: want 4 to 64 hexadecimal digits", clip([]byte(v)))
	}
	for i := range len(v) {
		c := v[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return Fault(field, "%q is not a commit's hash: want 4 to 64 hexadecimal digits", v)
		}
	}
	return nil
}

func optSHA(field string, v Opt[string]) error {
	if !v.Known {
		return nil
	}
	return sha(field, v.V)
}

func shas(field string, v Opt[[]string], most int) error {
	if len(v.V) > most {
		return Fault(field, "holds %d entries, at most %d are taken", len(v.V), most)
	}
	for i, s := range v.V {
		if err := sha(index(field, i), s); err != nil {
			return err
		}
	}
	return nil
}

func digest(field, v string) error {
	if v == "" {
		return Fault(field, "is required: a digest such as \"sha256:9c…\"")
	}
	algo, hex, ok := strings.Cut(v, ":")
	if !ok || algo == "" || len(hex) < 4 {
		return Fault(field, "%q is not a digest such as \"sha256:9c…\"", clip([]byte(v)))
	}
	return text(field, v, maxText)
}

func optDigest(field string, v Opt[string]) error {
	if !v.Known {
		return nil
	}
	return digest(field, v.V)
}

func oneOf(field string, v string, allowed []string) error {
	if v == "" {
		return Fault(field, "is required: one of %s", strings.Join(allowed, ", "))
	}
	if !slices.Contains(allowed, v) {
		return Fault(field, "%q is not one of %s", clip([]byte(v)), strings.Join(allowed, ", "))
	}
	return nil
}

func optOneOf(field string, v Opt[string], allowed []string) error {
	if !v.Known {
		return nil
	}
	return oneOf(field, v.V, allowed)
}

func needTime(field string, v Opt[Time]) error {
	if !v.Known {
		return Fault(field, "is required: a time such as \"2026-01-31T09:30:00Z\"")
	}
	return nil
}

// inOrder wants that what ended did so after it began.
func inOrder(begin string, from Opt[Time], end string, to Opt[Time]) error {
	if from.Known && to.Known && from.V > to.V {
		return Fault(end, "lies before %s", begin)
	}
	return nil
}

// Validate implements [Body].
func (c *Commit) Validate() error {
	if err := firstFault(repo("repo", c.Repo), sha("sha", c.SHA), shas("parents", c.Parents, maxParents), shas("ancestors", c.Ancestors, maxList),
		optText("author", c.Author), needTime("authored_at", c.AuthoredAt)); err != nil {
		return err
	}
	if len(c.Paths.V) > maxList {
		return Fault("paths", "holds %d entries, at most %d are taken", len(c.Paths.V), maxList)
	}
	for i, p := range c.Paths.V {
		if len(p) > maxPath {
			return Fault(index("paths", i), "is %d bytes long, at most %d are taken", len(p), maxPath)
		}
	}
	return nil
}

// Validate implements [Body].
func (p *PullRequest) Validate() error {
	return firstFault(repo("repo", p.Repo), required("number", p.Number), optText("author", p.Author),
		optSHA("merge_sha", p.MergeSHA), optSHA("head_sha", p.HeadSHA), optText("base", p.Base),
		text("title", p.Title.V, 4*maxText), shas("commits", p.Commits, maxList), optURL("url", p.URL))
}

// Validate implements [Body].
func (r *Review) Validate() error {
	return firstFault(repo("repo", r.Repo), required("number", r.Number), text("author", r.Author, maxText),
		oneOf("kind", r.Kind, reviewKinds), needTime("submitted_at", r.SubmittedAt))
}

// Validate implements [Body].
func (b *Build) Validate() error {
	if b.Attempt.Known && b.Attempt.V < 1 {
		return Fault("attempt", "%d is below 1", b.Attempt.V)
	}
	return firstFault(repo("repo", b.Repo), sha("sha", b.SHA), required("id", b.ID), optText("branch", b.Branch),
		optOneOf("outcome", b.Outcome, buildOutcomes), optURL("url", b.URL), inOrder("started_at", b.StartedAt, "finished_at", b.FinishedAt))
}

// Validate implements [Body].
func (a *Artifact) Validate() error {
	return firstFault(digest("digest", a.Digest), repo("repo", a.Repo), sha("sha", a.SHA))
}

// Validate implements [Body].
func (d *Deployment) Validate() error {
	if err := firstFault(required("id", d.ID), optText("service", d.Service), optText("environment", d.Environment),
		optRepo("repo", d.Repo), optSHA("sha", d.SHA), optDigest("digest", d.Digest),
		optOneOf("outcome", d.Outcome, deploymentOutcomes), text("title", d.Title.V, 4*maxText), optURL("url", d.URL)); err != nil {
		return err
	}
	if len(d.ManifestRepos.V) > maxParents {
		return Fault("manifest_repos", "holds %d entries, at most %d are taken", len(d.ManifestRepos.V), maxParents)
	}
	for i, v := range d.ManifestRepos.V {
		if err := repo(index("manifest_repos", i), v); err != nil {
			return err
		}
	}
	return inOrder("started_at", d.StartedAt, "finished_at", d.FinishedAt)
}

// Validate implements [Body].
func (i *Incident) Validate() error {
	return firstFault(required("id", i.ID), optText("service", i.Service), optText("environment", i.Environment), optRepo("repo", i.Repo),
		optText("severity", i.Severity), optText("caused_by_deployment", i.CausedByDeployment),
		optDigest("digest", i.Digest), optSHA("sha", i.SHA), text("title", i.Title.V, 4*maxText), optURL("url", i.URL),
		inOrder("opened_at", i.OpenedAt, "resolved_at", i.ResolvedAt))
}

// Validate implements [Body].
func (o *Other) Validate() error {
	return firstFault(required("id", o.ID), required("kind", o.Kind))
}
