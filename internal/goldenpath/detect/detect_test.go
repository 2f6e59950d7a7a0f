package detect

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/fawkes-idp/fawkes/internal/goldenpath/fawkesfile"
)

func tree(files ...string) fstest.MapFS {
	m := fstest.MapFS{}
	for _, f := range files {
		name, text, _ := strings.Cut(f, "|")
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return m
}

func commands(s Step) string {
	var out []string
	for _, c := range s.Commands {
		out = append(out, strings.Join(c, " "))
	}
	return string(s.Kind) + ": " + strings.Join(out, " && ")
}

func TestWhatARepositoryHolds(t *testing.T) {
	for _, c := range []struct {
		name                                 string
		tree                                 fstest.MapFS
		file                                 string
		language, start, build, test, behave string
	}{
		{"Go with main at the top", tree("go.mod|module x", "main.go|package main"), "", Go, ".", "go-build: ", "go-test: go test ./...", ": "},
		{"Go with one program", tree("go.mod", "lib.go|package lib", "cmd/api/main.go|package main"), "", Go, "./cmd/api", "go-build: ", "go-test: go test ./...", ": "},
		{"Go with several programs, one named as the service", tree("go.mod", "cmd/a/a.go|package main", "cmd/b/b.go|package main"), "service: b", Go, "./cmd/b", "go-build: ", "go-test: go test ./...", ": "},
		{"Go whose package is said", tree("go.mod", "cmd/a/a.go|package main", "cmd/b/b.go|package main"), "go: {package: ./cmd/a}", Go, "./cmd/a", "go-build: ", "go-test: go test ./...", ": "},
		{"Go with a script beside the library", tree("go.mod", "gen.go|//go:build ignore\n\npackage main", "x_test.go|package main", "cmd/a/a.go|package main"), "", Go, "./cmd/a", "go-build: ", "go-test: go test ./...", ": "},
		{"Go with behavior tests", tree("go.mod", "main.go|package main", "tests/behavior/x_test.go|package x"), "", Go, ".", "go-build: ", "go-test: go test ./...", "go-test: go test -count=1 -tags=behavior ./tests/behavior/..."},
		{"Go goes before package.json", tree("go.mod", "main.go|package main", "package.json|{}"), "", Go, ".", "go-build: ", "go-test: go test ./...", ": "},
		{"Node without anything", tree("package.json|{}", "server.js"), "", Node, "server.js", "command: ", "node-test: node --test", ": "},
		{"Node with all", tree(`package.json|{"main":"./lib/x.js","scripts":{"build":"tsc","test":"jest","test:behavior":"x"},"dependencies":{"a":"1"}}`, "package-lock.json", "lib/x.js"), "", Node, "lib/x.js",
			"command: npm ci --no-audit --no-fund && npm run build", "node-test: npm test", "node-test: npm run test:behavior"},
		{"Node without a lock", tree(`package.json|{"scripts":{"test":"echo \"Error: no test specified\" && exit 1"},"devDependencies":{"a":"1"}}`, "index.js"), "", Node, "index.js",
			"command: npm install --no-audit --no-fund --no-save", "node-test: node --test", ": "},
		{"Python", tree("requirements.txt|# nothing\n", "app.py", "tests/behavior/test_x.py"), "", Python, "app.py", "command: python3 -m compileall -q -x (^|/)(\\.git|\\.fawkes|\\.venv|venv|node_modules)/ .", "python-test: ", "python-test: tests/behavior"},
		{"Python with packages", tree("pyproject.toml", "requirements.txt|flask==3\n", "main.py"), "", Python, "main.py",
			"command: python3 -m pip install --quiet --disable-pip-version-check --no-input --target .fawkes/site-packages --upgrade -r requirements.txt && python3 -m compileall -q -x (^|/)(\\.git|\\.fawkes|\\.venv|venv|node_modules)/ .", "python-test: ", ": "},
		{"Java with Maven", tree("pom.xml", "mvnw"), "", Java, "target/*.jar", "command: ./mvnw -B -ntp -q -DskipTests package", "maven-test: ./mvnw -B -ntp test", ": "},
		{"Java with Gradle", tree("build.gradle.kts"), "", Java, "build/libs/*.jar", "command: gradle --no-daemon -q assemble", "gradle-test: gradle --no-daemon test", ": "},
		{"commands of its own", tree("go.mod", "main.go|package main"), "stages: {build: {command: make}, unit-test: {command: [go, test, ./x]}}\nbehavior: {command: [./try]}", Go, ".", "command: sh -ec make", "go-test: go test ./x", "command: ./try"},
		{"a language that is said", tree("app.py", "package.json|{}"), "language: python", Python, "app.py", "command: python3 -m compileall -q -x (^|/)(\\.git|\\.fawkes|\\.venv|venv|node_modules)/ .", "python-test: ", ": "},
	} {
		file, err := fawkesfile.Parse([]byte(c.file))
		if err != nil {
			t.Fatal(err)
		}
		r, err := Project(c.tree, file)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		start := r.Start
		if r.Language == Go {
			start = r.GoPackage
		}
		got := []string{r.Language, start, commands(r.Build), commands(r.Test), commands(r.Behavior)}
		want := []string{c.language, c.start, c.build, c.test, c.behave}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%s: got %q, want %q", c.name, got[i], want[i])
			}
		}
		if r.Why == "" || r.Build.Why == "" || r.Test.Why == "" {
			t.Errorf("%s: a choice without its reason: %+v", c.name, r)
		}
	}
}

func TestWhatCannotBeFoundOutIsSaidWithAMend(t *testing.T) {
	for name, c := range map[string]struct {
		tree fstest.MapFS
		want string
	}{
		"nothing known":      {tree("README.md"), "none of go.mod"},
		"a library":          {tree("go.mod", "x.go|package x"), "no package main"},
		"two programs":       {tree("go.mod", "cmd/a/a.go|package main", "cmd/b/b.go|package main"), "several packages main: ./cmd/a, ./cmd/b"},
		"a broken package":   {tree("package.json|{"), "package.json cannot be read"},
		"no Go after all":    {tree("go.mod", "main.go|\x00"), "no package main"},
		"a folder as a file": {fstest.MapFS{"go.mod/x": &fstest.MapFile{}}, "none of go.mod"},
	} {
		_, err := Project(c.tree, fawkesfile.Default())
		var unknown *UnknownError
		if !errors.As(err, &unknown) || !strings.Contains(err.Error(), c.want) || unknown.Mend == "" {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
