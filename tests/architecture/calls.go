package architecture

import (
	"fmt"
	"go/ast"
	"go/token"
	"regexp"
	"sort"
	"strconv"
	"strings"
)

// declaration is what a service says of itself in its module.Module.
type declaration struct {
	name  string
	calls []string
	path  string
	line  int
}

// Calls checks the call table. What a service reaches for, by a generated client or through the peer
// network, must stand in its Module.Calls; what stands there must be a service; the table in
// docs/ARCHITECTURE.md must be the one in the code.
//
// Calling identity needs no client of one's own: the verifier of internal/kit/auth does it for every service.
func Calls(t *Tree) []Finding {
	declared, out := declarations(t)
	known := map[string]bool{}
	for _, svc := range t.Services() {
		known[svc] = true
	}
	for _, svc := range t.Services() {
		d, ok := declared[svc]
		if !ok {
			out = append(out, Finding{"services/" + svc, 0, "declares no module.Module with a literal Name of its folder"})
			continue
		}
		allowed := map[string]bool{}
		for _, callee := range d.calls {
			allowed[callee] = true
			if !known[callee] {
				out = append(out, Finding{d.path, d.line, fmt.Sprintf("Calls names %q, which is no service", callee)})
			}
		}
		used := usedBy(t, "services/"+svc)
		for callee, at := range used {
			if callee != svc && !allowed[callee] {
				out = append(out, Finding{at.Path, at.Line, fmt.Sprintf("calls %s, which Module.Calls of %s does not name", callee, svc)})
			}
		}
		for _, callee := range d.calls {
			if _, ok := used[callee]; !ok && callee != "identity" {
				out = append(out, Finding{d.path, d.line, fmt.Sprintf("Calls names %q, but nothing in services/%s calls it", callee, svc)})
			}
		}
	}
	return append(out, documentedCalls(t, declared)...)
}

// declarations finds the module.Module literal of each service.
func declarations(t *Tree) (map[string]declaration, []Finding) {
	out := map[string]declaration{}
	var faults []Finding
	for _, f := range t.Go {
		rest, ok := strings.CutPrefix(f.Path, "services/")
		if !ok || f.Test {
			continue
		}
		svc, _, _ := strings.Cut(rest, "/")
		ast.Inspect(f.Syntax, func(n ast.Node) bool {
			lit, ok := n.(*ast.CompositeLit)
			if !ok || !isSelector(lit.Type, "module", "Module") {
				return true
			}
			d := declaration{path: f.Path, line: f.Positions.Position(lit.Pos()).Line}
			for _, el := range lit.Elts {
				kv, ok := el.(*ast.KeyValueExpr)
				if !ok {
					continue
				}
				key, _ := kv.Key.(*ast.Ident)
				switch {
				case key == nil:
				case key.Name == "Name":
					d.name = stringLiteral(t, f, kv.Value)
				case key.Name == "Calls":
					d.line = f.Positions.Position(kv.Pos()).Line
					d.calls = stringLiterals(kv.Value)
				}
			}
			if d.name != svc {
				faults = append(faults, Finding{d.path, d.line, fmt.Sprintf("module is named %q in the folder of %q", d.name, svc)})
			}
			out[svc] = d
			return true
		})
	}
	return out, faults
}

// usedBy finds the services that the files under folder reach for, each with the first place.
func usedBy(t *Tree, folder string) map[string]Finding {
	out := map[string]Finding{}
	add := func(callee string, f GoFile, line int) {
		if _, ok := out[callee]; !ok {
			out[callee] = Finding{Path: f.Path, Line: line}
		}
	}
	for _, f := range t.Go {
		if f.Test || !under(f.Path, []string{folder}) {
			continue
		}
		for _, imp := range f.Imports {
			if target, ok := t.local(imp.Path); ok {
				if callee, ok := strings.CutPrefix(target, "api/client/"); ok {
					add(callee, f, imp.Line)
				}
			}
		}
		ast.Inspect(f.Syntax, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) != 1 {
				return true
			}
			sel, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || sel.Sel.Name != "Client" {
				return true
			}
			if callee := stringLiteral(t, f, call.Args[0]); callee != "" {
				add(callee, f, f.Positions.Position(call.Pos()).Line)
			}
			return true
		})
	}
	return out
}

// documentedCalls compares the table in docs/ARCHITECTURE.md, between its markers, with the code.
func documentedCalls(t *Tree, declared map[string]declaration) []Finding {
	const doc = "docs/ARCHITECTURE.md"
	text, err := t.Read(doc)
	if err != nil {
		return nil // a tree without that page has no second table to keep in step
	}
	row := regexp.MustCompile("^\\| `([a-z0-9-]+)` \\| (.*?) \\|")
	name := regexp.MustCompile("`([a-z0-9-]+)`")
	var out []Finding
	inside, start := false, 0
	seen := map[string]bool{}
	for i, line := range strings.Split(string(text), "\n") {
		switch {
		case strings.Contains(line, "<!-- calls -->"):
			inside, start = true, i+1
		case strings.Contains(line, "<!-- /calls -->"):
			inside = false
		}
		m := row.FindStringSubmatch(line)
		if !inside || m == nil {
			continue
		}
		seen[m[1]] = true
		var written []string
		for _, c := range name.FindAllStringSubmatch(m[2], -1) {
			written = append(written, c[1])
		}
		d, ok := declared[m[1]]
		want := append([]string(nil), d.calls...)
		sort.Strings(written)
		sort.Strings(want)
		switch {
		case !ok:
			out = append(out, Finding{doc, i + 1, fmt.Sprintf("the call table names %s, which is no service", m[1])})
		case strings.Join(written, ",") != strings.Join(want, ","):
			out = append(out, Finding{doc, i + 1, fmt.Sprintf("the call table says that %s calls %v, the code says %v", m[1], written, want)})
		}
	}
	for svc := range declared {
		if !seen[svc] {
			out = append(out, Finding{doc, start, fmt.Sprintf("the call table leaves out %s", svc)})
		}
	}
	return out
}

func isSelector(e ast.Expr, pkg, name string) bool {
	sel, ok := e.(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != name {
		return false
	}
	x, ok := sel.X.(*ast.Ident)
	return ok && x.Name == pkg
}

// stringLiteral is the value of a string literal, or of a constant of the same package that is one.
func stringLiteral(t *Tree, f GoFile, e ast.Expr) string {
	switch v := e.(type) {
	case *ast.BasicLit:
		if v.Kind == token.STRING {
			if s, err := strconv.Unquote(v.Value); err == nil {
				return s
			}
		}
	case *ast.Ident:
		return constant(t, f, v.Name)
	}
	return ""
}

func stringLiterals(e ast.Expr) []string {
	lit, ok := e.(*ast.CompositeLit)
	if !ok {
		return nil
	}
	var out []string
	for _, el := range lit.Elts {
		if b, ok := el.(*ast.BasicLit); ok && b.Kind == token.STRING {
			if s, err := strconv.Unquote(b.Value); err == nil {
				out = append(out, s)
			}
		}
	}
	return out
}

// constant looks a string constant up in the package that f belongs to.
func constant(t *Tree, f GoFile, name string) string {
	folder := f.Path[:strings.LastIndex(f.Path, "/")]
	for _, g := range t.Go {
		if g.Path[:max(0, strings.LastIndex(g.Path, "/"))] != folder {
			continue
		}
		for _, decl := range g.Syntax.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok || gen.Tok != token.CONST {
				continue
			}
			for _, spec := range gen.Specs {
				vs, ok := spec.(*ast.ValueSpec)
				if !ok {
					continue
				}
				for i, id := range vs.Names {
					if id.Name == name && i < len(vs.Values) {
						if b, ok := vs.Values[i].(*ast.BasicLit); ok {
							return stringLiteral(t, g, b)
						}
					}
				}
			}
		}
	}
	return ""
}
