// Package cienv recognizes where a pipeline runs, from the variables that the real systems set: the
// Fawkes runner, GitHub Actions, Jenkins, GitLab CI, or somebody's shell.
//
//	where := cienv.Recognize(os.Getenv, os.ReadFile)
//
// What a system does not say (a shell says nothing) stays empty, and is asked of the work tree by the
// caller. Everything downstream works on [Environment] alone, so that the same commit gives the same
// result and the same events wherever it is built.
package cienv

import (
	"encoding/json"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// The systems that are known.
const (
	Fawkes  = "fawkes"
	GitHub  = "github-actions"
	Jenkins = "jenkins"
	GitLab  = "gitlab"
	Shell   = "shell"
)

// Environment is what the surroundings say about a run.
type Environment struct {
	System         string // one of the constants
	RunID          string // unique within the system; empty in a shell
	Attempt        int    // from 1
	RunURL         string // where people see the run
	Repository     string // clone address, without credentials
	RepositoryName string // "owner/name"
	SHA            string
	Branch         string // without refs/heads/ and origin/; empty for a tag
	Tag            string
	PullRequest    string // its number; a proposal is never promoted
	DefaultBranch  string // empty: not said
	SummaryFile    string // a page in Markdown is appended here
	OutputFile     string // name=value lines for later steps are appended here
	Temp           string // a folder for what need not be kept
}

// Recognize reads the surroundings. env gives a variable, read a file that a variable names.
func Recognize(env func(string) string, read func(string) ([]byte, error)) Environment {
	e := Environment{Attempt: 1}
	switch {
	case env("FAWKES_RUN_ID") != "":
		e.fromFawkes(env)
	case env("GITHUB_ACTIONS") == "true":
		e.fromGitHub(env, read)
	case env("JENKINS_URL") != "" || env("BUILD_TAG") != "" && env("JOB_NAME") != "":
		e.fromJenkins(env)
	case env("GITLAB_CI") == "true":
		e.fromGitLab(env)
	default:
		e.System = Shell
	}
	// What is said to us by name wins everywhere.
	for _, f := range []struct {
		to   *string
		name string
	}{
		{&e.Repository, "FAWKES_REPOSITORY"}, {&e.RepositoryName, "FAWKES_REPOSITORY_NAME"}, {&e.Branch, "FAWKES_BRANCH"},
		{&e.SHA, "FAWKES_SHA"}, {&e.DefaultBranch, "FAWKES_DEFAULT_BRANCH"}, {&e.RunURL, "FAWKES_RUN_URL"},
	} {
		if v := strings.TrimSpace(env(f.name)); v != "" {
			*f.to = v
		}
	}
	e.Repository = CleanURL(e.Repository)
	if e.RepositoryName == "" {
		e.RepositoryName = NameOf(e.Repository)
	}
	e.SHA = strings.ToLower(e.SHA)
	return e
}

func (e *Environment) fromFawkes(env func(string) string) {
	e.System, e.RunID, e.Attempt = Fawkes, env("FAWKES_RUN_ID"), attempt(env("FAWKES_RUN_ATTEMPT"))
}

func (e *Environment) fromGitHub(env func(string) string, read func(string) ([]byte, error)) {
	server := strings.TrimSuffix(env("GITHUB_SERVER_URL"), "/")
	if server == "" {
		server = "https://github.com"
	}
	e.System, e.RunID, e.Attempt = GitHub, env("GITHUB_RUN_ID"), attempt(env("GITHUB_RUN_ATTEMPT"))
	e.RepositoryName, e.SHA = env("GITHUB_REPOSITORY"), env("GITHUB_SHA")
	e.SummaryFile, e.OutputFile, e.Temp = env("GITHUB_STEP_SUMMARY"), env("GITHUB_OUTPUT"), env("RUNNER_TEMP")
	if e.RepositoryName != "" {
		e.Repository = server + "/" + e.RepositoryName + ".git"
		e.RunURL = server + "/" + e.RepositoryName + "/actions/runs/" + e.RunID
	}
	e.fromRef(env("GITHUB_REF"))
	if head := env("GITHUB_HEAD_REF"); head != "" && e.PullRequest != "" {
		e.Branch = head
	}
	var told struct {
		Repository struct {
			DefaultBranch string `json:"default_branch"`
		} `json:"repository"`
	}
	if file := env("GITHUB_EVENT_PATH"); file != "" && read != nil {
		if text, err := read(file); err == nil && json.Unmarshal(text, &told) == nil {
			e.DefaultBranch = told.Repository.DefaultBranch
		}
	}
}

var pullRef = regexp.MustCompile(`^refs/(?:pull|merge-requests)/([0-9]+)/`)

func (e *Environment) fromRef(ref string) {
	if m := pullRef.FindStringSubmatch(ref); m != nil {
		e.PullRequest = m[1]
		return
	}
	if tag, ok := strings.CutPrefix(ref, "refs/tags/"); ok {
		e.Tag = tag
		return
	}
	e.Branch = strings.TrimPrefix(ref, "refs/heads/")
}

func (e *Environment) fromJenkins(env func(string) string) {
	e.System, e.RunID, e.RunURL = Jenkins, env("BUILD_TAG"), env("BUILD_URL")
	if e.RunID == "" {
		e.RunID = "jenkins-" + strings.ReplaceAll(env("JOB_NAME"), "/", "-") + "-" + env("BUILD_NUMBER")
	}
	if e.Repository = env("GIT_URL"); e.Repository == "" {
		e.Repository = env("GIT_URL_1")
	}
	e.SHA = env("GIT_COMMIT")
	// The git plugin names the remote branch; a multibranch project names the branch itself.
	e.Branch = strings.TrimPrefix(strings.TrimPrefix(env("GIT_BRANCH"), "refs/remotes/"), "origin/")
	if b := env("BRANCH_NAME"); b != "" {
		e.Branch = b
	}
	if e.Branch == "detached" {
		e.Branch = strings.TrimPrefix(env("GIT_LOCAL_BRANCH"), "origin/")
	}
	if tag := env("TAG_NAME"); tag != "" {
		e.Tag, e.Branch = tag, ""
	}
	if id := env("CHANGE_ID"); id != "" {
		e.PullRequest, e.Branch = id, env("CHANGE_BRANCH")
	} else if env("BRANCH_IS_PRIMARY") == "true" {
		e.DefaultBranch = e.Branch
	}
	e.Temp = env("WORKSPACE_TMP")
}

func (e *Environment) fromGitLab(env func(string) string) {
	e.System, e.RunID, e.RunURL = GitLab, "gitlab-"+env("CI_PIPELINE_ID"), env("CI_PIPELINE_URL")
	e.RepositoryName, e.SHA = env("CI_PROJECT_PATH"), env("CI_COMMIT_SHA")
	e.Branch, e.Tag, e.DefaultBranch = env("CI_COMMIT_BRANCH"), env("CI_COMMIT_TAG"), env("CI_DEFAULT_BRANCH")
	if project := env("CI_PROJECT_URL"); project != "" {
		e.Repository = project + ".git"
	}
	if id := env("CI_MERGE_REQUEST_IID"); id != "" {
		e.PullRequest, e.Branch = id, env("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME")
	}
}

func attempt(s string) int {
	if n, err := strconv.Atoi(s); err == nil && n > 0 {
		return n
	}
	return 1
}

var scpForm = regexp.MustCompile(`^(?:[A-Za-z0-9_.-]+@)?([A-Za-z0-9.-]+\.[A-Za-z0-9.-]+|[A-Za-z0-9-]+):([^/\\:][^:]*)$`)

// CleanURL is a repository's address as it may be shown: without user and password, without query, and with the short
// form of SSH ("git@host:owner/name") written out.
func CleanURL(s string) string {
	s = strings.TrimSpace(s)
	if !strings.Contains(s, "://") {
		if m := scpForm.FindStringSubmatch(s); m != nil {
			return "ssh://" + m[1] + "/" + m[2]
		}
		return s
	}
	u, err := url.Parse(s)
	if err != nil {
		if at := strings.LastIndexByte(s, '@'); at >= 0 { // what cannot be read may still hold a password
			return s[at+1:]
		}
		return s
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

// NameOf is "owner/name" of a repository's address, or its last part alone where it has one only.
func NameOf(repository string) string {
	path := repository
	if u, err := url.Parse(repository); err == nil && u.Host != "" {
		path = u.Path
	}
	path = strings.TrimSuffix(strings.Trim(path, "/"), ".git")
	parts := strings.Split(path, "/")
	if n := len(parts); n > 2 {
		parts = parts[n-2:]
	}
	return strings.Join(parts, "/")
}
