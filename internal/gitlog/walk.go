package gitlog

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// Range bounds a walk.
type Range struct {
	From  []string  // commits to start from: the branch's tip, the commits of tags
	Not   []string  // tips that are known already; they and all their ancestors are left out
	Since time.Time // older commits are left out; zero means from the beginning
	Paths bool      // read the touched paths too
}

// ErrStop ends a walk early without an error.
var ErrStop = errors.New("stop the walk")

// The record: each begins with a slash, which no path can, so that paths may hold any other byte.
const recordFormat = "--format=tformat:/%H%x00%P%x00%at%x00%ct%x00%an%x00%ae"

// Walk gives each commit of the range to yield, parents before children, by one `git log`. When
// yield returns an error, git is stopped and the walk ends with this error (nil for ErrStop).
func (r *Repository) Walk(ctx context.Context, rng Range, yield func(*Commit) error) error {
	if len(rng.From) == 0 {
		return nil
	}
	args := []string{"log", "-z", "--topo-order", "--reverse", recordFormat, "--no-color", "--no-decorate",
		"--no-show-signature", "--no-notes", "--no-mailmap", "--encoding=UTF-8"}
	if rng.Paths {
		args = append(args, "--name-only", "--no-renames", "--no-ext-diff", "--no-textconv", "--no-relative",
			"--diff-merges=off", "--root", "--ignore-submodules=none")
	} else {
		args = append(args, "--no-patch")
	}
	args = append(append(args, rng.dateBound()...), "--stdin")
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := r.git.command(ctx, args...)
	cmd.Stdin = rng.revisions()
	var complaint tail
	cmd.Stderr = &complaint
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("walk history: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return r.git.explain(ctx, "walk history", err, "")
	}
	parseErr := parseLog(out, rng.Paths, yield)
	if parseErr != nil {
		cancel()
	}
	waitErr := cmd.Wait()
	switch {
	case errors.Is(parseErr, ErrStop):
		return nil
	case parseErr != nil && !errors.Is(parseErr, errTruncated):
		return parseErr
	case waitErr != nil:
		return r.git.explain(ctx, "walk history", waitErr, complaint.String())
	case parseErr != nil:
		return &Error{Op: "walk history", Detail: parseErr.Error(), Err: parseErr}
	}
	return nil
}

// Count is the number of commits in the range, which git finds many times faster than it walks them.
func (r *Repository) Count(ctx context.Context, rng Range) (int, error) {
	if len(rng.From) == 0 {
		return 0, nil
	}
	args := append(append([]string{"rev-list", "--count"}, rng.dateBound()...), "--stdin")
	out, err := r.git.output(ctx, "count commits", rng.revisions(), args...)
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		return 0, fmt.Errorf("count commits: %w", err)
	}
	return n, nil
}

func (rng Range) dateBound() []string {
	if rng.Since.IsZero() {
		return nil
	}
	return []string{"--max-age=" + strconv.FormatInt(rng.Since.Unix(), 10)}
}

// revisions is what git reads from its standard input: any number of tips fits there.
func (rng Range) revisions() io.Reader {
	var b strings.Builder
	for _, rev := range rng.From {
		b.WriteString(rev + "\n")
	}
	for _, rev := range rng.Not {
		b.WriteString("^" + rev + "\n")
	}
	return strings.NewReader(b.String())
}

// Known gives those of the tips that this repository has as commits, and how many it has not: a
// force-push and a garbage collection may have taken them away.
func (r *Repository) Known(ctx context.Context, tips []string) (known []string, lost int, err error) {
	if len(tips) == 0 {
		return nil, 0, nil
	}
	var in strings.Builder
	for _, tip := range tips {
		if !isHex(tip) {
			lost++
			continue
		}
		in.WriteString(tip + "\n")
	}
	out, err := r.git.output(ctx, "look up known commits", strings.NewReader(in.String()), "cat-file", "--batch-check=%(objectname) %(objecttype)")
	if err != nil {
		return nil, 0, err
	}
	for line := range strings.Lines(string(out)) {
		if sha, ok := strings.CutSuffix(strings.TrimSpace(line), " commit"); ok {
			known = append(known, sha)
		} else {
			lost++
		}
	}
	return known, lost, nil
}

var errTruncated = errors.New("git's answer ends in the middle of a commit")

const recordFields = 6

// parseLog reads the NUL-separated records of recordFormat. With paths, each record is followed by
// its paths, of which the first carries a newline before it.
func parseLog(in io.Reader, paths bool, yield func(*Commit) error) error {
	p := parser{in: bufio.NewReaderSize(in, 256<<10)}
	field, err := p.next()
	if errors.Is(err, io.EOF) {
		return nil
	}
	for {
		if err != nil {
			return err
		}
		if len(field) == 0 || field[0] != '/' {
			return fmt.Errorf("walk history: git gave %q where a commit begins", field)
		}
		p.record(field[1:])
		for range recordFields - 1 {
			if field, err = p.next(); errors.Is(err, io.EOF) {
				return errTruncated
			} else if err != nil {
				return err
			}
			p.record(field)
		}
		field, err = p.next()
		if paths && err == nil && len(field) > 0 && field[0] == '\n' {
			p.path(field[1:])
			for field, err = p.next(); err == nil && (len(field) == 0 || field[0] != '/'); field, err = p.next() {
				p.path(field)
			}
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		// The commit is built from the parser's own bytes, but field may point into the reader's:
		// yield does not read, so field stays good.
		if yieldErr := p.commitTo(yield); yieldErr != nil {
			return yieldErr
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
	}
}

// parser holds one record in one buffer that is used again and again.
type parser struct {
	in     *bufio.Reader
	long   []byte // a field longer than the reader's buffer
	buf    []byte
	ends   []int // where each of the record's fields, then each path, ends in buf
	commit Commit
}

// next gives the next field without its NUL; it is good until the next call.
func (p *parser) next() ([]byte, error) {
	field, err := p.in.ReadSlice(0)
	if err == nil {
		return field[:len(field)-1], nil
	}
	if errors.Is(err, bufio.ErrBufferFull) {
		p.long = append(p.long[:0], field...)
		for errors.Is(err, bufio.ErrBufferFull) {
			field, err = p.in.ReadSlice(0)
			p.long = append(p.long, field...)
		}
		if err == nil {
			return p.long[:len(p.long)-1], nil
		}
	}
	if errors.Is(err, io.EOF) && len(field) > 0 {
		return nil, errTruncated
	}
	if !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("walk history: %w", err)
	}
	return nil, io.EOF
}

func (p *parser) record(field []byte) {
	p.buf = append(p.buf, field...)
	p.ends = append(p.ends, len(p.buf))
}

func (p *parser) path(field []byte) { p.record(field) }

func (p *parser) commitTo(yield func(*Commit) error) error {
	c := &p.commit
	at := func(i int) []byte {
		from := 0
		if i > 0 {
			from = p.ends[i-1]
		}
		return p.buf[from:p.ends[i]]
	}
	c.SHA, c.Parents = at(0), at(1)
	c.Authored, c.HasAuthored = parseSeconds(at(2))
	c.Committed, c.HasCommitted = parseSeconds(at(3))
	if c.Author = bytes.TrimSpace(at(4)); len(c.Author) == 0 {
		c.Author = bytes.TrimSpace(at(5))
	}
	c.Paths = c.Paths[:0]
	for i := recordFields; i < len(p.ends); i++ {
		c.Paths = append(c.Paths, at(i))
	}
	err := yield(c)
	p.buf, p.ends = p.buf[:0], p.ends[:0]
	return err
}
