package scanners

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// leak is one finding of gitleaks, without what it found.
type leak struct {
	RuleID, File, Commit string
	StartLine            int
}

// leaks scans every commit of a repository that its branches reach.
func leaks(t *testing.T, repository, config string) []leak {
	t.Helper()
	report := filepath.Join(t.TempDir(), "report.json")
	cmd := exec.CommandContext(t.Context(), filepath.Join(tools(t), "gitleaks"), "git", "--no-banner", "--log-level", "error", "--redact",
		"--config", config, "--exit-code", "0", "--report-format", "json", "--report-path", report, ".")
	cmd.Dir = repository
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("gitleaks: %v\n%s", err, out)
	}
	text, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	var found []leak
	if err := json.Unmarshal(text, &found); err != nil {
		t.Fatal(err)
	}
	return found
}

// TestNoCommitEverHeldASecret scans every commit of this repository that the clone has: all of them, or in a shallow clone the whole tree
// and what was committed since, and then it says so.
func TestNoCommitEverHeldASecret(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if shallow := git(t, root, "rev-parse", "--is-shallow-repository"); shallow != "false" {
		t.Log("this clone is shallow: commits before it are not scanned for secrets; git fetch --unshallow brings them")
	}
	for _, l := range leaks(t, root, filepath.Join(root, ".gitleaks.toml")) {
		t.Errorf("%s, line %d, of commit %s: %s; take it back where it is good for something, and say in .gitleaks.toml why it is none if it is none", l.File, l.StartLine, l.Commit, l.RuleID)
	}
}

// TestASecretThatWasTakenAwayIsFoundInTheHistory sees that the scan finds what is in no file any more, with this repository's own list of
// what is none.
func TestASecretThatWasTakenAwayIsFoundInTheHistory(t *testing.T) {
	config, err := filepath.Abs("../../.gitleaks.toml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	git(t, dir, "init", "-q", "-b", "main")
	file := filepath.Join(dir, "settings.txt")
	for _, text := range []string{"token = \"" + secret() + "\"\n", "token = \"\"\n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		git(t, dir, "add", ".")
		git(t, dir, "-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-q", "-m", "settings")
	}
	found := leaks(t, dir, config)
	if len(found) != 1 || found[0].RuleID != "github-pat" || found[0].File != "settings.txt" || found[0].Commit != git(t, dir, "rev-parse", "HEAD^") {
		t.Errorf("found %+v; want the token of the first commit", found)
	}
}

func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}
