package git_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAProtectedBranchIsNeitherReplacedNorDeleted(t *testing.T) {
	p := start(t)
	dir := p.work("shop/api")
	p.want(200, p.admin, "PUT", "/repositories/shop/api", `{"protected":[{"branch":"main"},{"branch":"release/*","allow_force":true}]}`)
	p.git(dir, "push", "--quiet", "origin", "main", "main:release/1", "main:topic")
	p.git(dir, "commit", "--quiet", "--amend", "-m", "Another beginning")
	for _, c := range []struct {
		name string
		args []string
		says string // "": it is allowed
	}{
		{"a force push", []string{"--force", "main"}, `main of shop/api is protected by the rule "main"`},
		{"a force push beside a good one", []string{"--force", "main", "main:other"}, `protected by the rule "main"`},
		{"the end of a protected branch", []string{":release/1"}, `protected by the rule "release/*": it cannot be deleted`},
		{"the end of the default branch", []string{":main"}, "main"},
		{"a reference that is no branch", []string{"main:refs/secret/x"}, "neither a branch nor a tag"},
		{"a force push that a rule allows", []string{"--force", "main:release/1"}, ""},
		{"a force push to a free branch", []string{"--force", "main:topic"}, ""},
		{"the end of a free branch", []string{":topic"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := p.try(dir, append([]string{"push", "origin"}, c.args...)...)
			if (err == nil) != (c.says == "") || !strings.Contains(out, c.says) {
				t.Fatalf("git said (%v), want %q:\n%s", err, c.says, out)
			}
		})
	}
	if refs := p.git(dir, "ls-remote", "origin"); strings.Contains(refs, "other") || strings.Contains(refs, "secret") {
		t.Fatalf("a refused push left something behind:\n%s", refs)
	}
	p.want(403, p.write, "PUT", "/repositories/shop/api", `{"protected":[]}`)
	p.want(422, p.admin, "PUT", "/repositories/shop/api", `{"protected":[{"branch":"a b"}]}`)
}

// What is in a repository's own folder is not run and not believed.
func TestHooksAndConfigurationOfARepositoryDoNotCount(t *testing.T) {
	p := start(t)
	dir := p.work("shop/api")
	p.git(dir, "push", "--quiet", "origin", "main")
	trace := filepath.Join(t.TempDir(), "trace")
	for _, hook := range []string{"pre-receive", "update", "post-receive", "post-update", "reference-transaction"} {
		if err := os.MkdirAll(filepath.Join(p.bare("shop/api"), "hooks"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(p.bare("shop/api"), "hooks", hook), []byte("#!/bin/sh\necho "+hook+" >>"+trace+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	p.commit(dir, "a.txt", "1", "More")
	p.git(dir, "push", "--quiet", "origin", "main")
	if text, err := os.ReadFile(trace); err == nil {
		t.Fatalf("hooks of the repository were run: %s", text)
	}
}

func TestAPushThatAFormerPlatformTookIsRefused(t *testing.T) {
	p := start(t)
	dir := p.work("shop/api")
	p.git(dir, "push", "--quiet", "origin", "main")
	if err := os.WriteFile(filepath.Join(p.state, "git", "epoch"), []byte("another\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.commit(dir, "a.txt", "1", "More")
	if out, err := p.try(dir, "push", "origin", "main"); err == nil || !strings.Contains(out, "push once more") {
		t.Fatalf("git said (%v):\n%s", err, out)
	}
}

func TestAPushBeyondTheLimitIsRefused(t *testing.T) {
	p := startWith(t, map[string]string{"git.max_push_mib": "1"})
	dir := p.work("shop/api")
	p.git(dir, "push", "--quiet", "origin", "main")
	p.commit(dir, "big.bin", noise(3<<20), "A large file")
	if out, err := p.try(dir, "push", "origin", "main"); err == nil || !strings.Contains(out, "maximum allowed size") {
		t.Fatalf("git said (%v):\n%s", err, out)
	}
}

func TestObjectsAreCheckedBeforeTheyAreKept(t *testing.T) {
	p := start(t)
	dir := p.work("shop/api")
	// A tree with an entry .git, which git checks out over the repository itself.
	blob := p.git(dir, "hash-object", "-w", "README.md")
	if err := os.WriteFile(filepath.Join(dir, "entry"), []byte("100644 .git\x00"+string(unhex(t, blob))), 0o644); err != nil {
		t.Fatal(err)
	}
	tree := p.git(dir, "hash-object", "-t", "tree", "--literally", "-w", "entry")
	head := p.git(dir, "commit-tree", "-m", "Hostile", tree)
	if out, err := p.try(dir, "push", "origin", head+":refs/heads/hostile"); err == nil || !strings.Contains(out, ".git") {
		t.Fatalf("git said (%v):\n%s", err, out)
	}
}
