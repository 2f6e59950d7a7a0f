package history

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// A block is written as a format byte followed by fields: unsigned and zig-zag
// varints, and texts that are written once and then referred to.
const blockFormat = 2

type writer struct {
	b     []byte
	texts map[string]uint64
}

func newWriter() *writer {
	w := &writer{texts: map[string]uint64{}}
	w.begin()
	return w
}

// begin starts another block; the bytes of the last one are overwritten.
func (w *writer) begin() *writer {
	w.b = append(w.b[:0], blockFormat)
	clear(w.texts)
	w.texts[""] = 0
	return w
}

func (w *writer) uint(v uint64) { w.b = binary.AppendUvarint(w.b, v) }
func (w *writer) int(v int64)   { w.b = binary.AppendVarint(w.b, v) }
func (w *writer) time(t Time)   { w.int(int64(t)) }

// text writes 0 for "", 2k for the k-th text written before, or a fresh odd
// number 2*len+1 and the bytes.
func (w *writer) text(s string) {
	if k, ok := w.texts[s]; ok {
		w.uint(2 * k)
		return
	}
	w.texts[s] = uint64(len(w.texts))
	w.uint(2*uint64(len(s)) + 1)
	w.b = append(w.b, s...)
}

// raw writes a text that will hardly stand twice in a block.
func (w *writer) raw(s string) {
	w.uint(uint64(len(s)))
	w.b = append(w.b, s...)
}

func (w *writer) flags(on ...bool) {
	var f uint64
	for i, v := range on {
		if v {
			f |= 1 << i
		}
	}
	w.uint(f)
}

var errBlock = errors.New("history: block ends too early or is damaged")

type blockReader struct {
	b     []byte
	texts []string
	err   error
}

func newBlockReader(b []byte) *blockReader {
	r := &blockReader{texts: []string{""}}
	if len(b) == 0 {
		r.err = errBlock
		return r
	}
	if b[0] != blockFormat {
		r.err = fmt.Errorf("history: block of format %d, want %d", b[0], blockFormat)
		return r
	}
	r.b = b[1:]
	return r
}

func (r *blockReader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *blockReader) int() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *blockReader) fail() {
	if r.err == nil {
		r.err = errBlock
	}
	r.b = nil
}

func (r *blockReader) time() Time { return Time(r.int()) }

func (r *blockReader) text() string {
	v := r.uint()
	if v%2 == 0 {
		if v/2 >= uint64(len(r.texts)) {
			r.fail()
			return ""
		}
		return r.texts[v/2]
	}
	if v/2 > uint64(len(r.b)) {
		r.fail()
		return ""
	}
	s := string(r.b[:v/2])
	r.b = r.b[v/2:]
	r.texts = append(r.texts, s)
	return s
}

func (r *blockReader) raw() string {
	n := r.uint()
	if n > uint64(len(r.b)) {
		r.fail()
		return ""
	}
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

// raws reads texts that stand behind each other, with one copy of them all.
func (r *blockReader) raws(to ...*string) {
	whole := r.b
	for range to {
		n := r.uint()
		if n > uint64(len(r.b)) {
			r.fail()
			return
		}
		r.b = r.b[n:]
	}
	if r.err != nil {
		return
	}
	texts := string(whole[:len(whole)-len(r.b)])
	for _, s := range to {
		n, k := binary.Uvarint(whole)
		*s = texts[k : k+int(n)]
		texts, whole = texts[k+int(n):], whole[k+int(n):]
	}
}

// count reads a number of entries, each at least that many bytes long, so that
// a damaged number cannot ask for more memory than the block itself deserves.
func (r *blockReader) count(least int) int {
	n := r.uint()
	if n > uint64(len(r.b)/least) {
		r.fail()
		return 0
	}
	return int(n)
}

// end says whether the block was read to its end without a fault.
func (r *blockReader) end() error {
	if len(r.b) > 0 {
		r.fail()
	}
	return r.err
}

func (w *writer) changes(prs []PullRequestRef, changes []Change, long map[SHA]string) {
	w.uint(uint64(len(prs)))
	for _, p := range prs {
		w.raw(p.Number)
		w.time(p.CreatedAt)
		w.time(p.FirstReviewAt)
		w.time(p.MergedAt)
	}
	w.uint(uint64(len(changes)))
	var last Time
	for i := range changes {
		c := &changes[i]
		w.b = append(w.b, c.SHA[:]...)
		w.b = binary.BigEndian.AppendUint64(w.b, uint64(c.Author))
		w.int(int64(c.CommittedAt - last))
		w.int(int64(c.FirstAt - c.CommittedAt))
		last = c.CommittedAt
		w.uint(uint64(c.PR + 1))
		w.b = append(w.b, byte(c.Reason))
		if len(long) > 0 {
			w.raw(long[c.SHA])
		}
	}
}

func (r *blockReader) changes(hasLong bool) (prs []PullRequestRef, changes []Change, long map[SHA]string) {
	if n := r.count(4); n > 0 {
		prs = make([]PullRequestRef, n)
	}
	for i := range prs {
		prs[i] = PullRequestRef{Number: r.raw(), CreatedAt: r.time(), FirstReviewAt: r.time(), MergedAt: r.time()}
	}
	const fixed = len(SHA{}) + 8 // hash and author
	if n := r.count(fixed + 4); n > 0 {
		changes = make([]Change, n)
	}
	var last Time
	for i := range changes {
		c := &changes[i]
		if len(r.b) < fixed {
			r.fail()
			return nil, nil, nil
		}
		copy(c.SHA[:], r.b)
		c.Author = AuthorRef(binary.BigEndian.Uint64(r.b[len(SHA{}):]))
		r.b = r.b[fixed:]
		c.CommittedAt = last + r.time()
		last = c.CommittedAt
		c.FirstAt = c.CommittedAt + r.time()
		pr := r.uint()
		if pr > uint64(len(prs)) || len(r.b) == 0 {
			r.fail()
			return nil, nil, nil
		}
		c.PR = int32(pr) - 1
		c.Reason = ReasonCode(r.b[0])
		r.b = r.b[1:]
		if hasLong {
			if t := r.raw(); t != "" {
				if long == nil {
					long = map[SHA]string{}
				}
				long[c.SHA] = t
			}
		}
	}
	return prs, changes, long
}

// head writes all of a deployment but its changes.
func (w *writer) head(d *Deployment) {
	w.flags(d.Production, d.Unplanned, d.Failed, len(d.LongSHAs) > 0, len(d.Reports) > 0)
	for _, s := range []string{d.ID, d.Title, d.URL} {
		w.raw(s)
	}
	for _, s := range []string{d.Source, d.Repo, d.SHA, d.Digest, d.Kind, d.Outcome, d.Previous, d.PreviousID, d.ResolvedBy, d.Reason, d.RestoredBy, d.RestoredRef} {
		w.text(s)
	}
	w.time(d.FinishedAt)
	w.time(d.StartedAt - d.FinishedAt)
	w.time(d.RestoredAt)
	w.uint(uint64(len(d.Failures)))
	for _, f := range d.Failures {
		w.text(f.Rule)
		w.text(f.Ref)
	}
	if len(d.Reports) > 0 {
		w.uint(uint64(len(d.Reports)))
		for _, key := range d.Reports {
			w.raw(key)
		}
	}
}

func (r *blockReader) deployment(service, environment string) *Deployment {
	d := &Deployment{Service: service, Environment: environment}
	f := r.uint()
	d.Production, d.Unplanned, d.Failed = f&1 != 0, f&2 != 0, f&4 != 0
	r.raws(&d.ID, &d.Title, &d.URL)
	for _, s := range []*string{&d.Source, &d.Repo, &d.SHA, &d.Digest, &d.Kind, &d.Outcome, &d.Previous, &d.PreviousID, &d.ResolvedBy, &d.Reason, &d.RestoredBy, &d.RestoredRef} {
		*s = r.text()
	}
	d.FinishedAt = r.time()
	d.StartedAt = d.FinishedAt + r.time()
	d.RestoredAt = r.time()
	for n := r.count(2); n > 0 && r.err == nil; n-- {
		d.Failures = append(d.Failures, Failure{Rule: r.text(), Ref: r.text()})
	}
	if f&16 != 0 {
		for n := r.count(1); n > 0 && r.err == nil; n-- {
			d.Reports = append(d.Reports, r.raw())
		}
	}
	d.PullRequests, d.Changes, d.LongSHAs = r.changes(f&8 != 0)
	return d
}

func (w *writer) pullRequest(p *PullRequest) {
	for _, s := range []string{p.Number, p.Title, p.URL, p.SHA, p.Head} {
		w.raw(s)
	}
	w.text(p.Base)
	w.text(p.Reason)
	w.uint(uint64(p.Author))
	for _, t := range []Time{p.FirstCommitAt, p.CreatedAt, p.FirstCommentAt, p.ApprovedAt, p.MergedAt, p.ClosedAt} {
		w.time(t)
	}
	w.uint(uint64(p.Commits))
	w.uint(uint64(len(p.Deliveries)))
	for _, d := range p.Deliveries {
		w.flags(d.Production)
		for _, s := range []string{d.Service, d.Environment, d.Deployment, d.DeploymentID} {
			w.text(s)
		}
		w.time(d.StartedAt)
		w.time(d.FinishedAt)
	}
}

func (r *blockReader) pullRequest(p *PullRequest, repo string) {
	p.Repo = repo
	r.raws(&p.Number, &p.Title, &p.URL, &p.SHA, &p.Head)
	p.Base, p.Reason = r.text(), r.text()
	p.Author = AuthorRef(r.uint())
	for _, t := range []*Time{&p.FirstCommitAt, &p.CreatedAt, &p.FirstCommentAt, &p.ApprovedAt, &p.MergedAt, &p.ClosedAt} {
		*t = r.time()
	}
	p.Commits = int(r.uint())
	for n := r.count(7); n > 0 && r.err == nil; n-- {
		d := Delivery{Production: r.uint()&1 != 0}
		for _, s := range []*string{&d.Service, &d.Environment, &d.Deployment, &d.DeploymentID} {
			*s = r.text()
		}
		d.StartedAt, d.FinishedAt = r.time(), r.time()
		p.Deliveries = append(p.Deliveries, d)
	}
}

func (w *writer) incident(i *Incident) {
	for _, s := range []string{i.Source, i.ID, i.Service, i.Environment, i.Severity, i.Title, i.URL,
		i.Deployment, i.DeploymentID, i.LinkedBy, i.Reason, i.LatestDeployment} {
		w.text(s)
	}
	w.time(i.OpenedAt)
	w.time(i.ResolvedAt)
}

func (r *blockReader) incident() *Incident {
	i := &Incident{}
	for _, s := range []*string{&i.Source, &i.ID, &i.Service, &i.Environment, &i.Severity, &i.Title, &i.URL,
		&i.Deployment, &i.DeploymentID, &i.LinkedBy, &i.Reason, &i.LatestDeployment} {
		*s = r.text()
	}
	i.OpenedAt, i.ResolvedAt = r.time(), r.time()
	return i
}
