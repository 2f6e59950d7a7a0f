package devlake

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Operation is what a path asks for.
type Operation string

// The operations of the webhook API.
const (
	OpConnections  Operation = "connections"   // the list: GET, POST to create
	OpConnection   Operation = "connection"    // one: GET, PATCH, DELETE
	OpDeployments  Operation = "deployments"   // POST
	OpPullRequests Operation = "pull_requests" // POST
	OpIssues       Operation = "issues"        // POST
	OpCloseIssue   Operation = "close_issue"   // POST
)

// Target is what a path names.
type Target struct {
	Operation Operation
	// Connection is a connection's id, or its name where ByName is set.
	Connection string
	ByName     bool
	// Project is set instead of Connection for projects/{name}/deployments.
	Project string
	// IssueKey is set for OpCloseIssue.
	IssueKey string
}

// Methods are the HTTP methods that the target takes.
func (t Target) Methods() []string {
	switch t.Operation {
	case OpConnections:
		return []string{http.MethodGet, http.MethodPost}
	case OpConnection:
		return []string{http.MethodGet, http.MethodPatch, http.MethodDelete}
	}
	return []string{http.MethodPost}
}

// Allows reports whether the target takes the method.
func (t Target) Allows(method string) bool { return slices.Contains(t.Methods(), method) }

// prefixes are where DevLake is reached: behind its user interface's proxy, at
// its open API, and directly.
var prefixes = []string{"/api/rest/plugins/webhook/", "/rest/plugins/webhook/", "/plugins/webhook/"}

// Route reads an escaped path (http.Request.URL.EscapedPath). It reports false
// for what is not a path of the webhook API.
func Route(path string) (Target, bool) {
	for _, p := range prefixes {
		if rest, ok := strings.CutPrefix(path, p); ok {
			return route(strings.Split(strings.TrimSuffix(rest, "/"), "/"))
		}
	}
	return Target{}, false
}

func route(parts []string) (Target, bool) {
	for i, p := range parts {
		s, err := url.PathUnescape(p)
		if err != nil || s == "" {
			return Target{}, false
		}
		parts[i] = s
	}
	switch {
	case len(parts) == 1 && parts[0] == "connections":
		return Target{Operation: OpConnections}, true
	case len(parts) == 3 && parts[0] == "projects" && parts[2] == "deployments":
		return Target{Operation: OpDeployments, Project: parts[1]}, true
	case len(parts) >= 3 && parts[0] == "connections" && parts[1] == "by-name":
		return connection(Target{Connection: parts[2], ByName: true}, parts[3:], true)
	case len(parts) >= 2 && parts[0] == "connections":
		return connection(Target{Connection: parts[1]}, parts[2:], true)
	case len(parts) >= 2 && parts[0] != "projects":
		return connection(Target{Connection: parts[0]}, parts[1:], false)
	}
	return Target{}, false
}

// connection reads what follows a connection; itself says whether the
// connection alone is a target.
func connection(t Target, rest []string, itself bool) (Target, bool) {
	switch {
	case len(rest) == 0:
		t.Operation = OpConnection
		return t, itself
	case len(rest) == 3 && rest[0] == "issue" && rest[2] == "close":
		t.Operation, t.IssueKey = OpCloseIssue, rest[1]
		return t, true
	case len(rest) == 1:
		t.Operation = Operation(rest[0])
		switch t.Operation {
		case OpDeployments, OpPullRequests, OpIssues:
			return t, true
		}
	}
	return Target{}, false
}
