package architecture

import (
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

// rules are the rules that need no more than the tree, by the name of their folder in testdata.
func rules() map[string]func(*Tree) []Finding {
	return map[string]func(*Tree) []Finding{
		"layers":     Layers,
		"calls":      Calls,
		"names":      Names,
		"lengths":    Lengths,
		"machines":   Machines,
		"folders":    Folders,
		"docs":       PackageDocs,
		"lintconfig": LintConfig,
	}
}

// program is the one that runs a single module in a cluster.
const program = "cmd/fawkes-service"

func repository(t *testing.T) *Tree {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	tree, err := Load(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func TestTheRepositoryKeepsEveryRule(t *testing.T) {
	tree := repository(t)
	for name, rule := range rules() {
		t.Run(name, func(t *testing.T) {
			for _, f := range rule(tree) {
				t.Error(f)
			}
		})
	}
}

func TestTheServiceProgramLinksNoStandInsAndNoConsole(t *testing.T) {
	findings, err := Linked(t.Context(), repository(t), program, Unlinked())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		t.Error(f)
	}
}

// TestEveryRuleFindsItsPlantedFault points each rule at the trees of testdata/<rule>/. The file "want" of a
// tree lists the findings, one a line: place, colon, a part of the message.
func TestEveryRuleFindsItsPlantedFault(t *testing.T) {
	for name, rule := range rules() {
		planted, err := filepath.Glob(filepath.Join("testdata", name, "*.txtar"))
		if err != nil {
			t.Fatal(err)
		}
		if len(planted) == 0 {
			t.Errorf("rule %s has no planted fault in testdata/%s", name, name)
		}
		for _, archive := range planted {
			t.Run(name+"/"+strings.TrimSuffix(filepath.Base(archive), ".txtar"), func(t *testing.T) {
				tree, want := plant(t, archive)
				compare(t, rule(tree), want)
			})
		}
	}
}

func TestALinkedStandInIsFoundWithItsChain(t *testing.T) {
	tree, want := plant(t, filepath.Join("testdata", "linked", "stand-in.txtar"))
	findings, err := Linked(t.Context(), tree, program, Unlinked())
	if err != nil {
		t.Fatal(err)
	}
	compare(t, findings, want)
}

// plant writes an archive as a tree of its own and returns it with the findings it should give.
func plant(t *testing.T, archive string) (*Tree, []string) {
	t.Helper()
	text, err := os.ReadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	var want []string
	for _, f := range txtar.Parse(text).Files {
		if f.Name == "want" {
			want = strings.Split(strings.TrimSpace(string(f.Data)), "\n")
			continue
		}
		at := filepath.Join(root, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(f.Name, "/") { // an empty folder
			if err := os.MkdirAll(at, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		// "@@" joins words that would break the rule in the archive itself; "{{N}}" stands for N lines.
		data := strings.ReplaceAll(string(f.Data), "@@", "")
		data = strings.ReplaceAll(data, "{{600 lines}}\n", strings.Repeat("// A line.\n", longestFile))
		data = strings.ReplaceAll(data, "{{40 lines}}\n", strings.Repeat("// A line.\n", longestMain))
		if err := os.WriteFile(at, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tree, err := Load(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	return tree, want
}

// compare holds findings against "place: part of the message" lines: all of them, and no other.
func compare(t *testing.T, findings []Finding, want []string) {
	t.Helper()
	if len(want) == 0 {
		t.Fatal("the planted tree says no finding that it wants")
	}
	got := make([]string, 0, len(findings))
	for _, f := range findings {
		text := f.String()
		for _, w := range want {
			place, part, _ := strings.Cut(w, ": ")
			if strings.HasPrefix(text, place+": ") && strings.Contains(text, part) {
				text = w
			}
		}
		got = append(got, text)
	}
	sort.Strings(got)
	sort.Strings(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("findings differ (-want +got):\n%s", diff)
	}
}
