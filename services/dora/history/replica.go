package history

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Replica rebuilds a [Projection] from blocks, and keeps it up with deltas.
// What Projection returned stays valid and unchanged: readers may hold on to
// it while the next one is made.
type Replica struct {
	project string
	blocks  map[string]*block
	summary Summary
}

// block is one block as it was read; one of its lists is set.
type block struct {
	kind                       byte
	service, environment, repo string
	month                      string // as in its key, "" for unknown times, which come first
	deployments                []*Deployment
	uncounted                  []*Deployment
	waiting                    *Pending
	pulls                      []*PullRequest
	incidents                  []*Incident
}

// NewReplica makes an empty replica of a project.
func NewReplica(project string) *Replica {
	return &Replica{project: project, blocks: map[string]*block{}}
}

var errKind = errors.New("history: block of an unknown kind")

// Put takes a new or changed block. After an error the block is as it was.
func (p *Replica) Put(key string, data []byte) error {
	if key == "m" {
		var s Summary
		if err := json.Unmarshal(data, &s); err != nil {
			return fmt.Errorf("history: read block %s: %w", key, err)
		}
		p.summary = s
		return nil
	}
	b, err := readBlock(key, data)
	if err != nil {
		return fmt.Errorf("history: read block %s: %w", key, err)
	}
	p.blocks[key] = b
	return nil
}

func readBlock(key string, data []byte) (*block, error) {
	b := &block{month: key[strings.LastIndexByte(key, '/')+1:]}
	if b.month == never.String() && !strings.HasPrefix(key, "d/") && !strings.HasPrefix(key, "u/") {
		b.month = "" // only deployments without an end come last
	}
	kind, _, _ := strings.Cut(key, "/")
	r := newBlockReader(data)
	switch kind {
	case "d":
		b.service, b.environment = r.text(), r.text()
		for n := r.count(20); n > 0 && r.err == nil; n-- {
			b.deployments = append(b.deployments, r.deployment(b.service, b.environment))
		}
	case "u":
		b.service, b.environment = r.text(), r.text()
		for n := r.count(20); n > 0 && r.err == nil; n-- {
			b.uncounted = append(b.uncounted, r.deployment(b.service, b.environment))
		}
	case "p":
		f := r.uint()
		v := &Pending{Production: f&1 != 0, Service: r.text(), Environment: r.text(), Repo: r.text()}
		v.PullRequests, v.Changes, v.LongSHAs = r.changes(f&2 != 0)
		b.service, b.environment, b.repo, b.waiting = v.Service, v.Environment, v.Repo, v
	case "r":
		b.repo = r.text()
		rows := make([]PullRequest, r.count(16))
		b.pulls = make([]*PullRequest, len(rows))
		for i := 0; i < len(rows) && r.err == nil; i++ {
			b.pulls[i] = &rows[i]
			r.pullRequest(b.pulls[i], b.repo)
		}
	case "i":
		for n := r.count(14); n > 0 && r.err == nil; n-- {
			b.incidents = append(b.incidents, r.incident())
		}
	default:
		return nil, errKind
	}
	b.kind = kind[0]
	return b, r.end()
}

// Delete drops a block.
func (p *Replica) Delete(key string) {
	delete(p.blocks, key)
	if key == "m" {
		p.summary = Summary{}
	}
}

// Summary is the project's summary as of the last block.
func (p *Replica) Summary() Summary { return p.summary }

// Projection assembles the rows of all blocks in their order.
func (p *Replica) Projection() *Projection {
	all := make([]*block, 0, len(p.blocks))
	for _, b := range p.blocks {
		all = append(all, b)
	}
	slices.SortFunc(all, func(a, b *block) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.service, b.service), cmp.Compare(a.environment, b.environment),
			cmp.Compare(a.repo, b.repo), cmp.Compare(a.month, b.month))
	})
	out := &Projection{Project: p.project}
	var last *Lane
	for _, b := range all {
		switch {
		case len(b.deployments) > 0:
			if last == nil || last.Service != b.service || last.Environment != b.environment {
				last = &Lane{Service: b.service, Environment: b.environment, Production: b.deployments[0].Production}
				out.Lanes = append(out.Lanes, last)
			}
			last.Deployments = append(last.Deployments, b.deployments...)
		case b.waiting != nil:
			out.Pending = append(out.Pending, b.waiting)
		}
		out.Uncounted = append(out.Uncounted, b.uncounted...)
		out.PullRequests = append(out.PullRequests, b.pulls...)
		out.Incidents = append(out.Incidents, b.incidents...)
	}
	return out
}
