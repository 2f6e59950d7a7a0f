package architecture

import (
	"bytes"
	"fmt"
	"path"
	"regexp"
	"strings"
	"unicode/utf8"
)

// longestFile and longestMain are in lines.
const (
	longestFile = 600
	longestMain = 40
)

// Names checks that packages, folders and files are named for their subject, not for their kind.
func Names(t *Tree) []Finding {
	kinds := map[string]bool{}
	for _, w := range []string{"util", "utils", "common", "helper", "helpers", "type", "types", "manager", "managers", "base", "misc", "shared"} {
		kinds[w] = true
	}
	var out []Finding
	for _, f := range t.Go {
		if f.Generated {
			continue
		}
		line := f.Positions.Position(f.Syntax.Name.Pos()).Line
		if kinds[strings.TrimSuffix(f.Package, "_test")] {
			out = append(out, Finding{f.Path, line, fmt.Sprintf("package %s is named for a kind; name the subject", f.Package)})
		}
		stem := strings.TrimSuffix(strings.TrimSuffix(path.Base(f.Path), ".go"), "_test")
		if kinds[stem] {
			out = append(out, Finding{f.Path, line, fmt.Sprintf("file %s is named for a kind; name the subject", path.Base(f.Path))})
		}
	}
	for _, dir := range t.Folders {
		if kinds[path.Base(dir)] {
			out = append(out, Finding{dir, 0, "folder is named for a kind; name the subject"})
		}
	}
	return out
}

// Lengths checks that a file is one subject (600 lines at most) and a main maps flags to options (40).
func Lengths(t *Tree) []Finding {
	var out []Finding
	for _, f := range t.Go {
		switch {
		case f.Generated:
		case under(f.Path, []string{"cmd"}) && !f.Test && f.Lines > longestMain:
			out = append(out, Finding{f.Path, longestMain + 1, fmt.Sprintf("%d lines; a program under cmd has at most %d", f.Lines, longestMain)})
		case f.Lines > longestFile:
			out = append(out, Finding{f.Path, longestFile + 1, fmt.Sprintf("%d lines; a file has at most %d: split it by subject", f.Lines, longestFile)})
		}
	}
	return out
}

// Machines checks that no file names a path of one machine or the host of a package registry.
func Machines(t *Tree) []Finding {
	// The words are put together here so that this file does not break its own rule.
	paths := regexp.MustCompile(`(^|[\s"'` + "`" + `(=:])/(` + strings.Join([]string{"root", "work", "home/[a-z][a-z0-9_-]*", "Users/[A-Za-z]+"}, "|") + `)/`)
	hosts := regexp.MustCompile(`\b(` + strings.Join([]string{
		`proxy\.` + `golang\.org`, `sum\.` + `golang\.org`, `registry\.` + `npmjs\.org`, `registry\.` + `yarnpkg\.com`,
		`deb\.` + `debian\.org`, `archive\.` + `ubuntu\.com`, `pypi\.` + `org`, `index\.` + `crates\.io`,
	}, "|") + `)\b|https?://(proxy|registry|deb)\.[a-z]`)
	var out []Finding
	for _, name := range t.Files {
		out = append(out, matching(t, name, paths, "a path of one machine")...)
		out = append(out, matching(t, name, hosts, "the host of a package registry")...)
	}
	return out
}

// Folders checks that no folder is empty: a folder is added with its first file.
func Folders(t *Tree) []Finding {
	var out []Finding
	for _, dir := range t.Folders {
		empty := true
		for _, name := range t.Files {
			if strings.HasPrefix(name, dir+"/") {
				empty = false
				break
			}
		}
		if empty && !ignored(t, dir) {
			out = append(out, Finding{dir, 0, "an empty folder; add it with its first file"})
		}
	}
	return out
}

// ignored says whether everything in the folder is kept out of the tree by .gitignore.
func ignored(t *Tree, dir string) bool {
	text, err := t.Read(".gitignore")
	if err != nil {
		return false
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		if entry := strings.Trim(strings.TrimSpace(line), "/"); entry != "" && under(dir, []string{entry}) {
			return true
		}
	}
	return false
}

// PackageDocs checks that every package opens with a comment that teaches it.
func PackageDocs(t *Tree) []Finding {
	first := map[string]GoFile{}
	documented := map[string]bool{}
	for _, f := range t.Go {
		if f.Test {
			continue
		}
		dir := path.Dir(f.Path)
		if f.Syntax.Doc != nil || f.Generated {
			documented[dir] = true
		}
		if _, ok := first[dir]; !ok {
			first[dir] = f
		}
	}
	var out []Finding
	for dir, f := range first {
		if !documented[dir] {
			line := f.Positions.Position(f.Syntax.Name.Pos()).Line
			out = append(out, Finding{f.Path, line, fmt.Sprintf("package %s has no package comment", f.Package)})
		}
	}
	return out
}

// matching finds the lines of a text file that match.
func matching(t *Tree, name string, pattern *regexp.Regexp, why string) []Finding {
	text, err := t.Read(name)
	if err != nil {
		return []Finding{{name, 0, err.Error()}}
	}
	if !utf8.Valid(text) || bytes.IndexByte(text, 0) >= 0 {
		return nil
	}
	var out []Finding
	line := 0
	for row := range bytes.SplitSeq(text, []byte("\n")) {
		line++
		if m := pattern.Find(row); m != nil {
			out = append(out, Finding{name, line, fmt.Sprintf("%q: %s", strings.TrimSpace(string(m)), why)})
		}
	}
	return out
}
