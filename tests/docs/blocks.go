// Package docs holds the checks of the documentation: a link leads somewhere, a command exists, the
// tutorial's commands work in the order in which they are written, and the reference pages say what the
// code says.
package docs

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Line is a command in a page.
type Line struct {
	Page    string // relative to the root
	Number  int
	Command string // one logical line; a trailing backslash joins
}

// Place is where the command stands, as an editor understands it.
func (l Line) Place() string { return fmt.Sprintf("%s:%d", l.Page, l.Number) }

// Commands finds the commands of a page: the lines of its ```sh blocks, without comments.
func Commands(page string, text []byte) []Line {
	var out []Line
	inside, joining := false, false
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		switch {
		case strings.HasPrefix(line, "```"):
			inside, joining = !inside && line == "```sh", false
			continue
		case !inside || line == "" || strings.HasPrefix(line, "#"):
			continue
		}
		text, more := strings.CutSuffix(line, `\`)
		text = strings.TrimSpace(text)
		if joining {
			out[len(out)-1].Command += " " + text
		} else {
			out = append(out, Line{Page: page, Number: n, Command: text})
		}
		joining = more
	}
	return out
}

// Links finds the relative links of a page, each with its line.
func Links(page string, text []byte) []Line {
	target := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	var out []Line
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		for _, m := range target.FindAllStringSubmatch(lines.Text(), -1) {
			if !strings.Contains(m[1], "://") && !strings.HasPrefix(m[1], "mailto:") {
				out = append(out, Line{Page: page, Number: n, Command: m[1]})
			}
		}
	}
	return out
}

// Pages lists the Markdown pages under root, relative to it.
func Pages(root string) ([]string, error) {
	var out []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return nil, err
		}
		for _, f := range found {
			rel, err := filepath.Rel(root, f)
			if err != nil {
				return nil, err
			}
			out = append(out, filepath.ToSlash(rel))
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no page under %s", root)
	}
	return out, nil
}

// BrokenLinks finds the relative links of a page that lead nowhere: no such file, or no such heading in it.
func BrokenLinks(root, page string, text []byte) []string {
	var out []string
	for _, l := range Links(page, text) {
		file, heading, _ := strings.Cut(l.Command, "#")
		content := text
		if file != "" {
			at := filepath.Join(root, filepath.Dir(filepath.FromSlash(page)), filepath.FromSlash(file))
			info, err := os.Stat(at)
			if err != nil {
				out = append(out, fmt.Sprintf("%s: the link %s leads to no file", l.Place(), l.Command))
				continue
			}
			if content = nil; !info.IsDir() {
				if content, err = os.ReadFile(at); err != nil {
					out = append(out, fmt.Sprintf("%s: %v", l.Place(), err))
					continue
				}
			}
		}
		if heading != "" && !hasHeading(content, heading) {
			out = append(out, fmt.Sprintf("%s: the link %s leads to no heading", l.Place(), l.Command))
		}
	}
	return out
}

// hasHeading says whether a heading of the page has this anchor, by GitHub's rule.
func hasHeading(text []byte, anchor string) bool {
	drop := regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	for line := range strings.Lines(string(text)) {
		title, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " ")
		if ok && strings.HasPrefix(line, "#") {
			slug := strings.ReplaceAll(drop.ReplaceAllString(strings.ToLower(strings.TrimSpace(title)), ""), " ", "-")
			if slug == anchor {
				return true
			}
		}
	}
	return false
}

// Blocks returns the fenced blocks of a page that are in the given language.
func Blocks(text []byte, language string) []string {
	var out []string
	var block strings.Builder
	fence := ""
	for line := range strings.Lines(string(text)) {
		switch trimmed := strings.TrimSpace(line); {
		case fence == "" && strings.HasPrefix(trimmed, "```"):
			fence = strings.TrimPrefix(trimmed, "```")
			if fence == "" {
				fence = "text"
			}
			block.Reset()
		case trimmed == "```":
			if fence == language {
				out = append(out, block.String())
			}
			fence = ""
		default:
			block.WriteString(line)
		}
	}
	return out
}
