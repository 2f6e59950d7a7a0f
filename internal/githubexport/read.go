package githubexport

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// Options say how objects are read.
type Options struct {
	// Repo is the repository's URL; without it each object tells its own.
	Repo string
	// IncidentLabels make an issue an incident, in any case of letters; none means
	// "incident".
	IncidentLabels []string
}

// Item is one object of a file, read.
type Item struct {
	Kind  string // "pull request", "" for an object that is not known
	Place string // "pulls.json[3]": the fourth object of the file
	// Lines are events of the bulk format, without line feeds; none for an object
	// that says nothing about delivery.
	Lines [][]byte
	Fault *Fault // what is wrong with it
}

// Fault is what is wrong with an object.
type Fault struct {
	Field, Detail string
}

// Error implements error.
func (f *Fault) Error() string { return f.Field + ": " + f.Detail }

func fault(field, format string, args ...any) *Fault {
	return &Fault{field, fmt.Sprintf(format, args...)}
}

// deepest bounds the nesting of lists around objects.
const deepest = 4

// ReadFile reads a file and hands its objects to take, one by one. A file that is no
// JSON, or breaks off, ends with an item that says so. The error is that of reading
// the file, or of take.
func ReadFile(path string, o Options, take func(Item) error) error {
	in, closeFile, err := open(path)
	if err != nil {
		return err
	}
	defer closeFile()
	return read(path, in, o, take)
}

// reader is a file while it is read.
type reader struct {
	Options
	name string
	dec  *json.Decoder
	n    int // objects so far
	take func(Item) error
}

// errTake marks what take returned.
type errTake struct{ error }

func read(path string, in io.Reader, o Options, take func(Item) error) error {
	r := &reader{Options: o, name: path, dec: json.NewDecoder(in), take: take}
	err := r.values()
	var stopped errTake
	var syntax *json.SyntaxError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &stopped):
		return stopped.error
	case errors.As(err, &syntax):
		return r.broken("is not JSON: %s at byte %d", syntax.Error(), syntax.Offset)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return r.broken("is not whole: it ends within an object")
	case errors.Is(err, errForm):
		return r.broken("%s", err)
	}
	return fmt.Errorf("read %s: %w", path, err)
}

func (r *reader) broken(format string, args ...any) error {
	return r.take(Item{Place: r.place(), Fault: fault("", "the file "+format, args...)})
}

func (r *reader) place() string { return fmt.Sprintf("%s[%d]", r.name, r.n) }

var errForm = errors.New("holds something else than objects and lists of them")

// values reads the values of the file, which follow one another. Of lists only one
// object at a time is kept.
func (r *reader) values() error {
	depth := 0
	for {
		for depth > 0 && !r.dec.More() {
			if _, err := r.dec.Token(); err != nil { // the end of the list
				return unexpected(err)
			}
			depth--
		}
		var raw json.RawMessage
		if ahead, err := r.list(depth); err != nil {
			if errors.Is(err, io.EOF) && depth == 0 {
				return nil
			}
			return unexpected(err)
		} else if ahead {
			if depth++; depth > deepest {
				return fmt.Errorf("%w: lists within lists", errForm)
			}
			continue
		}
		if err := r.dec.Decode(&raw); err != nil {
			if errors.Is(err, io.EOF) && depth == 0 {
				return nil
			}
			return unexpected(err)
		}
		if err := r.object(raw); err != nil {
			return err
		}
	}
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// list steps into a list, if one is next.
func (r *reader) list(depth int) (bool, error) {
	// Buffered is what the decoder has read ahead; More fills it.
	if !r.dec.More() && depth == 0 {
		_, err := r.dec.Token()
		if err == nil {
			err = errForm
		}
		return false, err
	}
	ahead := make([]byte, 512)
	n, err := r.dec.Buffered().Read(ahead)
	if err != nil {
		return false, err
	}
	rest := bytes.TrimLeft(ahead[:n], " \t\r\n,")
	if !bytes.HasPrefix(rest, []byte("[")) {
		return false, nil
	}
	_, err = r.dec.Token()
	return true, err
}

// pages names the lists that a page of an answer may carry.
func pages() []string { return []string{"workflow_runs", "items", "commits", "statuses"} }

// object reads one object, or those that a page holds.
func (r *reader) object(raw json.RawMessage) error {
	var o map[string]json.RawMessage
	if raw[0] == '[' { // a list that the look ahead did not reach
		var list []json.RawMessage
		if err := json.Unmarshal(raw, &list); err != nil {
			return err
		}
		for _, one := range list {
			if err := r.object(one); err != nil {
				return err
			}
		}
		return nil
	}
	if raw[0] != '{' {
		return errForm
	}
	if err := json.Unmarshal(raw, &o); err != nil {
		return err
	}
	if o["total_count"] != nil || o["total_commits"] != nil || len(o) == 1 {
		for _, name := range pages() {
			var list []json.RawMessage
			if o[name] == nil {
				continue
			}
			if err := json.Unmarshal(o[name], &list); err != nil {
				return r.send(Item{Place: r.place(), Fault: fault(name, "want a list")})
			}
			for _, one := range list {
				if err := r.object(one); err != nil {
					return err
				}
			}
			return nil
		}
	}
	item := Item{Place: r.place(), Kind: kindOf(o)}
	if item.Kind == "" {
		var message string
		if json.Unmarshal(o["message"], &message) == nil && message != "" && o["documentation_url"] != nil {
			item.Fault = fault("message", "GitHub's answer is an error: %s", message)
		}
		return r.send(item)
	}
	lines, err := r.lines(item.Kind, raw)
	if err != nil && !errors.As(err, &item.Fault) {
		return err
	}
	item.Lines = lines
	return r.send(item)
}

func (r *reader) send(i Item) error {
	r.n++
	if err := r.take(i); err != nil {
		return errTake{err}
	}
	return nil
}

// The kinds of object, as people call them.
const (
	KindPull          = "pull request"
	KindReview        = "review"
	KindReviewComment = "review comment"
	KindIssueComment  = "issue comment"
	KindCommit        = "commit"
	KindDeployment    = "deployment"
	KindStatus        = "deployment status"
	KindRun           = "workflow run"
	KindIssue         = "issue"
	KindRelease       = "release"
)

// kindOf tells an object by its fields, "" for one that is not known.
func kindOf(o map[string]json.RawMessage) string {
	has := func(names ...string) bool {
		for _, name := range names {
			if _, ok := o[name]; !ok {
				return false
			}
		}
		return true
	}
	switch {
	case has("deployment_url", "state"):
		return KindStatus
	case has("statuses_url", "sha", "environment"):
		return KindDeployment
	case has("workflow_id", "head_sha"):
		return KindRun
	case has("pull_request_url", "submitted_at"), has("pull_request_url", "state", "commit_id"):
		return KindReview
	case has("pull_request_url", "pull_request_review_id"), has("pull_request_url", "diff_hunk"):
		return KindReviewComment
	case has("issue_url", "created_at") && !has("number"):
		return KindIssueComment
	case has("sha", "commit"):
		return KindCommit
	case has("number", "head", "base"):
		return KindPull
	case has("tag_name", "draft"), has("tag_name", "published_at"):
		return KindRelease
	case has("number", "title", "labels"), has("number", "title", "events_url"):
		return KindIssue
	}
	return ""
}

// repoOf finds the repository of an object: as given, else of the first address
// that tells it.
func (r *reader) repoOf(addresses ...string) (string, error) {
	if r.Repo != "" {
		return r.Repo, nil
	}
	for _, a := range addresses {
		if repo := repository(a); repo != "" {
			return repo, nil
		}
	}
	return "", fault("repository_url", "the object names no repository; give it with --repo")
}

var (
	apiAddress  = regexp.MustCompile(`^(https?://)api\.([^/]+)/repos/([^/]+/[^/?#]+)`)
	ghesAddress = regexp.MustCompile(`^(https?://[^/]+)/api/v3/repos/([^/]+/[^/?#]+)`)
	pageAddress = regexp.MustCompile(`^(https?://[^/]+/[^/]+/[^/?#]+)(?:[/?#]|$)`)
)

// repository is the address at which people see the repository, of an address of
// the API or of a page.
func repository(address string) string {
	if m := apiAddress.FindStringSubmatch(address); m != nil {
		return m[1] + m[2] + "/" + m[3]
	}
	if m := ghesAddress.FindStringSubmatch(address); m != nil {
		return m[1] + "/" + m[2]
	}
	if strings.Contains(address, "://api.") {
		return ""
	}
	if m := pageAddress.FindStringSubmatch(address); m != nil {
		return m[1]
	}
	return ""
}
