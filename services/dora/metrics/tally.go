package metrics

import (
	"github.com/fawkes-idp/fawkes/services/dora/history"
)

// tally is how one row counts for a metric: a small row of evidence, of which
// there can be hundreds of thousands.
type tally struct {
	tallyKey
	value  float64 // what it contributes, when reason is ""
	reason string
}

// tallyKey says which row it is: exactly one of a change of a deployment, a
// deployment, a pull request at a place, an incident.
type tallyKey struct {
	deployment *history.Deployment
	change     int32 // number of the change plus one, 0 for the deployment itself
	request    *history.PullRequest
	lane       int32
	incident   *history.Incident
}

// tally lists the rows of a metric in a scope, also those that do not count.
func (v *View) tally(x *index, s *scope, metric string) []tally {
	w := s.window
	if v.AsOf.Before(w.to) {
		w.to = v.AsOf
	}
	if !w.from.Before(w.to) {
		return nil
	}
	from, to := w.micros()
	switch metric {
	case ChangeLeadTime:
		if x.requests != nil {
			return v.tallyRequests(x, s, from, to)
		}
		return tallyCommits(x, s, from, to)
	case RecoveryTime:
		return v.tallyRecoveries(x, s, from, to)
	}
	var out []tally
	for _, i := range s.lanes {
		l := &x.lanes[i]
		a, b := l.between(from, to)
		for k := a; k < b; k++ {
			out = append(out, x.tallyDeployment(l, k, metric))
		}
	}
	if metric == ChangeFailRate && x.profile.Choices.FailRate == RateOfIncidents {
		for _, i := range v.opened(w) {
			if v.hits(s, i) {
				out = append(out, tally{tallyKey{incident: i}, 1, ""})
			}
		}
	}
	return out
}

// tallyDeployment is what one deployment contributes to a count or a rate.
func (x *index) tallyDeployment(l *laneIndex, at int, metric string) tally {
	d, r := l.deployments[at], l.rows[at]
	t := tally{tallyKey: tallyKey{deployment: d}, reason: x.reasons[r.unrated]}
	if metric == DeploymentFrequency {
		t.value, t.reason = 1, x.reasons[r.uncounted]
		return t
	}
	if t.reason != "" {
		return t
	}
	rate := x.profile.Choices.FailRate
	switch {
	case metric == ReworkRate && r.unplanned, metric == ChangeFailRate && rate == RateOfDeployments && r.failed:
		t.value = 1
	case metric == ChangeFailRate && rate == RateOfLinkedIncidents:
		t.value = float64(len(x.linked(d)))
	}
	return t
}

func tallyCommits(x *index, s *scope, from, to history.Time) []tally {
	c := &x.profile.Choices
	var out []tally
	for _, i := range s.lanes {
		l := &x.lanes[i]
		a, b := l.between(from, to)
		for _, d := range l.deployments[a:b] {
			if reason := x.unknownChanges(d); reason != "" {
				out = append(out, tally{tallyKey{deployment: d}, 0, reason})
			}
			for k := range d.Changes {
				ch := &d.Changes[k]
				var pr *history.PullRequestRef
				if ch.PR >= 0 && int(ch.PR) < len(d.PullRequests) {
					pr = &d.PullRequests[ch.PR]
				}
				out = append(out, tallyLead(tallyKey{deployment: d, change: int32(k) + 1}, c.commitLead(d, ch, pr)))
			}
		}
	}
	return out
}

func tallyLead(key tallyKey, l Lead) tally {
	if l.Total == Unknown {
		return tally{key, 0, l.Reason}
	}
	return tally{key, float64(l.Total) / 1e6, ""}
}

func (v *View) tallyRequests(x *index, s *scope, from, to history.Time) []tally {
	var out []tally
	r := x.requests
	for _, h := range r.between(from, to) {
		if head := &r.heads[h]; r.counts(int(h), s.in, x.profile.Choices.Delivery) {
			out = append(out, tallyLead(tallyKey{request: v.history.PullRequests[head.request], lane: head.lane}, r.leads[h]))
		}
	}
	for _, merged := range r.of(s.services) {
		if merged.at >= from && merged.at < to && r.earliest(int(merged.request), s.in) < 0 {
			pr := v.history.PullRequests[merged.request]
			out = append(out, tallyLead(tallyKey{request: pr, lane: -1}, x.profile.Choices.pullRequestLead(pr, nil)))
		}
	}
	return out
}

func (v *View) tallyRecoveries(x *index, s *scope, from, to history.Time) []tally {
	var out []tally
	for _, r := range v.recoveriesBetween(x, s, from, to) {
		t := tally{tallyKey: tallyKey{incident: r.Incident}, reason: r.Reason}
		if r.Incident == nil {
			t.deployment = r.deployment
		}
		if reason := x.profile.Choices.beyond(r, from, to); reason != "" {
			t.reason = reason
		} else if r.Span != Unknown {
			t.value = float64(r.Span) / 1e6
		}
		out = append(out, t)
	}
	return out
}

// notThere is the reason of a row that a side does not know at all.
const notThere = "no_row_of_this_profile"

// compareTallies counts how the rows of two sides differ, with some examples:
// first those that one side alone counts.
func compareTallies(before, after []tally, most int) (RowCounts, []RowDifference) {
	var n RowCounts
	var alone, changed []RowDifference
	look := func(key tallyKey, a, b *tally) {
		one, two := a != nil && a.reason == "", b != nil && b.reason == ""
		list := &alone
		switch {
		case one && two && a.value == b.value:
			n.Both++
			return
		case one && two:
			n.Changed++
			list = &changed
		case one:
			n.OnlyBefore++
		case two:
			n.OnlyAfter++
		default:
			return
		}
		if len(*list) < most {
			*list = append(*list, key.row(a, b))
		}
	}
	if sameKeys(before, after) {
		for i := range before {
			look(before[i].tallyKey, &before[i], &after[i])
		}
	} else {
		other := make(map[tallyKey]int, len(after))
		for i := range after {
			other[after[i].tallyKey] = i
		}
		for i := range before {
			k := before[i].tallyKey
			if j, ok := other[k]; ok {
				look(k, &before[i], &after[j])
				delete(other, k)
			} else {
				look(k, &before[i], nil)
			}
		}
		for i := range after {
			if _, left := other[after[i].tallyKey]; left {
				look(after[i].tallyKey, nil, &after[i])
			}
		}
	}
	examples := append(alone, changed...)
	return n, append([]RowDifference{}, examples[:min(len(examples), most)]...)
}

func sameKeys(a, b []tally) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].tallyKey != b[i].tallyKey {
			return false
		}
	}
	return true
}

// row is a row as people know it.
func (k tallyKey) row(a, b *tally) RowDifference {
	out := RowDifference{Before: a.side(), After: b.side()}
	switch {
	case k.incident != nil:
		out.Kind, out.Key = "incident", k.incident.Key()
	case k.request != nil:
		out.Kind, out.Key = "pull_request", k.request.Repo+"#"+k.request.Number
	case k.change > 0:
		out.Kind, out.Key = "change", k.deployment.Changes[k.change-1].SHA.Text(k.deployment.LongSHAs)
		out.Ref = text(k.deployment.Key())
	default:
		out.Kind, out.Key = "deployment", k.deployment.Key()
	}
	return out
}

func (t *tally) side() RowSide {
	switch {
	case t == nil:
		return RowSide{Reason: text(notThere)}
	case t.reason != "":
		return RowSide{Reason: text(t.reason)}
	}
	return RowSide{Counted: true, Value: ptr(t.value)}
}
