package gitlog

import (
	"bytes"
	"sort"
)

// Frontier follows a walk and knows its tips: the commits that no other commit of the walk has as a
// parent. As a walk gives parents first, the tips stand for all that was walked so far, and a walk
// with Range.Not set to them goes on where this one stopped.
type Frontier struct{ tips map[string]struct{} }

// NewFrontier starts with the tips that were known before the walk.
func NewFrontier(known []string) *Frontier {
	f := &Frontier{tips: make(map[string]struct{}, len(known)+8)}
	for _, tip := range known {
		f.tips[tip] = struct{}{}
	}
	return f
}

// Add takes one commit into the frontier.
func (f *Frontier) Add(c *Commit) {
	for rest := c.Parents; len(rest) > 0; {
		parent, after, _ := bytes.Cut(rest, []byte{' '})
		delete(f.tips, string(parent))
		rest = after
	}
	f.tips[string(c.SHA)] = struct{}{}
}

// Tips gives the tips in order of their names.
func (f *Frontier) Tips() []string {
	out := make([]string, 0, len(f.tips))
	for tip := range f.tips {
		out = append(out, tip)
	}
	sort.Strings(out)
	return out
}
