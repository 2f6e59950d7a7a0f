package gitlog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestWalkGivesParentsBeforeChildrenWithTheFieldsOfGit(t *testing.T) {
	f := newFixture(t)
	root := f.commit("root\n\nwith a\nlong subject", "svc/a/x.go", "b")
	f.run("checkout", "--quiet", "-b", "side")
	side := f.commit("side", "c")
	f.run("checkout", "--quiet", "main")
	straight := f.commit("straight", "d")
	f.now += 3600
	f.run("merge", "--quiet", "--no-ff", "-m", "merge", "side")
	merge := f.run("rev-parse", "HEAD")
	f.run("rm", "--quiet", "b")
	removal := f.commit("removal")

	got := events(t, f.open(), Range{From: []string{removal}, Paths: true})
	if len(got) != 5 {
		t.Fatalf("want 5 commits, got %d", len(got))
	}
	seen := map[string]line{}
	for _, l := range got {
		for _, p := range l.Parents {
			if _, ok := seen[p]; !ok {
				t.Errorf("%s came before its parent %s", l.SHA, p)
			}
		}
		seen[l.SHA] = l
	}
	want := map[string][]string{root: {"b", "svc/a/x.go"}, side: {"c"}, straight: {"d"}, merge: {}, removal: {"b"}}
	for sha, paths := range want {
		if diff := cmp.Diff(paths, seen[sha].Paths); diff != "" {
			t.Errorf("paths of %s (-want +got):\n%s", f.run("log", "-1", "--format=%s", sha), diff)
		}
	}
	if diff := cmp.Diff([]string{straight, side}, seen[merge].Parents); diff != "" {
		t.Errorf("parents of the merge (-want +got):\n%s", diff)
	}
	if at := seen[root].AuthoredAt; at == nil || *at != "2023-11-14T23:13:20Z" {
		t.Errorf("root authored_at: want 2023-11-14T23:13:20Z, got %v", at)
	}
	if seen[root].Author != "Ada Lovelace" || seen[root].Repo != f.dir || seen[root].Project != "p" {
		t.Errorf("root: got author %q repo %q project %q", seen[root].Author, seen[root].Repo, seen[root].Project)
	}
}

func TestWalkWithoutPathsLeavesThemOut(t *testing.T) {
	f := newFixture(t)
	sha := f.commit("one", "a")
	got := events(t, f.open(), Range{From: []string{sha}})
	if len(got) != 1 || got[0].Paths != nil {
		t.Fatalf("want one commit without paths, got %+v", got)
	}
}

func TestWalkReadsStrangeButRealHistory(t *testing.T) {
	const good = "A <a@b> 1700000000 +0000"
	for name, tc := range map[string]struct {
		author, committer string
		wantAuthor        string
		authored          string // "" for null
		committed         string
	}{
		"quotes and control bytes": {"\"Q\\ \x01 <a@b> 1700000000 +0000", good, "\"Q\\ \ufffd", "2023-11-14T22:13:20Z", "2023-11-14T22:13:20Z"},
		"not UTF-8":                {"J\xfcrgen <a@b> 1700000000 +0000", good, "J\ufffdrgen", "2023-11-14T22:13:20Z", "2023-11-14T22:13:20Z"},
		"beyond the basic plane":   {"🦊 Fux <a@b> 1700000000 +0000", good, "🦊 Fux", "2023-11-14T22:13:20Z", "2023-11-14T22:13:20Z"},
		"no name":                  {"<only@mail> 1700000000 +0000", good, "only@mail", "2023-11-14T22:13:20Z", "2023-11-14T22:13:20Z"},
		"looks like a record":      {"/" + strings.Repeat("a", 40) + " <a@b> 1700000000 +0000", good, "/" + strings.Repeat("a", 40), "2023-11-14T22:13:20Z", "2023-11-14T22:13:20Z"},
		"before 1970":              {"A <a@b> -86400 +0000", good, "A", "2023-11-14T22:13:20Z", "2023-11-14T22:13:20Z"},
		"the first second":         {"A <a@b> 0 +0000", good, "A", "2023-11-14T22:13:20Z", "2023-11-14T22:13:20Z"},
		"the last second of 2199":  {"A <a@b> 7258118399 +0000", good, "A", "2199-12-31T23:59:59Z", "2023-11-14T22:13:20Z"},
		"the year 2200":            {good, "A <a@b> 7258118400 +0000", "A", "2023-11-14T22:13:20Z", ""},
		"a year of five digits":    {"A <a@b> 253402300800 +0000", good, "A", "2023-11-14T22:13:20Z", "2023-11-14T22:13:20Z"},
		"beyond 64 bits":           {"A <a@b> 99999999999999999999999 +0000", good, "A", "2023-11-14T22:13:20Z", "2023-11-14T22:13:20Z"},
		"no date":                  {"A <a@b>", good, "A", "2023-11-14T22:13:20Z", "2023-11-14T22:13:20Z"},
		"no committer date":        {good, "A <a@b>", "A", "2023-11-14T22:13:20Z", ""},
		"neither date":             {"A <a@b>", "A <a@b>", "A", "", ""},
		"an absurd zone":           {"A <a@b> 1700000000 +9999", good, "A", "2023-11-14T22:13:20Z", "2023-11-14T22:13:20Z"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			root := f.commit("root", "a")
			sha := f.raw(tc.author, tc.committer, root)
			got := events(t, f.open(), Range{From: []string{sha}, Paths: true})
			if len(got) != 2 || got[1].SHA != sha {
				t.Fatalf("want root and %s, got %+v", sha, got)
			}
			l := got[1]
			if l.Author != tc.wantAuthor {
				t.Errorf("author: want %q, got %q", tc.wantAuthor, l.Author)
			}
			for field, pair := range map[string]struct {
				want string
				got  *string
			}{"authored_at": {tc.authored, l.AuthoredAt}, "committed_at": {tc.committed, l.CommittedAt}} {
				gotText := ""
				if pair.got != nil {
					gotText = *pair.got
				}
				if gotText != pair.want {
					t.Errorf("%s: want %q, got %q", field, pair.want, gotText)
				}
			}
		})
	}
}

func TestWalkReadsStrangePaths(t *testing.T) {
	f := newFixture(t)
	want := []string{"\nstarts with a newline", " space ", "a\tb", "dir/with \"quotes\"", "grün/ß.go", "line\nbreak"}
	sha := f.commit("strange", want...)
	got := events(t, f.open(), Range{From: []string{sha}, Paths: true})
	if diff := cmp.Diff([][]string{want}, [][]string{got[0].Paths}); diff != "" {
		t.Errorf("paths (-want +got):\n%s", diff)
	}
}

const good = "A <a@b> 1700000000 +0000"

func TestWalkSurvivesFieldsLongerThanItsBuffer(t *testing.T) {
	f := newFixture(t)
	root := f.commit("root", "a")
	name := strings.Repeat("n", 600<<10)
	sha := f.raw(name+" <a@b> 1700000000 +0000", good, root)
	got := events(t, f.open(), Range{From: []string{sha}})
	if len(got) != 2 || got[1].Author != name[:maxAuthor] {
		t.Fatalf("want an author of %d bytes, got %d commits, last author of %d bytes", maxAuthor, len(got), len(got[len(got)-1].Author))
	}
}

func TestTooManyPathsAreFoldedIntoFolders(t *testing.T) {
	c := &Commit{SHA: []byte("aa")}
	for i := range 300 {
		for j := range 100 {
			c.Paths = append(c.Paths, fmt.Appendf(nil, "svc/%03d/deep/f%02d.go", i, j))
		}
	}
	if !c.Folded() {
		t.Error("want Folded")
	}
	got := c.foldedPaths()
	if len(got) != 300 || string(got[299]) != "svc/299/deep" {
		t.Errorf("want the 300 folders, got %d, last %s", len(got), got[len(got)-1])
	}
	c.Paths = c.Paths[:0]
	for i := range 20_000 {
		c.Paths = append(c.Paths, fmt.Appendf(nil, "svc/%05d/f.go", i))
	}
	c.Paths = append(c.Paths, fmt.Appendf(nil, "svc/%s/f.go", strings.Repeat("x", 5000)))
	if got := c.foldedPaths(); len(got) != 1 || string(got[0]) != "svc" {
		t.Errorf("want the one folder that holds 20,000, got %d, first %s", len(got), got[0])
	}
}

func TestWalkIsNotBentByTheUsersConfiguration(t *testing.T) {
	f := newFixture(t)
	root := f.commit("root", "a")
	f.run("mv", "a", "b")
	sha := f.commit("rename")
	for _, kv := range [][2]string{{"log.showSignature", "true"}, {"color.ui", "always"}, {"log.decorate", "full"}, {"diff.renames", "copies"},
		{"log.showRoot", "false"}, {"log.mailmap", "true"}, {"core.quotePath", "true"}, {"log.date", "relative"}, {"diff.relative", "true"},
		{"format.pretty", "oneline"}, {"log.follow", "true"}, {"diff.noprefix", "true"}, {"log.diffMerges", "separate"}, {"i18n.logOutputEncoding", "latin1"}} {
		f.run("config", kv[0], kv[1])
	}
	t.Setenv("GIT_DIR", "/nonexistent")
	got := events(t, mustOpen(t, f.dir), Range{From: []string{sha}, Paths: true})
	if diff := cmp.Diff([]string{root, sha}, shas(got)); diff != "" {
		t.Fatalf("commits (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([][]string{{"a"}, {"a", "b"}}, [][]string{got[0].Paths, got[1].Paths}); diff != "" {
		t.Errorf("paths (-want +got):\n%s", diff)
	}
}

func mustOpen(t *testing.T, location string) *Repository {
	t.Helper()
	r, err := Open(context.Background(), Options{Location: location})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return r
}

func TestReplacementsAndGraftsAreOnlyOpinions(t *testing.T) {
	f := newFixture(t)
	one := f.commit("one", "a")
	two := f.commit("two", "b")
	three := f.commit("three", "c")
	f.run("replace", "--graft", three, one)
	if err := os.WriteFile(filepath.Join(f.dir, ".git", "info", "grafts"), []byte(two+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{one, two, three}, shas(events(t, f.open(), Range{From: []string{three}}))); diff != "" {
		t.Errorf("commits (-want +got):\n%s", diff)
	}
}

func TestSHA256RepositoryKeepsItsLongNames(t *testing.T) {
	f := newFixture(t, "--object-format=sha256")
	one := f.commit("one", "a")
	two := f.commit("two", "b")
	r := f.open()
	got := events(t, r, Range{From: []string{two}, Paths: true})
	if r.ObjectFormat != "sha256" || len(two) != 64 {
		t.Fatalf("want a sha256 repository, got %s with %s", r.ObjectFormat, two)
	}
	if diff := cmp.Diff([]string{one, two}, shas(got)); diff != "" {
		t.Errorf("commits (-want +got):\n%s", diff)
	}
}

func TestShallowCloneSaysSo(t *testing.T) {
	f := newFixture(t)
	f.commit("one", "a")
	f.commit("two", "b")
	tip := f.commit("three", "c")
	shallow := filepath.Join(t.TempDir(), "shallow")
	f.runTop("clone", "--quiet", "--depth=1", "file://"+f.dir, shallow)
	r := mustOpen(t, shallow)
	if !r.Shallow {
		t.Error("want Shallow")
	}
	if f.open().Shallow {
		t.Error("the whole clone says that it is shallow")
	}
	if diff := cmp.Diff([]string{tip}, shas(events(t, r, Range{From: []string{tip}}))); diff != "" {
		t.Errorf("commits (-want +got):\n%s", diff)
	}
}

func TestWalkSinceLeavesOlderCommitsOut(t *testing.T) {
	f := newFixture(t)
	f.commit("one", "a")
	border := f.now + 3600
	two := f.commit("two", "b")
	three := f.commit("three", "c")
	r := f.open()
	rng := Range{From: []string{three}, Since: time.Unix(border, 0)}
	if diff := cmp.Diff([]string{two, three}, shas(events(t, r, rng))); diff != "" {
		t.Errorf("commits (-want +got):\n%s", diff)
	}
	if n, err := r.Count(context.Background(), rng); err != nil || n != 2 {
		t.Errorf("count: want 2, got %d, %v", n, err)
	}
}

// A walk that stops anywhere and goes on from its frontier sees every commit exactly once.
func TestAStoppedWalkGoesOnFromItsFrontier(t *testing.T) {
	f := newFixture(t)
	f.commit("root", "a")
	for i := range 4 {
		f.run("checkout", "--quiet", "-b", "side"+string(rune('0'+i)), "main~0")
		f.commit("side 1", "s1")
		f.commit("side 2", "s2")
		f.run("checkout", "--quiet", "main")
		f.commit("main", "m")
		if i%2 == 0 {
			f.now += 60
			f.run("merge", "--quiet", "--no-ff", "-X", "ours", "-m", "merge", "side"+string(rune('0'+i)))
		}
	}
	r := f.open()
	tips := strings.Fields(f.run("for-each-ref", "--format=%(objectname)", "refs/heads"))
	whole := shas(events(t, r, Range{From: tips}))
	for stop := range len(whole) {
		frontier := NewFrontier(nil)
		seen := map[string]int{}
		n := 0
		err := r.Walk(context.Background(), Range{From: tips}, func(c *Commit) error {
			if n == stop {
				return ErrStop
			}
			n++
			frontier.Add(c)
			seen[string(c.SHA)]++
			return nil
		})
		if err != nil {
			t.Fatalf("stop after %d: %v", stop, err)
		}
		resumed := NewFrontier(frontier.Tips())
		err = r.Walk(context.Background(), Range{From: tips, Not: frontier.Tips()}, func(c *Commit) error {
			resumed.Add(c)
			seen[string(c.SHA)]++
			return nil
		})
		if err != nil {
			t.Fatalf("resume after %d: %v", stop, err)
		}
		for _, sha := range whole {
			if seen[sha] != 1 {
				t.Fatalf("stopped after %d: %s was seen %d times", stop, sha, seen[sha])
			}
		}
		rest, err := r.Count(context.Background(), Range{From: tips, Not: resumed.Tips()})
		if err != nil || rest != 0 {
			t.Fatalf("stopped after %d: %d commits remain after the resumed walk, %v", stop, rest, err)
		}
	}
}

func TestWalkEndsWithTheErrorOfItsReader(t *testing.T) {
	f := newFixture(t)
	sha := f.commit("one", "a")
	want := errors.New("server is gone")
	if err := f.open().Walk(context.Background(), Range{From: []string{sha}}, func(*Commit) error { return want }); !errors.Is(err, want) {
		t.Errorf("want %v, got %v", want, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := f.open().Walk(ctx, Range{From: []string{sha}}, func(*Commit) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("want %v, got %v", context.Canceled, err)
	}
}

func TestKnownTellsLostTips(t *testing.T) {
	f := newFixture(t)
	sha := f.commit("one", "a")
	gone := strings.Repeat("0123", 10)
	known, lost, err := f.open().Known(context.Background(), []string{sha, gone, "--all"})
	if err != nil || lost != 2 || !cmp.Equal(known, []string{sha}) {
		t.Errorf("want [%s] and 2 lost, got %v, %d, %v", sha, known, lost, err)
	}
}

func TestClockSkewDoesNotPutAChildBeforeItsParent(t *testing.T) {
	f := newFixture(t)
	f.commit("root", "a")
	at := func(name string, when string) (author, committer string) {
		who := name + " <a@b> " + when + " +0000"
		return who, who
	}
	commit := func(name, when string, parents ...string) string {
		author, committer := at(name, when)
		return f.raw(author, committer, parents...)
	}
	fork := commit("fork", "1800003000")
	late := commit("behind its parent's clock", "1800001000", fork)
	side := commit("side", "1800002000", fork)
	merge := commit("merge", "1800004000", late, side)
	seen := map[string]bool{}
	for _, l := range events(t, f.open(), Range{From: []string{merge}}) {
		for _, p := range l.Parents {
			if !seen[p] {
				t.Errorf("%q came before its parent", l.Author)
			}
		}
		seen[l.SHA] = true
	}
	if len(seen) != 4 {
		t.Errorf("want 4 commits, got %d", len(seen))
	}
}
