package cdevents

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/intake"
)

// custom is what customData says beyond the specification, by names in any
// spelling ("commitSha", "commit_sha", "COMMIT-SHA"), at the top, below "data" or below
// "fawkes". customData is free for any use, so what does not fit is passed over,
// but for the words that are ours alone; see [strict].
type custom struct {
	sha, repo, branch, author, title string
	base, headSHA, mergeSHA          string
	verdict                          string // of a review
	outcome, service, environment    string
	deployment, cause, severity      string
	started, authored                event.Opt[event.Time]
	unplanned                        event.Opt[bool]
	attempt                          event.Opt[int]
	commits                          []string
}

// customNames lists the spellings of each field, without case and punctuation.
func customNames() map[string][]string {
	return map[string][]string{
		"sha":         {"sha", "commit", "commitsha", "commitid", "gitcommit", "gitsha", "revision"},
		"repo":        {"repo", "repourl", "repository", "repositoryurl", "giturl", "gitrepository"},
		"branch":      {"branch", "gitbranch", "ref"},
		"author":      {"author", "reviewer", "user", "login"},
		"title":       {"title"},
		"base":        {"base", "baseref", "targetbranch"},
		"headsha":     {"headsha", "headcommit"},
		"mergesha":    {"mergesha", "mergecommitsha", "mergecommit"},
		"verdict":     {"reviewstate", "state", "verdict"},
		"outcome":     {"outcome", "result", "status"},
		"service":     {"service", "servicename"},
		"environment": {"environment", "environmentname"},
		"deployment":  {"deploymentid"},
		"cause":       {"causedbydeployment", "deploymentid"},
		"severity":    {"severity"},
		"started":     {"startedat", "started", "starttime"},
		"authored":    {"createdat", "authoredat"},
		"unplanned":   {"unplanned"},
		"attempt":     {"attempt", "runattempt"},
		"commits":     {"commits"},
	}
}

// customOf reads customData; at is what stands before its name.
func customOf(raw json.RawMessage, media, at string) (custom, error) {
	if media != "" && !strings.Contains(strings.ToLower(media), "json") {
		return custom{}, nil
	}
	all := map[string]placed{}
	gather(all, raw, at+"customData.", 0)
	fields := map[string]json.RawMessage{}
	for _, plain := range slices.Sorted(maps.Keys(all)) {
		p := all[plain]
		if err := strict(plain, p.field, p.raw); err != nil {
			return custom{}, err
		}
		fields[plain] = p.raw
	}
	names := customNames()
	value := func(field string) json.RawMessage {
		for _, name := range names[field] {
			if v, ok := fields[name]; ok {
				return v
			}
		}
		return nil
	}
	text := func(field string) string {
		var s string
		if json.Unmarshal(value(field), &s) != nil {
			return ""
		}
		return intake.Clean(strings.TrimSpace(s), intake.MostText)
	}
	c := custom{
		sha: hashOf(text("sha")), repo: repositoryOf("", text("repo")), branch: strings.TrimPrefix(text("branch"), "refs/heads/"), author: text("author"), title: text("title"),
		base: text("base"), headSHA: hashOf(text("headsha")), mergeSHA: hashOf(text("mergesha")),
		verdict: text("verdict"), outcome: text("outcome"), service: text("service"), environment: text("environment"),
		deployment: text("deployment"), cause: text("cause"), severity: text("severity"),
	}
	moment := func(field string) event.Opt[event.Time] {
		t, err := event.ParseTime(text(field))
		if err != nil {
			return event.Opt[event.Time]{}
		}
		return event.Some(t)
	}
	c.started, c.authored = moment("started"), moment("authored")
	var flag bool
	if v := value("unplanned"); v != nil && json.Unmarshal(v, &flag) == nil {
		c.unplanned = event.Some(flag)
	}
	var n int
	if v := value("attempt"); v != nil && json.Unmarshal(v, &n) == nil && n > 0 {
		c.attempt = event.Some(n)
	}
	var list []string
	if v := value("commits"); v != nil && json.Unmarshal(v, &list) == nil {
		for _, s := range list {
			if s = hashOf(s); s != "" && len(c.commits) < 1000 {
				c.commits = append(c.commits, s)
			}
		}
	}
	return c, nil
}

// placed is a value and where it stands.
type placed struct {
	field string
	raw   json.RawMessage
}

// gather collects the fields of an object under their plain names; what stands
// deeper yields to what stands above it, and "fawkes" to nothing.
func gather(to map[string]placed, raw json.RawMessage, at string, depth int) {
	var o map[string]json.RawMessage
	if len(raw) == 0 || json.Unmarshal(raw, &o) != nil || depth > 1 {
		return
	}
	gather(to, o["fawkes"], at+"fawkes.", depth+1)
	for _, name := range slices.Sorted(maps.Keys(o)) {
		plain := strings.Map(func(r rune) rune {
			if r == '_' || r == '-' || r == '.' || r == ' ' {
				return -1
			}
			return r
		}, strings.ToLower(name))
		if _, taken := to[plain]; !taken {
			to[plain] = placed{at + name, o[name]}
		}
	}
	gather(to, o["data"], at+"data.", depth+1)
}

var commitHash = regexp.MustCompile(`^([0-9a-fA-F]{7,40}|[0-9a-fA-F]{64})$`)

// hashOf is s when it is a commit's hash, else "".
func hashOf(s string) string {
	if commitHash.MatchString(s) {
		return strings.ToLower(s)
	}
	return ""
}

// repositoryOf is the URL of a repository from the reference to it: its source
// and its id ("https://git.example" and "shop/api"), of which either may be all of
// it; "" when they name none.
func repositoryOf(source, id string) string {
	source, id = strings.TrimSpace(source), strings.TrimSpace(id)
	switch {
	case isURL(id):
		return withScheme(id)
	case source == "":
		return ""
	case !isURL(source) && !isURL(source+"/x"):
		return ""
	case id != "" && !strings.HasSuffix(event.RepoKey(source), "/"+strings.Trim(id, "/")):
		source = strings.TrimSuffix(source, "/") + "/" + strings.TrimPrefix(id, "/")
	}
	if !isURL(source) {
		return ""
	}
	return withScheme(source)
}

// withScheme writes an address of a host and a path alone, as the specification's
// examples have it, as people can follow it.
func withScheme(s string) string {
	host, _, _ := strings.Cut(s, "/")
	if strings.Contains(s, "://") || !strings.Contains(host, ".") || strings.ContainsAny(host, "@:") || strings.HasPrefix(s, ".") {
		return s
	}
	return "https://" + s
}

// isURL reports whether s can be a repository's address: a host and a path.
func isURL(s string) bool {
	if len(s) > 2048 || intake.Clean(s, 2048) != s || strings.ContainsAny(s, " \t") {
		return false
	}
	if strings.HasSuffix(s, ".git") {
		return event.RepoKey(s) != ""
	}
	host, path, ok := strings.Cut(event.RepoKey(s), "/")
	return ok && path != "" && (strings.Contains(host, ".") || strings.Contains(host, ":") || strings.Contains(s, "://") && host != "")
}
