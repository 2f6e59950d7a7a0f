package manifest

import (
	"fmt"
	"strings"
	"testing"
)

func good() map[string][]byte {
	return map[string][]byte{
		"kustomization.yaml":   []byte("namespace: production\nresources: [base/deployment.yaml]\nimages: [{name: hello, newName: r/hello, digest: \"sha256:" + strings.Repeat("a", 64) + "\"}]\ncommonAnnotations: {fawkes.dev/service: hello}\n"),
		"base/deployment.yaml": []byte("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: hello}\nspec:\n  replicas: 2\n  template: {spec: {containers: [{name: hello, image: hello}]}}\n"),
	}
}

func TestAFolderIsRendered(t *testing.T) {
	reads := 0
	r := NewRenderer(2)
	for range 3 {
		objects, err := r.Render("tree", "apps/hello/production", func() (map[string][]byte, error) { reads++; return good(), nil })
		if err != nil {
			t.Fatal(err)
		}
		if len(objects) != 1 || Namespace(objects[0]) != "production" || Images(objects[0])[0] != "r/hello@sha256:"+strings.Repeat("a", 64) || Annotations(objects[0])["fawkes.dev/service"] != "hello" {
			t.Errorf("%v", objects)
		}
	}
	if reads != 1 {
		t.Errorf("one tree was read %d times", reads)
	}
}

func TestWhatReachesOutIsRefusedByName(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for i, prev := 'b', 'a'; i < 'k'; i, prev = i+1, i {
		bomb += fmt.Sprintf("%c: &%c [%s]\n", i, i, strings.TrimSuffix(strings.Repeat("*"+string(prev)+",", 10), ","))
	}
	for name, c := range map[string]struct {
		file, text, want string
	}{
		"a remote base":          {"kustomization.yaml", "resources:\n- https://example.com/x.yaml\n", "apps/x/dev/kustomization.yaml:2: resources: \"https://example.com/x.yaml\" is remote"},
		"a remote repository":    {"kustomization.yaml", "resources:\n- github.com/x/y?ref=v1\n", "is remote"},
		"a repository over ssh":  {"kustomization.yaml", "resources: [\"git@github.com:x/y\"]\n", "is remote"},
		"a host without scheme":  {"kustomization.yaml", "resources: [github.com/x/y]\n", "is not there"},
		"a remote patch":         {"kustomization.yaml", "resources: [base/deployment.yaml]\npatches:\n- path: http://127.0.0.1:1/p.yaml\n", ":3: patches: \"http://127.0.0.1:1/p.yaml\" is remote"},
		"a remote file":          {"kustomization.yaml", "resources: [base/deployment.yaml]\nconfigMapGenerator:\n- name: x\n  files: [key=http://127.0.0.1:1/x]\n", "is remote"},
		"a remote component":     {"kustomization.yaml", "components: [\"https://example.com/c\"]\n", "is remote"},
		"above the folder":       {"kustomization.yaml", "resources: [../../other/dev]\n", "lies outside the application's folder"},
		"the root of a disk":     {"kustomization.yaml", "resources: [/etc/passwd]\n", "lies outside"},
		"a chart":                {"kustomization.yaml", "helmCharts:\n- name: x\n", ":1: \"helmCharts\" is not supported"},
		"a generator":            {"kustomization.yaml", "generators: [x.yaml]\n", "\"generators\" is not supported"},
		"a transformer":          {"kustomization.yaml", "transformers: [x.yaml]\n", "\"transformers\" is not supported"},
		"a schema":               {"kustomization.yaml", "openapi: {path: x.json}\n", "\"openapi\" is not supported"},
		"an alias that hides":    {"kustomization.yaml", "metadata: {annotations: {x: &u \"https://example.com/x\"}}\nresources: [*u]\n", "is remote"},
		"nested, in a folder":    {"base/kustomization.yaml", "resources: [https://example.com/x.yaml]\n", "apps/x/dev/base/kustomization.yaml:1: resources"},
		"no mapping":             {"kustomization.yaml", "- x\n", "is no mapping"},
		"nothing":                {"kustomization.yaml", "", "is empty"},
		"a bomb":                 {"base/bomb.yaml", bomb, "apps/x/dev/base/bomb.yaml:5: stands for more than 20000 values"},
		"depth":                  {"base/deep.yaml", strings.Repeat("[", 100) + strings.Repeat("]", 100), "stands for more than"},
		"broken YAML":            {"base/deployment.yaml", "a: b\n c: d\n", "apps/x/dev/base/deployment.yaml:"},
		"an unknown field":       {"kustomization.yaml", "resource: [x]\n", "\"resource\" is not supported"},
		"an object without kind": {"base/deployment.yaml", "a: b\n", "apps/x/dev"},
	} {
		files := good()
		files[c.file] = []byte(c.text)
		_, err := render("apps/x/dev", files)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if _, err := render("apps/x/dev", map[string][]byte{"a.yaml": nil}); err == nil || !strings.Contains(err.Error(), "kustomization.yaml: is missing") {
		t.Errorf("%v", err)
	}
}

func TestDifferencesAreUnified(t *testing.T) {
	object := func(name string, replicas int) Object {
		return Object{"kind": "Deployment", "metadata": map[string]any{"name": name, "uid": "x"}, "spec": map[string]any{"replicas": replicas, "a": 1, "b": 2, "c": 3, "d": 4}}
	}
	got, err := Compare([]Object{object("same", 1), object("new", 1), object("changed", 2)}, []Object{object("same", 1), object("changed", 1), object("old", 1)})
	if err != nil {
		t.Fatal(err)
	}
	var changes []string
	for _, d := range got {
		changes = append(changes, d.Name+" "+d.Change)
	}
	if want := "changed update, new create, old delete, same none"; strings.Join(changes, ", ") != want {
		t.Errorf("%q, want %q", changes, want)
	}
	want := "--- live/Deployment/changed\n+++ desired/Deployment/changed\n@@ -6,4 +6,4 @@\n   b: 2\n   c: 3\n   d: 4\n-  replicas: 1\n+  replicas: 2\n"
	if got[0].Patch != want {
		t.Errorf("\n%s\nwant\n%s", got[0].Patch, want)
	}
	if got[3].Patch != "" || !strings.HasPrefix(got[1].Patch, "--- live/Deployment/new\n+++ desired/Deployment/new\n@@ -0,0 +1,") {
		t.Errorf("%q", got[1].Patch)
	}
}

func TestUnifiedPatchesMakeTheOtherText(t *testing.T) {
	for seed := range 200 {
		var a, b []string
		n := seed
		for i := range 40 {
			n = (n*1103515245 + 12345) & 0x7fffffff
			line := fmt.Sprint("line ", i)
			if n%7 != 0 {
				a = append(a, line)
			}
			if n%5 != 0 {
				b = append(b, line)
			}
			if n%11 == 0 {
				b = append(b, fmt.Sprint("new ", i))
			}
		}
		if got := apply(t, a, Unified("a", "b", strings.Join(a, "\n")+"\n", strings.Join(b, "\n")+"\n")); strings.Join(got, "\n") != strings.Join(b, "\n") {
			t.Fatalf("seed %d: %q, want %q", seed, got, b)
		}
	}
}

// apply patches lines.
func apply(t *testing.T, lines []string, patch string) []string {
	t.Helper()
	var out []string
	at := 0
	for _, l := range strings.Split(strings.TrimSuffix(patch, "\n"), "\n") {
		switch {
		case strings.HasPrefix(l, "---") || strings.HasPrefix(l, "+++") || l == "":
		case strings.HasPrefix(l, "@@"):
			var begin int
			if _, err := fmt.Sscanf(l, "@@ -%d", &begin); err != nil {
				t.Fatal(err)
			}
			for at < begin-1 {
				out, at = append(out, lines[at]), at+1
			}
		case l[0] == '+':
			out = append(out, l[1:])
		default:
			if lines[at] != l[1:] {
				t.Fatalf("the patch has %q where %q is", l[1:], lines[at])
			}
			if l[0] == ' ' {
				out = append(out, l[1:])
			}
			at++
		}
	}
	return append(out, lines[at:]...)
}

func FuzzRender(f *testing.F) {
	f.Add([]byte("resources: [base/deployment.yaml]\n"), []byte("kind: ConfigMap\napiVersion: v1\nmetadata: {name: x}\n"))
	f.Add([]byte("resources: [https://x]\n"), []byte("a: &a [*a]\n"))
	f.Fuzz(func(_ *testing.T, kustomization, object []byte) {
		_, _ = render("apps/x/dev", map[string][]byte{"kustomization.yaml": kustomization, "base/deployment.yaml": object}) // no crash, no network
	})
}
