package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

func (s *shelf) env() map[string]string {
	return map[string]string{"FAWKES_API": s.URL, "FAWKES_TOKEN": "t"}
}

func summaryOf(t *testing.T, a answer) importSummary {
	t.Helper()
	var s importSummary
	if err := json.Unmarshal([]byte(a.out), &s); err != nil {
		t.Fatalf("the summary is not JSON: %v\n%s\n%s", err, a.out, a.err)
	}
	return s
}

func TestImportGitSendsEachCommitOnceThenOnlyWhatIsNew(t *testing.T) {
	h, s := newHistory(t), newShelf(t)
	h.grow(2500)
	h.git("", "tag", "v1", "main~5")
	h.git("", "tag", "v2", "main")
	args := []string{"dora", "import", "git", h.dir, "--project", "shop", "--service", "api", "--deployments", "tags:v*", "-o", "json"}
	first := run(t, context.Background(), s.env(), "", args...)
	if first.code != 0 {
		t.Fatalf("want exit 0, got %d\n%s", first.code, first.err)
	}
	want := h.shas()
	if diff := cmp.Diff(sorted(want), sorted(s.of("commit", "sha"))); diff != "" {
		t.Fatalf("commits (-want +got):\n%s", diff)
	}
	if got := s.of("deployment", "id"); !slices.Equal(got, []string{"v1", "v2"}) {
		t.Errorf("deployments: want v1, v2, got %v", got)
	}
	if got := s.of("deployment", "service"); !slices.Equal(got, []string{"api", "api"}) {
		t.Errorf("service of the deployments: want api, got %v", got)
	}
	sum := summaryOf(t, first)
	if *sum.Commits != len(want) || *sum.Deployments != 2 || sum.Stored != len(want)+2 || sum.Duplicates != 0 || s.project != "shop" {
		t.Errorf("summary: got %s, project %q", first.out, s.project)
	}

	received := s.lines
	h.grow(3)
	h.git("", "tag", "v3", "main")
	second := run(t, context.Background(), s.env(), "", args...)
	sum = summaryOf(t, second)
	if *sum.Commits != 3 || *sum.Deployments != 3 || sum.Stored != 4 || sum.Duplicates != 2 {
		t.Errorf("second import: want 3 commits, 3 deployments, 4 new, 2 there already; got %s", second.out)
	}
	if s.lines-received != 6 {
		t.Errorf("second import: want 6 lines sent, got %d", s.lines-received)
	}
	if diff := cmp.Diff(sorted(h.shas()), sorted(s.of("commit", "sha"))); diff != "" {
		t.Errorf("commits after the second import (-want +got):\n%s", diff)
	}
}

func sorted(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return list
}

// An import that is interrupted at any batch and run again stores exactly what one run stores.
func TestInterruptedImportGoesOnWhereItStopped(t *testing.T) {
	h := newHistory(t)
	h.grow(9000) // so many that batches are left to send whenever it is interrupted
	h.git("", "tag", "v1", "main~5")
	args := []string{"dora", "import", "git", h.dir, "--project", "shop", "--deployments", "tags:v*", "-o", "json"}
	whole := newShelf(t)
	if a := run(t, context.Background(), whole.env(), "", args...); a.code != 0 {
		t.Fatalf("exit %d: %s", a.code, a.err)
	}
	for _, stopAt := range []int{1, 3, 5} {
		s := newShelf(t)
		ctx, cancel := context.WithCancel(context.Background())
		s.before = func(n int, _ http.ResponseWriter) bool {
			if n == stopAt {
				cancel()
			}
			return false
		}
		a := run(t, ctx, s.env(), "", args...)
		if a.code != exitInterrupted || !strings.Contains(a.err, "run the same command again") {
			t.Fatalf("interrupted at batch %d: want exit %d and what to do, got %d: %s", stopAt, exitInterrupted, a.code, a.err)
		}
		interrupted, received := len(s.of("commit", "sha")), s.lines
		s.before = nil
		if a := run(t, context.Background(), s.env(), "", args...); a.code != 0 {
			t.Fatalf("run again after batch %d: exit %d: %s", stopAt, a.code, a.err)
		}
		if again := s.lines - received; again > len(whole.order)-interrupted+batchLines {
			t.Errorf("interrupted at batch %d with %d of %d commits stored: %d lines were sent again", stopAt, interrupted, len(whole.order), again)
		}
		if diff := cmp.Diff(sorted(whole.order), sorted(s.order)); diff != "" {
			t.Fatalf("interrupted at batch %d (%d commits), then run again, against one run (-want +got):\n%s", stopAt, interrupted, diff)
		}
	}
}

func TestImportSurvivesAServerThatIsBusyOrAway(t *testing.T) {
	h, s := newHistory(t), newShelf(t)
	h.grow(2500)
	var refusals atomic.Int32
	s.before = func(n int, w http.ResponseWriter) bool {
		switch n {
		case 1, 4:
			w.Header().Set("Retry-After", "0")
			problem.Write(w, nil2request(), problem.New(problem.RateLimited, "too much"))
		case 2:
			panic(http.ErrAbortHandler) // the connection breaks
		case 5:
			problem.Write(w, nil2request(), problem.New(problem.Unavailable, "not now"))
		default:
			return false
		}
		refusals.Add(1)
		return true
	}
	a := run(t, context.Background(), s.env(), "", "dora", "import", "git", h.dir, "--project", "shop", "-o", "json")
	if a.code != 0 || refusals.Load() != 3 {
		t.Fatalf("want exit 0 after 3 refusals, got %d after %d: %s", a.code, refusals.Load(), a.err)
	}
	if diff := cmp.Diff(sorted(h.shas()), sorted(s.of("commit", "sha"))); diff != "" {
		t.Errorf("commits (-want +got):\n%s", diff)
	}
}

func nil2request() *http.Request {
	r, err := http.NewRequest(http.MethodPost, "http://x/", nil)
	if err != nil {
		panic(err)
	}
	return r
}

func TestImportIntoARefusingServerFailsWithItsReason(t *testing.T) {
	h, s := newHistory(t), newShelf(t)
	h.grow(20)
	s.before = func(_ int, w http.ResponseWriter) bool {
		problem.Write(w, nil2request(), problem.New(problem.Forbidden, "this credential is not for the project").WithField("project").WithMend("ask an admin"))
		return true
	}
	a := run(t, context.Background(), s.env(), "", "dora", "import", "git", h.dir, "--project", "shop")
	if a.code != exitDenied || !strings.Contains(a.err, "this credential is not for the project") || !strings.Contains(a.err, "mend: ask an admin") {
		t.Errorf("want exit %d with the reason and the mend, got %d: %s", exitDenied, a.code, a.err)
	}
	if len(s.marks) != 0 {
		t.Errorf("a checkpoint was stored although nothing was: %s", s.marks)
	}
}

func TestImportGitNamesTheCommitThatWasRejected(t *testing.T) {
	h, s := newHistory(t), newShelf(t)
	h.grow(5)
	bad := h.shas()[2]
	s.refuse = func(e map[string]any) string {
		if e["sha"] == bad && e["type"] == "commit" {
			return "is odd"
		}
		return ""
	}
	a := run(t, context.Background(), s.env(), "", "dora", "import", "git", h.dir, "--project", "shop")
	if a.code != exitPartly || !strings.Contains(a.err, "rejected: sha: commit "+bad+": is odd") {
		t.Errorf("want exit %d and the commit %s, got %d: %s", exitPartly, bad, a.code, a.err)
	}
}

func TestImportMergesSendsOnlyNewOnes(t *testing.T) {
	h, s := newHistory(t), newShelf(t)
	h.grow(30)
	args := []string{"dora", "import", "git", h.dir, "--project", "shop", "--deployments", "merges:main", "-o", "json"}
	firstParents := func() []string {
		return strings.Fields(h.git("", "rev-list", "--first-parent", "--reverse", "main"))
	}
	if a := run(t, context.Background(), s.env(), "", args...); a.code != 0 {
		t.Fatalf("exit %d: %s", a.code, a.err)
	}
	if diff := cmp.Diff(firstParents(), s.of("deployment", "id")); diff != "" {
		t.Errorf("deployments (-want +got):\n%s", diff)
	}
	h.grow(12)
	received := s.lines
	if a := run(t, context.Background(), s.env(), "", args...); a.code != 0 {
		t.Fatalf("exit %d: %s", a.code, a.err)
	}
	if diff := cmp.Diff(firstParents(), s.of("deployment", "id")); diff != "" {
		t.Errorf("deployments after the second import (-want +got):\n%s", diff)
	}
	// 12 commits, a side commit and its merge; of them 13 on the first-parent line.
	if got := s.lines - received; got != 14+13 {
		t.Errorf("second import: want 27 lines sent, got %d", got)
	}
}

func TestImportTellsWhatItLeavesOut(t *testing.T) {
	h, s := newHistory(t), newShelf(t)
	h.grow(30)
	h.git("", "tag", "v1", "main~25")
	h.git("", "tag", "v2", "main")
	since := "2023-11-14T22:40:00Z" // 26 minutes 40 seconds after the fixture's beginning
	a := run(t, context.Background(), s.env(), "", "dora", "import", "git", h.dir, "--project", "shop", "--deployments", "tags:v*", "--since", since)
	if a.code != 0 || !strings.Contains(a.err, "the border is "+since+": 1 deployment and all commits before it are left out") {
		t.Errorf("want exit 0 and the border, got %d: %s", a.code, a.err)
	}
	if got := s.of("deployment", "id"); !slices.Equal(got, []string{"v2"}) {
		t.Errorf("want v2 only, got %v", got)
	}
	all, n := len(h.shas()), len(s.of("commit", "sha"))
	if n == 0 || n >= all {
		t.Errorf("want a part of %d commits, got %d", all, n)
	}
	// Without the border the rest follows: a bounded import is not taken for a whole one.
	if a := run(t, context.Background(), s.env(), "", "dora", "import", "git", h.dir, "--project", "shop"); a.code != 0 {
		t.Fatalf("exit %d: %s", a.code, a.err)
	}
	if got := len(s.of("commit", "sha")); got != all {
		t.Errorf("after an import without --since: want %d commits, got %d", all, got)
	}
}

func TestImportReadsPathsWhenTheProjectDeclaresThem(t *testing.T) {
	h, s := newHistory(t), newShelf(t)
	h.grow(3)
	s.services = []map[string]any{{"name": "api", "paths": []string{"svc/"}}}
	if a := run(t, context.Background(), s.env(), "", "dora", "import", "git", h.dir, "--project", "shop"); a.code != 0 {
		t.Fatalf("exit %d: %s", a.code, a.err)
	}
	if got := s.of("commit", "paths"); !slices.Equal(got, []string{"[svc/0.go]", "[svc/1.go]", "[svc/2.go]"}) {
		t.Errorf("want the paths of three commits, got %v", got)
	}
}

func TestImportNamesWhatIsWrongBeforeItSendsAnything(t *testing.T) {
	h, s := newHistory(t), newShelf(t)
	h.grow(3)
	csv := filepath.Join(t.TempDir(), "d.csv")
	if err := os.WriteFile(csv, []byte("id,sha,finished_at\nx,HEAD,never\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		args []string
		code int
		want []string
	}{
		"no project":    {[]string{h.dir}, exitUsage, []string{"--project is required"}},
		"no repository": {[]string{"/nonexistent", "-p", "x"}, exitFailure, []string{"does not exist", "mend:"}},
		"wrong branch":  {[]string{h.dir, "-p", "x", "--branch", "mian"}, exitFailure, []string{`no branch "mian"`, "main"}},
		"wrong plan":    {[]string{h.dir, "-p", "x", "--deployments", "tag:v*"}, exitUsage, []string{"tags:<glob>"}},
		"wrong since":   {[]string{h.dir, "-p", "x", "--since", "yesterday"}, exitUsage, []string{`"yesterday" is not a date`}},
		"bad csv":       {[]string{h.dir, "-p", "x", "--deployments", "csv:" + csv}, exitFailure, []string{"line 2, column finished_at"}},
		"two paths":     {[]string{h.dir, "other", "-p", "x"}, exitUsage, []string{`does not take "other"`}},
		"unknown flag":  {[]string{h.dir, "-p", "x", "--tags"}, exitUsage, []string{"unknown flag: --tags"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := run(t, context.Background(), s.env(), "", append([]string{"dora", "import", "git"}, tc.args...)...)
			if a.code != tc.code {
				t.Errorf("want exit %d, got %d", tc.code, a.code)
			}
			for _, want := range tc.want {
				if !strings.Contains(a.err, want) {
					t.Errorf("want %q in: %s", want, a.err)
				}
			}
		})
	}
	if s.lines != 0 {
		t.Errorf("%d lines were sent", s.lines)
	}
}

func TestImportOfAnEmptyRepositoryIsAWarning(t *testing.T) {
	h, s := newHistory(t), newShelf(t)
	a := run(t, context.Background(), s.env(), "", "dora", "import", "git", h.dir, "--project", "shop")
	if a.code != 0 || !strings.Contains(a.err, "has no commit yet") {
		t.Errorf("want exit 0 and a warning, got %d: %s", a.code, a.err)
	}
}

func TestImportEventsReportsLinesByTheirNumberInTheFile(t *testing.T) {
	s := newShelf(t)
	s.refuse = func(e map[string]any) string {
		if e["sha"] == "bad" {
			return "is not a commit's hash"
		}
		return ""
	}
	var b strings.Builder
	good := 0
	for i := 1; i <= 2600; i++ {
		switch i {
		case 3, 2000:
			b.WriteString("\n")
		case 7:
			b.WriteString("{broken\n")
		case 1500, 2599:
			b.WriteString(`{"type":"commit","sha":"bad"}` + "\r\n")
		case 2100:
			b.WriteString(`{"type":"commit","sha":"` + strings.Repeat("x", lineBytes) + `"}` + "\n")
		default:
			fmt.Fprintf(&b, `{"type":"commit","sha":"%d"}`+"\n", i)
			good++
		}
	}
	text := strings.TrimSuffix(b.String(), "\n")
	a := run(t, context.Background(), s.env(), text, "dora", "import", "events", "-", "--project", "shop", "-o", "json")
	if a.code != exitPartly {
		t.Fatalf("want exit %d, got %d: %s", exitPartly, a.code, a.err)
	}
	sum := summaryOf(t, a)
	var numbers []int
	for _, e := range sum.Errors {
		numbers = append(numbers, e.Line)
	}
	if !slices.Equal(numbers, []int{7, 1500, 2100, 2599}) || sum.Rejected != 4 || sum.Stored != good || s.project != "shop" {
		t.Errorf("want lines 7, 1500, 2100, 2599 rejected and %d stored; got %v, %+v", good, numbers, sum)
	}
	if !strings.Contains(a.err, "rejected: line 1500: sha: is not a commit's hash") {
		t.Errorf("want line 1500 with field and detail in: %s", a.err)
	}
	again := run(t, context.Background(), s.env(), text, "dora", "import", "events", "-", "--project", "shop", "-o", "json")
	if sum := summaryOf(t, again); sum.Stored != 0 || sum.Duplicates != good {
		t.Errorf("the same again: want %d duplicates, got %+v", good, sum)
	}
}

func TestImportEventsStrictStopsAtTheFirstWrongLine(t *testing.T) {
	s := newShelf(t)
	var b strings.Builder
	for i := 1; i <= 3000; i++ {
		if i == 1200 {
			b.WriteString("{broken\n")
		}
		fmt.Fprintf(&b, `{"type":"commit","sha":"%d"}`+"\n", i)
	}
	a := run(t, context.Background(), s.env(), b.String(), "dora", "import", "events", "-", "--strict", "-o", "json")
	sum := summaryOf(t, a)
	if a.code != exitPartly || len(sum.Errors) != 1 || sum.Errors[0].Line != 1200 {
		t.Errorf("want exit %d and line 1200, got %d, %+v", exitPartly, a.code, sum.Errors)
	}
	if got := len(s.of("commit", "sha")); got != 1199 {
		t.Errorf("want the 1199 events before the line stored, got %d", got)
	}
}

func TestImportEventsReadsAPackedFileAndPacksForADistantServer(t *testing.T) {
	s := newShelf(t)
	g := &globals{IO: IO{Env: func(string) string { return "" }}}
	near, err := g.dial(s.URL, "")
	if err != nil || !near.loopback() {
		t.Errorf("%s: want loopback, got %v", s.URL, err)
	}
	far, err := g.dial("https://fawkes.example", "")
	if err != nil || far.loopback() {
		t.Errorf("fawkes.example: want not loopback, got %v", err)
	}
	im := newImporter(context.Background(), near, map[string][]string{}, false)
	im.compress = true
	b := im.room()
	b.body = append(b.body, `{"type":"commit","sha":"1"}`+"\n"...)
	if err := im.added(nil); err != nil {
		t.Fatal(err)
	}
	if err := im.close(); err != nil {
		t.Fatal(err)
	}
	if !s.packed || len(s.of("commit", "sha")) != 1 {
		t.Errorf("want one packed event, got packed %v, %d events", s.packed, len(s.order))
	}
}
