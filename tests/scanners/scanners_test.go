// Package scanners runs the real scanners of the golden path over planted faults, and reads what they say as the
// golden path does: a new version that changes its words is found here, and not by a push that passes.
package scanners

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/goldenpath/report"
)

// tools builds the scanners as `make build` does, once, and gives their folder.
func tools(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 9*time.Minute)
	defer cancel()
	dir := filepath.Join(root, "bin", "tools")
	if out, err := exec.CommandContext(ctx, filepath.Join(root, "scripts", "scanners.sh"), dir).CombinedOutput(); err != nil {
		t.Fatalf("scripts/scanners.sh: %v\n%s", err, out)
	}
	return dir
}

// secret is a token of GitHub's shape that nobody has.
func secret() string {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	r := rand.New(rand.NewPCG(1, 2))
	out := []byte("gh" + "p_")
	for range 36 {
		out = append(out, letters[r.IntN(len(letters))])
	}
	return string(out)
}

// planted is a Go module with one fault for each scanner.
func planted(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module example.com/planted\n\ngo 1.24\n",
		"main.go": "package main\n\nimport (\n\t\"fmt\"\n\t\"os\"\n\t\"os/exec\"\n)\n\nfunc main() {\n\tfmt.Printf(\"%d\", \"x\")\n" +
			"\t_ = exec.Command(\"sh\", \"-c\", os.Args[1]).Run()\n}\n",
		"settings.txt": "name = planted\ntoken = \"" + secret() + "\"\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// scan runs a scanner and gives its standard output; that it found something is no failure.
func scan(t *testing.T, dir, program string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-buildvcs=false", "GOTOOLCHAIN=local")
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	var ended *exec.ExitError
	if err != nil && (!errors.As(err, &ended) || len(out) == 0) {
		t.Fatalf("%s: %v\n%s", filepath.Base(program), err, complaint.String())
	}
	return out
}

func TestTheScannersFindWhatIsPlanted(t *testing.T) {
	bin, dir := tools(t), planted(t)
	leaks, err := report.ReadSARIF(bytes.NewReader(scan(t, dir, filepath.Join(bin, "gitleaks"), "dir", "--no-banner", "--log-level", "error", "--exit-code", "0", "--report-format", "sarif", "--report-path", "-", ".")))
	if err != nil {
		t.Fatal(err)
	}
	leaks.Redact(report.Error)
	static, err := report.Staticcheck(bytes.NewReader(scan(t, dir, filepath.Join(bin, "staticcheck"), "-f", "json", "./...")))
	if err != nil {
		t.Fatal(err)
	}
	security, err := report.Gosec(bytes.NewReader(scan(t, dir, filepath.Join(bin, "gosec"), "-quiet", "-no-fail", "-fmt", "json", "./...")))
	if err != nil {
		t.Fatal(err)
	}
	all := report.MergeSARIF(leaks, static, security)
	all.Relative(dir)
	var got []string
	for _, f := range all.Findings() {
		got = append(got, string(f.Level)+" "+f.Tool+" "+f.Rule+" "+f.File)
	}
	for _, want := range []string{"error gitleaks github-pat settings.txt", "error staticcheck SA5009 main.go", "error gosec G702 main.go"} {
		if !slices.Contains(got, want) {
			t.Errorf("not found: %s\nfound: %s", want, strings.Join(got, "\n       "))
		}
	}
	var written bytes.Buffer
	if err := report.WriteSARIF(&written, all); err != nil {
		t.Fatal(err)
	}
	for _, leaked := range []string{secret(), dir} {
		if strings.Contains(written.String(), leaked) {
			t.Errorf("the written log holds %q", leaked)
		}
	}
}

func TestTheSampleHasNoFinding(t *testing.T) {
	bin := tools(t)
	root, err := filepath.Abs("../../samples/hello")
	if err != nil {
		t.Fatal(err)
	}
	static, err := report.Staticcheck(bytes.NewReader(scan(t, root, filepath.Join(bin, "staticcheck"), "-f", "json", "./...")))
	if err != nil {
		t.Fatal(err)
	}
	security, err := report.Gosec(bytes.NewReader(scan(t, root, filepath.Join(bin, "gosec"), "-quiet", "-no-fail", "-fmt", "json", "./...")))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range report.MergeSARIF(static, security).Findings() {
		if f.Level == report.Error {
			t.Error(f)
		}
	}
}

func TestTheScriptBuildsNothingTwiceAndSaysWhatIsMissing(t *testing.T) {
	bin := tools(t)
	script, err := filepath.Abs("../../scripts/scanners.sh")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), script, "--check", bin).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("what was just built is not fresh: %v\n%s", err, out)
	}
	out, err := exec.CommandContext(t.Context(), script, "--check", t.TempDir()).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "missing or stale") {
		t.Errorf("an empty folder is fresh: %v\n%s", err, out)
	}
	if out, err := exec.CommandContext(t.Context(), script, "--force", bin).CombinedOutput(); err == nil || !strings.Contains(string(out), "usage:") {
		t.Errorf("an unknown flag is taken: %v\n%s", err, out)
	}
}
