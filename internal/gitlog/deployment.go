package gitlog

import (
	"context"
	"encoding/json"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"
)

// Deployment is one deployment found in a repository or in a file.
type Deployment struct {
	ID          string
	Service     string // "" takes the import's service
	Environment string // "" takes the import's environment
	SHA         string // "" when only the digest is known
	Digest      string
	Outcome     string // success, failure, aborted
	Started     time.Time
	Finished    time.Time
	Unplanned   bool
}

// AppendEvent appends the deployment as one line of bulk events, newline included.
func (d Deployment) AppendEvent(dst []byte, project, repo, service, environment string) ([]byte, error) {
	type event struct {
		Type        string    `json:"type"`
		Project     string    `json:"project,omitempty"`
		Source      string    `json:"source"`
		ID          string    `json:"id"`
		Service     string    `json:"service"`
		Environment string    `json:"environment"`
		Repo        string    `json:"repo"`
		SHA         *string   `json:"sha"`
		Digest      *string   `json:"digest"`
		Outcome     string    `json:"outcome"`
		Started     time.Time `json:"started_at"`
		Finished    time.Time `json:"finished_at"`
		Unplanned   bool      `json:"unplanned"`
	}
	known := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	e := event{Type: "deployment", Project: project, ID: d.ID, Service: d.Service, Environment: d.Environment, Repo: repo,
		SHA: known(d.SHA), Digest: known(d.Digest), Outcome: d.Outcome, Started: d.Started.UTC(), Finished: d.Finished.UTC(), Unplanned: d.Unplanned}
	if e.Service == "" {
		e.Service = service
	}
	if e.Environment == "" {
		e.Environment = environment
	}
	e.Source = deploymentSource(e.Service, e.Environment)
	line, err := json.Marshal(e)
	if err != nil {
		return dst, fmt.Errorf("write deployment %s: %w", d.ID, err)
	}
	return append(append(dst, line...), '\n'), nil
}

// deploymentSource names who reports a deployment. Ids are unique within one source only, and the
// tag v1.0.0 of one service is not the v1.0.0 of another, nor staging's that of production.
func deploymentSource(service, environment string) string {
	if environment == "production" {
		return "git:" + service
	}
	return "git:" + service + "/" + environment
}

// Plan says where an import's deployments come from.
type Plan struct {
	Kind string // "tags", "merges", "csv"; "" for none
	Arg  string // the glob, the branch, the file
}

// ParsePlan reads tags:<glob>, merges:<branch> or csv:<file>.
func ParsePlan(s string) (Plan, error) {
	if s == "" || s == "none" {
		return Plan{}, nil
	}
	kind, arg, ok := strings.Cut(s, ":")
	fault := &Error{Op: "--deployments", Mend: "give tags:<glob> (tags:'v*'), merges:<branch> (merges:main) or csv:<file>"}
	switch {
	case !ok, kind != "tags" && kind != "merges" && kind != "csv":
		fault.Detail = fmt.Sprintf("%q is not a source of deployments", s)
		return Plan{}, fault
	case arg == "":
		fault.Detail = fmt.Sprintf("%q names nothing after the colon", s)
		return Plan{}, fault
	}
	return Plan{Kind: kind, Arg: arg}, nil
}

// String gives the plan as it was written.
func (p Plan) String() string {
	if p.Kind == "" {
		return "none"
	}
	return p.Kind + ":" + p.Arg
}

// Tag is a tag that points, directly or through tag objects, at a commit.
type Tag struct {
	Name string
	SHA  string    // the commit
	At   time.Time // the tagger's date, or the commit's committer date for a lightweight tag
}

// Tags gives the tags that match the glob, as `git tag --list` matches it ("*" also matches "/"),
// in the order of their dates. With a branch, only tags that are reachable from it. Tags of things
// that are no commits, or that bear no readable date, are counted in skipped.
func (r *Repository) Tags(ctx context.Context, glob, reachableFrom string) (tags []Tag, skipped int, err error) {
	args := []string{"tag", "--list", "--format=%(refname:strip=2)%00%(taggerdate:unix)"}
	if reachableFrom != "" {
		args = append(args, "--merged="+reachableFrom)
	}
	out, err := r.git.output(ctx, "list tags", nil, append(args, "--", glob)...)
	if err != nil {
		return nil, 0, err
	}
	var revisions strings.Builder
	for line := range strings.Lines(string(out)) {
		name, tagged, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\x00")
		tag := Tag{Name: name}
		if seconds, ok := parseSeconds([]byte(tagged)); ok {
			tag.At = time.Unix(seconds, 0).UTC()
		}
		tags = append(tags, tag)
		revisions.WriteString("refs/tags/" + name + "^{commit}\n")
	}
	if len(tags) == 0 {
		return nil, 0, nil
	}
	peeled, err := r.git.output(ctx, "read tags", strings.NewReader(revisions.String()), "cat-file", "--batch-check=%(objectname) %(objecttype)")
	if err != nil {
		return nil, 0, err
	}
	lines := strings.Split(strings.TrimSuffix(string(peeled), "\n"), "\n")
	if len(lines) != len(tags) {
		return nil, 0, fmt.Errorf("read tags: git answered %d of %d", len(lines), len(tags))
	}
	var dateless []string
	for i := range tags {
		sha, ok := strings.CutSuffix(lines[i], " commit")
		if !ok {
			continue
		}
		tags[i].SHA = sha
		if tags[i].At.IsZero() {
			dateless = append(dateless, sha)
		}
	}
	dates, err := r.committerDates(ctx, dateless)
	if err != nil {
		return nil, 0, err
	}
	kept := tags[:0]
	for _, tag := range tags {
		if tag.At.IsZero() {
			tag.At = dates[tag.SHA]
		}
		if tag.SHA == "" || tag.At.IsZero() {
			skipped++
			continue
		}
		kept = append(kept, tag)
	}
	sort.SliceStable(kept, func(i, j int) bool {
		if !kept[i].At.Equal(kept[j].At) {
			return kept[i].At.Before(kept[j].At)
		}
		return kept[i].Name < kept[j].Name
	})
	return kept, skipped, nil
}

// committerDates looks up the committer dates of commits, many at once.
func (r *Repository) committerDates(ctx context.Context, shas []string) (map[string]time.Time, error) {
	dates := make(map[string]time.Time, len(shas))
	if len(shas) == 0 {
		return dates, nil
	}
	out, err := r.git.output(ctx, "read tags", strings.NewReader(strings.Join(shas, "\n")+"\n"),
		"log", "--no-walk=unsorted", "--stdin", "--no-patch", "--no-color", "--no-show-signature", "--format=tformat:%H %ct")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(out)) {
		sha, at, _ := strings.Cut(strings.TrimSpace(line), " ")
		if seconds, ok := parseSeconds([]byte(at)); ok {
			dates[sha] = time.Unix(seconds, 0).UTC()
		}
	}
	return dates, nil
}

// TagDeployments makes one deployment of each tag: its id is the tag's name, and it started and
// finished at the tag's date, which is all that a tag knows.
func TagDeployments(tags []Tag) []Deployment {
	out := make([]Deployment, len(tags))
	for i, t := range tags {
		out[i] = Deployment{ID: t.Name, SHA: t.SHA, Outcome: "success", Started: t.At, Finished: t.At}
	}
	return out
}

// Merges gives one deployment for each commit of the branch's first-parent line, oldest first: each
// merge or direct push went out at its committer date. The id is the commit. Commits without a
// readable date are counted in skipped.
func (r *Repository) Merges(ctx context.Context, rng Range, yield func(Deployment) error) (skipped int, err error) {
	args := append([]string{"log", "-z", "--first-parent", "--topo-order", "--reverse", "--no-patch", "--no-color",
		"--no-show-signature", "--no-notes", recordFormat}, rng.dateBound()...)
	out, err := r.git.output(ctx, "walk merges", rng.revisions(), append(args, "--stdin")...)
	if err != nil {
		return 0, err
	}
	err = parseLog(strings.NewReader(string(out)), false, func(c *Commit) error {
		if !c.HasCommitted {
			skipped++
			return nil
		}
		at := time.Unix(c.Committed, 0).UTC()
		return yield(Deployment{ID: string(c.SHA), SHA: string(c.SHA), Outcome: "success", Started: at, Finished: at})
	})
	return skipped, err
}

// ParseSince reads a lower bound of dates: a day, an RFC 3339 time, or a span before now such as
// 90d, 12w, 6mo, 2y.
func ParseSince(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t.UTC(), nil
	}
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		return t, nil
	}
	digits := strings.TrimRight(s, "abcdefghijklmnopqrstuvwxyz")
	if n, err := strconv.Atoi(digits); err == nil && n > 0 && n < 100_000 {
		switch s[len(digits):] {
		case "h":
			return now.UTC().Add(-time.Duration(n) * time.Hour), nil
		case "d":
			return now.UTC().AddDate(0, 0, -n), nil
		case "w":
			return now.UTC().AddDate(0, 0, -7*n), nil
		case "mo":
			return now.UTC().AddDate(0, -n, 0), nil
		case "y":
			return now.UTC().AddDate(-n, 0, 0), nil
		}
	}
	return time.Time{}, &Error{Op: "--since", Detail: fmt.Sprintf("%q is not a date", s), Mend: "give a day (2025-01-31), a time (2025-01-31T08:00:00Z) or a span (90d, 12w, 6mo, 2y)"}
}
