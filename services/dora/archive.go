package dora

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	stdhash "hash"
	"slices"
	"strconv"

	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history"
	"github.com/fawkes-idp/fawkes/services/dora/project"
)

// Archiving takes out of the log what has no say in any number: reports of a
// pull request, a deployment or an incident all of whose fields a later report of
// the same sender states anew, repetitions of a review, a build or an artifact,
// and events of types that metrics do not know. Commits stay: attribution needs
// the graph. Of each origin its first and its last event stay too, because they
// say since when it reports, and what belongs to whom.
//
// What is to be taken out is tried before: each project's projection is derived
// from all events and from those that would be left. Where the two differ in one
// byte, nothing of the project is taken out.

// digest is a running sum over the events of an archive, in the order of the log.
type digest struct {
	sum   stdhash.Hash
	count int64
	upTo  int64
}

func newDigest() *digest { return &digest{sum: sha256.New()} }

func (d *digest) add(e Entry) {
	var line [96]byte
	text := strconv.AppendInt(line[:0], e.Seq, 10)
	text = append(hex.AppendEncode(append(text, ' '), e.Key[:]), '\n')
	d.sum.Write(text) //nolint:errcheck // documented never to fail
	d.count++
	d.upTo = max(d.upTo, e.Seq)
}

func (d *digest) String() string { return hex.EncodeToString(d.sum.Sum(nil)) }

// compacted is what became of an archived part of the log.
type compacted struct {
	Archived  int64    `json:"archived" doc:"Events of the archive"`
	Removed   int64    `json:"removed" doc:"Those of them that were taken out of the log"`
	Untouched []string `json:"untouched" doc:"Projects of which nothing was taken out, because their numbers would not have stayed the same"`
}

// compact takes out of the log what has no say in any number and was archived:
// the events before a time that the log held up to a number, if their sum is the
// one given.
func (s *Service) compact(ctx context.Context, before event.Time, upTo int64, sum string) (compacted, error) {
	seen := newDigest()
	if err := s.store.EventsBefore(ctx, before, upTo, func(e Entry) error { seen.add(e); return nil }); err != nil {
		return compacted{}, err
	}
	if seen.String() != sum {
		return compacted{}, problem.New(problem.Conflict, "the log does not hold what was archived: %d events before that time, with another sum", seen.count).
			WithMend("archive again")
	}
	own, err := ownersOf(ctx, s.store)
	if err != nil {
		return compacted{}, err
	}
	newest, err := s.store.Newest(ctx)
	if err != nil {
		return compacted{}, err
	}
	end := int64(0) // the log's last event stays, so that its number is not given again
	for _, seq := range newest {
		end = max(end, seq)
	}
	salt, err := s.store.Salt(ctx)
	if err != nil {
		return compacted{}, err
	}
	out := compacted{Archived: seen.count, Untouched: []string{}}
	byProject := map[string][]Origin{}
	for id, o := range own.origins {
		byProject[own.of[id]] = append(byProject[own.of[id]], o)
	}
	for _, name := range sortedKeys(byProject) {
		c := &compaction{s: s, name: name, origins: byProject[name], before: before, upTo: upTo, salt: salt}
		gone, err := c.superseded(ctx)
		if err != nil {
			return out, err
		}
		delete(gone, end)
		if len(gone) == 0 {
			continue
		}
		same, err := c.same(ctx, gone)
		if err != nil {
			return out, err
		}
		if !same {
			out.Untouched = append(out.Untouched, name)
			continue
		}
		seqs := make([]int64, 0, len(gone))
		for seq := range gone {
			seqs = append(seqs, seq)
		}
		slices.Sort(seqs)
		if err := s.store.DeleteEvents(ctx, seqs); err != nil {
			return out, err
		}
		out.Removed += int64(len(seqs))
	}
	return out, nil
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// compaction is that of one project.
type compaction struct {
	s       *Service
	name    string // "" for events that no project can be told of
	origins []Origin
	before  event.Time
	upTo    int64
	salt    []byte
}

// report is one event of an origin, as far as taking it out is concerned.
type report struct {
	seq    int64
	at     event.Time
	entity string
	fields uint64 // a bit for each field that it states
	body   [sha256.Size]byte
}

// superseded finds the events that have no say.
func (c *compaction) superseded(ctx context.Context) (map[int64]bool, error) {
	gone := map[int64]bool{}
	for _, o := range c.origins {
		if o.Type == event.TypeCommit {
			continue
		}
		var all []report
		names := map[string]uint64{}
		err := c.s.store.EntriesOf(ctx, o.ID, 1<<62, func(e Entry) error {
			r, err := readReport(o.Type, e, names)
			all = append(all, r)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("read the events of %s: %w", c.name, err)
		}
		for _, r := range supersededOf(o.Type, all) {
			if r.at < c.before && r.seq <= c.upTo {
				gone[r.seq] = true
			}
		}
	}
	return gone, nil
}

// tooMany marks a report with more fields than there are bits: it always stays.
const tooMany = 1 << 63

func readReport(t event.Type, e Entry, names map[string]uint64) (report, error) {
	r := report{seq: e.Seq, at: e.At, body: sha256.Sum256(e.Body)}
	body, err := event.Unpack(t, e.Body)
	if err != nil {
		return r, err
	}
	if t == event.TypeOther {
		return r, nil
	}
	r.entity = body.Entity()
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(e.Body, &fields); err != nil {
		return r, err
	}
	for name := range fields {
		bit, known := names[name]
		if !known {
			if len(names) == 63 {
				r.fields |= tooMany
				continue
			}
			bit = 1 << len(names)
			names[name] = bit
		}
		r.fields |= bit
	}
	return r, nil
}

// supersededOf says which reports of one origin the others make superfluous.
func supersededOf(t event.Type, all []report) (gone []report) {
	if len(all) < 3 {
		return nil
	}
	// Later reports first; of equal ones the first in the log stays.
	slices.SortFunc(all, func(a, b report) int {
		if a.at != b.at {
			return int(min(max(b.at-a.at, -1), 1))
		}
		return int(min(max(a.seq-b.seq, -1), 1))
	})
	type cover struct {
		at     event.Time
		before uint64 // fields that reports with a later time state
		here   uint64 // and those of this time
		bodies map[[sha256.Size]byte]bool
	}
	covers := map[string]*cover{}
	for i, r := range all {
		v := covers[r.entity]
		if v == nil {
			v = &cover{at: r.at, bodies: map[[sha256.Size]byte]bool{}}
			covers[r.entity] = v
		}
		if r.at != v.at {
			v.before, v.here, v.at = v.before|v.here, 0, r.at
			clear(v.bodies)
		}
		out := false
		switch t {
		case event.TypeOther:
			out = true
		case event.TypePullRequest, event.TypeDeployment, event.TypeIncident, event.TypeArtifact:
			out = r.fields&tooMany == 0 && r.fields&^v.before == 0 || v.bodies[r.body]
		case event.TypeReview, event.TypeBuild:
			out = v.bodies[r.body]
		}
		if out && i > 0 && i < len(all)-1 {
			gone = append(gone, r)
			continue
		}
		v.here |= r.fields
		v.bodies[r.body] = true
	}
	return gone
}

// same derives the project from all events and from those that would be left,
// and says whether the two are the same to the last byte.
func (c *compaction) same(ctx context.Context, gone map[int64]bool) (bool, error) {
	if c.name == "" {
		return true, nil // nothing is derived from them
	}
	d, err := c.s.store.Project(ctx, c.name)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return false, err
	}
	if d.Spec.Project == "" {
		d.Spec = project.Spec{Project: c.name}
	}
	newest, err := c.s.store.LogHead(ctx)
	if err != nil {
		return false, err
	}
	var sums [2]map[string][sha256.Size]byte
	for i := range sums {
		ledger := history.NewLedger(d.Spec, c.salt)
		for _, o := range c.origins {
			err := c.s.store.EntriesOf(ctx, o.ID, newest, func(e Entry) error {
				if i == 1 && gone[e.Seq] {
					return nil
				}
				return ledger.ApplyPacked(o.Type, o.Source, e.At, e.Body)
			})
			if err != nil {
				return false, fmt.Errorf("read the events of %s: %w", c.name, err)
			}
		}
		sums[i] = map[string][sha256.Size]byte{}
		for key, body := range ledger.Settle().Changed {
			sums[i][key] = sha256.Sum256(body)
		}
	}
	if len(sums[0]) != len(sums[1]) {
		return false, nil
	}
	for key, sum := range sums[0] {
		if sums[1][key] != sum {
			return false, nil
		}
	}
	return true, nil
}
