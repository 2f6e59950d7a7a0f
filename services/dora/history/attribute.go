package history

import (
	"slices"

	"github.com/fawkes-idp/fawkes/services/dora/project"
)

// laneRepo is the attribution of one repository's commits in one lane: each
// commit is labelled with the first successful deployment that contains it.
type laneRepo struct {
	repo   *repository
	filter int // bit of the service's paths, -1 when every commit counts
	labels []int32
	held   []held  // what the labels were made from, in order
	order  []*row  // successful deployments with a known commit
	shifts []int32 // commits whose label changed in this settling
	all    bool    // all labels may have changed

	deliveries
}

// held is one deployment's part in the labels.
type held struct {
	key               string
	id                string
	node              int32
	started, finished Time
	nodes             []int32
}

func heldOf(r *row) held {
	return held{key: r.key, id: r.ID, node: r.node, started: r.StartedAt, finished: r.FinishedAt}
}

func (a held) same(b held) bool {
	return a.key == b.key && a.id == b.id && a.node == b.node && a.started == b.started && a.finished == b.finished
}

// attributeLane labels the commits of each repository of a lane again as far
// as its deployments or the graph changed.
func (l *Ledger) attributeLane(ln *lane) {
	byRepo := map[*repository][]*row{}
	for _, r := range ln.rows {
		if r.node != none && r.succeeded() {
			byRepo[r.repository] = append(byRepo[r.repository], r)
		}
	}
	for key, lr := range ln.repos {
		if len(byRepo[lr.repo]) == 0 {
			delete(ln.repos, key)
			lr.repo.leave(ln.laneKey)
		}
	}
	for repo, rows := range byRepo {
		lr := ln.repos[repo.key]
		if lr == nil {
			lr = &laneRepo{repo: repo, filter: filterBit(repo, ln.service), all: true}
			ln.repos[repo.key] = lr
			repo.lanes[ln.laneKey] = lr
		}
		lr.attribute(rows)
		for i, r := range rows {
			if i == 0 && l.spec.FirstDeployment != project.FirstAttribute {
				r.Reason = ReasonBaseline
			} else {
				r.Reason = ""
			}
		}
	}
	before := map[*repository]int32{}
	for _, r := range ln.rows {
		r.reached = false
		if r.node == none {
			continue
		}
		n := before[r.repository]
		if lr := ln.repos[r.repository.key]; lr != nil {
			label := lr.labels[r.node]
			r.reached = label != none && label < n
		}
		if r.succeeded() {
			before[r.repository] = n + 1
		}
	}
}

// leave forgets a lane that no longer deploys from the repository.
func (r *repository) leave(k laneKey) {
	lr := r.lanes[k]
	delete(r.lanes, k)
	for slot, d := range lr.to {
		if d != nowhere {
			r.shown[int32(slot)] = struct{}{}
		}
	}
}

func filterBit(r *repository, service string) int {
	return slices.IndexFunc(r.services, func(s project.Service) bool { return s.Name == service })
}

// attribute labels what rows, the successful deployments in order, brought.
// Labels stand as far as the deployments are those of the last settling and
// nothing that they reach has got other parents.
func (lr *laneRepo) attribute(rows []*row) {
	g := lr.repo.dag
	keep := 0
	for keep < len(lr.held) && keep < len(rows) && lr.held[keep].same(heldOf(rows[keep])) {
		keep++
	}
	for _, t := range lr.repo.moved {
		if k := lr.labelOf(t.n); t.edges && k != none {
			keep = min(keep, int(k))
		}
	}
	lr.all = lr.all || keep == 0
	for _, h := range lr.held[keep:] {
		for _, n := range h.nodes {
			lr.labels[n] = none
			lr.heirs[n] = unknown
		}
		lr.shift(h.nodes)
	}
	for len(lr.labels) < g.size() {
		lr.labels = append(lr.labels, none)
	}
	lr.heirs = append(lr.heirs, make([]uint8, g.size()-len(lr.heirs))...)
	lr.held = lr.held[:keep]
	lr.order = rows
	for i, r := range rows {
		r.label = int32(i)
		if i >= keep {
			h := heldOf(r)
			h.nodes = g.label(lr.labels, r.node, int32(i))
			slices.SortFunc(h.nodes, g.inOrder)
			lr.held = append(lr.held, h)
			lr.shift(h.nodes)
			r.stale = true
		}
		r.nodes = lr.held[i].nodes
	}
}

func (lr *laneRepo) shift(nodes []int32) {
	if !lr.all {
		lr.shifts = append(lr.shifts, nodes...)
	}
}

func (lr *laneRepo) labelOf(n int32) int32 {
	if int(n) >= len(lr.labels) {
		return none
	}
	return lr.labels[n]
}

// disturbed marks the deployments whose changes a moved commit belongs to, and
// says whether any label is in doubt.
func (lr *laneRepo) disturbed() (relabel bool) {
	for _, t := range lr.repo.moved {
		if k := lr.labelOf(t.n); k != none {
			lr.order[k].stale = true
			relabel = relabel || t.edges
			if t.was != lr.repo.dag.at(t.n).committed {
				slices.SortFunc(lr.order[k].nodes, lr.repo.dag.inOrder)
			}
		}
	}
	return relabel
}

// kinds derives, along a lane, what each deployment replaced and of which kind
// it is, and which was rolled back.
func (ln *lane) kinds() {
	var live *row
	appeared := map[string]int{} // version -> order of its first appearance
	for i, r := range ln.rows {
		r.Previous, r.PreviousID, r.rollback = "", "", nil
		if live != nil {
			r.Previous, r.PreviousID = live.key, live.ID
		}
		r.Kind = r.kindAfter(live, appeared)
		if !r.succeeded() {
			continue
		}
		if r.Kind == KindRollback {
			live.rollback = r
		}
		if v := r.version(); v != "" {
			if _, ok := appeared[v]; !ok {
				appeared[v] = i
			}
		}
		live = r
	}
}

func (r *row) kindAfter(live *row, appeared map[string]int) string {
	switch {
	case live == nil:
		return KindFirst
	case r.version() == "":
		return "" // nobody said what was deployed
	case r.version() == live.version():
		return KindRedeploy
	}
	if r.node != none && live.node != none && r.repository == live.repository {
		if !r.reached {
			return KindForward // nothing deployed so far contains it
		}
		g := r.repository.dag
		switch {
		case g.contains(live.node, r.node):
			return KindRollback
		case g.contains(r.node, live.node):
			return KindForward
		}
	}
	at, before := appeared[r.version()]
	if before && live.version() != "" && at < appeared[live.version()] {
		return KindRollback
	}
	return KindForward
}
