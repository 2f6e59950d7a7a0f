// Package detect finds out what a repository holds and which commands build and test it.
//
//	project, err := detect.Project(os.DirFS(dir), file)
//
// It only looks at files; nothing is run. Every choice comes with the reason for it, which
// `fawkes ci explain` shows, and every choice can be made otherwise in fawkes.yaml.
package detect

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/fawkes-idp/fawkes/internal/goldenpath/fawkesfile"
)

// The languages.
const (
	Go     = "go"
	Node   = "node"
	Python = "python"
	Java   = "java"
)

// Kind is how a step's result is read.
type Kind string

// The kinds of steps.
const (
	Command    Kind = "command"     // any program: its exit code counts
	GoBuild    Kind = "go-build"    // one static program
	GoTest     Kind = "go-test"     // go test -json
	NodeTest   Kind = "node-test"   // node --test, or a script that uses it
	PythonTest Kind = "python-test" // pytest where it is installed, else unittest
	MavenTest  Kind = "maven-test"  // the reports of Surefire
	GradleTest Kind = "gradle-test" // the reports of Gradle
)

// Step is what a stage runs; a nil Commands means nothing is to be done.
type Step struct {
	Kind     Kind
	Commands [][]string
	Why      string
}

// Result is what a repository holds.
type Result struct {
	Language  string
	Why       string // how the language was found out
	GoPackage string // the main package, of Go
	Start     string // the file or artifact that starts the program, of the others; may be empty
	StartWhy  string
	Build     Step
	Test      Step
	Behavior  Step
}

// UnknownError says that what a repository holds cannot be found out.
type UnknownError struct{ Detail, Mend string }

func (e *UnknownError) Error() string { return e.Detail }

// Project looks at the files.
func Project(tree fs.FS, file *fawkesfile.File) (Result, error) {
	r := Result{Language: file.Language, Why: "fawkes.yaml says so"}
	if r.Language == "" {
		r.Language, r.Why = language(tree)
	}
	if r.Language == "" {
		return r, &UnknownError{"the repository has none of go.mod, package.json, pyproject.toml, requirements.txt, setup.py, pom.xml, build.gradle at its top",
			"add the file of your language, or say language, stages.build.command and image.root in fawkes.yaml"}
	}
	var err error
	switch r.Language {
	case Go:
		err = r.golang(tree, file)
	case Node:
		err = r.node(tree)
	case Python:
		r.python(tree)
	case Java:
		r.java(tree)
	}
	if err != nil {
		return r, err
	}
	r.override(file)
	return r, nil
}

func language(tree fs.FS) (language, why string) {
	for _, c := range []struct{ file, language string }{
		{"go.mod", Go}, {"pom.xml", Java}, {"build.gradle", Java}, {"build.gradle.kts", Java},
		{"pyproject.toml", Python}, {"requirements.txt", Python}, {"setup.py", Python}, {"package.json", Node},
	} {
		if has(tree, c.file) {
			return c.language, "there is " + c.file
		}
	}
	return "", ""
}

// override puts the commands of fawkes.yaml in the place of what was found out.
func (r *Result) override(file *fawkesfile.File) {
	for _, o := range []struct {
		stage string
		step  *Step
	}{{"build", &r.Build}, {"unit-test", &r.Test}, {"behavior-test", &r.Behavior}} {
		if s := file.Stages[o.stage]; s.Command != nil {
			*o.step = Step{Kind: kindOf(s.Command), Commands: [][]string{s.Command}, Why: fmt.Sprintf("line %d of fawkes.yaml", file.Lines["stages."+o.stage+".command"])}
		}
	}
	if file.Behavior.Command != nil && file.Stages["behavior-test"].Command == nil {
		r.Behavior = Step{Kind: kindOf(file.Behavior.Command), Commands: [][]string{file.Behavior.Command}, Why: fmt.Sprintf("line %d of fawkes.yaml", file.Lines["behavior.command"])}
	}
}

// kindOf knows the commands whose results can be read test by test.
func kindOf(command []string) Kind {
	switch {
	case len(command) > 1 && command[0] == "go" && command[1] == "test":
		return GoTest
	case len(command) > 1 && command[0] == "node" && slices.Contains(command, "--test"):
		return NodeTest
	}
	return Command
}

func (r *Result) golang(tree fs.FS, file *fawkesfile.File) error {
	if r.GoPackage = file.Go.Package; r.GoPackage == "" {
		var err error
		if r.GoPackage, r.StartWhy, err = mainPackage(tree, file.Service); err != nil {
			return err
		}
	} else {
		r.StartWhy = fmt.Sprintf("line %d of fawkes.yaml", file.Lines["go.package"])
	}
	r.Build = Step{Kind: GoBuild, Why: "the static program of " + r.GoPackage}
	r.Test = Step{Kind: GoTest, Commands: [][]string{{"go", "test", "./..."}}, Why: "all packages"}
	for _, dir := range []string{"tests/behavior", "tests/behaviour", "tests/bdd", "behavior"} {
		if tests, err := fs.Glob(tree, dir+"/*_test.go"); err == nil && len(tests) > 0 {
			r.Behavior = Step{Kind: GoTest, Commands: [][]string{{"go", "test", "-count=1", "-tags=behavior", "./" + dir + "/..."}}, Why: "there are tests in " + dir + "/"}
			r.Test.Commands = [][]string{{"go", "test", "./..."}}
			break
		}
	}
	return nil
}

// mostFolders bounds the search for main packages.
const mostFolders = 200

// mainPackage is the only one at the top or under cmd/.
func mainPackage(tree fs.FS, service string) (pkg, why string, err error) {
	if isMain(tree, ".") {
		return ".", "package main is at the top", nil
	}
	folders, err := fs.ReadDir(tree, "cmd")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", "", fmt.Errorf("look for the main package: %w", err)
	}
	var found []string
	for _, f := range folders[:min(len(folders), mostFolders)] {
		if f.IsDir() && isMain(tree, "cmd/"+f.Name()) {
			found = append(found, "./cmd/"+f.Name())
		}
	}
	switch {
	case len(found) == 1:
		return found[0], "the only package main under cmd/", nil
	case slices.Contains(found, "./cmd/"+service):
		return "./cmd/" + service, "package main named as the service", nil
	case len(found) == 0:
		return "", "", &UnknownError{"there is no package main at the top or under cmd/", "name it with go.package in fawkes.yaml"}
	}
	return "", "", &UnknownError{"there are several packages main: " + strings.Join(found, ", "), "name one with go.package in fawkes.yaml, or name the service as its folder"}
}

func isMain(tree fs.FS, dir string) bool {
	files, err := fs.Glob(tree, path.Join(dir, "*.go"))
	if err != nil {
		return false
	}
	for _, name := range files[:min(len(files), mostFolders)] {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := read(tree, name, 1<<20)
		if err != nil {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, text, parser.PackageClauseOnly|parser.ParseComments)
		if err == nil && f.Name.Name == "main" && !ignored(f.Comments == nil, text) {
			return true
		}
	}
	return false
}

// ignored says whether a build constraint keeps the file out of every build.
func ignored(noComments bool, text []byte) bool {
	return !noComments && strings.Contains(string(text[:min(len(text), 2048)]), "//go:build ignore")
}

type packageJSON struct {
	Main            string            `json:"main"`
	Scripts         map[string]string `json:"scripts"`
	Dependencies    map[string]string `json:"dependencies"`
	DevDependencies map[string]string `json:"devDependencies"`
}

func (r *Result) node(tree fs.FS) error {
	var p packageJSON
	text, err := read(tree, "package.json", 4<<20)
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err != nil {
		return &UnknownError{"package.json cannot be read: " + err.Error(), "mend package.json"}
	}
	r.Build = Step{Kind: Command, Why: "package.json names no dependencies and no script \"build\""}
	switch {
	case has(tree, "package-lock.json"):
		r.Build.Commands, r.Build.Why = append(r.Build.Commands, []string{"npm", "ci", "--no-audit", "--no-fund"}), "there is package-lock.json"
	case len(p.Dependencies)+len(p.DevDependencies) > 0:
		r.Build.Commands, r.Build.Why = append(r.Build.Commands, []string{"npm", "install", "--no-audit", "--no-fund", "--no-save"}), "package.json names dependencies, and there is no package-lock.json"
	}
	if p.Scripts["build"] != "" {
		r.Build.Commands = append(r.Build.Commands, []string{"npm", "run", "build"})
		r.Build.Why += ", and a script \"build\""
	}
	if script := p.Scripts["test"]; script != "" && !strings.Contains(script, "no test specified") {
		r.Test = Step{Kind: NodeTest, Commands: [][]string{{"npm", "test"}}, Why: "package.json has a script \"test\""}
	} else {
		r.Test = Step{Kind: NodeTest, Commands: [][]string{{"node", "--test"}}, Why: "the test runner of Node.js"}
	}
	if script := p.Scripts["test:behavior"]; script != "" {
		r.Behavior = Step{Kind: NodeTest, Commands: [][]string{{"npm", "run", "test:behavior"}}, Why: "package.json has a script \"test:behavior\""}
	}
	for _, c := range []string{p.Main, "server.js", "index.js", "src/index.js", "src/server.js", "app.js", "main.js"} {
		if c != "" && has(tree, path.Clean(c)) {
			r.Start, r.StartWhy = path.Clean(c), "the first of package.json's main, server.js, index.js, … that is there"
			break
		}
	}
	return nil
}

func (r *Result) python(tree fs.FS) {
	r.Build = Step{Kind: Command, Why: "requirements.txt is not there or names nothing; the files are compiled"}
	if text, err := read(tree, "requirements.txt", 1<<20); err == nil && namesSomething(string(text)) {
		r.Build.Commands = append(r.Build.Commands, []string{"python3", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--target", ".fawkes/site-packages", "--upgrade", "-r", "requirements.txt"})
		r.Build.Why = "requirements.txt names packages; the files are compiled"
	}
	r.Build.Commands = append(r.Build.Commands, []string{"python3", "-m", "compileall", "-q", "-x", `(^|/)(\.git|\.fawkes|\.venv|venv|node_modules)/`, "."})
	r.Test = Step{Kind: PythonTest, Why: "pytest where it is installed, else unittest"}
	for _, dir := range []string{"tests/behavior", "tests/behaviour", "behavior"} {
		if tests, err := fs.Glob(tree, dir+"/test*.py"); err == nil && len(tests) > 0 {
			r.Behavior = Step{Kind: PythonTest, Commands: [][]string{{dir}}, Why: "there are tests in " + dir + "/"}
			break
		}
	}
	for _, c := range []string{"app.py", "main.py", "server.py", "src/app.py", "src/main.py", "__main__.py"} {
		if has(tree, c) {
			r.Start, r.StartWhy = c, "the first of app.py, main.py, server.py, … that is there"
			break
		}
	}
}

func namesSomething(requirements string) bool {
	for line := range strings.Lines(requirements) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			return true
		}
	}
	return false
}

func (r *Result) java(tree fs.FS) {
	if has(tree, "pom.xml") {
		mvn := "mvn"
		if has(tree, "mvnw") {
			mvn = "./mvnw"
		}
		r.Build = Step{Kind: Command, Commands: [][]string{{mvn, "-B", "-ntp", "-q", "-DskipTests", "package"}}, Why: "there is pom.xml"}
		r.Test = Step{Kind: MavenTest, Commands: [][]string{{mvn, "-B", "-ntp", "test"}}, Why: "there is pom.xml"}
		r.Start, r.StartWhy = "target/*.jar", "what mvn package makes"
		return
	}
	gradle := "gradle"
	if has(tree, "gradlew") {
		gradle = "./gradlew"
	}
	r.Build = Step{Kind: Command, Commands: [][]string{{gradle, "--no-daemon", "-q", "assemble"}}, Why: "there is a build file of Gradle"}
	r.Test = Step{Kind: GradleTest, Commands: [][]string{{gradle, "--no-daemon", "test"}}, Why: "there is a build file of Gradle"}
	r.Start, r.StartWhy = "build/libs/*.jar", "what gradle assemble makes"
}

func has(tree fs.FS, name string) bool {
	info, err := fs.Stat(tree, name)
	return err == nil && info.Mode().IsRegular()
}

func read(tree fs.FS, name string, most int64) ([]byte, error) {
	f, err := tree.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(text)) > most {
		return nil, fmt.Errorf("%s has more than %d bytes", name, most)
	}
	return text, err
}
