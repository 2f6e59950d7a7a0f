package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// fewest is how many formulas are covered at least.
const fewest = 10

func TestEveryCommittedPatchStillApplies(t *testing.T) {
	const root = "../.."
	patches, err := load(root, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(patches) < fewest {
		t.Errorf("%d patches, want at least %d", len(patches), fewest)
	}
	for _, p := range patches {
		cmd := exec.CommandContext(t.Context(), "git", "apply", "--check", p.file)
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s does not apply any more: write it again for the code as it is\n%s", p.name, out)
		}
	}
}

// TestTheRunnerTellsKilledFromSurvived points the runner at a small module with one formula and a suite that
// tests half of it.
func TestTheRunnerTellsKilledFromSurvived(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		at := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("go.mod", "module example.test/sums\n\ngo 1.26\n")
	write("sums/sums.go", "package sums\n\nfunc Double(n int) int { return 2 * n }\n\nfunc Triple(n int) int { return 3 * n }\n")
	write("sums/sums_test.go", `package sums

import "testing"

func TestDouble(t *testing.T) {
	t.Run("of two", func(t *testing.T) {
		if Double(2) != 4 {
			t.Error("not 4")
		}
	})
}
`)
	diff := func(was, is string) string {
		return "Change: one formula\nTests: ./sums\n\n--- a/sums/sums.go\n+++ b/sums/sums.go\n" +
			"@@ -2,4 +2,4 @@\n \n" + was + is + " \n func Triple(n int) int { return 3 * n }\n"
	}
	patches := "tests/mutation/patches/"
	double := "-func Double(n int) int { return 2 * n }\n"
	write(patches+"1-noticed.patch", diff(double, "+func Double(n int) int { return 3 * n }\n"))
	write(patches+"2-unnoticed.patch", diff(double, "+func Double(n int) int { return n * 2 }\n"))
	write(patches+"3-stale.patch", diff("-func Half(n int) int { return n / 2 }\n", "+func Half(n int) int { return n }\n"))
	write(patches+"4-broken.patch", diff(double, "+func Double(n int) int { return nothing }\n"))

	var out bytes.Buffer
	err := run(t.Context(), root, nil, &out)
	if err == nil || !strings.Contains(err.Error(), "3 of 4") {
		t.Errorf("error %v, want 3 of 4 patches to fail", err)
	}
	for _, want := range []struct{ name, word, detail string }{
		{"1-noticed", "killed", "by TestDouble/of_two"},
		{"2-unnoticed", "SURVIVED", "one formula"},
		{"3-stale", "NO PATCH", "does not apply any more"},
		{"4-broken", "NO BUILD", "does not compile any more"},
	} {
		found := false
		for line := range strings.Lines(out.String()) {
			if strings.HasPrefix(line, want.word) && strings.Contains(line, want.name) && strings.Contains(line, want.detail) {
				found = true
			}
		}
		if !found {
			t.Errorf("no line says that %s is %s, %s", want.name, want.word, want.detail)
		}
	}
	if t.Failed() {
		t.Log(out.String())
	}

	t.Run("a suite that fails by itself kills nothing", func(t *testing.T) {
		write("sums/sums.go", "package sums\n\nfunc Double(n int) int { return n }\n\nfunc Triple(n int) int { return 3 * n }\n")
		err := run(t.Context(), root, nil, &out)
		if err == nil || !strings.Contains(err.Error(), "fail without any change") {
			t.Errorf("error %v, want it to say that the tests fail without any change", err)
		}
	})
}
