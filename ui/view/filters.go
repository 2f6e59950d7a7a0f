package view

import (
	"net/url"
	"slices"
	"sort"

	"github.com/fawkes-idp/fawkes/ui/delivery"
)

// option is one choice of a select.
type option struct{ Value, Label string }

// filterSet says which controls a page has and what they offer.
type filterSet struct {
	Services, Teams, Environments []option
	Series, Profiles              bool
}

// filtersOf offers what is known to be in the project.
func filtersOf(p *delivery.Project, series, profiles bool) filterSet {
	set := filterSet{Series: series, Profiles: profiles}
	if p == nil {
		return set
	}
	for _, s := range p.Services {
		set.Services = append(set.Services, option{s.Name, s.Name})
	}
	for _, t := range p.Teams {
		set.Teams = append(set.Teams, option{t, t})
	}
	for _, e := range p.Environments {
		set.Environments = append(set.Environments, option{e, e})
	}
	return set
}

// profiles are the sets of definitions that the service computes.
func (f Frame) profiles() []option {
	var out []option
	for _, p := range f.Profiles {
		out = append(out, option{p.Name, p.Name})
	}
	return withCurrent(out, f.Scope.ProfileKey())
}

// withCurrent adds the value in use when the options lack it, so that a form never changes the question by itself.
func withCurrent(options []option, value string) []option {
	if value == "" || slices.ContainsFunc(options, func(o option) bool { return o.Value == value }) {
		return options
	}
	return append(slices.Clone(options), option{value, value})
}

func query(q url.Values) string {
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

func without(q url.Values, names ...string) url.Values {
	for _, n := range names {
		q.Del(n)
	}
	return q
}

func only(q url.Values, names ...string) url.Values {
	out := url.Values{}
	for _, n := range names {
		if v, ok := q[n]; ok {
			out[n] = v
		}
	}
	return out
}

func sortedKeys(q url.Values) []string {
	keys := make([]string, 0, len(q))
	for k := range q {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
