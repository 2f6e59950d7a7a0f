package history

import (
	"cmp"
	"slices"
	"sort"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/project"
)

// Several sources may report one deployment: CI that started it, GitOps that
// carried it out, the git host that CI told of it. In each lane one of them is
// believed, and the others add what it left open.
const (
	day  = Time(24 * 3600 * 1e6)
	hour = Time(3600 * 1e6)

	// sameWithin is how long before GitOps brought a version a pipeline may have
	// asked for it, as long as no other version came in between.
	sameWithin = day
	// closeBy is how far apart they may lie whatever came in between: clocks and
	// pipelines differ by minutes.
	closeBy = hour
	// lendWithin is how near a report must lie to say what version a deployment
	// brought whose own report does not.
	lendWithin = 15 * 60 * Time(1e6)
	// mostNear bounds how many reports to either side of one are looked at. It is
	// more than any lane has in a day, but for one that something floods.
	mostNear = 200
)

// sighting is a deployment as one source reports it, beside what the others say.
type sighting struct {
	*row
	strength int  // of its source; smaller is stronger
	from, to Time // when it ran, at most a day long; 0 when unknown
	version  *row // the row that knows its source commit: itself, or the one that lent it
	reports  []*sighting
	gap      Time // to the one that it is a report of
}

// reconcile sorts a lane's reports into deployments: those that count, each
// with the reports that were merged into it, and those that do not count.
func (l *Ledger) reconcile(ln *lane) {
	ln.uncounted = nil
	rule, configured := l.spec.AuthorityOf(ln.service, ln.environment)
	sources := ln.sources()
	for _, r := range ln.reports {
		r.into, r.aside = nil, false
	}
	if len(sources) == 1 && (!configured || rule.Speaks(sources[0])) {
		ln.rows = ln.reports
		return
	}
	slices.SortFunc(sources, l.spec.CompareSources(ln.service, ln.environment))
	all := sightings(ln.reports, sources)
	lend(all, len(sources))

	gitops := Time(0) // when the first GitOps deployment began
	for _, s := range all {
		if !configured && s.from != 0 && project.ClassOf(s.Source) == project.ClassGitOps && (gitops == 0 || s.from < gitops) {
			gitops = s.from
		}
	}
	counts := func(s *sighting) bool {
		switch {
		case configured:
			return rule.Speaks(s.Source)
		case gitops != 0:
			return project.ClassOf(s.Source) == project.ClassGitOps || s.to != 0 && s.to < gitops
		}
		return true
	}
	bySource := make([]timeline, len(sources))
	for _, s := range all {
		bySource[s.strength] = append(bySource[s.strength], s)
	}
	var standing timeline
	for _, reports := range bySource {
		var own timeline
		for _, s := range reports {
			if p := standing.match(s); p != nil {
				p.reports = append(p.reports, s)
				continue
			}
			if counts(s) {
				own = append(own, s)
				continue
			}
			s.aside = true
			ln.uncounted = append(ln.uncounted, s.row)
		}
		standing = mergeSorted(standing, own, byBeginning)
	}
	ln.rows = make([]*row, len(standing))
	for i, s := range standing {
		ln.rows[i] = s.enrich()
	}
	slices.SortFunc(ln.rows, effective)
	slices.SortFunc(ln.uncounted, effective)
}

// sources are those that report deployments of the lane.
func (ln *lane) sources() []string {
	var out []string
	seen := map[string]struct{}{}
	for _, r := range ln.reports {
		if len(out) > 0 && r.Source == out[len(out)-1] {
			continue // as nearly always
		}
		if _, ok := seen[r.Source]; !ok {
			seen[r.Source] = struct{}{}
			out = append(out, r.Source)
		}
	}
	return out
}

// timeline is sightings by their beginning.
type timeline []*sighting

func byBeginning(a, b *sighting) int {
	return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.key, b.key))
}

func sightings(rows []*row, sources []string) timeline {
	strength := map[string]int{}
	for i, s := range sources {
		strength[s] = i
	}
	all := make([]sighting, len(rows))
	out := make(timeline, len(rows))
	for i, r := range rows {
		s := &all[i]
		*s = sighting{row: r, strength: strength[r.Source], version: r, from: r.StartedAt, to: r.FinishedAt}
		if s.from == 0 {
			s.from = s.to
		}
		if s.to == 0 {
			s.to = s.from
		}
		s.from, s.to = min(s.from, s.to), max(s.from, s.to)
		s.from = max(s.from, s.to-day)
		out[i] = s
	}
	slices.SortFunc(out, byBeginning)
	return out
}

// around are the sightings that may lie within pad of s, of very many those that
// began next to it.
func (t timeline) around(s *sighting, pad Time) timeline {
	low := sort.Search(len(t), func(i int) bool { return t[i].from >= s.from-pad-day })
	high := low + sort.Search(len(t)-low, func(i int) bool { return t[low+i].from > s.to+pad })
	at, _ := slices.BinarySearchFunc(t[low:high], s, byBeginning)
	return t[max(low, low+at-mostNear):min(high, low+at+mostNear)]
}

// apart is how far two sightings lie apart; false when one's time is unknown.
func apart(a, b *sighting) (Time, bool) {
	if a.to == 0 || b.to == 0 {
		return 0, false
	}
	return max(a.from-b.to, b.from-a.to, 0), true
}

// alike says whether two reports are of one version.
func alike(a, b *sighting) bool {
	return a.Digest != "" && a.Digest == b.Digest || sameVersion(a.version.SHA, b.version.SHA)
}

// differ says whether two reports are known to be of different versions.
func differ(a, b *sighting) bool {
	return !alike(a, b) && (a.version.SHA != "" && b.version.SHA != "" || a.Digest != "" && b.Digest != "")
}

// lend gives a version to the deployments whose own report names none (an
// image by its tag): that of the weaker sources' reports close by, when they
// name exactly one.
func lend(all timeline, sources int) {
	known := make([]timeline, sources) // by strength
	for _, s := range all {
		if s.SHA != "" {
			known[s.strength] = append(known[s.strength], s)
		}
	}
	lent := map[*sighting]*row{}
	for _, s := range all {
		if s.SHA != "" {
			continue
		}
		if v := versionFor(s, all, known[s.strength]); v != nil {
			lent[s] = v
		}
	}
	for s, v := range lent {
		s.version = v
	}
}

// versionFor finds who tells the version of s, of all reports and those of its
// own source whose version is known. Of several that agree, it is the one with
// the longest hash, then one whose commit is known, then the first by key.
func versionFor(s *sighting, all, own timeline) *row {
	var best *row
	for _, r := range all.around(s, lendWithin) {
		if r.strength <= s.strength || r.SHA == "" || s.Digest != "" && r.Digest != "" && s.Digest != r.Digest {
			continue
		}
		if gap, ok := apart(s, r); !ok || gap > lendWithin || own.match(r) != nil {
			continue
		}
		if best != nil && !sameVersion(best.SHA, r.SHA) {
			return nil
		}
		if best == nil || cmp.Or(cmp.Compare(len(best.SHA), len(r.SHA)), compareFlags(best.node != none, r.node != none), cmp.Compare(r.key, best.key)) < 0 {
			best = r.row
		}
	}
	return best
}

func compareFlags(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// carriesOut says whether p may be, hours later, what s began: a pipeline has
// succeeded when it has asked GitOps for a version, and somebody lets GitOps
// bring it in the evening. Others that lie so far apart are two deployments.
func carriesOut(p, s *sighting) bool {
	return project.ClassOf(p.Source) == project.ClassGitOps && s.Outcome == event.OutcomeSuccess && s.to <= p.from
}

// match finds the deployment that s is a report of: the nearest of its version
// close by, or within a day where that one may carry out what s began and no
// other version took effect in between.
func (t timeline) match(s *sighting) *sighting {
	var best *sighting
	var bestGap, bestEnds Time
	for _, p := range t.around(s, sameWithin) {
		gap, ok := apart(p, s)
		if !ok || gap > sameWithin || !alike(p, s) || gap > closeBy && !carriesOut(p, s) {
			continue
		}
		ends := max(p.to-s.to, s.to-p.to)
		if best == nil || cmp.Or(cmp.Compare(gap, bestGap), cmp.Compare(ends, bestEnds), byBeginning(p, best)) < 0 {
			best, bestGap, bestEnds = p, gap, ends
		}
	}
	if best == nil || bestGap > closeBy && t.between(best, s) {
		return nil
	}
	s.gap = bestGap
	return best
}

// between reports whether another version took effect between two sightings.
func (t timeline) between(a, b *sighting) bool {
	begin, end := min(a.to, b.to), max(a.from, b.from)
	for _, p := range t.around(b, sameWithin) {
		if p.succeeded() && p.FinishedAt > begin && p.FinishedAt < end && differ(p, b) {
			return true
		}
	}
	return false
}

// enrich makes the row of a deployment: its own, or one that also holds what
// the reports add. Of several that know something, the strongest source's
// nearest report is believed. The row is the one that it was when nothing about
// it changed.
func (s *sighting) enrich() *row {
	if len(s.reports) == 0 && s.version == s.row {
		s.merged = nil
		return s.row
	}
	slices.SortFunc(s.reports, func(a, b *sighting) int {
		return cmp.Or(cmp.Compare(a.strength, b.strength), cmp.Compare(a.gap, b.gap), byBeginning(a, b))
	})
	m := *s.row
	m.into, m.merged, m.label, m.nodes, m.incidents, m.rollback = nil, nil, none, nil, nil, nil
	m.stale = true
	if v := s.toldVersion(); v != nil {
		m.SHA, m.ResolvedBy, m.Reason = v.SHA, "report", ""
		m.Repo, m.repository, m.node = v.Repo, v.repository, v.node
		if m.node == none {
			m.Reason = ReasonCommitsMissing
		}
	}
	for _, r := range s.reports {
		m.Reports = append(m.Reports, r.key)
		m.Digest = cmp.Or(m.Digest, r.Digest)
		m.Title, m.URL = cmp.Or(m.Title, r.Title), cmp.Or(m.URL, r.URL)
		m.Unplanned = m.Unplanned || r.Unplanned
		if m.StartedAt == 0 && (m.FinishedAt == 0 || r.StartedAt <= m.FinishedAt) {
			m.StartedAt = r.StartedAt
		}
		if m.repository == nil && r.repository != nil && sameVersion(m.SHA, r.SHA) {
			m.Repo, m.repository, m.node = r.Repo, r.repository, r.node
			if m.node != none {
				m.SHA, m.Reason = r.SHA, ""
			}
		}
	}
	if s.merged == nil || !s.merged.tells(&m) {
		s.merged = &m
	}
	s.into = s.merged
	for _, r := range s.reports {
		r.into = s.merged
	}
	return s.merged
}

// toldVersion is the row of another report that knows the source commit where
// the deployment's own does not: the one that lent it, or the reports of the
// same image when they agree.
func (s *sighting) toldVersion() *row {
	if s.version != s.row {
		return s.version
	}
	if s.SHA != "" {
		return nil
	}
	var told *row
	for _, r := range s.reports {
		switch v := r.version; {
		case v.SHA == "":
		case told != nil && !sameVersion(told.SHA, v.SHA):
			return nil
		case told == nil || len(v.SHA) > len(told.SHA):
			told = v
		}
	}
	return told
}

// tells reports whether two rows of one deployment say the same.
func (r *row) tells(m *row) bool {
	return r.SHA == m.SHA && r.ResolvedBy == m.ResolvedBy && r.repository == m.repository && r.node == m.node && r.Repo == m.Repo &&
		r.Digest == m.Digest && r.Title == m.Title && r.URL == m.URL && r.Unplanned == m.Unplanned &&
		r.StartedAt == m.StartedAt && slices.Equal(r.Reports, m.Reports)
}

// counted is the row of the deployment that r is a report of.
func (r *row) counted() *row {
	if r.into != nil {
		return r.into
	}
	return r
}
