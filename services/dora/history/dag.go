package history

import (
	"slices"

	"github.com/fawkes-idp/fawkes/services/dora/event"
)

// dag is the commit graph of one repository on dense integers. A commit that
// was only referred to (as a parent, by a pull request, by a deployment) is a
// node too, without the present flag; it is completed when it is reported.
type dag struct {
	ids map[SHA]int32
	sha []SHA
	// first and second parents, none for -1; octopus merges keep the rest aside.
	p1, p2    []int32
	more      map[int32][]int32
	authored  []Time
	committed []Time
	author    []AuthorRef
	flags     []nodeFlags
	touches   []uint64 // bit per declared service with paths; nil unless there are some
	long      map[SHA]string
	mark      []uint32 // scratch of walk: the epoch in which a node was visited
	epoch     uint32

	// structure counts changes to nodes that something may have built on
	// already; growth counts nodes added at the edge.
	structure, growth uint64
}

type nodeFlags uint8

const (
	present      nodeFlags = 1 << iota // reported, not only referred to
	parentsKnown                       // the report carried the parents
	pathsKnown                         // the report carried the paths
	isMerge                            // two parents or more
	referred                           // someone holds the node's number
)

const none = int32(-1)

func newDAG() *dag {
	return &dag{ids: map[SHA]int32{}, more: map[int32][]int32{}, long: map[SHA]string{}}
}

// node returns the number of a hash, making a node when it is new.
func (g *dag) node(h SHA) int32 {
	if n, ok := g.ids[h]; ok {
		return n
	}
	n := int32(len(g.sha))
	g.ids[h] = n
	g.sha = append(g.sha, h)
	g.p1, g.p2 = append(g.p1, none), append(g.p2, none)
	g.authored, g.committed = append(g.authored, 0), append(g.committed, 0)
	g.author = append(g.author, 0)
	g.flags = append(g.flags, 0)
	if g.touches != nil {
		g.touches = append(g.touches, 0)
	}
	return n
}

// refer is node for those who keep the number.
func (g *dag) refer(text string) int32 {
	n := g.node(g.key(text))
	g.flags[n] |= referred
	return n
}

// key folds a hash's text and remembers texts that cannot be read back.
func (g *dag) key(text string) SHA {
	h := ParseSHA(text)
	if len(text) != 40 {
		g.long[h] = text
	}
	return h
}

func (g *dag) hashKey(h event.Hash) SHA {
	if h.Digits == 40 {
		return SHA(h.Raw)
	}
	return g.key(h.String())
}

// lookup finds a reported commit by its hash, or by a unique abbreviation of it.
func (g *dag) lookup(text string) int32 {
	if n, ok := g.ids[ParseSHA(text)]; ok && g.flags[n]&present != 0 {
		return n
	}
	if len(text) >= 40 {
		return none
	}
	found := none
	for n, h := range g.sha {
		if g.flags[n]&present == 0 {
			continue
		}
		if full := h.Text(g.long); len(full) > len(text) && full[:len(text)] == text {
			if found != none {
				return none // ambiguous
			}
			found = int32(n)
		}
	}
	return found
}

// parents calls f with each known parent of n.
func (g *dag) parents(n int32, f func(int32)) {
	if p := g.p1[n]; p != none {
		f(p)
	}
	if p := g.p2[n]; p != none {
		f(p)
		if g.flags[n]&isMerge != 0 {
			for _, p := range g.more[n] {
				f(p)
			}
		}
	}
}

// add merges one report of a commit. A commit is named by its content, so
// honest reports differ only in how much they tell: they merge field by field,
// and of two lists of parents the longer is believed.
func (g *dag) add(c *event.PackedCommit, author AuthorRef, touched uint64) bool {
	h := g.hashKey(c.SHA)
	n, existed := g.ids[h]
	if !existed {
		n = g.node(h)
		g.growth++
	}
	before := g.flags[n]
	changed := !existed
	if g.mergeTimes(n, c, author) {
		changed = true
	}
	if c.KnowsParents() && g.mergeParents(n, c.Parents) {
		changed = true
	}
	if c.KnowsPaths() && before&pathsKnown == 0 {
		g.flags[n] |= pathsKnown
		changed = true
	}
	if g.touches != nil && g.touches[n]|touched != g.touches[n] {
		g.touches[n] |= touched
		changed = true
	}
	g.flags[n] |= present
	if before&present == 0 {
		changed = true
	}
	if changed && existed {
		g.structure++
	}
	return changed
}

// mergeTimes merges times and author field by field: the earlier of two
// authored times (a host that knows only the committed time reports that one),
// the later of two committed ones, the greater of two authors.
func (g *dag) mergeTimes(n int32, c *event.PackedCommit, author AuthorRef) bool {
	was := [...]int64{int64(g.authored[n]), int64(g.committed[n]), int64(g.author[n])}
	if t := c.AuthoredAt; t != 0 && (g.authored[n] == 0 || t < g.authored[n]) {
		g.authored[n] = t
	}
	g.committed[n] = max(g.committed[n], c.CommittedAt)
	g.author[n] = max(g.author[n], author)
	return was != [...]int64{int64(g.authored[n]), int64(g.committed[n]), int64(g.author[n])}
}

func (g *dag) mergeParents(n int32, hashes []event.Hash) bool {
	if g.flags[n]&parentsKnown != 0 {
		have := g.parentKeys(n)
		next := make([]SHA, len(hashes))
		for i, h := range hashes {
			next[i] = g.hashKey(h)
		}
		if len(next) < len(have) || len(next) == len(have) && slices.CompareFunc(next, have, compareSHA) <= 0 {
			return false
		}
	}
	g.flags[n] |= parentsKnown
	g.p1[n], g.p2[n] = none, none
	delete(g.more, n)
	if len(hashes) > 1 {
		g.flags[n] |= isMerge
	}
	for i, h := range hashes {
		p := g.node(g.hashKey(h))
		g.flags[p] |= referred
		switch i {
		case 0:
			g.p1[n] = p
		case 1:
			g.p2[n] = p
		default:
			g.more[n] = append(g.more[n], p)
		}
	}
	return true
}

func (g *dag) parentKeys(n int32) []SHA {
	var out []SHA
	g.parents(n, func(p int32) { out = append(out, g.sha[p]) })
	return out
}

func compareSHA(a, b SHA) int { return slices.Compare(a[:], b[:]) }

// label walks from start through everything that has no label yet and gives it
// the label; it returns the nodes in the order of the walk. Because whatever
// has a label has labelled ancestors, the walk may stop at the first label:
// over all deployments of a lane each commit is visited once.
func (g *dag) label(labels []int32, start, label int32) []int32 {
	if labels[start] != none {
		return nil
	}
	labels[start] = label
	out := []int32{start}
	for i := 0; i < len(out); i++ {
		g.parents(out[i], func(p int32) {
			if labels[p] == none {
				labels[p] = label
				out = append(out, p)
			}
		})
	}
	return out
}

// contains reports whether tip has n among its ancestors or is n.
func (g *dag) contains(tip, n int32) bool {
	found := tip == n
	if !found {
		g.walk(tip, func(v int32) bool {
			found = v == n
			return !found
		})
	}
	return found
}

// walk visits tip and its ancestors, each once, until visit returns false.
func (g *dag) walk(tip int32, visit func(int32) bool) {
	for len(g.mark) < len(g.sha) {
		g.mark = append(g.mark, 0)
	}
	g.epoch++
	g.mark[tip] = g.epoch
	queue := []int32{tip}
	for len(queue) > 0 {
		v := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		if !visit(v) {
			return
		}
		g.parents(v, func(p int32) {
			if g.mark[p] != g.epoch {
				g.mark[p] = g.epoch
				queue = append(queue, p)
			}
		})
	}
}

// unlabelled is a fresh set of labels, one a node.
func (g *dag) unlabelled() []int32 { return growLabels(nil, len(g.sha)) }

// growLabels extends labels to n nodes.
func growLabels(labels []int32, n int) []int32 {
	for len(labels) < n {
		labels = append(labels, none)
	}
	return labels
}
