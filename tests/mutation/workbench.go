package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// patience is how long the tests of one patch may take.
const patience = 5 * time.Minute

// workbench is a copy of the tree that patches are tried on; the tree itself is never touched.
type workbench struct {
	tree string // the source
	copy string
}

// verdict is what came of one patch.
type verdict struct {
	killed bool
	word   string
	detail string
}

// newWorkbench copies what is committed, or would be.
func newWorkbench(ctx context.Context, root string) (*workbench, error) {
	files, err := sources(ctx, root)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "mutation")
	if err != nil {
		return nil, err
	}
	b := &workbench{tree: root, copy: dir}
	for _, name := range files {
		if err := b.take(name); err != nil {
			b.remove()
			return nil, err
		}
	}
	return b, nil
}

func (b *workbench) remove() {
	if err := os.RemoveAll(b.copy); err != nil {
		fmt.Fprintln(os.Stderr, "mutation: the copy stays:", err)
	}
}

// try applies a patch, runs its tests and takes the patch back.
func (b *workbench) try(ctx context.Context, p patch) verdict {
	before, err := b.apply(ctx, p)
	if err != nil {
		return verdict{word: "NO PATCH", detail: "does not apply any more: " + err.Error()}
	}
	defer func() {
		for name, text := range before {
			if err := os.WriteFile(filepath.Join(b.copy, name), text, 0o600); err != nil {
				fmt.Fprintln(os.Stderr, "mutation: take the patch back:", err)
			}
		}
	}()
	if out, err := b.command(ctx, "go", append([]string{"test", "-trimpath", "-run", "^$"}, p.packages...)...); err != nil {
		return verdict{word: "NO BUILD", detail: "does not compile any more:\n" + out}
	}
	failed, out := b.test(ctx, p.packages)
	if !failed {
		return verdict{word: "SURVIVED", detail: p.change + ": no test of " + strings.Join(p.packages, " ") + " noticed"}
	}
	names := regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`).FindAllStringSubmatch(out, -1)
	if len(names) == 0 {
		return verdict{word: "NO TEST", detail: "the tests failed, but no test by name:\n" + out}
	}
	// The last name is of the innermost failing case of the first failing test.
	deepest := names[0][1]
	for _, n := range names {
		if strings.HasPrefix(n[1], deepest+"/") {
			deepest = n[1]
		}
	}
	return verdict{killed: true, word: "killed", detail: "by " + deepest}
}

// apply patches the copy and returns what the files that it changed held before.
func (b *workbench) apply(ctx context.Context, p patch) (map[string][]byte, error) {
	out, err := b.command(ctx, "git", "apply", "--numstat", p.file)
	if err != nil {
		return nil, errors.New(strings.TrimSpace(out))
	}
	before := map[string][]byte{}
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		if len(fields) != 3 {
			continue
		}
		if before[fields[2]], err = os.ReadFile(filepath.Join(b.copy, fields[2])); err != nil {
			return nil, err
		}
	}
	if out, err := b.command(ctx, "git", "apply", "--whitespace=nowarn", p.file); err != nil {
		return nil, errors.New(strings.TrimSpace(out))
	}
	return before, nil
}

// test runs the tests of packages and says whether one failed.
func (b *workbench) test(ctx context.Context, packages []string) (failed bool, output string) {
	output, err := b.command(ctx, "go", append([]string{"test", "-trimpath", "-count=1", "-failfast"}, packages...)...)
	return err != nil, output
}

func (b *workbench) command(ctx context.Context, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = b.copy
	cmd.Env = append(os.Environ(), "GIT_CEILING_DIRECTORIES="+filepath.Dir(b.copy))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// take copies one file of the tree.
func (b *workbench) take(name string) error {
	from := filepath.Join(b.tree, name)
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	at := filepath.Join(b.copy, name)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return err
	}
	return os.WriteFile(at, text, info.Mode().Perm())
}

// sources lists what git tracks or would track and is there, or every file where there is no git.
func sources(ctx context.Context, root string) ([]string, error) {
	var names []string
	if _, err := os.Stat(filepath.Join(root, ".git")); err == nil {
		out, err := exec.CommandContext(ctx, "git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
		if err != nil {
			return nil, fmt.Errorf("git ls-files: %w", err)
		}
		names = strings.Split(strings.TrimRight(string(out), "\x00"), "\x00")
	} else if err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(root, path)
		names = append(names, rel)
		return err
	}); err != nil {
		return nil, err
	}
	var present []string
	for _, name := range names {
		if info, err := os.Stat(filepath.Join(root, name)); err == nil && info.Mode().IsRegular() {
			present = append(present, name)
		}
	}
	return present, nil
}
