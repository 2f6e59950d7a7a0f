package report_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fawkes-idp/fawkes/internal/goldenpath/report"
)

// TestARealGoTestRunIsRead runs `go test -json` over a module with every kind of end.
func TestARealGoTestRunIsRead(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":           "module example.com/m\n\ngo 1.26\n",
		"ok/ok_test.go":    "package ok\nimport \"testing\"\nfunc TestA(t *testing.T) { t.Log(\"quiet\") }\nfunc TestB(t *testing.T) { t.Run(\"sub one\", func(t *testing.T) {}) }\nfunc TestS(t *testing.T) { t.Skip(\"no network\") }\n",
		"bad/b_test.go":    "package bad\nimport \"testing\"\nfunc TestFine(t *testing.T) {}\nfunc TestWrong(t *testing.T) { t.Errorf(\"want 1, got 2\") }\n",
		"die/d_test.go":    "package die\nimport \"testing\"\nfunc TestDies(t *testing.T) { var m map[string]int; m[\"a\"] = 1 }\nfunc TestNever(t *testing.T) {}\n",
		"broken/x.go":      "package broken\nfunc F() int { return \"x\" }\n",
		"broken/x_t.go":    "package broken\n",
		"broken/x_test.go": "package broken\nimport \"testing\"\nfunc TestX(t *testing.T) {}\n",
		"main/m_test.go":   "package main\nimport (\"os\"; \"testing\")\nfunc TestMain(m *testing.M) { os.Exit(3) }\n",
		"none/n.go":        "package none\n",
	} {
		at := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "go", "test", "-json", "-p", "1", "./...")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	out, err := cmd.Output()
	if err == nil {
		t.Fatal("the run with failing tests succeeded")
	}
	var lines []string
	got, err := report.GoTest(bytes.NewReader(out), func(line string) { lines = append(lines, line) })
	if err != nil {
		t.Fatal(err)
	}
	all := outcomes(got)
	for i := range all {
		all[i], _, _ = strings.Cut(all[i], " [recovered")
	}
	slices.Sort(all)
	want := []string{
		"example.com/m/bad | TestFine: passed",
		"example.com/m/bad | TestWrong: failed b_test.go:4: want 1, got 2",
		"example.com/m/broken | (package): error the package does not build",
		"example.com/m/die | TestDies: failed panic: assignment to entry in nil map",
		"example.com/m/main | (package): error the package failed without a failing test",
		"example.com/m/ok | TestA: passed",
		"example.com/m/ok | TestB/sub_one: passed",
		"example.com/m/ok | TestB: passed",
		"example.com/m/ok | TestS: skipped ok_test.go:5: no network",
	}
	if diff := cmp.Diff(want, all); diff != "" {
		t.Errorf("cases (-want +got):\n%s", diff)
	}
	for _, c := range got.Failures() {
		if c.Name == "(package)" && strings.Contains(c.Class, "broken") && !strings.Contains(c.Output, "x.go:2:") {
			t.Errorf("the broken package's output has no compiler error: %q", c.Output)
		}
	}
	text := strings.Join(lines, "\n")
	for _, wanted := range []string{"ok  \texample.com/m/ok", "FAIL\texample.com/m/bad", "b_test.go:4: want 1, got 2", "x.go:2:"} {
		if !strings.Contains(text, wanted) {
			t.Errorf("the text for people lacks %q:\n%s", wanted, text)
		}
	}
	if strings.Contains(text, "=== RUN") || strings.Contains(text, "quiet") {
		t.Errorf("the text for people has what go test would not print:\n%s", text)
	}
}

func TestAStreamThatBreaksOffIsNoSuccess(t *testing.T) {
	got, err := report.GoTest(strings.NewReader("go: downloading x v1\n"+
		`{"Action":"start","Package":"p"}`+"\n"+`{"Action":"run","Package":"p","Test":"TestA"}`+"\n"+
		`{"Action":"output","Package":"p","Test":"TestA","Output":"half"}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"p | TestA: failed did not finish", "p | (package): error the stream ended before the package did"}
	if diff := cmp.Diff(want, outcomes(got)); diff != "" {
		t.Error(diff)
	}
	if got.Suites[0].Cases[0].Output != "half" {
		t.Errorf("output %q", got.Suites[0].Cases[0].Output)
	}
}
