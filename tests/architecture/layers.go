package architecture

import (
	"fmt"
	"go/ast"
	"regexp"
	"strings"
)

// Layers checks the layer table: who may import whom, and what a layer's files must not say.
func Layers(t *Tree) []Finding {
	var out []Finding
	for _, f := range t.Go {
		for _, imp := range f.Imports {
			if why := forbidden(t, f, imp.Path); why != "" {
				out = append(out, Finding{f.Path, imp.Line, fmt.Sprintf("imports %s: %s", imp.Path, why)})
			}
		}
	}
	return append(out, declarative(t)...)
}

// boundary is one row of the import rules inside this module.
type boundary struct {
	folder string   // who
	may    []string // the folders of this module it may import, beside itself
	why    string
}

// boundaries lists the folders whose imports inside the module are limited. Services have their own rule.
func boundaries() []boundary {
	return []boundary{
		{"internal/kit", nil, "the kit stands below everything and knows nothing of any service"},
		{"internal/events", []string{"internal/kit"}, "the shared vocabulary knows nothing of any service"},
		{"internal/gitlog", []string{"internal/kit", "internal/events"}, "walking git knows nothing of services or of the command line"},
		{"internal/githubexport", []string{"internal/kit", "internal/events"}, "reading files knows nothing of services or of the command line"},
		{"internal/platform", nil, "what a cluster is given follows from the inventory and from what it is told of the services"},
		{"internal/devlake", nil, "setting DevLake up knows nothing of services"},
		{"internal/sandbox", nil, "confining a program knows nothing of what it is"},
		{"internal/oci", []string{"internal/kit"}, "images know nothing of who makes or runs them"},
		{"internal/goldenpath", []string{"internal/kit", "internal/events", "internal/oci", "internal/sandbox"}, "the pipeline is the same on a laptop, in Jenkins and in GitHub Actions, and knows none of them"},
		{"internal/local", []string{"internal/kit", "internal/events", "internal/oci", "internal/sandbox"}, "a stand-in speaks a protocol and knows no service"},
		{"api/client", nil, "a generated client knows nothing but the wire"},
		{"ui", []string{"internal/kit", "api/client"}, "the console stands on the kit and the generated clients alone"},
	}
}

// domain lists the folders of pure calculation in services/dora.
func domain() []string {
	var out []string
	for _, name := range []string{"event", "history", "metrics", "project", "intake", "github", "devlake", "argocd", "cdevents", "jenkins", "alertmanager", "pagerduty"} {
		out = append(out, "services/dora/"+name)
	}
	return out
}

// impure lists what a folder of pure calculation must not import.
func impure(module string) []string {
	return []string{
		"database/sql", "net/http", "os", "os/exec",
		module + "/internal/kit/sqlstore", module + "/internal/kit/httpapi", module + "/internal/kit/jobs",
	}
}

// onlyWords says whether f uses net/http for nothing but the names of methods and statuses and the type of
// headers, which a mapper of another system's interface may.
func onlyWords(f GoFile, importPath string) bool {
	if importPath != "net/http" {
		return false
	}
	words := true
	ast.Inspect(f.Syntax, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == "http" {
				words = words && (strings.HasPrefix(sel.Sel.Name, "Method") || strings.HasPrefix(sel.Sel.Name, "Status") || sel.Sel.Name == "Header")
			}
		}
		return true
	})
	return words
}

// cloud lists SDKs of clouds and of the cluster.
func cloud() []string {
	return []string{
		"cloud.google.com/go", "google.golang.org/api", "github.com/aws/aws-sdk-go", "github.com/aws/aws-sdk-go-v2",
		"github.com/Azure/azure-sdk-for-go",
	}
}

// forbidden says why f must not import importPath, or "".
func forbidden(t *Tree, f GoFile, importPath string) string {
	if rest, ok := strings.CutPrefix(f.Path, "services/"); ok {
		svc, _, _ := strings.Cut(rest, "/")
		if why := forbiddenToService(t, f, svc, importPath); why != "" {
			return why
		}
	}
	if !f.Test && under(f.Path, domain()) && under(importPath, impure(t.Module)) && !onlyWords(f, importPath) {
		return "a calculation does no input or output"
	}
	target, ours := t.local(importPath)
	if !ours {
		return ""
	}
	for _, b := range boundaries() {
		if under(f.Path, []string{b.folder}) && !under(target, append([]string{b.folder}, b.may...)) && !harness(f, target) {
			return b.why
		}
	}
	switch {
	case under(f.Path, []string{"internal/cli", "internal/bringup"}) && under(target, []string{"services"}):
		return "the command line reaches a service over HTTP, by its client"
	case !under(f.Path, []string{"cmd"}) && under(target, []string{"cmd"}):
		return "a program is not a library"
	case !f.Test && !under(f.Path, []string{"tests"}) && under(target, []string{"tests"}):
		return "nothing stands on the tests"
	}
	return ""
}

// harness says whether a test reaches for the composition root to run the real platform, which a test may.
func harness(f GoFile, target string) bool {
	return f.Test && under(f.Path, []string{"ui"}) && under(target, []string{"internal/app"})
}

// reader says whether a test of a service reaches for a reader of histories, which stands on the kit and the
// vocabulary alone: the test compares what the reader makes with what the service heard.
func reader(f GoFile, target string) bool {
	return f.Test && under(target, []string{"internal/gitlog", "internal/githubexport"})
}

func forbiddenToService(t *Tree, f GoFile, svc, importPath string) string {
	switch {
	case importPath == "os/exec" && !f.Test:
		return "a service starts no programs"
	case under(importPath, cloud()):
		return "no cloud SDK in a service"
	case under(importPath, []string{"k8s.io/client-go"}) && svc != "mcp-k8s-server":
		return "a service does not know the cluster"
	}
	target, ours := t.local(importPath)
	if !ours || under(target, []string{"services/" + svc, "internal/kit", "internal/events", "api/client"}) || reader(f, target) {
		return ""
	}
	if under(target, []string{"services"}) {
		return "a service calls another over HTTP, by its client in api/client"
	}
	return "a service may use internal/kit, internal/events and api/client, nothing else of this module"
}

// wording is what the text of a declarative layer must not say.
type wording struct {
	folders []string
	pattern *regexp.Regexp
	why     string
}

// declarative checks platform/, charts/, infra/ and scripts/, which hold no Go of the module.
func declarative(t *Tree) []Finding {
	words := []wording{
		{[]string{"platform", "charts"}, regexp.MustCompile(`\b(services|internal|cmd)/[a-z]`), "names the code; the platform knows the image, its args and the values schema"},
		{[]string{"platform", "charts"}, regexp.MustCompile(`\b(curl|wget)\b`), "calls an API; the platform only declares"},
		{[]string{"infra"}, regexp.MustCompile(`\b(services|platform)/`), "names a layer above; infrastructure knows nothing above it"},
		{[]string{"scripts"}, regexp.MustCompile(`\b(psql|sqlite3)\b|\b(SELECT|INSERT INTO|UPDATE|DELETE FROM)\s+[A-Za-z*]`), "opens a service's data; scripts go through the command line and the service APIs"},
	}
	var out []Finding
	for _, name := range t.Files {
		if under(name, []string{"platform", "charts", "scripts"}) && programText(name) {
			out = append(out, Finding{name, 1, "a program; this layer holds no business logic"})
		}
		for _, w := range words {
			if under(name, w.folders) {
				out = append(out, matching(t, name, w.pattern, w.why)...)
			}
		}
	}
	return out
}

// programText says whether a file is source of a programming language other than the shell.
func programText(name string) bool {
	for _, ext := range []string{".go", ".py", ".rb", ".js", ".ts", ".java", ".pl"} {
		if strings.HasSuffix(name, ext) {
			return true
		}
	}
	return false
}
