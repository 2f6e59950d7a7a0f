// Package patch reads a unified diff for showing: hunks of lines with their numbers on either side. It is made to
// show whatever it is given; a text that is no diff comes out as one hunk of plain lines.
package patch

import (
	"regexp"
	"strconv"
	"strings"
)

// Kind is what a line of a diff is.
type Kind byte

// The kinds of line.
const (
	Same    Kind = ' '
	Added   Kind = '+'
	Removed Kind = '-'
	Note    Kind = '\\' // such as "No newline at end of file"
)

// Line is one line of a diff. Old and New are its numbers on either side, 0 where it is not there.
type Line struct {
	Kind     Kind
	Old, New int
	Text     string // without the sign in front
}

// Hunk is a run of lines. Head is what the diff says of it, such as the function it is in.
type Hunk struct {
	Head  string
	Lines []Line
}

// Patch is a diff as far as it was read. More counts the lines that were left out.
type Patch struct {
	Hunks          []Hunk
	More           int
	Added, Removed int // of the whole text
}

var hunkHead = regexp.MustCompile(`^@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@ ?(.*)$`)

// Parse reads a diff of one file, at most so many lines of it; most 0 reads all.
func Parse(text string, most int) Patch {
	var p Patch
	if strings.TrimSpace(text) == "" {
		return p
	}
	text = strings.TrimSuffix(text, "\n")
	oldLine, newLine := 1, 1
	headed := strings.Contains("\n"+text, "\n@@ -")
	open := !headed // a diff without heads is one hunk from its first line
	for line := range strings.SplitSeq(text, "\n") {
		if m := hunkHead.FindStringSubmatch(line); m != nil {
			oldLine, newLine = number(m[1]), number(m[3])
			p.Hunks = append(p.Hunks, Hunk{Head: m[5]})
			open = true
			continue
		}
		if !open || len(p.Hunks) == 0 && fileHead(line) {
			continue // what git writes before the first hunk
		}
		if len(p.Hunks) == 0 {
			p.Hunks = []Hunk{{}}
		}
		l := read(line, &oldLine, &newLine)
		switch l.Kind {
		case Added:
			p.Added++
		case Removed:
			p.Removed++
		}
		if most > 0 && p.shown() >= most {
			p.More++
			continue
		}
		h := &p.Hunks[len(p.Hunks)-1]
		h.Lines = append(h.Lines, l)
	}
	kept := p.Hunks[:0]
	for _, h := range p.Hunks {
		if len(h.Lines) > 0 {
			kept = append(kept, h)
		}
	}
	p.Hunks = kept
	return p
}

func (p Patch) shown() int {
	n := 0
	for _, h := range p.Hunks {
		n += len(h.Lines)
	}
	return n
}

func fileHead(line string) bool {
	return strings.HasPrefix(line, "--- ") || strings.HasPrefix(line, "+++ ") || strings.HasPrefix(line, "diff ") || strings.HasPrefix(line, "index ")
}

func read(line string, oldLine, newLine *int) Line {
	if line == "" {
		line = " "
	}
	l := Line{Kind: Kind(line[0]), Text: line[1:]}
	switch l.Kind {
	case Added:
		l.New = *newLine
		*newLine++
	case Removed:
		l.Old = *oldLine
		*oldLine++
	case Note:
		l.Text = strings.TrimSpace(l.Text)
	case Same:
		l.Old, l.New = *oldLine, *newLine
		*oldLine++
		*newLine++
	default: // no diff at all
		l.Kind, l.Text = Same, line
		l.Old, l.New = *oldLine, *newLine
		*oldLine++
		*newLine++
	}
	return l
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0 // at most nine digits, so never
	}
	return n
}
