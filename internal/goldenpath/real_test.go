package goldenpath

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// realTools is the folder of the real scanners: what `make build` (or scripts/scanners.sh, in a test run)
// makes.
func realTools(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("FAWKES_TOOLS")
	if dir == "" {
		dir = filepath.Join("..", "..", "bin", "tools")
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"gitleaks", "gosec", "staticcheck"} {
		if !runnable(filepath.Join(abs, name)) {
			t.Fatalf("%s is not in %s: build it with scripts/scanners.sh", name, dir)
		}
	}
	return abs
}

// TestTheRealScannersFindWhatTheyAreFor leaks a key, draws from a weak source, and compares what can never be equal.
func TestTheRealScannersFindWhatTheyAreFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, smallService())
	w.env["FAWKES_TOOLS"] = realTools(t)
	w.run(ExitOK)
	secret := "AKIA" + "Z7QXW3M5KJ2RT6PL"
	w.write(map[string]string{
		"aws.go":  "package main\n\nconst key = \"" + secret + "\"\n\nfunc use() string { return key } // gitleaks:allow\n\nvar _ = use\n",
		"sum.go":  "package main\n\nimport \"math/rand\"\n\nvar _ = rand.Int()\n",
		"same.go": "package main\n\nimport \"strings\"\n\nvar _ = strings.Replace(\"a\", \"b\", \"c\", 0)\n",
	})
	// What a repository says to the scanner about itself is not taken.
	w.write(map[string]string{".gitleaks.toml": "[allowlist]\npaths = ['''.*''']\n", ".gitleaksignore": "aws.go:aws-access-token:3\n"})
	w.commit("everything wrong")
	r := w.run(ExitRefused)
	for _, want := range []string{"aws.go:3: aws-access-token", "static-analysis: the quality gate refuses it", "sum.go:5: G404", "same.go:5: SA"} {
		if !strings.Contains(r.Reason, want) {
			t.Errorf("%q is not in %q", want, r.Reason)
		}
	}
	for _, name := range []string{FileSecrets, FileAnalysis, FileSummary, FileRun, "logs/secrets.log"} {
		if strings.Contains(w.kept(name), secret) {
			t.Errorf("%s shows the secret", name)
		}
	}
}
