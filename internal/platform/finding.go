package platform

import (
	"fmt"
	"strings"
)

// Finding is one fault of the inventory: where, what, and how to mend it.
type Finding struct {
	Field  string // for example components[grafana].source.chart.version
	Detail string
	Mend   string
}

// String is the finding on one line.
func (f Finding) String() string {
	return fmt.Sprintf("%s: %s; %s", f.Field, f.Detail, f.Mend)
}

// Invalid is the error of an inventory with faults: all that were found, in the order of the file.
type Invalid struct{ Findings []Finding }

// Error lists the faults, one a line.
func (e *Invalid) Error() string {
	lines := make([]string, len(e.Findings))
	for i, f := range e.Findings {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}

// near is the known word that is closest to a wrong one, or "" when none is close.
func near(word string, known []string) string {
	best, distance := "", len(word)/2+1
	for _, k := range known {
		if d := edits(word, k); d < distance {
			best, distance = k, d
		}
	}
	return best
}

// edits is the Levenshtein distance of two words.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// oneOf says which names there are, the near one first.
func oneOf(word string, known []string) string {
	if n := near(word, known); n != "" {
		return "did you mean " + n + "? Known: " + strings.Join(known, ", ")
	}
	return "known: " + strings.Join(known, ", ")
}
