package architecture

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestDriftCheckNamesAGeneratedFileThatIsStaleOrMissing points scripts/drift.sh at a small module whose one
// generated file is right, then stale, then gone.
func TestDriftCheckNamesAGeneratedFileThatIsStaleOrMissing(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("go.mod", "module example.test/house\n\ngo 1.26\n")
	write("house.go", "package house\n\n//go:generate go run write.go\n")
	write("write.go", `//go:build ignore

package main

import "os"

func main() {
	if err := os.WriteFile("generated.txt", []byte("eight rooms\n"), 0o600); err != nil {
		os.Exit(1)
	}
}
`)
	generated := filepath.Join(root, "generated.txt")

	write("generated.txt", "eight rooms\n")
	if out, err := drift(t, root); err != nil {
		t.Fatalf("the check fails on a tree that is right: %v\n%s", err, out)
	}

	write("generated.txt", "seven rooms\n")
	out, err := drift(t, root)
	if err == nil || !strings.Contains(out, "generated.txt is stale") {
		t.Errorf("a stale file: error %v, output\n%s", err, out)
	}
	if text, err := os.ReadFile(generated); err != nil || string(text) != "seven rooms\n" {
		t.Errorf("the check touched the tree: %q, %v", text, err)
	}

	if err := os.Remove(generated); err != nil {
		t.Fatal(err)
	}
	out, err = drift(t, root)
	if err == nil || !strings.Contains(out, "generated.txt is missing") {
		t.Errorf("a missing file: error %v, output\n%s", err, out)
	}

	write("write.go", "//go:build ignore\n\npackage main\n\nfunc main() { not Go }\n")
	if out, err := drift(t, root); err == nil || !strings.Contains(out, "go generate failed") {
		t.Errorf("a generator that fails: error %v, output\n%s", err, out)
	}
}

func drift(t *testing.T, root string) (string, error) {
	t.Helper()
	script, err := filepath.Abs("../../scripts/drift.sh")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), script, root).CombinedOutput()
	return string(out), err
}
