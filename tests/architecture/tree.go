// Package architecture holds the rules of the house as functions over a source tree.
//
// Each rule takes a [Tree] and answers with findings, each with the offending file and line. The
// tests point every rule twice: at this repository, where it must find nothing, and at a small tree
// with a planted fault (testdata/*.txtar), where it must find exactly that fault. A rule that has
// never been seen to fail is not trusted.
//
// The rules are those of the layer table in docs/ARCHITECTURE.md. What imports alone can say stands
// in .golangci.yml as well, so that an editor shows it; [LintConfig] keeps the two in step.
package architecture

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
)

// Tree is a source tree: the files that are, or would be, committed.
type Tree struct {
	Root    string   // on disk
	Module  string   // the Go module's path
	Files   []string // slash-separated, relative to Root, sorted
	Folders []string // every folder under Root but those that hold build results
	Go      []GoFile // the parsed Go files of the root module
}

// GoFile is one parsed Go source file.
type GoFile struct {
	Path      string // relative to the tree's root
	Package   string
	Test      bool
	Generated bool
	Lines     int
	Imports   []Import
	Syntax    *ast.File
	Positions *token.FileSet
}

// Import is one import declaration.
type Import struct {
	Path string
	Line int
}

// Finding is one breach of a rule.
type Finding struct {
	Path   string
	Line   int
	Detail string
}

// String is the finding as an editor understands it: file, line, what is wrong.
func (f Finding) String() string {
	if f.Line == 0 {
		return fmt.Sprintf("%s: %s", f.Path, f.Detail)
	}
	return fmt.Sprintf("%s:%d: %s", f.Path, f.Line, f.Detail)
}

// Load reads the tree at root: what git tracks or would track where root is a work tree, else every file.
func Load(ctx context.Context, root string) (*Tree, error) {
	t := &Tree{Root: root}
	var err error
	if t.Module, err = modulePath(filepath.Join(root, "go.mod")); err != nil {
		return nil, err
	}
	if err := t.walk(); err != nil {
		return nil, fmt.Errorf("walk %s: %w", root, err)
	}
	if _, err := os.Stat(filepath.Join(root, ".git")); err == nil {
		if t.Files, err = gitFiles(ctx, root); err != nil {
			return nil, err
		}
	}
	sort.Strings(t.Files)
	nested := t.nestedModules()
	for _, name := range t.Files {
		if !strings.HasSuffix(name, ".go") || under(name, nested) || strings.Contains(name, "testdata/") {
			continue
		}
		f, err := t.parse(name)
		if err != nil {
			return nil, err
		}
		t.Go = append(t.Go, f)
	}
	return t, nil
}

// Read returns a file's text.
func (t *Tree) Read(name string) ([]byte, error) {
	return os.ReadFile(filepath.Join(t.Root, filepath.FromSlash(name)))
}

// local turns an import path of this module into a folder of the tree.
func (t *Tree) local(importPath string) (string, bool) {
	if importPath == t.Module {
		return ".", true
	}
	return strings.CutPrefix(importPath, t.Module+"/")
}

// Services lists the folders directly under services/, by name.
func (t *Tree) Services() []string {
	seen := map[string]bool{}
	for _, name := range t.Files {
		if rest, ok := strings.CutPrefix(name, "services/"); ok {
			if svc, _, ok := strings.Cut(rest, "/"); ok {
				seen[svc] = true
			}
		}
	}
	out := make([]string, 0, len(seen))
	for svc := range seen {
		out = append(out, svc)
	}
	sort.Strings(out)
	return out
}

// buildResult says whether a folder is written by running or by git rather than by us.
func buildResult(rel string) bool {
	switch rel {
	case ".git", "bin", ".cache", ".fawkes":
		return true
	}
	return path.Base(rel) == "node_modules"
}

func (t *Tree) walk() error {
	return filepath.WalkDir(t.Root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(t.Root, p)
		if err != nil || rel == "." {
			return err
		}
		rel = filepath.ToSlash(rel)
		if !d.IsDir() {
			if rel != ".git" {
				t.Files = append(t.Files, rel)
			}
			return nil
		}
		if buildResult(rel) {
			return fs.SkipDir
		}
		t.Folders = append(t.Folders, rel)
		return nil
	})
}

func (t *Tree) nestedModules() []string {
	var out []string
	for _, name := range t.Files {
		if dir := path.Dir(name); path.Base(name) == "go.mod" && dir != "." {
			out = append(out, dir)
		}
	}
	return out
}

func (t *Tree) parse(name string) (GoFile, error) {
	text, err := t.Read(name)
	if err != nil {
		return GoFile{}, err
	}
	positions := token.NewFileSet()
	syntax, err := parser.ParseFile(positions, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return GoFile{}, fmt.Errorf("parse: %w", err)
	}
	f := GoFile{
		Path: name, Package: syntax.Name.Name, Test: strings.HasSuffix(name, "_test.go"),
		Generated: ast.IsGenerated(syntax), Lines: bytes.Count(text, []byte("\n")),
		Syntax: syntax, Positions: positions,
	}
	for _, spec := range syntax.Imports {
		importPath, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return GoFile{}, fmt.Errorf("%s: import %s: %w", name, spec.Path.Value, err)
		}
		f.Imports = append(f.Imports, Import{Path: importPath, Line: positions.Position(spec.Pos()).Line})
	}
	return f, nil
}

// gitFiles lists what is tracked or would be, and is there.
func gitFiles(ctx context.Context, root string) ([]string, error) {
	cmd := exec.CommandContext(ctx, "git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("git ls-files: %w", err)
	}
	var files []string
	for name := range strings.SplitSeq(strings.TrimRight(string(out), "\x00"), "\x00") {
		info, err := os.Stat(filepath.Join(root, filepath.FromSlash(name)))
		if err == nil && info.Mode().IsRegular() {
			files = append(files, name)
		}
	}
	return files, nil
}

func modulePath(goMod string) (string, error) {
	text, err := os.ReadFile(goMod)
	if err != nil {
		return "", err
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		if name, ok := strings.CutPrefix(lines.Text(), "module "); ok {
			return strings.TrimSpace(name), nil
		}
	}
	return "", fmt.Errorf("%s: no module line", goMod)
}

// under says whether name is one of the folders, or inside one.
func under(name string, folders []string) bool {
	for _, f := range folders {
		if name == f || strings.HasPrefix(name, f+"/") {
			return true
		}
	}
	return false
}
