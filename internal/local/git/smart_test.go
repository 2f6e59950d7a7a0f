package git_test

import (
	"strings"
	"testing"
)

func TestARepositoryIsPushedAndCloned(t *testing.T) {
	p := start(t)
	p.want(200, p.write, "PUT", "/repositories/shop/api", `{"description":"The shop's API"}`)
	dir := p.work("shop/api")
	head := p.commit(dir, "main.go", "package main\n", "Add the program")
	p.git(dir, "push", "--quiet", "origin", "main")

	copied := t.TempDir()
	p.git(copied, "clone", "--quiet", p.remote(p.read, "shop/api"), "c")
	if got := p.git(copied+"/c", "rev-parse", "HEAD"); got != head {
		t.Fatalf("the clone is at %s, want %s", got, head)
	}
	p.git(copied, "clone", "--quiet", "--depth=1", p.remote(p.read, "shop/api"), "shallow")
	if got := p.git(copied+"/shallow", "rev-list", "--count", "HEAD"); got != "1" {
		t.Fatalf("the shallow clone has %s commits, want 1", got)
	}
	p.git(copied, "-c", "protocol.version=0", "clone", "--quiet", p.remote(p.read, "shop/api"), "v0")
	p.git(copied, "clone", "--quiet", "--filter=blob:none", p.remote(p.read, "shop/api"), "partial")

	r := p.want(200, p.read, "GET", "/repositories/shop/api", "")
	if r["head_sha"] != head || r["clone_url"] != p.url+"/git/shop/api.git" || r["pushed_at"] == nil || r["size_bytes"].(float64) <= 0 {
		t.Fatalf("the repository is shown as %v", r)
	}
	next := p.commit(dir, "main.go", "package main // more\n", "Say more")
	p.git(dir, "push", "--quiet", "origin", "main")
	p.git(copied+"/c", "pull", "--quiet")
	if got := p.git(copied+"/c", "rev-parse", "HEAD"); got != next {
		t.Fatalf("after a fetch the clone is at %s, want %s", got, next)
	}
	// A CI fetches exactly one commit by its id.
	p.git(copied, "init", "--quiet", "one")
	p.git(copied+"/one", "fetch", "--quiet", "--depth=1", p.remote(p.read, "shop/api"), head)
	if got := p.git(copied+"/one", "rev-parse", "FETCH_HEAD"); got != head {
		t.Fatalf("fetched %s, want %s", got, head)
	}
}

func TestGitSaysWhatToDo(t *testing.T) {
	p := start(t)
	dir := p.work("shop/api")
	p.git(dir, "push", "--quiet", "origin", "main")
	anonymous := p.url + "/git/shop/api.git"
	for _, c := range []struct{ name, remote, does, says string }{
		{"without a token", anonymous, "fetch", "could not read Username"},
		{"with another token", p.remote("fwk_wrong", "shop/api"), "fetch", "fawkes token create"},
		{"a reader pushes", p.remote(p.read, "shop/api"), "push", "git:write"},
		{"what is not there is fetched", p.remote(p.read, "shop/none"), "fetch", "fawkes git create shop/none"},
		{"a name that is none", p.remote(p.write, "Shop/API"), "push", "lower-case"},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := []string{"fetch", c.remote}
			if c.does == "push" {
				args = []string{"push", c.remote, "main"}
			}
			out, err := p.try(dir, args...)
			if err == nil || !strings.Contains(out, c.says) {
				t.Fatalf("git said (%v), want %q in it:\n%s", err, c.says, out)
			}
		})
	}
}
