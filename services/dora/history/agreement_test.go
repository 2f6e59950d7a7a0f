package history_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history"
	"github.com/fawkes-idp/fawkes/services/dora/history/historytest"
	"github.com/fawkes-idp/fawkes/services/dora/project"
)

// lines describes a history by what it says of each thing, so that the
// ledger's and the reference's can be laid side by side.
type lines map[string]string

// ledgerLines is the history as the ledger tells it.
func ledgerLines(p *history.Projection) lines {
	out := lines{}
	for _, ln := range p.Lanes {
		for n, d := range ln.Deployments {
			key := "deployment " + d.Key()
			out[key] = rowLine(d) + fmt.Sprintf("%s/%s %d repo=%s sha=%s by=%s kind=%s previous=%s reason=%s failed=%v restored=%d %s %s", ln.Service, ln.Environment, n,
				d.Repo, d.SHA, d.ResolvedBy, d.Kind, d.Previous, d.Reason, d.Failures, d.RestoredAt, d.RestoredBy, d.RestoredRef)
			changeLines(out, key, d.Changes, d.PullRequests, d.LongSHAs)
		}
	}
	for _, d := range p.Uncounted {
		out["uncounted "+d.Key()] = rowLine(d) + fmt.Sprintf("%s/%s repo=%s sha=%s by=%s reason=%s", d.Service, d.Environment, d.Repo, d.SHA, d.ResolvedBy, d.Reason)
	}
	for _, w := range p.Pending {
		changeLines(out, fmt.Sprintf("waiting %s/%s %s", w.Service, w.Environment, w.Repo), w.Changes, w.PullRequests, w.LongSHAs)
	}
	for _, r := range p.PullRequests {
		var to []string
		for _, d := range r.Deliveries {
			to = append(to, fmt.Sprintf("%s/%s %s", d.Service, d.Environment, d.Deployment))
		}
		out["pull "+r.Repo+" "+r.Number] = fmt.Sprintf("sha=%s first=%d commits=%d review=%d approved=%d reason=%s to=%q", r.SHA, r.FirstCommitAt, r.Commits, r.FirstCommentAt,
			r.ApprovedAt, r.Reason, to)
	}
	for n, i := range p.Incidents {
		out["incident "+i.Key()] = fmt.Sprintf("%d %s cause=%s by=%s reason=%s latest=%s", n, i.Service, i.Deployment, i.LinkedBy, i.Reason, i.LatestDeployment)
	}
	return out
}

// rowLine is what a deployment's reports say of it.
func rowLine(d *history.Deployment) string {
	return fmt.Sprintf("digest=%s started=%d finished=%d outcome=%s unplanned=%v title=%q url=%q reports=%q ",
		d.Digest, d.StartedAt, d.FinishedAt, d.Outcome, d.Unplanned, d.Title, d.URL, d.Reports)
}

func changeLines(out lines, of string, changes []history.Change, prs []history.PullRequestRef, long map[history.SHA]string) {
	for _, c := range changes {
		pr := ""
		if c.PR >= 0 {
			pr = prs[c.PR].Number
		}
		out[of+" change "+c.SHA.Text(long)] = fmt.Sprintf("first=%d committed=%d pull=%s reason=%s", c.FirstAt, c.CommittedAt, pr, c.Reason)
	}
}

// lines is the history as the reference tells it.
func (m *reference) lines() lines {
	out := lines{}
	lanes := m.lanes()
	m.incidentLines(out, lanes)
	for _, d := range m.aside {
		out["uncounted "+d.Key()] = rowLine(&d.Deployment) + fmt.Sprintf("%s/%s repo=%s sha=%s by=%s reason=%s", d.Service, d.Environment, d.Repo, d.SHA, d.ResolvedBy,
			history.ReasonNotAuthoritative)
	}
	for _, r := range m.repos {
		owner, replaced := r.owners()
		live := map[string]map[string]bool{} // service -> production environments deployed from r
		for _, v := range m.spec.Services {
			if event.RepoKey(v.Repo) == r.key {
				live[v.Name] = map[string]bool{}
			}
		}
		for k, rows := range lanes {
			for n, d := range rows {
				if d.r != r || !d.good() || d.found == "" {
					continue
				}
				reason := ""
				if !slices.ContainsFunc(rows[:n], func(b *refRow) bool { return b.r == r && b.good() && b.found != "" }) && m.spec.FirstDeployment != project.FirstAttribute {
					reason = history.ReasonBaseline
				}
				m.changeLines(out, "deployment "+d.Key(), k[0], r, owner, d.changes(rows[:n]), func(c string) string { return reason })
				if live[k[0]] == nil {
					live[k[0]] = map[string]bool{}
				}
				if d.Production {
					live[k[0]][k[1]] = true
				}
			}
		}
		if len(live) == 0 {
			live[event.RepoName(r.url)] = nil
		}
		for service, environments := range live {
			if len(environments) == 0 {
				environments = map[string]bool{"": true}
			}
			for environment := range environments {
				left := map[string]bool{}
				for c := range r.commits {
					left[c] = true
				}
				for _, d := range lanes[[2]string{service, environment}] {
					if d.r == r && d.good() && d.found != "" {
						for c := range r.reach(d.found) {
							delete(left, c)
						}
					}
				}
				m.changeLines(out, fmt.Sprintf("waiting %s/%s %s", service, environment, r.url), service, r, owner, left, func(c string) string {
					if replaced[c] {
						return history.ReasonReplaced
					}
					return history.ReasonNotDeployed
				})
			}
		}
		m.pullLines(out, r, lanes)
	}
	return out
}

func (m *reference) changeLines(out lines, of, service string, r *refRepo, owner map[string]*refPull, set map[string]bool, why func(string) string) {
	for sha := range set {
		c := r.commits[sha]
		if c == nil || m.spec.MergeCommits == project.MergeSkip && len(c.parents) > 1 {
			continue
		}
		reason := why(sha)
		switch m.touches(service, r, c) {
		case "no":
			continue
		case "unknown":
			reason = cmp.Or(reason, history.ReasonPathsUnknown)
		}
		first, pull := c.authored, ""
		if p := owner[sha]; p != nil {
			pull = p.id
			if p.squashed == sha {
				first = p.first
			}
		}
		out[of+" change "+sha] = fmt.Sprintf("first=%d committed=%d pull=%s reason=%s", first, c.committed, pull, reason)
	}
}

func (m *reference) pullLines(out lines, r *refRepo, lanes map[[2]string][]*refRow) {
	for _, e := range r.pulls {
		p := r.pull(e)
		merged, mergeText := e.field("merged").time(), e.field("merge").text()
		var review, approved event.Time
		for _, v := range r.reviews[e.id] {
			if strings.EqualFold(v.Author, e.field("author").text()) {
				continue
			}
			if t := v.SubmittedAt.V; review == 0 || t < review {
				review = t
			}
			if t := v.SubmittedAt.V; v.Kind == event.ReviewApproval && (approved == 0 || t < approved) {
				approved = t
			}
		}
		own := 0
		for _, c := range p.branch {
			if r.commits[c] != nil {
				own++
			}
		}
		sha, reason := "", history.ReasonNotDeployed
		var to []string
		switch {
		case merged == 0:
			reason = history.ReasonNotMerged
		case mergeText == "":
			reason = history.ReasonCommitUnknown
		case p.merge == "":
			sha, reason = mergeText, history.ReasonCommitUnknown
		default:
			sha = p.merge
			if len(r.commits[sha].parents) < 2 {
				own = max(own, 1)
			}
			for _, k := range slices.SortedFunc(maps.Keys(lanes), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
				var good []*refRow
				for _, d := range lanes[k] {
					if d.r == r && d.good() && d.found != "" {
						good = append(good, d)
					}
				}
				slices.SortStableFunc(good, func(a, b *refRow) int { return cmp.Compare(a.start(), b.start()) })
				for n, d := range good {
					if n > 0 && r.reach(d.found)[sha] && !r.reach(good[n-1].found)[sha] {
						to = append(to, fmt.Sprintf("%s/%s %s", k[0], k[1], d.Key()))
						break
					}
					if n == 0 && d.Production && r.reach(d.found)[sha] {
						reason = history.ReasonBaseline
					}
				}
			}
			if len(to) > 0 {
				reason = ""
			}
		}
		out["pull "+r.url+" "+e.id] = fmt.Sprintf("sha=%s first=%d commits=%d review=%d approved=%d reason=%s to=%q", sha, p.first, own, review, approved, reason, to)
	}
}

// incidentLines links the incidents and tells of the deployments, whose
// failures depend on them.
func (m *reference) incidentLines(out lines, lanes map[[2]string][]*refRow) {
	incidents := slices.SortedFunc(maps.Keys(m.incidents), func(a, b string) int {
		return cmp.Or(cmp.Compare(m.incidents[a].field("opened").time(), m.incidents[b].field("opened").time()), cmp.Compare(a, b))
	})
	caused := map[string][]*history.Incident{}
	for n, key := range incidents {
		i := m.incidents[key]
		service, opened := i.field("service").text(), i.field("opened").time()
		names := map[string]bool{}
		for k := range lanes {
			names[k[0]] = true
		}
		if service == "" && len(names) == 1 {
			service = slices.Collect(maps.Keys(names))[0]
		}
		cause, by, reason := m.cause(i, service, lanes)
		causeKey := ""
		if cause != nil {
			causeKey = cause.Key()
			caused[causeKey] = append(caused[causeKey], &history.Incident{Source: i.source, ID: i.id, OpenedAt: opened, ResolvedAt: i.field("resolved").time()})
		}
		var latest *refRow
		for _, rows := range lanes {
			for _, d := range rows {
				if d.Production && d.good() && d.FinishedAt < opened && (latest == nil || inEffect(latest, d) < 0) {
					latest = d
				}
			}
		}
		latestKey := ""
		if latest != nil {
			latestKey = latest.Key()
		}
		out["incident "+key] = fmt.Sprintf("%d %s cause=%s by=%s reason=%s latest=%s", n, service, causeKey, by, reason, latestKey)
	}
	for k, rows := range lanes {
		back := map[*refRow]*refRow{}
		for n, d := range rows {
			if d.Kind == history.KindRollback && d.good() {
				back[lastGood(rows[:n])] = d
			}
		}
		failures := func(d *refRow) (out []history.Failure) {
			if d.FinishedAt == 0 || d.Outcome == event.OutcomeAborted {
				return nil
			}
			if d.Outcome == event.OutcomeFailure {
				out = append(out, history.Failure{Rule: history.FailedOutcome})
			}
			if b := back[d]; b != nil {
				out = append(out, history.Failure{Rule: history.FailedRolledBack, Ref: b.Key()})
			}
			for _, i := range caused[d.Key()] {
				out = append(out, history.Failure{Rule: history.FailedIncident, Ref: i.Key()})
			}
			return out
		}
		ends := make([]ending, len(rows))
		for n := len(rows) - 1; n >= 0; n-- {
			if d := rows[n]; len(failures(d)) > 0 {
				ends[n] = restored(d, rows[n+1:], ends[n+1:], back[d], caused[d.Key()], func(d *refRow) bool { return len(failures(d)) > 0 })
			}
		}
		for n, d := range rows {
			end := ends[n]
			reason := d.Reason
			if d.good() && d.found != "" && m.spec.FirstDeployment != project.FirstAttribute &&
				!slices.ContainsFunc(rows[:n], func(b *refRow) bool { return b.r == d.r && b.good() && b.found != "" }) {
				reason = history.ReasonBaseline
			}
			out["deployment "+d.Key()] = rowLine(&d.Deployment) + fmt.Sprintf("%s/%s %d repo=%s sha=%s by=%s kind=%s previous=%s reason=%s failed=%v restored=%d %s %s", k[0], k[1], n,
				d.Repo, d.SHA, d.ResolvedBy, d.Kind, d.Previous, reason, failures(d), end.at, end.by, end.ref)
		}
	}
}

// ending is one of the things that can end a failure.
type ending struct {
	at      event.Time
	by, ref string
}

// restored is what ended a failure first.
func restored(d *refRow, after []*refRow, later []ending, rollback *refRow, incidents []*history.Incident, failed func(*refRow) bool) ending {
	var all []ending
	began := d.FinishedAt.Std()
	if d.Outcome != event.OutcomeFailure && rollback == nil {
		began = incidents[0].OpenedAt.Std()
	}
	if rollback != nil {
		all = append(all, ending{rollback.FinishedAt, history.RestoredRollback, rollback.Key()})
	}
	var last ending
	for _, i := range incidents {
		if i.ResolvedAt == 0 {
			last = ending{}
			break
		}
		if i.ResolvedAt > last.at {
			last = ending{i.ResolvedAt, history.RestoredIncident, i.Key()}
		}
	}
	if last.at != 0 {
		all = append(all, last)
	}
	for _, n := range after {
		if n.good() && !failed(n) && n.FinishedAt.Std().Sub(began) >= time.Duration(0) {
			all = append(all, ending{n.FinishedAt, history.RestoredDeployment, n.Key()})
			break
		}
	}
	for _, e := range later { // a follow-up that turned out bad, until service was restored after it
		if e.at != 0 && !e.at.Std().Before(began) {
			all = append(all, e)
			break
		}
	}
	var best ending
	for _, e := range all {
		if e.at >= d.FinishedAt && (best.at == 0 || e.at < best.at) {
			best = e
		}
	}
	return best
}

func TestTheLedgerAgreesWithTheDefinitions(t *testing.T) {
	seen := map[string]int{}
	for seed := range histories() {
		spec := specOf(seed)
		events := historytest.Generate(seed, 20+int(seed*7%130))
		want := refer(spec, events).lines()
		got := ledgerLines(fromScratch(t, spec, events).projection(t))
		if d := gocmp.Diff(want, got); d != "" {
			t.Fatalf("seed %d (-definitions +ledger)\n%s", seed, d)
		}
		for _, line := range got {
			for _, word := range strings.Fields(line) {
				seen[word]++
			}
		}
	}
	// The generated histories must hold what they are there to test.
	for _, word := range []string{"kind=first", "kind=forward", "kind=redeploy", "kind=rollback", "by=digest", "by=report", "by=explicit", "unplanned=true", "by=artifact", "by=time",
		history.RestoredDeployment, history.RestoredRollback, history.RestoredIncident,
		"reason=" + history.ReasonReplaced, "reason=" + history.ReasonPathsUnknown, "reason=" + history.ReasonCommitsMissing,
		"reason=" + history.ReasonSHAUnknown, "reason=" + history.ReasonOutsideWindow, "reason=" + history.ReasonNotSeen,
		"reason=" + history.ReasonNoDeployment, "reason=" + history.ReasonNotAuthoritative, "reason=" + history.ReasonBaseline} {
		if seen[word] < 5 {
			t.Errorf("%q stands only %d times in the generated histories", word, seen[word])
		}
	}
}
