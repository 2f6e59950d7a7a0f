package mirror

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

// Author is who the platform's own commits are by.
const (
	Author      = "Fawkes"
	AuthorEmail = "fawkes@localhost"
)

// Edit is a commit to make: whole folders that are put in place of what was there.
type Edit struct {
	Message string
	// Files are the files that a folder shall hold, and no others, by the folder and
	// their paths in it.
	Files map[string]map[string][]byte
	// Trees are trees to put in the place of folders.
	Trees map[string]string
	// At is the time of the commit.
	At time.Time
}

// Commit makes a commit on top of another and returns it, without any push. Where
// nothing changes it returns the parent.
func (m *Mirror) Commit(ctx context.Context, parent string, e Edit) (string, error) {
	index, err := os.CreateTemp(m.folder, "index-")
	if err != nil {
		return "", fmt.Errorf("make a commit: %w", err)
	}
	name := filepath.Base(index.Name())
	defer os.Remove(index.Name()) //nolint:errcheck // a file of no more use
	if err := index.Close(); err != nil {
		return "", fmt.Errorf("make a commit: %w", err)
	}
	if err := os.Remove(index.Name()); err != nil { // git wants none or a whole one
		return "", fmt.Errorf("make a commit: %w", err)
	}
	env := []string{"GIT_INDEX_FILE=" + name}
	run := func(stdin *bytes.Buffer, args ...string) (string, error) {
		if stdin == nil {
			stdin = &bytes.Buffer{}
		}
		out, err := m.run(ctx, nil, env, stdin, args...)
		if err != nil {
			return "", fmt.Errorf("make a commit: %w", err)
		}
		return strings.TrimSpace(string(out)), nil
	}
	if _, err := run(nil, "read-tree", parent); err != nil {
		return "", err
	}
	for _, folder := range sorted(e.Trees) {
		if err := m.clear(run, folder); err != nil {
			return "", err
		}
		listed, err := run(nil, "ls-tree", "-r", "-z", "--full-tree", e.Trees[folder])
		if err != nil {
			return "", err
		}
		var info bytes.Buffer
		for entry := range strings.SplitSeq(strings.TrimRight(listed, "\x00"), "\x00") {
			head, name, _ := strings.Cut(entry, "\t")
			if fields := strings.Fields(head); len(fields) == 3 {
				fmt.Fprintf(&info, "%s %s\t%s/%s\x00", fields[0], fields[2], folder, name)
			}
		}
		if _, err := run(&info, "update-index", "-z", "--index-info"); err != nil {
			return "", err
		}
	}
	for _, folder := range sorted(e.Files) {
		if err := m.clear(run, folder); err != nil {
			return "", err
		}
		var info bytes.Buffer
		for _, file := range sorted(e.Files[folder]) {
			id, err := run(bytes.NewBuffer(e.Files[folder][file]), "hash-object", "-w", "--stdin")
			if err != nil {
				return "", err
			}
			fmt.Fprintf(&info, "100644 %s\t%s/%s\x00", id, folder, file)
		}
		if _, err := run(&info, "update-index", "-z", "--index-info"); err != nil {
			return "", err
		}
	}
	tree, err := run(nil, "write-tree")
	if err != nil {
		return "", err
	}
	before, err := run(nil, "rev-parse", parent+"^{tree}")
	if err != nil || before == tree {
		return parent, err
	}
	at := fmt.Sprintf("%d +0000", e.At.Unix())
	env = append(env, "GIT_AUTHOR_NAME="+Author, "GIT_AUTHOR_EMAIL="+AuthorEmail, "GIT_AUTHOR_DATE="+at,
		"GIT_COMMITTER_NAME="+Author, "GIT_COMMITTER_EMAIL="+AuthorEmail, "GIT_COMMITTER_DATE="+at)
	return run(bytes.NewBufferString(e.Message), "commit-tree", tree, "-p", parent, "-F", "-")
}

// clear takes a folder out of the index.
func (m *Mirror) clear(run func(*bytes.Buffer, ...string) (string, error), folder string) error {
	listed, err := run(nil, "ls-files", "-z", "--", folder+"/")
	if err != nil || listed == "" {
		return err
	}
	var info bytes.Buffer
	for file := range strings.SplitSeq(strings.TrimRight(listed, "\x00"), "\x00") {
		fmt.Fprintf(&info, "0 %040d\t%s\x00", 0, file)
	}
	_, err = run(&info, "update-index", "-z", "--index-info")
	return err
}

func sorted[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}
