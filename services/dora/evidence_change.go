package dora

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/fawkes-idp/fawkes/services/dora/history"
	"github.com/fawkes-idp/fawkes/services/dora/metrics"
)

// changeEvidence finds a change by the beginning of its hash. Rows are made only
// for what matches: a project may hold millions of changes.
func (s *Service) changeEvidence(a answer, p metrics.Profile, sha string) (changeEvidence, error) {
	b := changeEvidence{Changes: []metrics.Change{}, Deployments: []metrics.Deployment{}, Notes: []noteBody{}}
	places := commitPlaces(a.History, sha)
	if p.Unit() == metrics.UnitPullRequest {
		places = requestPlaces(a.History, sha)
	}
	for _, at := range places {
		rows, err := metrics.Changes(a.View, at.query, p, at.list)
		if err != nil {
			return b, queryProblem(err)
		}
		for c := range rows {
			if strings.HasPrefix(c.SHA, sha) {
				b.Changes = append(b.Changes, c)
				b.place(a, p, c)
			}
			if at.one || len(b.Changes) == mostPlaces {
				break
			}
		}
		if len(b.Changes) == mostPlaces {
			break
		}
	}
	if len(b.Changes) == 0 {
		return b, notFoundf("there is no change %q", sha)
	}
	return b, nil
}

// place says where a change arrived, and by which rule.
func (b *changeEvidence) place(a answer, p metrics.Profile, c metrics.Change) {
	if d := find(a, p, c.Deployment); d != nil {
		b.Deployments = append(b.Deployments, *d)
		b.Notes = append(b.Notes, noteBody{p.LeadRule(), fmt.Sprintf("%s is the first successful deployment to %s of %s that contains it.", d.ID, d.Environment, d.Service)})
	} else if c.Reason != nil {
		b.Notes = append(b.Notes, noteBody{*c.Reason, "No deployment holds it."})
	}
}

// changePlace is a list that begins with the change (one), or that holds it.
type changePlace struct {
	query metrics.Query
	list  metrics.List
	one   bool
}

// commitPlaces finds a commit in every service and environment.
func commitPlaces(h *history.Projection, sha string) []changePlace {
	match := matcher(sha)
	type lane struct{ service, environment string }
	var out []changePlace
	before := map[lane]int{} // changes of a lane that its list gives before those that wait
	for _, ln := range h.Lanes {
		for _, d := range ln.Deployments {
			before[lane{ln.Service, ln.Environment}] += len(d.Changes)
			for i := range d.Changes {
				if match(d.Changes[i].SHA, d.LongSHAs) && len(out) < mostPlaces {
					out = append(out, changePlace{
						query: metrics.Query{Service: ln.Service, Environment: ln.Environment},
						list:  metrics.List{Deployment: d.Key(), Offset: i}, one: true,
					})
				}
			}
		}
	}
	for _, w := range h.Pending {
		at := lane{w.Service, w.Environment}
		for i := range w.Changes {
			if match(w.Changes[i].SHA, w.LongSHAs) && len(out) < mostPlaces {
				out = append(out, changePlace{
					query: metrics.Query{Service: w.Service, Environment: w.Environment},
					list:  metrics.List{Offset: before[at] + i}, one: true,
				})
			}
		}
		before[at] += len(w.Changes)
	}
	return out
}

// matcher tells whether a hash begins with a text.
func matcher(prefix string) func(history.SHA, map[history.SHA]string) bool {
	whole, err := hex.DecodeString(prefix[:len(prefix)&^1])
	return func(s history.SHA, long map[history.SHA]string) bool {
		if len(long) > 0 {
			if text, ok := long[s]; ok {
				return strings.HasPrefix(text, prefix)
			}
		}
		if err != nil || len(whole) > len(s) || string(s[:len(whole)]) != string(whole) {
			return false
		}
		return strings.HasPrefix(s.String(), prefix)
	}
}

// requestPlaces is where to look for a pull request by its merge commit: the
// lists of all environments, when there is one at all.
func requestPlaces(h *history.Projection, sha string) []changePlace {
	for _, r := range h.PullRequests {
		if !strings.HasPrefix(r.SHA, sha) {
			continue
		}
		out := []changePlace{{}}
		seen := map[string]bool{}
		for _, ln := range h.Lanes {
			if !ln.Production && !seen[ln.Environment] {
				seen[ln.Environment] = true
				out = append(out, changePlace{query: metrics.Query{Environment: ln.Environment}})
			}
		}
		return out
	}
	return nil
}
