package history_test

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history"
	"github.com/fawkes-idp/fawkes/services/dora/project"
)

// The definitions of what is one deployment when several sources report it.

// strength is a source's place in the default order.
func strength(source string) int {
	order := []string{"argocd", "flux", "jenkins", "cdevents", "devlake", "", "events", "github", "git"}
	if i := slices.Index(order, strings.Split(source, ":")[0]); i >= 0 {
		return i
	}
	return slices.Index(order, "")
}

func gitOps(source string) bool { return source == "argocd" || source == "flux" }

// believed is the configured authority of a lane.
func (m *reference) believed(lane [2]string) (believed func(source string) bool, configured bool) {
	var rule project.Authority
	for _, want := range [][2]string{{lane[0], lane[1]}, {lane[0], ""}, {"", lane[1]}, {"", ""}} {
		for _, a := range m.spec.Authority {
			if !configured && a.Service == want[0] && a.Environment == want[1] {
				rule, configured = a, true
			}
		}
	}
	return func(source string) bool {
		return configured && (source == rule.Source || strings.HasPrefix(source, rule.Source+":"))
	}, configured
}

// alike says whether two hashes are, or may be, one.
func alike(a, b string) bool {
	return a != "" && b != "" && (strings.HasPrefix(a, b) || strings.HasPrefix(b, a))
}

// told is a row's version: its own, or the one lent to it.
func (d *refRow) told() string {
	if d.lender != nil {
		return d.lender.SHA
	}
	return d.SHA
}

func sameImage(a, b *refRow) bool { return a.Digest != "" && a.Digest == b.Digest }

func sameVersion(a, b *refRow) bool { return sameImage(a, b) || alike(a.told(), b.told()) }

// span is when a row's deployment ran, as far as that is known, a day at most.
func (d *refRow) span() (from, to time.Time, ok bool) {
	a, b := cmp.Or(d.StartedAt, d.FinishedAt), cmp.Or(d.FinishedAt, d.StartedAt)
	if a == 0 {
		return from, to, false
	}
	from, to = min(a, b).Std(), max(a, b).Std()
	if to.Sub(from) > 24*time.Hour {
		from = to.Add(-24 * time.Hour)
	}
	return from, to, true
}

// gap is how far two rows lie apart.
func gap(a, b *refRow) (time.Duration, bool) {
	from, to, ok := a.span()
	begin, end, ok2 := b.span()
	return max(0, begin.Sub(to), from.Sub(end)), ok && ok2
}

// nearest is the deployment of those given that r is a report of.
func nearest(of []*refRow, r *refRow) *refRow {
	var best *refRow
	_, end, _ := r.span()
	order := func(p *refRow) (time.Duration, time.Duration, int64, string) {
		g, _ := gap(p, r)
		from, to, _ := p.span()
		return g, to.Sub(end).Abs(), from.UnixMicro(), p.Key()
	}
	for _, p := range of {
		g, ok := gap(p, r)
		if !ok || g > 24*time.Hour || !sameVersion(p, r) {
			continue
		}
		begin, _, _ := p.span()
		if asked := gitOps(p.Source) && r.Outcome == event.OutcomeSuccess && !end.After(begin); g > time.Hour && !asked {
			continue
		}
		if best == nil {
			best = p
			continue
		}
		g1, e1, f1, k1 := order(p)
		g2, e2, f2, k2 := order(best)
		if cmp.Or(cmp.Compare(g1, g2), cmp.Compare(e1, e2), cmp.Compare(f1, f2), cmp.Compare(k1, k2)) < 0 {
			best = p
		}
	}
	if best == nil {
		return nil
	}
	if g, _ := gap(best, r); g > time.Hour {
		from1, to1, _ := best.span()
		from2, to2, _ := r.span()
		begin, end := to1, from2
		if to2.Before(from1) {
			begin, end = to2, from1
		}
		for _, q := range of {
			other := !sameVersion(q, r) && (q.told() != "" && r.told() != "" || q.Digest != "" && r.Digest != "")
			if at := q.FinishedAt.Std(); q.good() && other && at.After(begin) && at.Before(end) {
				return nil
			}
		}
	}
	return best
}

// reconcile says which of a lane's reports are deployments that count, each
// with what the others add, and which do not count.
func (m *reference) reconcile(lane [2]string, rows []*refRow) (count, aside []*refRow) {
	believed, configured := m.believed(lane)
	order := func(a, b string) int {
		first := func(s string) int {
			if believed(s) {
				return 0
			}
			return 1
		}
		return cmp.Or(cmp.Compare(first(a), first(b)), cmp.Compare(strength(a), strength(b)), cmp.Compare(a, b))
	}
	for _, p := range rows {
		m.lend(p, rows, order)
	}
	var began time.Time // GitOps, in this lane
	for _, r := range rows {
		if from, _, ok := r.span(); ok && gitOps(r.Source) && (began.IsZero() || from.Before(began)) {
			began = from
		}
	}
	rows = slices.Clone(rows)
	slices.SortStableFunc(rows, func(a, b *refRow) int { return order(a.Source, b.Source) })
	for _, r := range rows {
		stronger := slices.DeleteFunc(slices.Clone(count), func(p *refRow) bool { return p.Source == r.Source })
		if p := nearest(stronger, r); p != nil {
			p.reports = append(p.reports, r)
			r.of = p
			continue
		}
		_, to, ok := r.span()
		switch {
		case configured && believed(r.Source), !configured && (began.IsZero() || gitOps(r.Source) || ok && to.Before(began)):
			count = append(count, r)
		default:
			aside = append(aside, r)
		}
	}
	for _, p := range count {
		p.believe(order)
	}
	return count, aside
}

// lend finds the version of a row that names none: the only one that weaker
// sources report close by.
func (m *reference) lend(p *refRow, rows []*refRow, order func(a, b string) int) {
	if p.SHA != "" {
		return
	}
	var own, fit []*refRow
	for _, q := range rows {
		if q.Source == p.Source && q.SHA != "" {
			own = append(own, q)
		}
	}
	for _, r := range rows {
		g, ok := gap(p, r)
		other := p.Digest != "" && r.Digest != "" && p.Digest != r.Digest
		if order(p.Source, r.Source) < 0 && r.SHA != "" && ok && g <= 15*time.Minute && !other && nearest(own, r) == nil {
			fit = append(fit, r)
		}
	}
	for _, a := range fit {
		for _, b := range fit {
			if !alike(a.SHA, b.SHA) {
				return
			}
		}
	}
	if len(fit) > 0 {
		p.lender = slices.MinFunc(fit, func(a, b *refRow) int {
			knows := func(r *refRow) int { return min(1, len(r.found)) }
			return cmp.Or(-cmp.Compare(len(a.SHA), len(b.SHA)), -cmp.Compare(knows(a), knows(b)), cmp.Compare(a.Key(), b.Key()))
		})
	}
}

// believe fills what a deployment's own report leaves open.
func (d *refRow) believe(order func(a, b string) int) {
	slices.SortFunc(d.reports, func(a, b *refRow) int {
		ga, _ := gap(a, d)
		gb, _ := gap(b, d)
		fa, _, _ := a.span()
		fb, _, _ := b.span()
		return cmp.Or(order(a.Source, b.Source), cmp.Compare(ga, gb), fa.Compare(fb), cmp.Compare(a.Key(), b.Key()))
	})
	from := d.lender
	if from == nil && d.SHA == "" {
		agree := true
		for _, r := range d.reports {
			v := r
			if r.lender != nil {
				v = r.lender
			}
			switch {
			case v.SHA == "":
			case from != nil && !alike(from.SHA, v.SHA):
				agree = false
			case from == nil || len(v.SHA) > len(from.SHA):
				from = v
			}
		}
		if !agree {
			from = nil
		}
	}
	if from != nil {
		d.SHA, d.ResolvedBy, d.Repo, d.r, d.found, d.Reason = from.SHA, "report", from.Repo, from.r, from.found, ""
		if d.found == "" {
			d.Reason = history.ReasonCommitsMissing
		}
	}
	for _, r := range d.reports {
		d.Reports = append(d.Reports, r.Key())
		d.Digest, d.Title, d.URL = cmp.Or(d.Digest, r.Digest), cmp.Or(d.Title, r.Title), cmp.Or(d.URL, r.URL)
		d.Unplanned = d.Unplanned || r.Unplanned
		if d.StartedAt == 0 && (d.FinishedAt == 0 || r.StartedAt <= d.FinishedAt) {
			d.StartedAt = r.StartedAt
		}
		if d.r == nil && r.r != nil && alike(d.SHA, r.SHA) {
			d.r, d.Repo, d.found = r.r, r.Repo, r.found
			if r.found != "" {
				d.SHA, d.Reason = r.found, ""
			}
		}
	}
}

// origin is the commit behind an image: the artifact's, else the one that
// deployments name beside it when they agree.
func (m *reference) origin(digest string) (repo, sha string, ok bool) {
	if digest == "" {
		return "", "", false
	}
	if a := m.artifacts[digest]; a != nil {
		return a.field("repo").text(), a.field("sha").text(), true
	}
	for _, d := range m.deployments {
		if gitOps(d.source) || d.field("digest").text() != digest {
			continue
		}
		r, s := m.own(d)
		switch {
		case s == "":
			continue
		case sha != "" && !alike(sha, s):
			return "", "", false
		case len(s) > len(sha):
			sha = s
		}
		if repo == "" || r != "" && r < repo {
			repo = r
		}
	}
	return repo, sha, sha != ""
}

// own is what a deployment's own reports say of its source.
func (m *reference) own(d *entity) (repo, sha string) {
	repo, sha = d.field("repo").text(), d.field("sha").text()
	declared, _ := m.spec.Service(d.field("service").text())
	if d.field("digest").text() == "" {
		return repo, sha
	}
	// A revision beside a digest may be the environment repository's.
	if declared.Repo != "" && repo != "" && event.RepoKey(repo) != event.RepoKey(declared.Repo) {
		return declared.Repo, ""
	}
	return repo, sha
}
