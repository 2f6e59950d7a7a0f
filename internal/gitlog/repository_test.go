package gitlog

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOpenNamesTheFaultAndTheMend(t *testing.T) {
	f := newFixture(t)
	f.commit("one", "a")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		options      Options
		env          string
		detail, mend string
	}{
		"no such folder":     {Options{Location: "/nonexistent/repo"}, "", "does not exist", "or a URL"},
		"a file":             {Options{Location: file}, "", "is a file", "the folder that holds .git"},
		"not a repository":   {Options{Location: t.TempDir()}, "", "is not a git repository", "or a URL"},
		"nothing":            {Options{Location: " "}, "", "no path or URL", "give the folder"},
		"no git":             {Options{Location: f.dir, Program: "no-such-git"}, "", "git was not found", "install git"},
		"another user's":     {Options{Location: f.dir}, "GIT_TEST_ASSUME_DIFFERENT_OWNER=1", "belongs to another user", "git config --global --add safe.directory " + f.dir},
		"nobody listens":     {Options{Location: "http://user:secret@" + closed + "/r.git", CacheDir: t.TempDir()}, "", "", "check the URL and the network"},
		"nothing at the URL": {Options{Location: "file:///nonexistent/r.git", CacheDir: t.TempDir()}, "", "does not appear to be a git repository", "git ls-remote"},
	} {
		t.Run(name, func(t *testing.T) {
			if k, v, ok := strings.Cut(tc.env, "="); ok {
				t.Setenv(k, v)
			}
			_, err := Open(context.Background(), tc.options)
			var fault *Error
			if !errors.As(err, &fault) {
				t.Fatalf("want an *Error, got %v", err)
			}
			if !strings.Contains(fault.Detail, tc.detail) || !strings.Contains(fault.Mend, tc.mend) {
				t.Errorf("want detail %q and mend %q, got %q and %q", tc.detail, tc.mend, fault.Detail, fault.Mend)
			}
			if strings.Contains(err.Error()+fault.Mend, "secret") {
				t.Errorf("the password is in the error: %v", err)
			}
		})
	}
}

func TestEmptyRepositoryIsNotAnError(t *testing.T) {
	f := newFixture(t)
	r := f.open()
	if !r.Empty {
		t.Error("want Empty")
	}
	if _, err := r.Branch(context.Background(), ""); err == nil || !strings.Contains(err.Error(), "no commit yet") {
		t.Errorf("branch of an empty repository: want \"no commit yet\", got %v", err)
	}
}

func TestBranchIsFoundOrNearNamesAreGiven(t *testing.T) {
	f := newFixture(t)
	sha := f.commit("one", "a")
	for _, name := range []string{"release-1.2", "release-1.3", "develop"} {
		f.run("branch", name)
	}
	r := f.open()
	for _, name := range []string{"", "main", "release-1.2", sha} {
		b, err := r.Branch(context.Background(), name)
		if err != nil || b.SHA != sha {
			t.Errorf("branch %q: want %s, got %s, %v", name, sha, b.SHA, err)
		}
	}
	_, err := r.Branch(context.Background(), "relase-1.2")
	var fault *Error
	if !errors.As(err, &fault) || !strings.Contains(fault.Mend, "one of: release-1.2, release-1.3") {
		t.Errorf("want near names with release-1.2 first, got %v, %+v", err, fault)
	}
	if _, err := r.Branch(context.Background(), "--output=/tmp/x"); err == nil {
		t.Error("a branch that looks like an option was taken")
	}
	f.run("checkout", "--quiet", "--detach")
	if b, err := r.Branch(context.Background(), ""); err != nil || b.Name != sha {
		t.Errorf("detached HEAD: want its commit as the name, got %+v, %v", b, err)
	}
}

func TestRemoteBranchOfACloneIsFound(t *testing.T) {
	f := newFixture(t)
	sha := f.commit("one", "a")
	f.run("branch", "only-there")
	clone := filepath.Join(t.TempDir(), "clone")
	f.runTop("clone", "--quiet", f.dir, clone)
	b, err := mustOpen(t, clone).Branch(context.Background(), "only-there")
	if err != nil || b.SHA != sha {
		t.Errorf("want %s, got %+v, %v", sha, b, err)
	}
}

func TestURLIsMirroredAndFetchedAgain(t *testing.T) {
	f := newFixture(t)
	f.run("config", "uploadpack.allowFilter", "true")
	f.run("config", "uploadpack.allowAnySHA1InWant", "true")
	first := f.commit("one", "a", "svc/b")
	f.run("tag", "v1")
	cache := t.TempDir()
	var told []string
	open := func() *Repository {
		r, err := Open(context.Background(), Options{Location: "file://" + f.dir, CacheDir: cache, Progress: func(s string) { told = append(told, s) }})
		if err != nil {
			t.Fatalf("open: %v", err)
		}
		return r
	}
	r := open()
	if r.Name != "file://"+f.dir {
		t.Errorf("name: want the URL, got %s", r.Name)
	}
	got := events(t, r, Range{From: []string{first}, Paths: true})
	if len(got) != 1 || !cmp.Equal(got[0].Paths, []string{"a", "svc/b"}) {
		t.Errorf("want one commit with two paths, got %+v", got)
	}
	second := f.commit("two", "c")
	f.run("tag", "v2")
	f.run("branch", "-m", "main", "trunk")
	r = open()
	b, err := r.Branch(context.Background(), "")
	if err != nil || b.SHA != second || b.Name != "trunk" {
		t.Errorf("after a second fetch: want trunk at %s, got %+v, %v", second, b, err)
	}
	tags, _, err := r.Tags(context.Background(), "v*", "")
	if err != nil || len(tags) != 2 {
		t.Errorf("want tags v1 and v2, got %+v, %v", tags, err)
	}
	if len(told) == 0 {
		t.Error("the fetch told nothing of its progress")
	}
	if entries, err := os.ReadDir(cache); err != nil || len(entries) != 1 {
		t.Errorf("want one mirror, got %v, %v", entries, err)
	}
}

func TestCredentialsAreNotStored(t *testing.T) {
	cache := t.TempDir()
	_, err := Open(context.Background(), Options{Location: "http://user:secret@127.0.0.1:1/r.git", CacheDir: cache})
	if err == nil {
		t.Fatal("want an error")
	}
	if out, err := exec.Command("grep", "-r", "secret", cache).Output(); err == nil {
		t.Errorf("the password is on the disk: %s", out)
	}
}

func TestIdentity(t *testing.T) {
	for in, want := range map[string]string{
		"https://user:tok@git.example/o/r.git": "https://git.example/o/r.git",
		"https://git.example/o/r.git/":         "https://git.example/o/r.git",
		"ssh://git:pw@git.example/o/r.git":     "ssh://git@git.example/o/r.git",
		"git@github.com:o/r.git":               "git@github.com:o/r.git",
		"https://git.example/r.git?token=x":    "https://git.example/r.git",
	} {
		if got := Identity(in); got != want {
			t.Errorf("Identity(%q): want %q, got %q", in, want, got)
		}
	}
}

func TestIsURL(t *testing.T) {
	for in, want := range map[string]bool{
		"https://h/r": true, "git@h.example:o/r": true, "file:///r": true, "ssh://h/r": true,
		"/abs/path": false, "rel/path": false, ".": false, "../a:b": false, `C:\repo`: false,
	} {
		if got := IsURL(in); got != want {
			t.Errorf("IsURL(%q): want %v, got %v", in, want, got)
		}
	}
}

func TestNameIsTheOriginOfAClone(t *testing.T) {
	f := newFixture(t)
	f.commit("one", "sub/a")
	f.run("remote", "add", "origin", "https://me:pw@git.example/o/r.git")
	for _, dir := range []string{f.dir, filepath.Join(f.dir, "sub")} {
		if got := mustOpen(t, dir).Name; got != "https://git.example/o/r.git" {
			t.Errorf("%s: want the origin without credentials, got %s", dir, got)
		}
	}
	f.run("remote", "set-url", "origin", "../other")
	if got := mustOpen(t, filepath.Join(f.dir, "sub")).Name; got != f.dir {
		t.Errorf("an origin that is a folder: want %s, got %s", f.dir, got)
	}
}
