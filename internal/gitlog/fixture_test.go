package gitlog

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// fixture is a real repository made by the real git, with a clock of its own: each commit is one
// hour after the one before.
type fixture struct {
	t    *testing.T
	dir  string
	now  int64
	env  []string
	name string
}

func newFixture(t *testing.T, initArgs ...string) *fixture {
	t.Helper()
	f := &fixture{t: t, dir: filepath.Join(t.TempDir(), "repo"), now: 1_700_000_000, name: "Ada Lovelace"}
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	f.run(append([]string{"init", "--quiet", "--initial-branch=main", f.dir}, initArgs...)...)
	return f
}

func (f *fixture) run(args ...string) string {
	f.t.Helper()
	cmd := exec.Command("git", args...)
	if _, err := os.Stat(f.dir); err == nil {
		cmd.Dir = f.dir
	}
	date := fmt.Sprintf("%d +0000", f.now)
	cmd.Env = append(append(os.Environ(), "GIT_AUTHOR_NAME="+f.name, "GIT_AUTHOR_EMAIL=ada@example.org", "GIT_COMMITTER_NAME=C",
		"GIT_COMMITTER_EMAIL=c@example.org", "GIT_AUTHOR_DATE="+date, "GIT_COMMITTER_DATE="+date), f.env...)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		f.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, complaint.String())
	}
	return strings.TrimSpace(out.String())
}

// commit writes the named files and commits them with a message; it gives the SHA.
func (f *fixture) commit(message string, files ...string) string {
	f.t.Helper()
	f.now += 3600
	for _, name := range files {
		path := filepath.Join(f.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			f.t.Fatal(err)
		}
		if err := os.WriteFile(path, fmt.Appendf(nil, "%s %d\n", name, f.now), 0o644); err != nil {
			f.t.Fatal(err)
		}
	}
	f.run("add", "--all")
	f.run("commit", "--quiet", "--allow-empty", "--cleanup=verbatim", "-m", message)
	return f.run("rev-parse", "HEAD")
}

// raw writes a commit object whose bytes no porcelain would write, and moves main to it.
func (f *fixture) raw(author, committer string, parents ...string) string {
	f.t.Helper()
	var b strings.Builder
	b.WriteString("tree " + f.run("rev-parse", "HEAD^{tree}") + "\n")
	for _, p := range parents {
		b.WriteString("parent " + p + "\n")
	}
	b.WriteString("author " + author + "\ncommitter " + committer + "\n\nraw\n")
	cmd := exec.Command("git", "hash-object", "-t", "commit", "-w", "--stdin", "--literally")
	cmd.Dir, cmd.Stdin = f.dir, strings.NewReader(b.String())
	out, err := cmd.Output()
	if err != nil {
		f.t.Fatalf("write raw commit: %v", err)
	}
	sha := strings.TrimSpace(string(out))
	f.run("update-ref", "refs/heads/main", sha)
	return sha
}

func (f *fixture) open() *Repository {
	f.t.Helper()
	r, err := Open(context.Background(), Options{Location: f.dir})
	if err != nil {
		f.t.Fatalf("open: %v", err)
	}
	return r
}

// line is one event as a reader of the bulk format sees it.
type line struct {
	Type        string   `json:"type"`
	Project     string   `json:"project"`
	Source      string   `json:"source"`
	Repo        string   `json:"repo"`
	SHA         string   `json:"sha"`
	Parents     []string `json:"parents"`
	Author      string   `json:"author"`
	AuthoredAt  *string  `json:"authored_at"`
	CommittedAt *string  `json:"committed_at"`
	Paths       []string `json:"paths"`
}

// events walks the range and reads every event back through a JSON decoder.
func events(t *testing.T, r *Repository, rng Range) []line {
	t.Helper()
	var out []line
	err := r.Walk(context.Background(), rng, func(c *Commit) error {
		var l line
		decoder := json.NewDecoder(bytes.NewReader(c.AppendEvent(nil, "p", r.Name, rng.Paths)))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&l); err != nil {
			return fmt.Errorf("event of %s: %w", c.SHA, err)
		}
		out = append(out, l)
		return nil
	})
	if err != nil {
		t.Fatalf("walk: %v", err)
	}
	return out
}

func shas(lines []line) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = l.SHA
	}
	return out
}

// runTop runs git outside the fixture's folder.
func (f *fixture) runTop(args ...string) string {
	f.t.Helper()
	outside := *f
	outside.dir = ""
	return outside.run(args...)
}
