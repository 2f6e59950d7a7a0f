package cli

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const savedSHA = "3f2ab1c0000000000000000000000000000000aa"

// saved writes what people save of GitHub's API: one file each, in the forms that
// come about.
func saved(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	const api, page = "https://api.github.com/repos/shop/api", "https://github.com/shop/api"
	for name, text := range map[string]string{
		"pulls.json": `[{"number":12,"created_at":"2026-03-02T10:00:00Z","updated_at":"2026-03-02T12:00:00Z","merged_at":"2026-03-02T12:00:00Z","merge_commit_sha":"` + savedSHA + `","head":{"sha":"` + savedSHA + `"},"base":{"ref":"main","repo":{"html_url":"` + page + `"}}}]` +
			`[{"number":13,"created_at":"2026-03-03T10:00:00Z","updated_at":"2026-03-03T10:00:00Z","head":{},"base":{"repo":{"html_url":"` + page + `"}}}]`,
		"pulls/12/reviews.json": `[{"state":"APPROVED","user":{"login":"bo"},"submitted_at":"2026-03-02T11:00:00Z","pull_request_url":"` + api + `/pulls/12","commit_id":"x"}]`,
		"commits.jsonl":         `{"sha":"` + savedSHA + `","commit":{"author":{"date":"2026-03-02T09:00:00Z"}},"parents":[],"html_url":"` + page + `/commit/x"}` + "\n",
		"deployments.json":      `[{"id":7,"sha":"` + savedSHA + `","environment":"production","created_at":"2026-03-02T13:00:00Z","statuses_url":"x","repository_url":"` + api + `"}]`,
		"statuses.json":         `[{"state":"success","created_at":"2026-03-02T13:05:00Z","deployment_url":"` + api + `/deployments/7"}]`,
		"runs.json":             `{"total_count":1,"workflow_runs":[{"id":9,"workflow_id":1,"head_sha":"` + savedSHA + `","status":"completed","conclusion":"success","run_started_at":"2026-03-02T09:10:00Z","updated_at":"2026-03-02T09:20:00Z","repository":{"html_url":"` + page + `"}}]}`,
		"issues.json":           `[{"number":14,"title":"down","labels":[{"name":"incident"}],"created_at":"2026-03-02T14:00:00Z","closed_at":null,"repository_url":"` + api + `"}]`,
		"releases.json":         `[{"tag_name":"v1","draft":false}]`,
		"README.md":             `not read`,
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestImportGitHubTellsASavedExport(t *testing.T) {
	s, dir := newShelf(t), saved(t)
	args := []string{"dora", "import", "github", dir, "--project", "shop", "-o", "json"}
	a := run(t, context.Background(), s.env(), "", args...)
	if a.code != 0 {
		t.Fatalf("exit %d: %s", a.code, a.err)
	}
	sum := summaryOf(t, a)
	want := map[string]int{"pull request": 2, "review": 1, "commit": 1, "deployment": 1, "deployment status": 1, "workflow run": 1, "issue": 1, "release": 1}
	if diff := cmp.Diff(want, sum.Objects); diff != "" || sum.Stored != 8 || sum.Rejected != 0 || s.project != "shop" || sum.Next != "fawkes dora report --project shop" {
		t.Errorf("objects (-want +got):\n%s\nsummary %s", diff, a.out)
	}
	for typ, ids := range map[string][]string{"deployment": {"7", "7"}, "incident": {"shop/api#14"}, "build": {"9"}} {
		if got := s.of(typ, "id"); !slices.Equal(got, ids) {
			t.Errorf("%s: ids %v, want %v", typ, got, ids)
		}
	}
	if got := s.of("deployment", "source"); !slices.Equal(got, []string{"github", "github"}) {
		t.Errorf("the deployments are those of %v, want GitHub's own, as its webhook reports them", got)
	}
	again := summaryOf(t, run(t, context.Background(), s.env(), "", args...))
	if again.Stored != 0 || again.Duplicates != 8 {
		t.Errorf("the same again: %+v", again)
	}
	text := run(t, context.Background(), s.env(), "", args[:6]...)
	if !strings.Contains(text.out, "imported 1 commit, 1 deployment, 1 deployment status, 1 issue, 2 pull requests, 1 release, 1 review, 1 workflow run in") {
		t.Errorf("in words: %s", text.out)
	}
}

func TestImportGitHubNamesFileAndField(t *testing.T) {
	s, dir := newShelf(t), saved(t)
	s.refuse = func(e map[string]any) string {
		if e["number"] == "13" {
			return "is odd"
		}
		return ""
	}
	for name, text := range map[string]string{
		"bad.json":   `[{"number":15,"created_at":"soon","head":{},"base":{},"html_url":"https://github.com/shop/api/pull/15"},{"what":"is this"}]`,
		"short.json": `[{"tag_name":"v1","draft":false},{"tag_na`,
		"gone.json":  `{"message":"Not Found","documentation_url":"https://docs.github.com"}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a := run(t, context.Background(), s.env(), "", "dora", "import", "github", dir, "--project", "shop", "-o", "json")
	if a.code != exitPartly {
		t.Fatalf("want exit %d, got %d: %s", exitPartly, a.code, a.err)
	}
	for _, want := range []string{
		"bad.json[0].created_at: want a time", "short.json[1]: the file is not whole", "gone.json[0].message: GitHub's answer is an error: Not Found",
		"pulls.json[1].sha: is odd", "bad.json: 1 object left out",
	} {
		if !strings.Contains(a.err, want) {
			t.Errorf("want %q in: %s", want, a.err)
		}
	}
	if sum := summaryOf(t, a); sum.Rejected != 4 || sum.Stored != 7 {
		t.Errorf("4 are wrong and 7 right, got %s", a.out)
	}
}

func TestImportGitHubSaysWhatIsMissing(t *testing.T) {
	s, dir := newShelf(t), saved(t)
	for name, tc := range map[string]struct {
		args []string
		code int
		want string
	}{
		"no file":    {nil, exitUsage, "needs a folder or a file"},
		"no project": {[]string{dir}, exitUsage, "--project is required"},
		"nothing":    {[]string{filepath.Join(dir, "none"), "-p", "x"}, exitFailure, "no such file"},
		"empty":      {[]string{t.TempDir(), "-p", "x"}, exitFailure, "holds no .json"},
		"no end":     {[]string{filepath.Join(dir, "deployments.json"), "-p", "x"}, 0, "none of them has an end"},
	} {
		a := run(t, context.Background(), s.env(), "", append([]string{"dora", "import", "github"}, tc.args...)...)
		if a.code != tc.code || !strings.Contains(a.err, tc.want) {
			t.Errorf("%s: exit %d, want %d with %q: %s", name, a.code, tc.code, tc.want, a.err)
		}
	}
}
