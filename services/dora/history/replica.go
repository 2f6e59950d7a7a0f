package history

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Replica rebuilds a [Projection] from blocks, and keeps it up with deltas.
// What Projection returned stays valid and unchanged: readers may hold on to
// it while the next one is made.
type Replica struct {
	project string
	lanes   map[string]laneBlock
	pending map[string]*Pending
	prs     map[string][]*PullRequest
	inc     map[string][]*Incident
	summary Summary
}

type laneBlock struct {
	service, environment string
	rows                 []*Deployment
}

// NewReplica makes an empty replica of a project.
func NewReplica(project string) *Replica {
	return &Replica{
		project: project, lanes: map[string]laneBlock{}, pending: map[string]*Pending{},
		prs: map[string][]*PullRequest{}, inc: map[string][]*Incident{},
	}
}

// Put takes a new or changed block.
func (p *Replica) Put(key string, block []byte) error {
	var err error
	kind, _, _ := strings.Cut(key, "/")
	switch kind {
	case "m":
		p.summary = Summary{}
		err = json.Unmarshal(block, &p.summary)
	case "d":
		r := newBlockReader(block)
		b := laneBlock{service: r.text(), environment: r.text()}
		for n := r.count(); n > 0 && r.err == nil; n-- {
			b.rows = append(b.rows, r.deployment(b.service, b.environment))
		}
		p.lanes[key], err = b, r.err
	case "p":
		r := newBlockReader(block)
		f := r.uint()
		v := &Pending{Production: f&1 != 0, Service: r.text(), Environment: r.text(), Repo: r.text()}
		v.PullRequests, v.Changes, v.LongSHAs = r.changes(f&2 != 0)
		p.pending[key], err = v, r.err
	case "r":
		r := newBlockReader(block)
		repo := r.text()
		var rows []*PullRequest
		for n := r.count(); n > 0 && r.err == nil; n-- {
			rows = append(rows, r.pullRequest(repo))
		}
		p.prs[key], err = rows, r.err
	case "i":
		r := newBlockReader(block)
		var rows []*Incident
		for n := r.count(); n > 0 && r.err == nil; n-- {
			rows = append(rows, r.incident())
		}
		p.inc[key], err = rows, r.err
	default:
		err = fmt.Errorf("history: block of unknown kind")
	}
	if err != nil {
		return fmt.Errorf("history: read block %s: %w", key, err)
	}
	return nil
}

// Delete drops a block.
func (p *Replica) Delete(key string) {
	delete(p.lanes, key)
	delete(p.pending, key)
	delete(p.prs, key)
	delete(p.inc, key)
}

// Summary is the project's summary as of the last block.
func (p *Replica) Summary() Summary { return p.summary }

// Projection assembles the rows of all blocks in their order.
func (p *Replica) Projection() *Projection {
	out := &Projection{Project: p.project}
	lanes := map[laneKey]*Lane{}
	// Within a lane the months are in the order of their names, "open" last.
	for _, key := range slices.Sorted(maps.Keys(p.lanes)) {
		b := p.lanes[key]
		k := laneKey{b.service, b.environment}
		ln := lanes[k]
		if ln == nil {
			ln = &Lane{Service: b.service, Environment: b.environment}
			lanes[k] = ln
			out.Lanes = append(out.Lanes, ln)
		}
		ln.Deployments = append(ln.Deployments, b.rows...)
		ln.Production = ln.Deployments[0].Production
	}
	slices.SortFunc(out.Lanes, func(a, b *Lane) int {
		return compareLanes(laneKey{a.Service, a.Environment}, laneKey{b.Service, b.Environment})
	})
	for _, key := range slices.Sorted(maps.Keys(p.pending)) {
		out.Pending = append(out.Pending, p.pending[key])
	}
	for _, key := range slices.Sorted(maps.Keys(p.prs)) {
		out.PullRequests = append(out.PullRequests, p.prs[key]...)
	}
	for _, key := range slices.Sorted(maps.Keys(p.inc)) {
		out.Incidents = append(out.Incidents, p.inc[key]...)
	}
	slices.SortStableFunc(out.PullRequests, func(a, b *PullRequest) int {
		return cmp.Or(cmp.Compare(a.Repo, b.Repo), cmp.Compare(a.CreatedAt, b.CreatedAt), compareNumbers(a.Number, b.Number))
	})
	return out
}
