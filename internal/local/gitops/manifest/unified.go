package manifest

import (
	"fmt"
	"strings"
)

// context is how many equal lines stand around a change.
const context = 3

// mostCompared bounds the lines of which the least difference is looked for;
// beyond it the whole text is replaced.
const mostCompared = 4000

// Unified is the difference of two texts as `diff -u` writes it, "" for none.
func Unified(fromName, toName, from, to string) string {
	if from == to {
		return ""
	}
	a, b := lines(from), lines(to)
	ops := script(a, b)
	var out strings.Builder
	fmt.Fprintf(&out, "--- %s\n+++ %s\n", fromName, toName)
	for begin := 0; begin < len(ops); {
		if ops[begin].kind == ' ' {
			begin++
			continue
		}
		first := max(begin-context, 0)
		last, quiet := begin, 0
		for end := begin; end < len(ops) && quiet <= 2*context; end++ {
			if ops[end].kind == ' ' {
				quiet++
			} else {
				last, quiet = end, 0
			}
		}
		end := min(last+1+context, len(ops))
		hunk(&out, ops[first:end])
		begin = end
	}
	return out.String()
}

type op struct {
	kind byte // ' ', '-', '+'
	text string
	a, b int // lines before it, of either text
}

func hunk(out *strings.Builder, ops []op) {
	var removed, added int
	for _, o := range ops {
		if o.kind != '+' {
			removed++
		}
		if o.kind != '-' {
			added++
		}
	}
	fmt.Fprintf(out, "@@ -%s +%s @@\n", span(ops[0].a, removed), span(ops[0].b, added))
	for _, o := range ops {
		out.WriteByte(o.kind)
		out.WriteString(o.text)
		out.WriteByte('\n')
	}
}

func span(before, n int) string {
	switch n {
	case 0:
		return fmt.Sprintf("%d,0", before)
	case 1:
		return fmt.Sprint(before + 1)
	}
	return fmt.Sprintf("%d,%d", before+1, n)
}

// script is the way from a to b by their longest common subsequence.
func script(a, b []string) []op {
	var ops []op
	x, y := 0, 0
	keep := func() { ops = append(ops, op{' ', a[x], x, y}); x++; y++ }
	drop := func() { ops = append(ops, op{'-', a[x], x, y}); x++ }
	add := func() { ops = append(ops, op{'+', b[y], x, y}); y++ }
	for x < len(a) && y < len(b) && a[x] == b[y] {
		keep()
	}
	if (len(a)-x)*(len(b)-y) <= mostCompared*mostCompared/4 {
		table := common(a[x:], b[y:])
		fromX, fromY := x, y
		for x < len(a) && y < len(b) {
			switch i, j := x-fromX, y-fromY; {
			case a[x] == b[y]:
				keep()
			case table[i+1][j] >= table[i][j+1]:
				drop()
			default:
				add()
			}
		}
	}
	for x < len(a) {
		drop()
	}
	for y < len(b) {
		add()
	}
	return ops
}

// common is, for each pair of tails, how many lines they have in common.
func common(a, b []string) [][]int32 {
	table := make([][]int32, len(a)+1)
	for i := range table {
		table[i] = make([]int32, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				table[i][j] = table[i+1][j+1] + 1
			} else {
				table[i][j] = max(table[i+1][j], table[i][j+1])
			}
		}
	}
	return table
}

func lines(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(s, "\n"), "\n")
}
