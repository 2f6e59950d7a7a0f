package history

import (
	"cmp"
	"math"
	"slices"
)

// deliveries says with which deployment of a lane each pull request of a
// repository arrived, counted as the devlake-2023 profile counts: by the commit
// difference between a deployment and the one that started before it.
type deliveries struct {
	to     []int32  // slot -> index into starts, or nowhere, or atFirst
	starts []held   // the lane's deployments from the repository, as they started
	heirs  []uint8  // memo of holdsFirst
	again  []replay // deployments that can bring again what the first brought
}

// Where a pull request stands that no deployment brought.
const (
	nowhere = int32(-1) // its merge commit is in no deployment
	atFirst = int32(-2) // it is in the first, which has no difference
)

// replay is a deployment whose difference holds commits of the first one.
type replay struct {
	from, to int32 // commits
	index    int32 // in the order of starting
	nodes    []int32
}

// deliver finds, for each merged pull request, the earliest started deployment
// whose commits, less those of the previous one by start, hold its merge
// commit. That is where the commit is first reached, except that the first
// deployment has no previous one: what it holds can be delivered later all the
// same, by a deployment that follows one without it (a rollback beyond it, say).
// The slots whose delivery changed are marked as shown.
func (lr *laneRepo) deliver() {
	g, r := lr.repo.dag, lr.repo
	order, labels := slices.Clone(lr.order), lr.labels
	slices.SortStableFunc(order, func(a, b *row) int { return cmp.Compare(a.started(), b.started()) })
	heirs := lr.heirs
	if !slices.Equal(order, lr.order) {
		labels, heirs = g.unlabelled(), make([]uint8, g.size())
		for i, row := range order {
			g.label(labels, row.node, int32(i))
		}
	}
	starts := make([]held, len(order))
	for i, row := range order {
		starts[i] = heldOf(row)
		starts[i].started = row.started()
	}
	to := make([]int32, len(r.pulls))
	first := map[int32][]int32{} // merge commits of the first deployment -> slots
	for slot, p := range r.pulls {
		to[slot] = nowhere
		if p.claim.merge == none {
			continue
		}
		if n := p.claim.merge; int(n) < len(labels) {
			to[slot] = labels[n]
		}
		if to[slot] == 0 {
			to[slot] = atFirst
			first[p.claim.merge] = append(first[p.claim.merge], int32(slot))
		}
	}
	if len(first) == 0 {
		lr.again = nil // nobody keeps it up with the graph meanwhile
	} else {
		lr.replays(order, labels, heirs)
		for _, a := range lr.again {
			for _, n := range a.nodes {
				for _, slot := range first[n] {
					if to[slot] == atFirst {
						to[slot] = a.index
					}
				}
			}
		}
	}
	for slot, at := range to {
		was := nowhere
		if slot < len(lr.to) {
			was = lr.to[slot]
		}
		if was != at && (was < 0 || at < 0) || at >= 0 && !lr.starts[was].same(starts[at]) {
			r.shown[int32(slot)] = struct{}{}
		}
	}
	lr.to, lr.starts = to, starts
}

// replays finds the deployments that follow one without the first deployment's
// commit, with those of the first one's commits that they bring back.
func (lr *laneRepo) replays(order []*row, labels []int32, heirs []uint8) {
	g := lr.repo.dag
	known := map[[2]int32][]int32{}
	for _, a := range lr.again {
		known[[2]int32{a.from, a.to}] = a.nodes
	}
	// What is known holds while the graph under it and the first deployment do.
	fresh := len(lr.repo.moved) > 0 || len(lr.starts) == 0 || lr.starts[0].node != order[0].node
	lr.again = lr.again[:0]
	for i := 1; i < len(order); i++ {
		from, to := order[i-1].node, order[i].node
		if from == to || g.holdsFirst(from, order[0].node, labels, heirs) {
			continue
		}
		nodes, ok := known[[2]int32{from, to}]
		if !ok || fresh {
			nodes, _ = g.difference(from, []int32{to}, math.MaxInt)
			nodes = slices.Clone(slices.DeleteFunc(nodes, func(n int32) bool { return labels[n] != 0 }))
		}
		lr.again = append(lr.again, replay{from: from, to: to, index: int32(i), nodes: nodes})
	}
}

// What is known of whether a commit has the first deployment's as an ancestor.
const (
	unknown = uint8(iota)
	holds
	lacks
	looking
)

// holdsFirst reports whether n has first among its ancestors or is it. What it
// learns of the nodes in between it leaves in heirs.
func (g *dag) holdsFirst(n, first int32, labels []int32, heirs []uint8) bool {
	if g.at(n).gen == endless {
		return g.contains(n, first)
	}
	heirs[first] = holds
	stack := append(g.walker.queue[:0], n)
	for len(stack) > 0 {
		v := stack[len(stack)-1]
		if heirs[v] == unknown && labels[v] == 0 {
			heirs[v] = lacks // an ancestor of the first
		}
		if heirs[v] == holds || heirs[v] == lacks {
			stack = stack[:len(stack)-1]
			continue
		}
		heirs[v] = looking
		found, next := false, none
		g.parents(v, func(p int32) {
			switch heirs[p] {
			case holds:
				found = true
			case unknown:
				if next == none {
					next = p
				}
			}
		})
		switch {
		case found:
			heirs[v] = holds
		case next != none:
			stack = append(stack, next)
		default:
			heirs[v] = lacks
		}
	}
	g.walker.queue = stack
	return heirs[n] == holds
}

// unlabelled is a fresh set of labels, one a node.
func (g *dag) unlabelled() []int32 {
	labels := make([]int32, g.size())
	for i := range labels {
		labels[i] = none
	}
	return labels
}
