package event

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
)

// Key identifies a report in the log: two deliveries with one key are one.
type Key [16]byte

// KeyOf hashes what makes a report the same report. A source that numbers its
// deliveries is believed; for others the content decides. n tells apart the
// events that one delivery carries.
func KeyOf(e Event, n int, packed []byte) Key {
	h := sha256.New()
	part := func(s string) {
		var l [4]byte
		binary.LittleEndian.PutUint32(l[:], uint32(len(s)))
		h.Write(l[:])
		h.Write([]byte(s))
	}
	part(e.Source)
	if e.Delivery != "" {
		part("delivery")
		part(e.Delivery)
		part(fmt.Sprint(n))
	} else {
		part("content")
		part(e.Project)
		part(string(e.Body.Type()))
		part(fmt.Sprint(int64(e.At)))
		h.Write(packed)
	}
	var k Key
	copy(k[:], h.Sum(nil))
	return k
}

// Pack writes a body for the log. Commits, of which there are by far the most,
// are packed in binary (about 70 bytes); the others stay JSON, to be read by
// people too. The text form is canonical: equal bodies give equal bytes.
func Pack(b Body) ([]byte, error) {
	if c, ok := b.(*Commit); ok {
		return packCommit(c)
	}
	if out, ok := packPlain(b); ok {
		return out, nil
	}
	out, err := json.Marshal(b)
	if err != nil {
		return nil, fmt.Errorf("event: pack %s: %w", b.Type(), err)
	}
	return out, nil
}

// Unpack reads what Pack wrote.
func Unpack(t Type, data []byte) (Body, error) {
	var b Body
	switch t {
	case TypeCommit:
		var p PackedCommit
		if err := p.Unpack(data); err != nil {
			return nil, err
		}
		return p.Commit(), nil
	case TypePullRequest:
		b = new(PullRequest)
	case TypeReview:
		b = new(Review)
	case TypeBuild:
		b = new(Build)
	case TypeArtifact:
		b = new(Artifact)
	case TypeDeployment:
		b = new(Deployment)
	case TypeIncident:
		b = new(Incident)
	case TypeOther:
		b = new(Other)
	default:
		return nil, fmt.Errorf("event: unpack: unknown type %q", t)
	}
	if err := json.Unmarshal(data, b); err != nil {
		return nil, fmt.Errorf("event: unpack %s: %w", t, err)
	}
	return b, nil
}

const (
	hasParents = 1 << iota
	nullParents
	hasAuthor
	hasAuthored
	hasCommitted
	hasPaths
	nullPaths
	hasAncestors
)

// packCommit lays a commit out as: flags, repo, sha, parents, author, authored
// and committed (zig-zag, the second relative to the first), paths, ancestors. Text is
// length-prefixed; hashes are raw bytes. An author or a time of null is as good
// as an absent one: a commit never loses them.
func packCommit(c *Commit) ([]byte, error) {
	out := make([]byte, 0, 96+len(c.Repo))
	var f byte
	set := func(on bool, bit byte) {
		if on {
			f |= bit
		}
	}
	set(c.Parents.Known, hasParents)
	set(c.Parents.Present && !c.Parents.Known, nullParents)
	set(c.Author.Known, hasAuthor)
	set(c.AuthoredAt.Known, hasAuthored)
	set(c.CommittedAt.Known, hasCommitted)
	set(c.Paths.Known, hasPaths)
	set(c.Paths.Present && !c.Paths.Known, nullPaths)
	set(c.Ancestors.Known, hasAncestors)
	out = append(out, f)
	out = putText(out, c.Repo)
	out, err := putSHA(out, c.SHA)
	if err != nil {
		return nil, err
	}
	if c.Parents.Known {
		if out, err = putSHAs(out, c.Parents.V); err != nil {
			return nil, err
		}
	}
	if c.Author.Known {
		out = putText(out, c.Author.V)
	}
	if c.AuthoredAt.Known {
		out = binary.AppendVarint(out, int64(c.AuthoredAt.V))
	}
	if c.CommittedAt.Known {
		out = binary.AppendVarint(out, int64(c.CommittedAt.V-c.AuthoredAt.V))
	}
	if c.Paths.Known {
		out = binary.AppendUvarint(out, uint64(len(c.Paths.V)))
		for _, p := range c.Paths.V {
			out = putText(out, p)
		}
	}
	if c.Ancestors.Known {
		return putSHAs(out, c.Ancestors.V)
	}
	return out, nil
}

func putSHAs(out []byte, list []string) (_ []byte, err error) {
	out = binary.AppendUvarint(out, uint64(len(list)))
	for _, s := range list {
		if out, err = putSHA(out, s); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func putText(out []byte, s string) []byte {
	return append(binary.AppendUvarint(out, uint64(len(s))), s...)
}

// putSHA writes the length in digits and then the digits two a byte.
func putSHA(out []byte, s string) ([]byte, error) {
	if err := sha("sha", s); err != nil {
		return nil, fmt.Errorf("event: pack commit: %w", err)
	}
	out = append(out, byte(len(s)))
	if len(s)%2 == 1 {
		s += "0"
	}
	return hex.AppendDecode(out, []byte(s))
}

// Hash is a commit's hash as it stands in the log.
type Hash struct {
	Raw    []byte // two digits a byte
	Digits int    // 40 for SHA-1, 64 for SHA-256, fewer when abbreviated
}

// String is the hash in lower-case hexadecimal.
func (h Hash) String() string { return hex.EncodeToString(h.Raw)[:h.Digits] }

// PackedCommit is a commit read from the log without copying: its slices point
// into the buffer that was unpacked and are reused by the next Unpack.
type PackedCommit struct {
	Repo        []byte
	SHA         Hash
	Parents     []Hash
	Ancestors   []Hash
	Paths       [][]byte
	Author      []byte
	AuthoredAt  Time
	CommittedAt Time
	flags       byte
}

// KnowsParents reports whether the report carried the parents.
func (p *PackedCommit) KnowsParents() bool { return p.flags&hasParents != 0 }

// KnowsPaths reports whether the report carried the paths.
func (p *PackedCommit) KnowsPaths() bool { return p.flags&hasPaths != 0 }

// KnowsAuthored reports whether the report carried the author's time.
func (p *PackedCommit) KnowsAuthored() bool { return p.flags&hasAuthored != 0 }

var errShort = errors.New("event: unpack commit: it ends too early")

type reader struct {
	b   []byte
	err error
}

func (r *reader) take(n uint64) []byte {
	if r.err != nil || n > uint64(len(r.b)) {
		r.err = errShort
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.err = errShort
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.err = errShort
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) hash() Hash {
	n := r.take(1)
	if r.err != nil {
		return Hash{}
	}
	return Hash{Raw: r.take((uint64(n[0]) + 1) / 2), Digits: int(n[0])}
}

// Unpack reads a packed commit.
func (p *PackedCommit) Unpack(data []byte) error {
	r := reader{b: data}
	*p = PackedCommit{Parents: p.Parents[:0], Paths: p.Paths[:0], Ancestors: p.Ancestors[:0]}
	f := r.take(1)
	if r.err != nil {
		return r.err
	}
	p.flags = f[0]
	p.Repo = r.take(r.uvarint())
	p.SHA = r.hash()
	if p.flags&hasParents != 0 {
		for n := r.uvarint(); n > 0 && r.err == nil; n-- {
			p.Parents = append(p.Parents, r.hash())
		}
	}
	if p.flags&hasAuthor != 0 {
		p.Author = r.take(r.uvarint())
	}
	if p.flags&hasAuthored != 0 {
		p.AuthoredAt = Time(r.varint())
	}
	if p.flags&hasCommitted != 0 {
		p.CommittedAt = p.AuthoredAt + Time(r.varint())
	}
	if p.flags&hasPaths != 0 {
		for n := r.uvarint(); n > 0 && r.err == nil; n-- {
			p.Paths = append(p.Paths, r.take(r.uvarint()))
		}
	}
	if p.flags&hasAncestors != 0 {
		for n := r.uvarint(); n > 0 && r.err == nil; n-- {
			p.Ancestors = append(p.Ancestors, r.hash())
		}
	}
	if r.err == nil && len(r.b) > 0 {
		return errors.New("event: unpack commit: bytes are left over")
	}
	return r.err
}

// Commit copies the packed form into a body.
func (p *PackedCommit) Commit() *Commit {
	c := &Commit{Repo: string(p.Repo), SHA: p.SHA.String()}
	switch {
	case p.flags&hasParents != 0:
		c.Parents = Some(texts(p.Parents))
	case p.flags&nullParents != 0:
		c.Parents = Null[[]string]()
	}
	if p.flags&hasAuthor != 0 {
		c.Author = Some(string(p.Author))
	}
	if p.flags&hasAuthored != 0 {
		c.AuthoredAt = Some(p.AuthoredAt)
	}
	if p.flags&hasCommitted != 0 {
		c.CommittedAt = Some(p.CommittedAt)
	}
	switch {
	case p.flags&hasPaths != 0:
		c.Paths = Some(make([]string, len(p.Paths)))
		for i, s := range p.Paths {
			c.Paths.V[i] = string(s)
		}
	case p.flags&nullPaths != 0:
		c.Paths = Null[[]string]()
	}
	if p.flags&hasAncestors != 0 {
		c.Ancestors = Some(texts(p.Ancestors))
	}
	return c
}

func texts(hashes []Hash) []string {
	out := make([]string, len(hashes))
	for i, h := range hashes {
		out[i] = h.String()
	}
	return out
}
