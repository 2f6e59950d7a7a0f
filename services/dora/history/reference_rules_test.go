package history_test

import (
	"cmp"
	"maps"
	"slices"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history"
	"github.com/fawkes-idp/fawkes/services/dora/project"
)

// refPull is what a pull request was found to hold.
type refPull struct {
	*entity
	merge, squashed string // squashed is the merge commit that stands for the branch
	branch, rebased []string
	replaces        bool
	first           event.Time
}

// pull finds the commits of a pull request.
func (r *refRepo) pull(p *entity) *refPull {
	out := &refPull{entity: p}
	set := map[string]bool{}
	for _, s := range p.field("commits").list() {
		if c := r.find(s); c != "" {
			set[c] = true
		}
	}
	listed := len(set) > 0
	if p.field("merged").time() != 0 && p.field("merge").text() != "" {
		out.merge = r.find(p.field("merge").text())
	}
	minus := func(tip string, base []string) {
		less := map[string]bool{}
		if len(base) > 0 {
			less = r.reach(base[0])
		}
		for c := range r.reach(tip) {
			if !less[c] {
				set[c] = true
			}
		}
	}
	var merge *refCommit
	if out.merge != "" {
		merge = r.commits[out.merge]
		if len(merge.parents) > 1 {
			for _, tip := range merge.parents[1:] {
				minus(tip, merge.parents)
			}
		} else if head := r.find(p.field("head").text()); !listed && head != "" && head != out.merge {
			if merge.hasParents {
				minus(head, merge.parents)
			} else {
				set[head] = true
			}
		}
	}
	var authored []event.Time
	for c := range set {
		out.branch = append(out.branch, c)
		if k := r.commits[c]; k != nil {
			authored = append(authored, k.authored)
			if k.authored != 0 && (out.first == 0 || k.authored < out.first) {
				out.first = k.authored
			}
		}
	}
	if merge == nil {
		return out
	}
	head := p.field("head").text()
	untold := head == "" && len(p.field("commits").list()) == 0 && merge.authored <= p.field("created").time()
	if len(authored) == 0 && len(merge.parents) < 2 && (untold || head != "" && r.find(head) == out.merge && len(p.field("commits").list()) == 0) {
		out.first = merge.authored
	}
	if set[out.merge] || len(merge.parents) > 1 || len(authored) == 0 {
		return out
	}
	for c := range set {
		if !merge.hasParents && r.reach(out.merge)[c] {
			return out // a merge that holds the branch did not rewrite it
		}
	}
	out.replaces = true
	var run []string
	var times []event.Time
	for c := merge; c != nil && len(run) < len(authored) && len(c.parents) < 2; {
		run, times = append(run, c.sha), append(times, c.authored)
		if len(c.parents) == 0 {
			break
		}
		next := r.commits[c.parents[0]]
		if next == nil {
			run, times = append(run, c.parents[0]), append(times, 0)
		}
		c = next
	}
	if len(run) > len(authored) {
		run, times = run[:len(authored)], times[:len(authored)]
	}
	slices.Sort(authored)
	slices.Sort(times)
	if slices.Equal(authored, times) {
		out.rebased = run
	} else if out.first < merge.authored {
		out.squashed = out.merge
	}
	return out
}

// owners gives each commit the first merged of the pull requests that hold it.
func (r *refRepo) owners() (owner map[string]*refPull, replaced map[string]bool) {
	owner, replaced = map[string]*refPull{}, map[string]bool{}
	var all []*refPull
	for _, p := range r.pulls {
		all = append(all, r.pull(p))
	}
	slices.SortFunc(all, func(a, b *refPull) int {
		order := func(p *refPull) event.Time {
			if t := p.field("merged").time(); t != 0 {
				return t
			}
			return 1 << 62
		}
		return cmp.Or(cmp.Compare(order(a), order(b)), cmp.Compare(len(a.id), len(b.id)), cmp.Compare(a.id, b.id))
	})
	for _, p := range all {
		hold := slices.Concat(p.branch, p.rebased)
		if p.merge != "" {
			hold = append(hold, p.merge)
		}
		for _, c := range hold {
			if owner[c] == nil {
				owner[c] = p
			}
		}
		if p.replaces {
			for _, c := range p.branch {
				replaced[c] = true
			}
		}
	}
	return owner, replaced
}

// refRow is a deployment of the reference.
type refRow struct {
	*entity
	history.Deployment
	r     *refRepo
	found string // the reported commit

	lender  *refRow   // who says which version it was
	reports []*refRow // other sources' reports of it
	of      *refRow   // what it is a report of
}

func (d *refRow) good() bool { return d.Outcome == event.OutcomeSuccess && d.FinishedAt != 0 }

func (d *refRow) start() event.Time { return cmp.Or(d.StartedAt, d.FinishedAt) }

func (m *reference) row(d *entity) *refRow {
	out := &refRow{entity: d}
	out.Source, out.ID = d.source, d.id
	out.Outcome, out.StartedAt, out.FinishedAt = d.field("outcome").text(), d.field("started").time(), d.field("finished").time()
	out.Digest, out.Environment = d.field("digest").text(), cmp.Or(d.field("environment").text(), "production")
	out.Production = m.spec.EnvironmentKind(out.Environment) == project.KindProduction
	out.Title, out.URL, out.Unplanned = d.field("title").text(), d.field("url").text(), d.field("unplanned").flag()
	service := d.field("service").text()
	declared, isDeclared := m.spec.Service(service)
	repo, sha := m.own(d)
	if r, s, ok := m.origin(out.Digest); ok && (sha == "" || gitOps(d.source) || m.artifacts[out.Digest] != nil) {
		repo, sha, out.ResolvedBy = r, s, "digest"
	} else if sha != "" {
		out.ResolvedBy = "sha"
	}
	if service == "" { // only edge, which nobody declares, is deployed without a name
		service = event.RepoName(repo)
	}
	out.Service, out.SHA = service, sha
	if repo == "" && isDeclared {
		repo = declared.Repo
	}
	if repo == "" && sha != "" {
		for _, key := range slices.Sorted(maps.Keys(m.repos)) {
			if repo == "" && m.repos[key].find(sha) != "" {
				repo = m.repos[key].url
			}
		}
	}
	if repo != "" {
		out.r = m.repo(repo)
		out.Repo = out.r.url
	}
	if sha == "" {
		out.Reason = history.ReasonSHAUnknown
		return out
	}
	out.Reason = history.ReasonCommitsMissing
	if out.r != nil {
		if out.found = out.r.find(sha); out.found != "" {
			out.SHA, out.Reason = out.found, ""
		}
	}
	return out
}

func lastZero(a, b event.Time) int {
	if (a == 0) != (b == 0) {
		return -cmp.Compare(a, b)
	}
	return cmp.Compare(a, b)
}

func inEffect(a, b *refRow) int {
	return cmp.Or(lastZero(a.FinishedAt, b.FinishedAt), lastZero(a.StartedAt, b.StartedAt), cmp.Compare(a.Key(), b.Key()))
}

// lanes sorts all deployments into lanes and says what each replaced.
func (m *reference) lanes() map[[2]string][]*refRow {
	out := map[[2]string][]*refRow{}
	for _, d := range m.deployments {
		r := m.row(d)
		k := [2]string{r.Service, r.Environment}
		out[k] = append(out[k], r)
		m.rows = append(m.rows, r)
	}
	for k, rows := range out {
		rows, aside := m.reconcile(k, rows)
		m.aside, out[k] = append(m.aside, aside...), rows
		slices.SortFunc(rows, inEffect)
		for i, r := range rows {
			r.Kind = kindOf(r, rows[:i])
			if live := lastGood(rows[:i]); live != nil {
				r.Previous, r.PreviousID = live.Key(), live.ID
			}
		}
	}
	return out
}

func lastGood(rows []*refRow) *refRow {
	for _, r := range slices.Backward(rows) {
		if r.good() {
			return r
		}
	}
	return nil
}

func kindOf(r *refRow, before []*refRow) string {
	live := lastGood(before)
	version := func(d *refRow) string { return cmp.Or(d.SHA, d.Digest) }
	switch {
	case live == nil:
		return history.KindFirst
	case version(r) == "":
		return ""
	case version(r) == version(live):
		return history.KindRedeploy
	}
	if r.found != "" && live.found != "" && r.r == live.r {
		contained := slices.ContainsFunc(before, func(d *refRow) bool {
			return d.good() && d.r == r.r && d.found != "" && d.r.reach(d.found)[r.found]
		})
		switch {
		case !contained:
			return history.KindForward
		case r.r.reach(live.found)[r.found]:
			return history.KindRollback
		case r.r.reach(r.found)[live.found]:
			return history.KindForward
		}
	}
	first := func(v string) int {
		return slices.IndexFunc(before, func(d *refRow) bool { return d.good() && version(d) == v })
	}
	if at := first(version(r)); at >= 0 && version(live) != "" && at < first(version(live)) {
		return history.KindRollback
	}
	return history.KindForward
}

// changes are those that a deployment brought: what it reaches and no good
// deployment of the lane before it does.
func (d *refRow) changes(before []*refRow) map[string]bool {
	out := map[string]bool{}
	if !d.good() || d.found == "" {
		return out
	}
	maps.Copy(out, d.r.reach(d.found))
	for _, b := range before {
		if b.good() && b.r == d.r && b.found != "" {
			for c := range d.r.reach(b.found) {
				delete(out, c)
			}
		}
	}
	return out
}

// cause finds the deployment behind an incident.
func (m *reference) cause(i *entity, service string, lanes map[[2]string][]*refRow) (cause *refRow, by, reason string) {
	var all []*refRow
	for _, k := range slices.SortedFunc(maps.Keys(lanes), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		all = append(all, lanes[k]...)
	}
	opened, environment := i.field("opened").time(), i.field("environment").text()
	if name := i.field("cause").text(); name != "" {
		var named []*refRow
		for _, d := range m.rows {
			if d.Key() == name {
				return m.named(d)
			}
			if d.ID == name {
				named = append(named, d)
			}
		}
		for _, pass := range []func(d *refRow) bool{
			func(d *refRow) bool { return d.Source == i.source && d.Service == service },
			func(d *refRow) bool { return d.Source == i.source },
			func(d *refRow) bool { return d.Service == service },
			func(*refRow) bool { return true },
		} {
			fit := slices.DeleteFunc(slices.Clone(named), func(d *refRow) bool { return !pass(d) })
			if len(fit) > 0 {
				return m.named(slices.MinFunc(fit, func(a, b *refRow) int {
					if a, b := slices.Contains(m.aside, a), slices.Contains(m.aside, b); a != b {
						return map[bool]int{true: 1, false: -1}[a]
					}
					return cmp.Compare(a.Key(), b.Key())
				}))
			}
		}
		return nil, history.LinkNone, history.ReasonNotSeen
	}
	latest := func(want func(*refRow) bool) *refRow {
		var best *refRow
		for _, d := range all {
			if d.good() && d.FinishedAt <= opened && (service == "" || d.Service == service) &&
				(d.Environment == environment || environment == "" && d.Production) && want(d) && (best == nil || inEffect(best, d) < 0) {
				best = d
			}
		}
		return best
	}
	digest, sha := i.field("digest").text(), i.field("sha").text()
	if digest != "" || sha != "" {
		_, made, _ := m.origin(digest)
		if d := latest(func(d *refRow) bool {
			return digest != "" && d.Digest == digest || alike(d.SHA, sha) || alike(d.SHA, made)
		}); d != nil {
			return d, history.LinkArtifact, ""
		}
		return nil, history.LinkNone, history.ReasonNotSeen
	}
	if service == "" {
		return nil, history.LinkNone, history.ReasonNoService
	}
	d := latest(func(*refRow) bool { return true })
	switch {
	case d == nil:
		return nil, history.LinkNone, history.ReasonNoDeployment
	case opened.Std().Sub(d.FinishedAt.Std()) > m.spec.Window():
		return nil, history.LinkNone, history.ReasonOutsideWindow
	}
	return d, history.LinkTime, ""
}

// named is the deployment behind one that an incident names.
func (m *reference) named(d *refRow) (cause *refRow, by, reason string) {
	switch {
	case slices.Contains(m.aside, d):
		return nil, history.LinkNone, history.ReasonNotAuthoritative
	case d.of != nil:
		d = d.of
	}
	return d, history.LinkExplicit, ""
}
