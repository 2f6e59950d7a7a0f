package templates_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/fawkes-idp/fawkes/internal/scaffold/scaffoldtest"
	"github.com/fawkes-idp/fawkes/templates"
)

// rendered writes a service called shop-cart of a template.
func rendered(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "shop-cart")
	if err := templates.Write(dir, name, templates.Params{Service: "shop-cart", Owner: "team-cart"}); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestAGoServiceBuildsAndPassesItsTests(t *testing.T) {
	scaffoldtest.Go(t, rendered(t, "go"))
}

func TestANodeServicePassesItsTests(t *testing.T) {
	if !scaffoldtest.Has(t, "node") {
		return
	}
	dir := rendered(t, "node")
	command(t, dir, "stages", "unit-test", "command")
	command(t, dir, "behavior", "command")
}

func TestAPythonServicePassesItsTests(t *testing.T) {
	if !scaffoldtest.Has(t, "python3") {
		return
	}
	dir := rendered(t, "python")
	scaffoldtest.Run(t, dir, "python3", "-m", "compileall", "-q", ".")
	out := scaffoldtest.Run(t, dir, "python3", "-m", "unittest", "discover", "-v")
	if strings.Contains(out, "behavior") || !strings.Contains(out, "Ran 5 tests") {
		t.Errorf("the unit tests are not the five of tests/:\n%s", out)
	}
	command(t, dir, "behavior", "command")
}

func TestAJavaServiceBuildsAndPassesItsTests(t *testing.T) {
	if !scaffoldtest.Has(t, "javac") || !scaffoldtest.Has(t, "java") {
		return
	}
	dir := rendered(t, "java")
	command(t, dir, "stages", "build", "command")
	if _, err := os.Stat(filepath.Join(dir, "build", "libs", "service.jar")); err != nil {
		t.Error(err)
	}
	command(t, dir, "stages", "unit-test", "command")
	command(t, dir, "behavior", "command")
}

// command runs the command that fawkes.yaml names at a path.
func command(t *testing.T, dir string, at ...string) {
	t.Helper()
	var node any = document(t, filepath.Join(dir, "fawkes.yaml"))
	for _, key := range at {
		fields, _ := node.(map[string]any)
		node = fields[key]
	}
	var words []string
	list, _ := node.([]any)
	for _, w := range list {
		word, _ := w.(string)
		words = append(words, word)
	}
	if len(words) == 0 {
		t.Fatalf("fawkes.yaml names no command at %s", strings.Join(at, "."))
	}
	scaffoldtest.Run(t, dir, words[0], words[1:]...)
}

func document(t *testing.T, file string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return doc
}

func TestEveryTemplateHasTheWholeGoldenPath(t *testing.T) {
	for _, name := range templates.Names() {
		t.Run(name, func(t *testing.T) {
			dir := rendered(t, name)
			for _, file := range []string{
				"README.md", ".gitignore", "fawkes.yaml", "catalog-info.yaml", "Jenkinsfile", ".github/workflows/delivery.yml",
				"deploy/deployment.yaml", "deploy/service.yaml", "deploy/ingress.yaml", "deploy/configmap.yaml", "deploy/kustomization.yaml",
			} {
				if info, err := os.Stat(filepath.Join(dir, file)); err != nil || info.Size() == 0 {
					t.Errorf("%s: %v", file, err)
				}
			}
			scaffoldtest.Manifests(t, dir, "shop-cart")
			file := document(t, filepath.Join(dir, "fawkes.yaml"))
			if file["service"] != "shop-cart" || file["language"] != name || file["version"] != 1 {
				t.Errorf("fawkes.yaml: %v", file)
			}
			if promote, _ := file["promote"].(map[string]any); promote["to"] != "dev" {
				t.Errorf("fawkes.yaml promotes to %v, want dev", promote["to"])
			}
			if owner := document(t, filepath.Join(dir, "catalog-info.yaml"))["spec"].(map[string]any)["owner"]; owner != "team-cart" {
				t.Errorf("the catalog's owner is %v", owner)
			}
			noWordIsLeft(t, dir)
		})
	}
}

// noWordIsLeft checks that nothing of the template shows in the service.
func noWordIsLeft(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(name)
		if strings.Contains(string(text), "template-") || strings.HasSuffix(name, ".txt") && !strings.HasSuffix(name, "requirements.txt") {
			t.Errorf("%s is left as the template has it", name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestJenkinsAndGitHubCallTheGoldenPath(t *testing.T) {
	dir := rendered(t, "go")
	text, err := os.ReadFile(filepath.Join(dir, "Jenkinsfile"))
	if err != nil {
		t.Fatal(err)
	}
	var code []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "//") {
			code = append(code, line)
		}
	}
	if want := []string{"@Library('goldenPath') _", "goldenPath()"}; !slices.Equal(code, want) { // its stages are looked at in internal/goldenpath
		t.Errorf("the Jenkinsfile is %q, want %q", code, want)
	}
	workflow := document(t, filepath.Join(dir, ".github", "workflows", "delivery.yml"))
	jobs, _ := workflow["jobs"].(map[string]any)
	deliver, _ := jobs["deliver"].(map[string]any)
	steps, _ := deliver["steps"].([]any)
	found := false
	for _, s := range steps {
		step, _ := s.(map[string]any)
		run, _ := step["run"].(string)
		found = found || strings.HasPrefix(run, "fawkes ci run")
	}
	if !found {
		t.Errorf("no step of the workflow runs fawkes ci run: %v", workflow)
	}
}

func TestWrongNamesAreRefusedByField(t *testing.T) {
	for _, c := range []struct {
		template string
		p        templates.Params
		want     string
	}{
		{"rust", templates.Params{Service: "a"}, "--template: "},
		{"every", templates.Params{Service: "a"}, "--template: "},
		{"../go", templates.Params{Service: "a"}, "--template: "},
		{"go", templates.Params{Service: "Shop Cart"}, "NAME: "},
		{"go", templates.Params{}, "NAME: "},
		{"go", templates.Params{Service: "a", Owner: "a\nb: c"}, "--owner: "},
		{"go", templates.Params{Service: "a", Promote: []string{"x y"}}, "--promote: "},
	} {
		dir := filepath.Join(t.TempDir(), "x")
		if err := templates.Write(dir, c.template, c.p); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s %+v: %v, want %q", c.template, c.p, err, c.want)
		}
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s %+v: something was written", c.template, c.p)
		}
	}
}
