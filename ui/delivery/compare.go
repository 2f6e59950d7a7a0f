package delivery

import (
	"context"
	"net/http"
	"strings"

	"github.com/fawkes-idp/fawkes/api/client/dora"
)

// Profile is a set of definitions by which the service computes.
type Profile struct {
	Name, Summary string
	BuiltIn       bool
	Rules, Limits []string
}

// Comparison is one window under several profiles: the first is what the others are compared with.
type Comparison struct {
	Reports     []Report
	Pairs       []Pair
	Differences []Difference
	Stale       bool
}

// Pair is one metric under the first profile and under another.
type Pair struct {
	Metric, From, To               string
	Differs                        bool
	OnlyBefore, OnlyAfter, Changed int
}

// Difference is what one rule changes: the metric before and after that rule was swapped, on the way from the first
// profile to the other. The effects of a metric add up to its whole difference.
type Difference struct {
	Metric, Unit, From, To       string
	Rule, FromText, ToText       string
	Before, After, Effect, Alone *float64
	NBefore, NAfter, Rows        int
	Examples                     []Example
}

// Example is a row that the rule moves.
type Example struct {
	Kind, Key, Ref            string
	CountedBefore, CountedNow bool
	ValueBefore, ValueNow     *float64
	ReasonBefore, ReasonNow   string
}

// Profiles lists the profiles, the default first.
func (h *HTTP) Profiles(ctx context.Context) ([]Profile, error) {
	w, err := ask[dora.ProfilesOutputBody](ctx, "the profiles", func(ctx context.Context) (*http.Response, error) { return h.client.ListProfiles(ctx) })
	return each(w.Profiles, func(w dora.ProfileBody) Profile {
		return Profile{Name: w.Name, Summary: w.Summary, BuiltIn: w.BuiltIn, Rules: list(w.Rules), Limits: list(w.Limits)}
	}), err
}

// Compare asks the same question under several profiles.
func (h *HTTP) Compare(ctx context.Context, q Query, profiles []string) (Comparison, error) {
	w, err := ask[dora.ComparisonBody](ctx, "the comparison", func(ctx context.Context) (*http.Response, error) {
		return h.client.CompareProfiles(ctx, &dora.CompareProfilesParams{
			Project: q.Project, Service: given(q.Service), Team: given(q.Team), Environment: given(q.Environment), From: given(q.From), To: given(q.To),
			Profiles: given(strings.Join(profiles, ",")),
		})
	})
	out := Comparison{Stale: w.Stale}
	out.Reports = each(w.Profiles, func(r dora.Report) Report {
		return Report{Project: r.Project, Profile: r.Profile, From: r.From, To: r.To, AsOf: r.AsOf, Score: r.Score, Metrics: each(r.Metrics, metric)}
	})
	out.Pairs = each(w.Pairs, func(p dora.MetricPair) Pair {
		return Pair{Metric: p.Metric, From: p.FromProfile, To: p.ToProfile, Differs: p.Differs, OnlyBefore: int(p.OnlyBefore), OnlyAfter: int(p.OnlyAfter), Changed: int(p.Changed)}
	})
	out.Differences = each(w.Differences, func(d dora.RuleDifference) Difference {
		return Difference{
			Metric: d.Metric, Unit: d.Unit, From: d.FromProfile, To: d.ToProfile, Rule: d.Rule, FromText: d.FromText, ToText: d.ToText,
			Before: d.Before, After: d.After, Effect: d.Effect, Alone: d.Alone, NBefore: int(d.NBefore), NAfter: int(d.NAfter), Rows: int(d.NRows),
			Examples: each(d.Examples, func(e dora.RowDifference) Example {
				return Example{
					Kind: string(e.Kind), Key: e.Key, Ref: value(e.Ref),
					CountedBefore: e.Before.Counted, CountedNow: e.After.Counted, ValueBefore: e.Before.Value, ValueNow: e.After.Value,
					ReasonBefore: value(e.Before.Reason), ReasonNow: value(e.After.Reason),
				}
			}),
		}
	})
	return out, err
}
