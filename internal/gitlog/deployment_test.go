package gitlog

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTagsComeInTheOrderOfTheirDates(t *testing.T) {
	f := newFixture(t)
	one := f.commit("one", "a")
	oneAt := f.now
	two := f.commit("two", "b")
	twoAt := f.now
	f.run("tag", "v2.0.0")                 // lightweight: the committer date of two
	f.run("tag", "v2.1.0-rc.1", one)       // a pre-release, on the older commit
	f.run("tag", "svc/api/v1.0.0", two)    // with slashes
	f.run("tag", "other", two)             // not matched
	f.run("tag", "v9-blob", "HEAD:a")      // matched, no commit
	f.run("tag", "v9-tree", "HEAD^{tree}") // matched, no commit
	f.now += 7200
	f.run("tag", "-a", "-m", "late", "v1.0.0", one) // annotated later than two was committed
	lateAt := f.now
	f.now += 60
	f.run("tag", "-a", "-m", "tag of a tag", "v1.0.1", "v1.0.0")
	nestedAt := f.now

	at := func(s int64) time.Time { return time.Unix(s, 0).UTC() }
	tags, skipped, err := f.open().Tags(context.Background(), "v*", "")
	if err != nil {
		t.Fatal(err)
	}
	want := []Tag{{"v2.1.0-rc.1", one, at(oneAt)}, {"v2.0.0", two, at(twoAt)}, {"v1.0.0", one, at(lateAt)}, {"v1.0.1", one, at(nestedAt)}}
	if diff := cmp.Diff(want, tags); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
	if skipped != 2 {
		t.Errorf("skipped: want the blob's and the tree's tag, got %d", skipped)
	}
	for glob, n := range map[string]int{"*v1.0.0": 2, "svc/*": 1, "v[0-9].[0-9].0": 2, "nothing*": 0, "v2.?.0": 1} {
		got, _, err := f.open().Tags(context.Background(), glob, "")
		if err != nil || len(got) != n {
			t.Errorf("glob %q: want %d tags, got %+v, %v", glob, n, got, err)
		}
	}
}

func TestTagsOfABranchOnly(t *testing.T) {
	f := newFixture(t)
	f.commit("one", "a")
	f.run("tag", "v1")
	f.run("checkout", "--quiet", "-b", "side")
	f.commit("two", "b")
	f.run("tag", "v2")
	tags, _, err := f.open().Tags(context.Background(), "v*", "main")
	if err != nil || len(tags) != 1 || tags[0].Name != "v1" {
		t.Errorf("want v1 only, got %+v, %v", tags, err)
	}
}

func TestMergesAreTheFirstParentsOfABranch(t *testing.T) {
	f := newFixture(t)
	root := f.commit("root", "a")
	rootAt := f.now
	f.run("checkout", "--quiet", "-b", "side")
	f.commit("side", "b")
	f.run("checkout", "--quiet", "main")
	f.now += 3600
	mergeAt := f.now
	f.run("merge", "--quiet", "--no-ff", "-m", "merge", "side")
	merge := f.run("rev-parse", "HEAD")
	direct := f.commit("direct push", "c")
	collect := func(rng Range) (ids []string, at []time.Time) {
		skipped, err := f.open().Merges(context.Background(), rng, func(d Deployment) error {
			if d.ID != d.SHA || d.Outcome != "success" || !d.Started.Equal(d.Finished) {
				t.Errorf("want id = sha, success, started = finished; got %+v", d)
			}
			ids, at = append(ids, d.ID), append(at, d.Finished)
			return nil
		})
		if err != nil || skipped != 0 {
			t.Fatalf("merges: %d skipped, %v", skipped, err)
		}
		return ids, at
	}
	ids, at := collect(Range{From: []string{direct}})
	if diff := cmp.Diff([]string{root, merge, direct}, ids); diff != "" {
		t.Errorf("deployments (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]time.Time{time.Unix(rootAt, 0).UTC(), time.Unix(mergeAt, 0).UTC(), time.Unix(f.now, 0).UTC()}, at); diff != "" {
		t.Errorf("times (-want +got):\n%s", diff)
	}
	if ids, _ := collect(Range{From: []string{direct}, Not: []string{root}}); !cmp.Equal(ids, []string{merge, direct}) {
		t.Errorf("after the root: want merge and direct, got %v", ids)
	}
}

func TestDeploymentEventHasTheDocumentedFields(t *testing.T) {
	at := time.Date(2025, 1, 2, 3, 4, 5, 0, time.FixedZone("x", 3600))
	b, err := Deployment{ID: "v1", SHA: "abc", Outcome: "success", Started: at, Finished: at}.AppendEvent(nil, "p", "r", "api", "production")
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"type": "deployment", "project": "p", "source": "git:api", "id": "v1", "service": "api", "environment": "production", "repo": "r", "sha": "abc",
		"digest": nil, "outcome": "success", "started_at": "2025-01-02T02:04:05Z", "finished_at": "2025-01-02T02:04:05Z", "unplanned": false}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("event (-want +got):\n%s", diff)
	}
}

func TestParsePlan(t *testing.T) {
	for in, want := range map[string]Plan{"": {}, "none": {}, "tags:v*": {"tags", "v*"}, "merges:release/1": {"merges", "release/1"}, "csv:a:b.csv": {"csv", "a:b.csv"}} {
		if got, err := ParsePlan(in); err != nil || got != want {
			t.Errorf("ParsePlan(%q): want %+v, got %+v, %v", in, want, got, err)
		}
	}
	for _, in := range []string{"tags", "tags:", "branches:main", ":x"} {
		if _, err := ParsePlan(in); err == nil {
			t.Errorf("ParsePlan(%q): want an error", in)
		}
	}
}

func TestParseSince(t *testing.T) {
	now := time.Date(2025, 3, 31, 12, 0, 0, 0, time.UTC)
	for in, want := range map[string]string{
		"2024-01-02": "2024-01-02T00:00:00Z", "2024-01-02T03:04:05+02:00": "2024-01-02T01:04:05Z",
		"36h": "2025-03-30T00:00:00Z", "90d": "2024-12-31T12:00:00Z", "2w": "2025-03-17T12:00:00Z", "1mo": "2025-03-03T12:00:00Z", "2y": "2023-03-31T12:00:00Z",
	} {
		if got, err := ParseSince(in, now); err != nil || got.Format(time.RFC3339) != want {
			t.Errorf("ParseSince(%q): want %s, got %s, %v", in, want, got.Format(time.RFC3339), err)
		}
	}
	for _, in := range []string{"yesterday", "0d", "-3d", "5", "2024-13-01", "3min"} {
		if _, err := ParseSince(in, now); err == nil {
			t.Errorf("ParseSince(%q): want an error", in)
		}
	}
}

func TestCSVDeployments(t *testing.T) {
	f := newFixture(t)
	one := f.commit("one", "a")
	two := f.commit("two", "b")
	f.run("tag", "-a", "-m", "x", "v2", two)
	absent := strings.Repeat("ab", 20)
	path := filepath.Join(t.TempDir(), "deployments.csv")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("\ufeffID, sha,tag,ref,finished_at,started_at,outcome,environment,service,unplanned,digest\n" +
		"# a comment\n" +
		"late,,v2,,2025-01-03T00:00:00Z,2025-01-02T23:00:00Z,FAILURE,staging,web,true,\n" +
		"early," + one[:10] + ",,,2025-01-01T00:00:00+01:00,,,,,,sha256:9c\n" +
		"head,,,main,2025-01-04T00:00:00Z,,aborted,,,,\n" +
		"elsewhere," + absent + ",,,2025-01-05T00:00:00Z,,,,,,\n" +
		"image,,,,2025-01-06T00:00:00Z,,,,,,sha256:aa\n")
	got, err := f.open().ReadCSV(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	day := func(d int) time.Time { return time.Date(2025, 1, d, 0, 0, 0, 0, time.UTC) }
	early := time.Date(2024, 12, 31, 23, 0, 0, 0, time.UTC)
	want := []Deployment{
		{ID: "early", SHA: one, Digest: "sha256:9c", Outcome: "success", Started: early, Finished: early},
		{ID: "late", SHA: two, Service: "web", Environment: "staging", Outcome: "failure", Started: day(3).Add(-time.Hour), Finished: day(3), Unplanned: true},
		{ID: "head", SHA: two, Outcome: "aborted", Started: day(4), Finished: day(4)},
		{ID: "elsewhere", SHA: absent, Outcome: "success", Started: day(5), Finished: day(5)},
		{ID: "image", Digest: "sha256:aa", Outcome: "success", Started: day(6), Finished: day(6)},
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })); diff != "" {
		t.Errorf("deployments (-want +got):\n%s", diff)
	}

	write("id,sha,finished_at,started_at,outcome,unplanned\n" +
		"ok," + one + ",2025-01-01T00:00:00Z,,,\n" +
		"," + one + ",2025-01-01T00:00:00Z,,,\n" +
		"a,,2025-01-01T00:00:00Z,,,\n" +
		"b," + one + ",yesterday,,,\n" +
		"c," + one + ",2025-01-01T00:00:00Z,2025-01-02T00:00:00Z,,\n" +
		"d," + one + ",2025-01-01T00:00:00Z,,maybe,\n" +
		"e," + one + ",2025-01-01T00:00:00Z,,,perhaps\n" +
		"f,nope,2025-01-01T00:00:00Z,,,\n" +
		"g,short\n" +
		"ok," + two + ",2025-01-01T00:00:00Z,,,\n")
	_, err = f.open().ReadCSV(context.Background(), path)
	var fault *Error
	if !errors.As(err, &fault) {
		t.Fatalf("want an *Error, got %v", err)
	}
	for _, want := range []string{"line 3, column id", "line 4, column sha", "line 5, column finished_at", "line 6, column started_at", "line 7, column outcome",
		"line 8, column unplanned", `line 9, column sha: "nope"`, "line 10", `line 11, column id: "ok" stands on line 2`} {
		if !strings.Contains(fault.Detail, want) {
			t.Errorf("want %q in: %s", want, fault.Detail)
		}
	}

	for text, want := range map[string]string{
		"":                        "no header line",
		"id,sha\n":                "no column finished_at",
		"id,finished_at\n":        "no column sha or tag or ref or digest",
		"id,sha,finnished_at\n":   `unknown column "finnished_at"`,
		"id,id,sha,finished_at\n": `"id" stands twice`,
		"sha,finished_at\nx,y\n":  "no column id",
	} {
		write(text)
		if _, err := f.open().ReadCSV(context.Background(), path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: want %q, got %v", text, want, err)
		}
	}
}
