package goldenpath

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"

	"github.com/fawkes-idp/fawkes/internal/goldenpath/fawkesfile"
)

func page(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../../" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestTheExamplesAreTheRoad: the Jenkinsfile has every stage once and in order, the workflow of GitHub can be
// read and runs the road, and both use only variables that the reference knows.
func TestTheExamplesAreTheRoad(t *testing.T) {
	reference := page(t, "docs/reference/golden-path.md")
	known := func(name, text string) {
		for _, v := range regexp.MustCompile(`FAWKES_[A-Z_]+[A-Z]`).FindAllString(text, -1) {
			short := v[strings.LastIndexByte(v, '_'):]
			if !strings.Contains(reference, "`"+v+"`") && !strings.Contains(reference, "`"+short+"`") {
				t.Errorf("%s: the reference does not know %s", name, v)
			}
		}
	}
	for _, name := range []string{"docs/examples/golden-path/Jenkinsfile", "platform/jenkins/goldenPath/vars/goldenPath.groovy"} {
		jenkins := page(t, name)
		var got []string
		for _, m := range regexp.MustCompile(`sh 'fawkes ci ([a-z-]+)'`).FindAllStringSubmatch(jenkins, -1) {
			got = append(got, m[1])
		}
		if diff := cmp.Diff(Stages(), got); diff != "" {
			t.Errorf("%s: its stages (-want +got):\n%s", name, diff)
		}
		for _, pair := range []string{"{}", "()", "[]"} {
			if strings.Count(jenkins, pair[:1]) != strings.Count(jenkins, pair[1:]) {
				t.Errorf("%s: not each %c has its %c", name, pair[0], pair[1])
			}
		}
		known(name, jenkins)
		// Whatever becomes of a run, its end is told, and that is the last thing done.
		_, after, _ := strings.Cut(jenkins, "    always {\n")
		always, _, _ := strings.Cut(after, "\n    }")
		last := strings.TrimSpace(always[strings.LastIndex(strings.TrimRight(always, "} \n"), "\n")+1:])
		if !strings.HasPrefix(last, `sh "fawkes ci finish --as ${outcome(currentBuild.currentResult)}"`) {
			t.Errorf("%s: always ends with %q", name, last)
		}
		_, after, _ = strings.Cut(jenkins, "outcome(String result) {")
		words := regexp.MustCompile(`return '([a-z]+)'`).FindAllStringSubmatch(after, -1)
		for _, w := range words {
			if !slices.Contains(Outcomes(), w[1]) {
				t.Errorf("%s: `fawkes ci finish` does not know the outcome %s", name, w[1])
			}
		}
		if len(words) != len(Outcomes()) {
			t.Errorf("%s: it knows %d outcomes of %v", name, len(words), Outcomes())
		}
	}

	github := page(t, "docs/examples/golden-path/github-actions.yaml")
	var workflow struct {
		On   yaml.Node
		Jobs map[string]struct {
			Steps []struct {
				Run string
				Env map[string]string
			}
		}
	}
	if err := yaml.Unmarshal([]byte(github), &workflow); err != nil {
		t.Fatal(err)
	}
	runs := ""
	for _, s := range workflow.Jobs["road"].Steps {
		runs += s.Run
	}
	if runs != "fawkes ci run" {
		t.Errorf("the workflow runs %q", runs)
	}
	known("github-actions.yaml", github)
}

// TestTheReferenceIsTrue: its fawkes.yaml can be read and has every key of the top, its tables every stage and exit code.
func TestTheReferenceIsTrue(t *testing.T) {
	reference := page(t, "docs/reference/golden-path.md")
	_, after, _ := strings.Cut(reference, "```yaml\n")
	text, _, _ := strings.Cut(after, "```")
	file, err := fawkesfile.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"version", "service", "project", "language", "go", "build", "test", "behavior", "image", "stages", "gate", "promote", "deploy"} {
		if file.Lines[key] == 0 {
			t.Errorf("the example does not show the key %s", key)
		}
	}
	for _, stage := range Stages() {
		if !strings.Contains(reference, "\n| `"+stage+"` | ") {
			t.Errorf("the table of stages lacks %s", stage)
		}
	}
	for _, code := range []string{"0", "1", "2", "3", "4", "5", "130"} {
		if !strings.Contains(reference, "\n| "+code+" | ") {
			t.Errorf("the table of exit codes lacks %s", code)
		}
	}
	for _, name := range []string{FileRun, FileEvents, FileSummary, FileSummed, FileGate, FileUnit, FileBehavior, FileSecrets, FileAnalysis, FileScan, FileSBOM, FileCoverage} {
		if !strings.Contains(reference, "`"+name+"`") {
			t.Errorf("the artifact %s is not named", name)
		}
	}
}
