package history

import "math"

// The walks of this file never recurse and visit a node a bounded number of
// times, so that neither a deep history nor a hostile one (a commit among its
// own ancestors) can stop them.

// endless is the generation of a commit that is, or descends from, one among
// its own ancestors. No honest history has such a commit.
const endless = math.MaxInt32

// generations gives every node its generation: 1 for a root, else one more
// than the greatest of its parents', so that an ancestor's is always smaller.
// Walks use it to stop early. It returns whether a commit that others descended
// from has got other parents: all that hangs on ancestry is then in doubt.
func (g *dag) generations() (reshaped bool) {
	for _, t := range g.touched {
		if t.edges {
			g.at(t.n).gen = 0
			reshaped = reshaped || g.has(t.n, isParent)
		}
	}
	from := g.settled
	if reshaped {
		from = 0
		for n := range g.count {
			g.at(n).gen = 0
		}
	}
	for _, t := range g.touched {
		g.generation(t.n)
	}
	for n := from; n < g.size(); n++ {
		g.generation(int32(n))
	}
	return reshaped
}

const entered = -1 // generation of a node whose ancestors are being looked at

func (g *dag) generation(start int32) {
	stack := append(g.walker.queue[:0], start)
	for len(stack) > 0 {
		n := stack[len(stack)-1]
		if g.at(n).gen > 0 {
			stack = stack[:len(stack)-1]
			continue
		}
		g.at(n).gen = entered
		deepest, ready := int32(0), true
		g.parents(n, func(p int32) {
			switch gen := g.at(p).gen; gen {
			case 0:
				stack = append(stack, p)
				ready = false
			case entered:
				deepest = endless
			default:
				deepest = max(deepest, gen)
			}
			g.at(p).flags |= isParent
		})
		if ready {
			g.at(n).gen = deepest
			if deepest < endless {
				g.at(n).gen++
			}
		}
	}
	g.walker.queue = stack
}

// label walks from start through everything that has no label yet and gives it
// the label; it returns the nodes that it reached. Because whatever has a label
// has labelled ancestors, the walk may stop at the first label: over all
// deployments of a lane each commit is visited once.
func (g *dag) label(labels []int32, start, label int32) []int32 {
	if labels[start] != none {
		return nil
	}
	labels[start] = label
	out := append(g.walker.queue[:0], start)
	for i := 0; i < len(out); i++ {
		g.parents(out[i], func(p int32) {
			if labels[p] == none {
				labels[p] = label
				out = append(out, p)
			}
		})
	}
	g.walker.queue = out
	return append(make([]int32, 0, len(out)), out...)
}

// contains reports whether tip has n among its ancestors or is n.
func (g *dag) contains(tip, n int32) bool {
	w, least := &g.walker, g.at(n).gen
	w.begin(g.size())
	w.mark[tip] = w.epoch
	queue := append(w.queue[:0], tip)
	found := tip == n
	for len(queue) > 0 && !found {
		v := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		g.parents(v, func(p int32) {
			found = found || p == n
			if gen := g.at(p).gen; w.mark[p] < w.epoch && (gen > least || gen == endless) {
				w.mark[p] = w.epoch
				queue = append(queue, p)
			}
		})
	}
	w.queue = queue
	return found
}

// difference lists the commits that the tips contain and base does not (base
// may be none). When there are more than most it gives up and returns false.
func (g *dag) difference(base int32, tips []int32, most int) ([]int32, bool) {
	w := &g.walker
	w.begin(g.size())
	w.heap, w.open = w.heap[:0], 0
	if base != none {
		g.paint(base, sideBase)
	}
	for _, t := range tips {
		g.paint(t, sideTips)
	}
	var out []int32
	for w.open > 0 {
		n := g.latest()
		side := w.mark[n] - w.epoch
		w.mark[n] += walked
		if side == sideTips {
			w.open--
			if out = append(out, n); len(out) > most {
				return nil, false
			}
		}
		g.parents(n, func(p int32) { g.paint(p, side) })
	}
	// Where a commit is among its own ancestors, base may have come to it late.
	kept := out[:0]
	for _, n := range out {
		if w.mark[n] == w.epoch+sideTips+walked {
			kept = append(kept, n)
		}
	}
	return kept, true
}

// walker is the scratch space of walks over one graph.
type walker struct {
	queue []int32
	heap  []queued
	open  int      // queued nodes that base has not been seen to contain
	mark  []uint32 // less than epoch: not seen by this walk; else epoch + a side (+ walked)
	epoch uint32
}

type queued struct{ gen, n int32 }

// What a walk knows of a node, added to its epoch.
const (
	sideTips = 0
	sideBase = 1
	walked   = 2
)

func (w *walker) begin(n int) {
	if w.epoch > math.MaxUint32-8 {
		clear(w.mark)
		w.epoch = 0
	}
	w.epoch += 4
	if n > len(w.mark) {
		w.mark = append(w.mark, make([]uint32, n-len(w.mark))...)
	}
}

// paint says from which side a node was seen, and queues it when that is news.
func (g *dag) paint(n int32, side uint32) {
	w := &g.walker
	switch known := w.mark[n]; {
	case known < w.epoch:
	case side == sideTips || known == w.epoch+sideBase || known == w.epoch+sideBase+walked:
		return
	case known == w.epoch+sideTips: // still queued
		w.mark[n] = w.epoch + sideBase
		w.open--
		return
	}
	w.mark[n] = w.epoch + side
	if side == sideTips {
		w.open++
	}
	w.heap = append(w.heap, queued{g.at(n).gen, n})
	for i := len(w.heap) - 1; i > 0; {
		up := (i - 1) / 2
		if !g.later(w.heap[i], w.heap[up]) {
			break
		}
		w.heap[i], w.heap[up] = w.heap[up], w.heap[i]
		i = up
	}
}

// latest takes the node of the greatest generation from the heap.
func (g *dag) latest() int32 {
	h := g.walker.heap
	top, last := h[0].n, len(h)-1
	h[0] = h[last]
	h = h[:last]
	for i := 0; ; {
		down := 2*i + 1
		if down >= len(h) {
			break
		}
		if down+1 < len(h) && g.later(h[down+1], h[down]) {
			down++
		}
		if !g.later(h[down], h[i]) {
			break
		}
		h[i], h[down] = h[down], h[i]
		i = down
	}
	g.walker.heap = h
	return top
}

// later orders the heap. Among honest commits the generation is enough; among
// endless ones the order shows, and the hash keeps it the same for all.
func (g *dag) later(a, b queued) bool {
	if a.gen != b.gen || a.gen != endless {
		return a.gen > b.gen
	}
	return compareSHA(g.at(a.n).sha, g.at(b.n).sha) > 0
}
