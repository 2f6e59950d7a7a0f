package history

import (
	"bytes"
	"time"

	"github.com/fawkes-idp/fawkes/services/dora/event"
)

// Pull requests, reviews and deployments come by the hundred thousand, and
// reading them with encoding/json would take most of the time of a rebuild. flat
// reads what event.Pack writes of them in the usual case: one object of texts,
// flags, nulls and lists of texts, without escapes. Whatever else stands there
// it declines, and event.Unpack reads it.
type flat struct {
	rest []byte
	list [][]byte // of the last value
}

// value is one value of a flat object; text is nil for null and for lists.
type value struct {
	text []byte
	list [][]byte
	null bool
	flag event.Opt[bool]
}

// words are the values that are neither texts nor lists.
var words = []struct {
	word  []byte
	value value
}{
	{[]byte("null"), value{null: true}},
	{[]byte("true"), value{flag: event.Some(true)}},
	{[]byte("false"), value{flag: event.Some(false)}},
}

// each calls f with every field and reports whether all could be read and f
// knew what to do with them.
func (f *flat) each(packed []byte, field func(name []byte, v value) bool) bool {
	f.rest = packed
	if !f.take('{') {
		return false
	}
	for {
		name, ok := f.text()
		if !ok || !f.take(':') {
			return false
		}
		v, ok := f.value()
		if !ok || !field(name, v) {
			return false
		}
		if f.take('}') {
			return len(f.rest) == 0
		}
		if !f.take(',') {
			return false
		}
	}
}

func (f *flat) take(c byte) bool {
	if len(f.rest) == 0 || f.rest[0] != c {
		return false
	}
	f.rest = f.rest[1:]
	return true
}

func (f *flat) text() ([]byte, bool) {
	if len(f.rest) == 0 || f.rest[0] != '"' {
		return nil, false
	}
	n := bytes.IndexByte(f.rest[1:], '"')
	if n < 0 || bytes.IndexByte(f.rest[1:1+n], '\\') >= 0 {
		return nil, false
	}
	out := f.rest[1 : 1+n : 1+n]
	f.rest = f.rest[n+2:]
	return out, true
}

func (f *flat) value() (value, bool) {
	if text, ok := f.text(); ok {
		return value{text: text}, true
	}
	for _, w := range words {
		if rest, ok := bytes.CutPrefix(f.rest, w.word); ok {
			f.rest = rest
			return w.value, true
		}
	}
	if !f.take('[') {
		return value{}, false
	}
	if f.list == nil {
		f.list = make([][]byte, 0, 8)
	}
	f.list = f.list[:0]
	for !f.take(']') {
		if len(f.list) > 0 && !f.take(',') {
			return value{}, false
		}
		text, ok := f.text()
		if !ok {
			return value{}, false
		}
		f.list = append(f.list, text)
	}
	return value{list: f.list}, true
}

// flatTime reads "2026-01-31T09:30:00Z", with or without a fraction.
func flatTime(v value) (event.Opt[Time], bool) {
	if v.null {
		return event.Null[Time](), true
	}
	b := v.text
	const layout = "0000-00-00T00:00:00Z"
	if len(b) < len(layout) || b[len(b)-1] != 'Z' {
		return event.Opt[Time]{}, false
	}
	for i := range len(layout) - 1 {
		if c := layout[i]; c == '0' && (b[i] < '0' || b[i] > '9') || c != '0' && b[i] != c {
			return event.Opt[Time]{}, false
		}
	}
	micros := 0
	if fraction := b[len(layout)-1 : len(b)-1]; len(fraction) > 0 {
		if fraction[0] != '.' || len(fraction) == 1 || len(fraction) > 7 {
			return event.Opt[Time]{}, false
		}
		for i := 1; i < 7; i++ {
			micros *= 10
			if i < len(fraction) {
				if fraction[i] < '0' || fraction[i] > '9' {
					return event.Opt[Time]{}, false
				}
				micros += int(fraction[i] - '0')
			}
		}
	}
	number := func(from, to int) (n int) {
		for _, c := range b[from:to] {
			n = 10*n + int(c-'0')
		}
		return n
	}
	year, month, day := number(0, 4), number(5, 7), number(8, 10)
	hour, minute, second := number(11, 13), number(14, 16), number(17, 19)
	if year < 1971 || year > 2199 || month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59 {
		return event.Opt[Time]{}, false // at the edges the full reader decides
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, micros*1000, time.UTC)
	return event.Some(Time(t.UnixMicro())), t.Day() == day
}

// applyFlatPullRequest applies a packed pull request that can be read flat.
func (l *Ledger) applyFlatPullRequest(at Time, packed []byte) bool {
	var repo *repository
	p := &l.pull
	*p = pullRequestReport{commitList: p.commitList[:0]}
	ok := l.flat.each(packed, func(name []byte, v value) (ok bool) {
		if repo == nil { // which comes first, and which hashes belong to
			if string(name) != "repo" || len(v.text) == 0 {
				return false
			}
			repo = l.repoBytes(v.text)
			return true
		}
		switch string(name) {
		case "number":
			p.number, ok = v.text, len(v.text) > 0
		case "author":
			p.author, ok = l.flatText(v, true)
		case "base":
			p.base, ok = l.flatText(v, true)
		case "title":
			p.title, ok = l.flatText(v, false)
		case "url":
			p.url, ok = l.flatText(v, false)
		case "created_at":
			p.createdAt, ok = flatTime(v)
		case "merged_at":
			p.mergedAt, ok = flatTime(v)
		case "closed_at":
			p.closedAt, ok = flatTime(v)
		case "merge_sha":
			p.mergeSHA, ok = repo.dag.flatRef(v)
		case "head_sha":
			p.headSHA, ok = repo.dag.flatRef(v)
		case "commits":
			p.commits = event.Opt[[]int32]{Present: true, Known: !v.null}
			ok = v.null || v.list != nil
			for _, h := range v.list {
				n, fits := repo.dag.flatRef(value{text: h})
				ok = ok && fits
				p.commitList = append(p.commitList, n.V)
			}
		default:
			ok = false
		}
		return ok
	})
	if !ok || repo == nil || p.number == nil {
		return false
	}
	p.commits.V = p.commitList
	l.mergePullRequest(at, repo, p)
	return true
}

// applyFlatDeployment applies a packed deployment that can be read flat.
func (l *Ledger) applyFlatDeployment(source string, at Time, packed []byte) bool {
	var d event.Deployment
	ok := l.flat.each(packed, func(name []byte, v value) (ok bool) {
		ok = true
		switch string(name) {
		case "id":
			d.ID = string(v.text)
		case "service":
			d.Service, ok = l.flatText(v, true)
		case "environment":
			d.Environment, ok = l.flatText(v, true)
		case "repo":
			d.Repo, ok = l.flatText(v, true)
		case "outcome":
			d.Outcome, ok = l.flatText(v, true)
		case "sha":
			d.SHA, ok = l.flatText(v, false)
		case "digest":
			d.Digest, ok = l.flatText(v, false)
		case "title":
			d.Title, ok = l.flatText(v, false)
		case "url":
			d.URL, ok = l.flatText(v, false)
		case "started_at":
			d.StartedAt, ok = flatTime(v)
		case "finished_at":
			d.FinishedAt, ok = flatTime(v)
		case "unplanned":
			d.Unplanned, ok = v.flag, v.flag.Known
		default:
			ok = false
		}
		return ok
	})
	if ok = ok && d.ID != ""; ok {
		l.applyDeployment(source, at, &d)
	}
	return ok
}

// flatText is an optional text; those that recur are kept once.
func (l *Ledger) flatText(v value, recurs bool) (event.Opt[string], bool) {
	switch {
	case v.null:
		return event.Null[string](), true
	case v.text == nil:
		return event.Opt[string]{}, false
	case recurs:
		return event.Some(l.sharedBytes(v.text)), true
	}
	return event.Some(string(v.text)), true
}

// flatRef is the node of a hash of 40 digits.
func (g *dag) flatRef(v value) (event.Opt[int32], bool) {
	if v.null {
		return event.Opt[int32]{V: none, Present: true}, true
	}
	if len(v.text) != 40 {
		return event.Opt[int32]{}, false
	}
	h, ok := decodeSHA(v.text)
	if !ok {
		return event.Opt[int32]{}, false
	}
	return event.Some(g.node(h)), true
}

// applyFlatReview applies a packed review that can be read flat.
func (l *Ledger) applyFlatReview(packed []byte) bool {
	var repo, number []byte
	var v review
	ok := l.flat.each(packed, func(name []byte, f value) (ok bool) {
		ok = !f.null && f.text != nil
		switch string(name) {
		case "repo":
			repo = f.text
		case "number":
			number = f.text
		case "author":
			v.author = l.sharedBytes(f.text)
		case "kind":
			v.kind = l.sharedBytes(f.text)
		case "submitted_at":
			var at event.Opt[Time]
			at, ok = flatTime(f)
			v.at = at.V
		default:
			ok = false
		}
		return ok
	})
	if !ok || len(repo) == 0 || len(number) == 0 {
		return false
	}
	r := l.repoBytes(repo)
	r.mergeReview(r.pullRequest(number), v)
	return true
}
