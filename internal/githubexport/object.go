package githubexport

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

type user struct {
	Login string `json:"login"`
}

type repo struct {
	HTMLURL  string `json:"html_url"`
	FullName string `json:"full_name"`
}

// signature is who made a commit, and when.
type signature struct {
	Name  string `json:"name"`
	Email string `json:"email"`
	Date  string `json:"date"`
}

// object is every field that is read of any kind.
type object struct {
	ID            int64  `json:"id"`
	Number        int64  `json:"number"`
	HTMLURL       string `json:"html_url"`
	URL           string `json:"url"`
	RepositoryURL string `json:"repository_url"`
	Repository    repo   `json:"repository"`
	Title         string `json:"title"`
	User          user   `json:"user"`
	State         string `json:"state"`
	CreatedAt     string `json:"created_at"`
	UpdatedAt     string `json:"updated_at"`

	// pull requests and what people say of them
	MergedAt       string `json:"merged_at"`
	ClosedAt       string `json:"closed_at"`
	MergeCommitSHA string `json:"merge_commit_sha"`
	Head           struct {
		SHA string `json:"sha"`
	} `json:"head"`
	Base struct {
		Ref  string `json:"ref"`
		Repo repo   `json:"repo"`
	} `json:"base"`
	PullRequestURL string `json:"pull_request_url"`
	SubmittedAt    string `json:"submitted_at"`

	// issues
	Labels      []json.RawMessage `json:"labels"`
	PullRequest json.RawMessage   `json:"pull_request"`

	// commits and deployments
	SHA    string `json:"sha"`
	Author *user  `json:"author"`
	Commit struct {
		Author    signature `json:"author"`
		Committer signature `json:"committer"`
	} `json:"commit"`
	Parents []struct {
		SHA string `json:"sha"`
	} `json:"parents"`
	Files []struct {
		Filename string `json:"filename"`
		Previous string `json:"previous_filename"`
	} `json:"files"`
	Environment    string          `json:"environment"`
	Description    string          `json:"description"`
	Payload        json.RawMessage `json:"payload"`
	DeploymentURL  string          `json:"deployment_url"`
	LogURL         string          `json:"log_url"`
	TargetURL      string          `json:"target_url"`
	EnvironmentURL string          `json:"environment_url"`

	// workflow runs
	HeadSHA      string `json:"head_sha"`
	HeadBranch   string `json:"head_branch"`
	Status       string `json:"status"`
	Conclusion   string `json:"conclusion"`
	RunAttempt   int    `json:"run_attempt"`
	RunStartedAt string `json:"run_started_at"`
}

// lines tells one object in the bulk format.
func (r *reader) lines(kind string, raw json.RawMessage) ([][]byte, error) {
	if kind == KindRelease {
		return nil, nil // it names a tag, and says nothing about any environment
	}
	var o object
	if err := json.Unmarshal(raw, &o); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			return nil, fault(wrong.Field, "want %s, got %s", inWords(wrong.Type.Kind().String()), wrong.Value)
		}
		return nil, fault("", "%s", err)
	}
	var l line
	var err error
	switch kind {
	case KindPull:
		l, err = r.pullRequest(&o)
	case KindReview:
		l, err = r.review(&o)
	case KindReviewComment, KindIssueComment:
		l, err = r.comment(kind, &o)
	case KindCommit:
		return r.commit(&o)
	case KindDeployment:
		l, err = r.deployment(&o)
	case KindStatus:
		l, err = r.status(&o)
	case KindRun:
		l, err = r.run(&o)
	case KindIssue:
		l, err = r.issue(&o)
	}
	if err != nil || l == nil {
		return nil, err
	}
	return [][]byte{l.text()}, nil
}

func inWords(kind string) string {
	switch kind {
	case "string":
		return "a string"
	case "slice":
		return "a list"
	case "struct", "ptr", "map":
		return "an object"
	}
	return "a whole number"
}

func (r *reader) pullRequest(o *object) (line, error) {
	repo, err := r.repoOf(o.Base.Repo.HTMLURL, o.HTMLURL, o.URL)
	if err != nil {
		return nil, err
	}
	if o.Number <= 0 {
		return nil, fault("number", "is required: a whole number above 0")
	}
	if err := times(required("created_at", o.CreatedAt), optional("updated_at", o.UpdatedAt), optional("merged_at", o.MergedAt), optional("closed_at", o.ClosedAt)); err != nil {
		return nil, err
	}
	l := start("pull_request", o.UpdatedAt).put("repo", repo).put("number", strconv.FormatInt(o.Number, 10)).put("author", o.User.Login).
		put("created_at", o.CreatedAt).put("merged_at", o.MergedAt).put("closed_at", o.ClosedAt)
	if o.MergedAt != "" {
		l = l.put("merge_sha", o.MergeCommitSHA)
	}
	return l.put("head_sha", o.Head.SHA).put("base", o.Base.Ref).put("title", clean(o.Title)).put("url", o.HTMLURL), nil
}

var pullNumber = regexp.MustCompile(`/(?:pulls?|issues)/(\d+)(?:[/?#]|$)`)

// ofPull finds the repository and the number of the pull request that an object is
// about.
func (r *reader) ofPull(field string, addresses ...string) (repo, number string, err error) {
	if repo, err = r.repoOf(addresses...); err != nil {
		return "", "", err
	}
	for _, a := range addresses {
		if m := pullNumber.FindStringSubmatch(a); m != nil {
			return repo, m[1], nil
		}
	}
	return "", "", fault(field, "names no pull request")
}

func (r *reader) review(o *object) (line, error) {
	var kind string
	switch strings.ToLower(o.State) {
	case "approved":
		kind = "approval"
	case "changes_requested":
		kind = "changes_requested"
	case "commented", "dismissed":
		kind = "comment"
	case "pending":
		return nil, nil // nobody has seen it yet
	default:
		return nil, fault("state", "%q is not one of APPROVED, CHANGES_REQUESTED, COMMENTED, DISMISSED, PENDING", o.State)
	}
	repo, number, err := r.ofPull("pull_request_url", o.PullRequestURL, o.HTMLURL)
	if err != nil {
		return nil, err
	}
	return act(repo, number, o.User.Login, kind, "submitted_at", o.SubmittedAt)
}

func (r *reader) comment(kind string, o *object) (line, error) {
	if kind == KindIssueComment && !strings.Contains(o.HTMLURL, "/pull/") {
		return nil, nil // on an issue
	}
	repo, number, err := r.ofPull("html_url", o.PullRequestURL, o.HTMLURL)
	if err != nil {
		return nil, err
	}
	return act(repo, number, o.User.Login, "comment", "created_at", o.CreatedAt)
}

func act(repo, number, author, kind, field, at string) (line, error) {
	if err := times(required(field, at)); err != nil {
		return nil, err
	}
	return start("review", at).put("repo", repo).put("number", number).must("author", author).put("kind", kind).put("submitted_at", at), nil
}

func (r *reader) commit(o *object) ([][]byte, error) {
	repo, err := r.repoOf(o.Repository.HTMLURL, o.HTMLURL, o.URL)
	if err != nil {
		return nil, err
	}
	if err := hash("sha", o.SHA); err != nil {
		return nil, err
	}
	if err := times(required("commit.author.date", o.Commit.Author.Date), optional("commit.committer.date", o.Commit.Committer.Date)); err != nil {
		return nil, err
	}
	parents := make([]string, 0, len(o.Parents))
	for i, p := range o.Parents {
		if err := hash("parents["+strconv.Itoa(i)+"].sha", p.SHA); err != nil {
			return nil, err
		}
		parents = append(parents, p.SHA)
	}
	author := o.Commit.Author.Email
	if o.Author != nil && o.Author.Login != "" {
		author = o.Author.Login
	}
	if author == "" {
		author = o.Commit.Author.Name
	}
	l := start("commit", "").put("repo", repo).put("sha", o.SHA)
	if o.Parents != nil {
		l = append(l, pair{"parents", parents})
	}
	l = l.put("author", clean(author)).put("authored_at", o.Commit.Author.Date).put("committed_at", o.Commit.Committer.Date)
	var paths []string
	for _, f := range o.Files {
		for _, p := range []string{f.Filename, f.Previous} {
			if p != "" && !slices.Contains(paths, p) {
				paths = append(paths, p)
			}
		}
	}
	if len(paths) > 0 && len(o.Files) < mostFiles {
		l = append(l, pair{"paths", paths})
	}
	return [][]byte{l.text()}, nil
}

// mostFiles is how many files GitHub's answer names at most: there may be more.
const mostFiles = 300

func (r *reader) run(o *object) (line, error) {
	repo, err := r.repoOf(o.Repository.HTMLURL, o.HTMLURL, o.URL)
	if err != nil {
		return nil, err
	}
	if o.ID <= 0 {
		return nil, fault("id", "is required: a whole number above 0")
	}
	if err := hash("head_sha", o.HeadSHA); err != nil {
		return nil, err
	}
	started := o.RunStartedAt
	if started == "" {
		started = o.CreatedAt
	}
	if err := times(required("run_started_at", started), required("updated_at", o.UpdatedAt)); err != nil {
		return nil, err
	}
	l := start("build", o.UpdatedAt).put("repo", repo).put("sha", o.HeadSHA).put("id", strconv.FormatInt(o.ID, 10)).put("branch", clean(o.HeadBranch)).put("started_at", started)
	l = append(l, pair{"attempt", max(o.RunAttempt, 1)})
	if o.Status == "completed" && o.Conclusion != "action_required" {
		outcome := map[string]string{
			"success": "success", "neutral": "success", "failure": "failure", "timed_out": "failure", "startup_failure": "failure",
			"cancelled": "aborted", "skipped": "aborted", "stale": "aborted",
		}[o.Conclusion]
		if outcome == "" {
			return nil, fault("conclusion", "%q is not a conclusion that is known", o.Conclusion)
		}
		l = l.put("outcome", outcome).put("finished_at", o.UpdatedAt)
	}
	return l.put("url", o.HTMLURL), nil
}

func (r *reader) issue(o *object) (line, error) {
	if len(o.PullRequest) > 0 && !bytes.Equal(o.PullRequest, []byte("null")) {
		return nil, nil // the list of pull requests tells more
	}
	var names []string
	for i, raw := range o.Labels {
		var name string
		var label struct {
			Name string `json:"name"`
		}
		if json.Unmarshal(raw, &name) != nil {
			if json.Unmarshal(raw, &label) != nil {
				return nil, fault("labels["+strconv.Itoa(i)+"]", "want a label")
			}
			name = label.Name
		}
		names = append(names, name)
	}
	labels := r.IncidentLabels
	if len(labels) == 0 {
		labels = []string{"incident"}
	}
	if !slices.ContainsFunc(names, func(n string) bool {
		return slices.ContainsFunc(labels, func(l string) bool { return strings.EqualFold(l, n) })
	}) {
		return nil, nil
	}
	repo, err := r.repoOf(o.RepositoryURL, o.HTMLURL, o.URL)
	if err != nil {
		return nil, err
	}
	if o.Number <= 0 {
		return nil, fault("number", "is required: a whole number above 0")
	}
	if err := times(required("created_at", o.CreatedAt), optional("updated_at", o.UpdatedAt), optional("closed_at", o.ClosedAt)); err != nil {
		return nil, err
	}
	l := start("incident", o.UpdatedAt).put("id", fullName(repo)+"#"+strconv.FormatInt(o.Number, 10)).put("repo", repo).put("opened_at", o.CreatedAt)
	if o.ClosedAt == "" {
		l = append(l, pair{"resolved_at", nil})
	}
	l = l.put("resolved_at", o.ClosedAt).put("title", clean(o.Title)).put("url", o.HTMLURL)
	return l.describe(names), nil
}

// fullName is "owner/name" of a repository's address.
func fullName(repo string) string {
	parts := strings.Split(strings.TrimSuffix(strings.TrimRight(repo, "/"), ".git"), "/")
	return strings.Join(parts[max(0, len(parts)-2):], "/")
}

// describe adds what labels of the form "key:value" say; the first of a kind counts.
func (l line) describe(labels []string) line {
	taken := map[string]bool{}
	for _, label := range labels {
		key, value, ok := strings.Cut(label, ":")
		if !ok {
			continue
		}
		field := map[string]string{"service": "service", "environment": "environment", "env": "environment", "severity": "severity",
			"deployment": "caused_by_deployment"}[strings.ToLower(strings.TrimSpace(key))]
		if value = clean(strings.TrimSpace(value)); field == "" || value == "" || taken[field] {
			continue
		}
		taken[field] = true
		l = l.put(field, value)
	}
	return l
}

// moment is a field that is a time.
type moment struct {
	field, text string
	must        bool
}

func required(field, text string) moment { return moment{field, text, true} }
func optional(field, text string) moment { return moment{field, text, false} }

func times(all ...moment) error {
	for _, m := range all {
		if m.text == "" {
			if m.must {
				return fault(m.field, "is required: a time such as \"2026-01-31T09:30:00Z\"")
			}
			continue
		}
		if _, err := time.Parse(time.RFC3339Nano, m.text); err != nil {
			return fault(m.field, "want a time such as \"2026-01-31T09:30:00Z\", got %q", m.text)
		}
	}
	return nil
}

var hashForm = regexp.MustCompile(`^[0-9a-fA-F]{4,64}$`)

func hash(field, s string) error {
	if !hashForm.MatchString(s) {
		return fault(field, "%q is not a commit's hash", s)
	}
	return nil
}
