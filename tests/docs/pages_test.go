package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const root = "../.."

func pages(t *testing.T) map[string][]byte {
	t.Helper()
	names, err := Pages(root)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		out[name] = text
	}
	return out
}

func TestEveryLinkLeadsSomewhere(t *testing.T) {
	for page, text := range pages(t) {
		for _, broken := range BrokenLinks(root, page, text) {
			t.Error(broken)
		}
	}
}

func TestABrokenLinkIsFound(t *testing.T) {
	text := []byte("# Title here\n[a](README.md) [b](#title-here) [c](nowhere.md)\n[d](README.md#nowhere) [e](https://example.test/x)\n")
	want := []string{
		"page.md:2: the link nowhere.md leads to no file",
		"page.md:3: the link README.md#nowhere leads to no heading",
	}
	if diff := cmp.Diff(want, BrokenLinks(root, "page.md", text)); diff != "" {
		t.Errorf("broken links differ (-want +got):\n%s", diff)
	}
}

// TestREADMEHasTheTwoCommandsAndNothingBetween: everything is done by `make up` and `make test`.
func TestREADMEHasTheTwoCommandsAndNothingBetween(t *testing.T) {
	var got []string
	for _, l := range Commands("README.md", pages(t)["README.md"]) {
		got = append(got, l.Command)
	}
	if diff := cmp.Diff([]string{"make up", "make test"}, got); diff != "" {
		t.Errorf("commands of the README differ (-want +got):\n%s", diff)
	}
}

// TestEveryMakeTargetInThePagesExists covers code blocks and `make x` in running text.
func TestEveryMakeTargetInThePagesExists(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	targets := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^([a-z0-9]+):`).FindAllStringSubmatch(string(makefile), -1) {
		targets[m[1]] = true
	}
	mention := regexp.MustCompile("(?m)(?:`|^)make ([a-z0-9]+)")
	for page, text := range pages(t) {
		for _, m := range mention.FindAllStringSubmatch(string(text), -1) {
			if !targets[m[1]] {
				t.Errorf("%s: the Makefile has no target %s", page, m[1])
			}
		}
	}
}

// TestMakeHelpListsEveryTarget keeps the list that `make` shows complete.
func TestMakeHelpListsEveryTarget(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "make", "--no-print-directory", "help")
	cmd.Dir = root
	help, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("make help: %v\n%s", err, help)
	}
	for _, m := range regexp.MustCompile(`(?m)^([a-z0-9]+):`).FindAllStringSubmatch(string(makefile), -1) {
		if !strings.Contains(string(help), "make "+m[1]+" ") {
			t.Errorf("make help leaves out %s", m[1])
		}
	}
}

func TestCommandsAreReadFromShellBlocks(t *testing.T) {
	text := []byte("make no\n```sh\n# a remark\nfawkes up \\\n  --ephemeral\n\nmake test\n```\n```json\n{}\n```\n")
	want := []Line{{"p.md", 4, "fawkes up --ephemeral"}, {"p.md", 7, "make test"}}
	if diff := cmp.Diff(want, Commands("p.md", text)); diff != "" {
		t.Errorf("commands differ (-want +got):\n%s", diff)
	}
}
