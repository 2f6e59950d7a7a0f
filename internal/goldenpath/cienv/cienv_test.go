package cienv

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const sha = "0123456789abcdef0123456789abcdef01234567"

// TestTheRealVariablesOfEachSystem uses the sets that the systems document.
func TestTheRealVariablesOfEachSystem(t *testing.T) {
	files := map[string]string{"/event.json": `{"repository":{"default_branch":"trunk","x":1}}`, "/broken.json": `{"repository":`}
	for _, c := range []struct {
		name string
		env  map[string]string
		want Environment
	}{
		{"a shell says nothing", map[string]string{"PATH": "/usr/bin", "HOME": "/home"}, Environment{System: Shell, Attempt: 1}},
		{"a shell that is told", map[string]string{"FAWKES_REPOSITORY": "https://u:secret@git.example/shop/api.git", "FAWKES_BRANCH": "main"},
			Environment{System: Shell, Attempt: 1, Repository: "https://git.example/shop/api.git", RepositoryName: "shop/api", Branch: "main"}},
		{"the runner", map[string]string{
			"FAWKES_RUN_ID": "r-1", "FAWKES_RUN_ATTEMPT": "2", "FAWKES_RUN_URL": "http://127.0.0.1:8080/runs/r-1", "FAWKES_REPOSITORY": "http://127.0.0.1:8080/git/shop/api.git",
			"FAWKES_REPOSITORY_NAME": "shop/api", "FAWKES_BRANCH": "main", "FAWKES_SHA": sha, "FAWKES_DEFAULT_BRANCH": "main",
		}, Environment{System: Fawkes, RunID: "r-1", Attempt: 2, RunURL: "http://127.0.0.1:8080/runs/r-1", Repository: "http://127.0.0.1:8080/git/shop/api.git",
			RepositoryName: "shop/api", Branch: "main", SHA: sha, DefaultBranch: "main"}},
		{"GitHub Actions, a push", map[string]string{
			"CI": "true", "GITHUB_ACTIONS": "true", "GITHUB_ACTOR": "ada", "GITHUB_API_URL": "https://api.github.com", "GITHUB_EVENT_NAME": "push", "GITHUB_EVENT_PATH": "/event.json",
			"GITHUB_JOB": "road", "GITHUB_OUTPUT": "/out", "GITHUB_REF": "refs/heads/trunk", "GITHUB_REF_NAME": "trunk", "GITHUB_REF_TYPE": "branch", "GITHUB_REPOSITORY": "shop/api",
			"GITHUB_RUN_ATTEMPT": "3", "GITHUB_RUN_ID": "1658821493", "GITHUB_RUN_NUMBER": "9", "GITHUB_SERVER_URL": "https://github.com", "GITHUB_SHA": sha,
			"GITHUB_STEP_SUMMARY": "/summary", "GITHUB_WORKFLOW": "ci", "GITHUB_WORKSPACE": "/w", "RUNNER_OS": "Linux", "RUNNER_TEMP": "/tmp/r", "RUNNER_TOOL_CACHE": "/t",
		}, Environment{System: GitHub, RunID: "1658821493", Attempt: 3, RunURL: "https://github.com/shop/api/actions/runs/1658821493", Repository: "https://github.com/shop/api.git",
			RepositoryName: "shop/api", Branch: "trunk", SHA: sha, DefaultBranch: "trunk", SummaryFile: "/summary", OutputFile: "/out", Temp: "/tmp/r"}},
		{"GitHub Actions, a pull request", map[string]string{
			"GITHUB_ACTIONS": "true", "GITHUB_EVENT_PATH": "/broken.json", "GITHUB_HEAD_REF": "fix", "GITHUB_BASE_REF": "main", "GITHUB_REF": "refs/pull/12/merge", "GITHUB_REPOSITORY": "shop/api",
			"GITHUB_RUN_ID": "7", "GITHUB_SERVER_URL": "https://ghe.example/", "GITHUB_SHA": sha,
		}, Environment{System: GitHub, RunID: "7", Attempt: 1, RunURL: "https://ghe.example/shop/api/actions/runs/7", Repository: "https://ghe.example/shop/api.git",
			RepositoryName: "shop/api", Branch: "fix", PullRequest: "12", SHA: sha}},
		{"GitHub Actions, a tag", map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_REF": "refs/tags/v1", "GITHUB_REPOSITORY": "shop/api", "GITHUB_RUN_ID": "7", "GITHUB_SHA": sha},
			Environment{System: GitHub, RunID: "7", Attempt: 1, RunURL: "https://github.com/shop/api/actions/runs/7", Repository: "https://github.com/shop/api.git", RepositoryName: "shop/api", Tag: "v1", SHA: sha}},
		{"Jenkins, one branch", map[string]string{
			"BUILD_ID": "12", "BUILD_NUMBER": "12", "BUILD_TAG": "jenkins-shop-api-12", "BUILD_URL": "https://ci.example/job/shop-api/12/", "EXECUTOR_NUMBER": "1", "GIT_BRANCH": "origin/main",
			"GIT_COMMIT": sha, "GIT_PREVIOUS_COMMIT": "", "GIT_LOCAL_BRANCH": "main", "GIT_URL": "git@git.example:shop/api.git", "HUDSON_URL": "https://ci.example/", "JENKINS_HOME": "/var/jenkins", "JENKINS_URL": "https://ci.example/",
			"JOB_BASE_NAME": "shop-api", "JOB_NAME": "shop-api", "NODE_NAME": "built-in", "WORKSPACE": "/ws", "WORKSPACE_TMP": "/ws@tmp",
		}, Environment{System: Jenkins, RunID: "jenkins-shop-api-12", Attempt: 1, RunURL: "https://ci.example/job/shop-api/12/", Repository: "ssh://git.example/shop/api.git",
			RepositoryName: "shop/api", Branch: "main", SHA: sha, Temp: "/ws@tmp"}},
		{"Jenkins, the primary branch of many", map[string]string{
			"JENKINS_URL": "https://ci.example/", "BUILD_NUMBER": "3", "BUILD_TAG": "jenkins-shop-trunk-3", "BRANCH_NAME": "trunk", "BRANCH_IS_PRIMARY": "true", "GIT_BRANCH": "trunk", "GIT_COMMIT": sha, "GIT_URL": "https://git.example/shop/api.git",
		}, Environment{System: Jenkins, RunID: "jenkins-shop-trunk-3", Attempt: 1, Repository: "https://git.example/shop/api.git", RepositoryName: "shop/api", Branch: "trunk", DefaultBranch: "trunk", SHA: sha}},
		{"Jenkins, a proposed change", map[string]string{
			"JENKINS_URL": "https://ci.example/", "BUILD_NUMBER": "1", "JOB_NAME": "shop/PR-4", "BRANCH_NAME": "PR-4", "CHANGE_ID": "4", "CHANGE_BRANCH": "fix", "CHANGE_TARGET": "main", "CHANGE_URL": "https://git.example/shop/api/pull/4",
			"GIT_COMMIT": sha, "GIT_URL_1": "https://git.example/shop/api.git",
		}, Environment{System: Jenkins, RunID: "jenkins-shop-PR-4-1", Attempt: 1, Repository: "https://git.example/shop/api.git", RepositoryName: "shop/api", Branch: "fix", PullRequest: "4", SHA: sha}},
		{"GitLab CI", map[string]string{
			"CI": "true", "GITLAB_CI": "true", "CI_PIPELINE_ID": "99", "CI_PIPELINE_URL": "https://gl.example/a/b/c/-/pipelines/99", "CI_PROJECT_PATH": "a/b/c", "CI_PROJECT_URL": "https://gl.example/a/b/c",
			"CI_COMMIT_SHA": sha, "CI_COMMIT_BRANCH": "main", "CI_DEFAULT_BRANCH": "main",
		}, Environment{System: GitLab, RunID: "gitlab-99", Attempt: 1, RunURL: "https://gl.example/a/b/c/-/pipelines/99", Repository: "https://gl.example/a/b/c.git", RepositoryName: "a/b/c", Branch: "main", DefaultBranch: "main", SHA: sha}},
	} {
		got := Recognize(func(k string) string { return c.env[k] }, func(name string) ([]byte, error) {
			if text, ok := files[name]; ok {
				return []byte(text), nil
			}
			return nil, errors.New("no file")
		})
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestAddressesAreShownWithoutCredentials(t *testing.T) {
	for in, want := range map[string]string{
		"https://x-access-token:abc@git.example/a/b.git?t=1": "https://git.example/a/b.git",
		"git@git.example:a/b.git":                            "ssh://git.example/a/b.git",
		"ssh://git@git.example:22/a/b":                       "ssh://git.example:22/a/b",
		"/srv/git/a.git":                                     "/srv/git/a.git",
		"https://u:p%zz@git.example/a":                       "git.example/a",
		"":                                                   "",
	} {
		if got := CleanURL(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{"http://h/git/a/b.git": "a/b", "/srv/b.git": "srv/b", "b": "b", "": ""} {
		if got := NameOf(in); got != want {
			t.Errorf("name of %q: got %q, want %q", in, got, want)
		}
	}
}
