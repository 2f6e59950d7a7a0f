package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fawkes-idp/fawkes/internal/app/allinone"
)

var update = flag.Bool("update", false, "write the generated files")

// -update writes the files instead of comparing them, as `go generate ./api` does.
func TestGeneratedFilesAreWhatTheCodeGives(t *testing.T) {
	root, err := repository()
	if err != nil {
		t.Fatal(err)
	}
	files, err := generate(t.Context(), root, allinone.Modules())
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := write(root, files); err != nil {
			t.Fatal(err)
		}
	}
	found, err := drift(root, files)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		t.Errorf("%s; run `go generate ./api`", f)
	}
	again, err := specs(t.Context(), allinone.Modules())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range again {
		if d := cmp.Diff(string(files[specFolder+"/"+s.service+".yaml"]), string(s.yaml)); d != "" {
			t.Errorf("the specification of %s differs from one time to the next:\n%s", s.service, d)
		}
	}
}

// Each kind of drift is planted once and must be named; writing must mend all of them.
func TestDriftNamesEveryDifference(t *testing.T) {
	root := t.TempDir()
	files := map[string][]byte{
		"api/openapi/dora.yaml":        []byte("a\nb\nc\n"),
		"api/client/dora/client.go":    []byte("package dora\n"),
		"api/openapi/identity.yaml":    []byte("a\n"),
		"docs/API_SURFACE.md":          []byte("# API\n"),
		"api/client/identity/extra.go": []byte("package identity\n"),
	}
	if err := write(root, files); err != nil {
		t.Fatal(err)
	}
	look := func() []string {
		t.Helper()
		found, err := drift(root, files)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if found := look(); len(found) != 0 {
		t.Fatalf("right after writing: %v", found)
	}
	plant := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	plant("api/openapi/dora.yaml", "a\nB\nc\n")
	plant("docs/API_SURFACE.md", "# API\nmore\n")
	plant("api/openapi/gone.yaml", "")
	if err := os.Remove(filepath.Join(root, "api", "client", "dora", "client.go")); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"api/client/dora/client.go is missing",
		"api/openapi/dora.yaml is stale, first in line 2",
		"docs/API_SURFACE.md is stale, first in line 2",
		"api/openapi/gone.yaml is no longer generated",
	}
	if d := cmp.Diff(want, look()); d != "" {
		t.Fatalf("drift (-want +got):\n%s", d)
	}
	if err := write(root, files); err != nil {
		t.Fatal(err)
	}
	if found := look(); len(found) != 0 {
		t.Fatalf("after writing again: %v", found)
	}
}

const small = `
info: {title: Small, description: A small one.}
paths:
  /b:
    post: {summary: "Write | more", security: [{bearer: ["s:write"]}, {session: ["s:write"]}]}
    get: {summary: Read, deprecated: true, security: [{bearer: []}]}
  /a:
    parameters: []
    get: {summary: Look, security: [{}]}
`

func TestSurfaceListsEveryOperation(t *testing.T) {
	text, err := surface([]spec{{"small", []byte(small)}})
	if err != nil {
		t.Fatal(err)
	}
	_, got, _ := strings.Cut(string(text), "## small")
	want := `

A small one.

| method | path | what it does | scope | service |
| --- | --- | --- | --- | --- |
| GET | ` + "`/a`" + ` | Look | *open* | small |
| GET | ` + "`/b`" + ` | Read (deprecated) | *any caller* | small |
| POST | ` + "`/b`" + ` | Write \| more | ` + "`s:write`" + ` | small |
`
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("surface (-want +got):\n%s", d)
	}
}

func TestSurfaceRefusesWhatIsNotStated(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"no security": {`{paths: {/a: {get: {summary: Look}}}}`, "GET /a states no security"},
		"no summary":  {`{paths: {/a: {get: {security: [{}]}}}}`, "GET /a has no summary"},
		"nothing":     {`{paths: {}}`, "no operations"},
		"not YAML":    {`a: b: c`, "read the specification of small"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := surface([]spec{{"small", []byte(c.text)}}); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want one that says %q", err, c.want)
			}
		})
	}
}
