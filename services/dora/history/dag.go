package history

import (
	"slices"
	"strconv"

	"github.com/fawkes-idp/fawkes/services/dora/event"
)

// dag is the commit graph of one repository on dense integers. A commit that
// was only referred to (as a parent, or by a pull request) is a node too,
// without the present flag; it is completed when it is reported.
//
// Node numbers follow the order of arrival, so nothing that is derived may
// depend on them.
type dag struct {
	chunks  []*chunk
	count   int32
	table   table
	more    map[int32][]int32 // third and further parents of octopus merges
	held    map[int32][]int32 // ancestors that are known without the way to them
	touches []uint64          // bit per declared service with paths; nil unless there are some
	long    map[SHA]string    // texts of hashes of other than 40 digits
	short   map[uint16][]int32
	indexed int // how many nodes short covers
	commits int // how many are present

	// What happened since the last settling: nodes from settled on are new, and
	// touched are changes to older ones.
	settled int
	touched []touch
	walker  walker
}

// node is a commit in one cache line.
type node struct {
	sha       SHA
	p1, p2    int32 // first and second parent, none for -1
	gen       int32 // see generations
	pr        int32 // slot of the pull request that it belongs to, -1 for none
	authored  Time
	committed Time
	author    AuthorRef
	flags     nodeFlags
}

// chunk is some nodes in a row. Nodes stay where they are when more come.
type chunk [chunkSize]node

const chunkSize = 256

// at is the node of a number; size is how many there are.
func (g *dag) at(n int32) *node { return &g.chunks[uint32(n)/chunkSize][uint32(n)%chunkSize] }
func (g *dag) size() int        { return int(g.count) }

type nodeFlags uint8

const (
	present      nodeFlags = 1 << iota // reported, not only referred to
	parentsKnown                       // a report carried the parents
	pathsKnown                         // a report carried the paths
	isMerge                            // two parents or more
	isParent                           // a settled commit has it as a parent
)

const none = int32(-1)

// touch is a change to a node that something may have been derived from.
type touch struct {
	n     int32
	was   Time // committed before
	edges bool // the parents changed
	dated bool // it was reported for the first time, or the authored time changed
}

func newDAG() *dag {
	return &dag{table: newTable(), more: map[int32][]int32{}, held: map[int32][]int32{}, long: map[SHA]string{}}
}

func (g *dag) has(n int32, f nodeFlags) bool { return g.at(n).flags&f != 0 }

// node returns the number of a hash, making a node when it is new.
func (g *dag) node(h SHA) int32 {
	if n := g.table.find(g, &h); n != none {
		return n
	}
	n := g.count
	if int(n)%chunkSize == 0 {
		g.chunks = append(g.chunks, new(chunk))
	}
	g.count++
	*g.at(n) = node{sha: h, p1: none, p2: none, pr: none}
	g.table.put(g, n)
	if g.touches != nil {
		g.touches = append(g.touches, 0)
	}
	return n
}

// refer returns the number of the commit that a text names, for those who keep
// it; none for "".
func (g *dag) refer(text string) int32 {
	if text == "" {
		return none
	}
	return g.node(g.key(text))
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

// text is the hash of a node as its source writes it.
func (g *dag) text(n int32) string { return g.at(n).sha.Text(g.long) }

// reported returns the reported commit that a node stands for: itself, or the
// only one that it abbreviates; none when there is no such commit.
func (g *dag) reported(n int32) int32 {
	if n == none || g.has(n, present) {
		return n
	}
	if len(g.long) > 0 {
		if text, ok := g.long[g.at(n).sha]; ok {
			return g.expand(text)
		}
	}
	return none
}

// lookup finds a reported commit by its hash, or by a unique abbreviation of it.
func (g *dag) lookup(text string) int32 {
	h := ParseSHA(text)
	if n := g.table.find(g, &h); n != none && g.has(n, present) {
		return n
	}
	if len(text) == 40 {
		return none
	}
	return g.expand(text)
}

// expand finds the only reported commit whose hash begins with text.
func (g *dag) expand(text string) int32 {
	if g.short == nil {
		g.short = map[uint16][]int32{}
	}
	for ; g.indexed < g.size(); g.indexed++ {
		k := prefix(g.text(int32(g.indexed)))
		g.short[k] = append(g.short[k], int32(g.indexed))
	}
	found := none
	for _, n := range g.short[prefix(text)] {
		if full := g.text(n); !g.has(n, present) || len(full) <= len(text) || full[:len(text)] != text {
			continue
		}
		if found != none {
			return none // ambiguous
		}
		found = n
	}
	return found
}

// prefix is the first four digits of a hash, which every abbreviation has.
func prefix(text string) uint16 {
	v, err := strconv.ParseUint(text[:min(4, len(text))], 16, 16)
	if err != nil {
		return 0 // not a hash; it will match nothing
	}
	return uint16(v)
}

// parents calls f with each known parent of n, and with the ancestors that are
// known without the way to them: what n contains is what these contain.
func (g *dag) parents(n int32, f func(int32)) {
	g.ownParents(n, f)
	if len(g.held) > 0 {
		for _, p := range g.held[n] {
			f(p)
		}
	}
}

// ownParents calls f with each known parent of n.
func (g *dag) ownParents(n int32, f func(int32)) {
	v := g.at(n)
	if v.p1 != none {
		f(v.p1)
	}
	if v.p2 != none {
		f(v.p2)
		if len(g.more) > 0 {
			for _, p := range g.more[n] {
				f(p)
			}
		}
	}
}

// add merges one report of a commit. A commit is named by its content, so
// honest reports differ only in how much they tell: they merge field by field,
// and of two lists of parents the longer is believed, then the greater.
func (g *dag) add(c *event.PackedCommit, author AuthorRef, touched uint64) {
	n := g.node(g.hashKey(c.SHA))
	before := *g.at(n)
	paths := uint64(0)
	if g.touches != nil {
		paths = g.touches[n]
		g.touches[n] |= touched
	}
	v := g.at(n)
	v.flags |= present
	if before.flags&present == 0 {
		g.commits++
	}
	if c.KnowsPaths() {
		v.flags |= pathsKnown
	}
	// The earlier of two authored times (a host that knows only the committed
	// one reports that), the later of two committed, the greater of two authors.
	if t := c.AuthoredAt; t != 0 && (v.authored == 0 || t < v.authored) {
		v.authored = t
	}
	v.committed = max(v.committed, c.CommittedAt)
	v.author = max(v.author, author)
	edges := c.KnowsParents() && g.mergeParents(n, c.Parents)
	if len(c.Ancestors) > 0 && g.mergeHeld(n, c.Ancestors) {
		edges = true
	}
	if int(n) < g.settled && (edges || *v != before || g.touches != nil && g.touches[n] != paths) {
		g.touched = append(g.touched, touch{n: n, was: before.committed, edges: edges,
			dated: before.flags&present == 0 || before.authored != v.authored})
	}
}

func (g *dag) mergeParents(n int32, hashes []event.Hash) bool {
	if g.has(n, parentsKnown) {
		var have, next []SHA
		g.ownParents(n, func(p int32) { have = append(have, g.at(p).sha) })
		for _, h := range hashes {
			next = append(next, g.hashKey(h))
		}
		if len(next) < len(have) || len(next) == len(have) && slices.CompareFunc(next, have, compareSHA) <= 0 {
			return false
		}
		delete(g.more, n)
	}
	for i, h := range hashes {
		p := g.node(g.hashKey(h))
		switch i {
		case 0:
			g.at(n).p1 = p
		case 1:
			g.at(n).p2 = p
			g.at(n).flags |= isMerge
		default:
			g.more[n] = append(g.more[n], p)
		}
	}
	g.at(n).flags |= parentsKnown
	return true
}

// mergeHeld adds ancestors to those that are known; they are true for good,
// also beside the parents.
func (g *dag) mergeHeld(n int32, hashes []event.Hash) bool {
	changed := false
	for _, h := range hashes {
		if p := g.node(g.hashKey(h)); p != n && !slices.Contains(g.held[n], p) {
			g.held[n] = append(g.held[n], p)
			changed = true
		}
	}
	return changed
}

func compareSHA(a, b SHA) int { return slices.Compare(a[:], b[:]) }

// inOrder orders commits by time, then by hash.
func (g *dag) inOrder(a, b int32) int {
	x, y := g.at(a), g.at(b)
	switch {
	case x.committed < y.committed:
		return -1
	case x.committed > y.committed:
		return 1
	}
	return slices.Compare(x.sha[:], y.sha[:])
}
