package docs

import (
	"fmt"
	"strings"
)

// Region returns the text between <!-- name --> and <!-- /name --> of a page.
func Region(page, name string) (string, error) {
	_, inside, _, err := cut(page, name)
	return inside, err
}

// SetRegion replaces the text between <!-- name --> and <!-- /name -->.
func SetRegion(page, name, text string) (string, error) {
	before, _, after, err := cut(page, name)
	return before + text + after, err
}

func cut(page, name string) (before, inside, after string, err error) {
	opening, closing := "<!-- "+name+" -->\n", "<!-- /"+name+" -->"
	before, rest, ok := strings.Cut(page, opening)
	inside, after, closed := strings.Cut(rest, closing)
	if !ok || !closed {
		return "", "", "", fmt.Errorf("no region %s … %s in the page", strings.TrimSpace(opening), closing)
	}
	return before + opening, inside, closing + after, nil
}

// Table writes a Markdown table.
func Table(head []string, rows [][]string) string {
	var out strings.Builder
	row := func(cells []string) {
		for i, c := range cells {
			cells[i] = strings.ReplaceAll(strings.ReplaceAll(c, "|", `\|`), "\n", " ")
		}
		out.WriteString("| " + strings.Join(cells, " | ") + " |\n")
	}
	row(head)
	out.WriteString(strings.Repeat("|---", len(head)) + "|\n")
	for _, cells := range rows {
		row(cells)
	}
	return out.String()
}
