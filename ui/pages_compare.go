package ui

import (
	"net/http"
	"slices"

	"github.com/a-h/templ"

	"github.com/fawkes-idp/fawkes/ui/delivery"
	"github.com/fawkes-idp/fawkes/ui/view"
)

// mostCompared is how many profiles the service compares at once.
const mostCompared = 6

// compare shows the window under several profiles, and the rules that make the numbers differ. The first is the
// page's profile; the address may name the others.
func (c *console) compare(_ http.ResponseWriter, r *http.Request, f view.Frame) (templ.Component, error) {
	if err := c.inProject(r, &f, "compare", "Compare"); err != nil {
		return nil, err
	}
	w := f.Scope.Window(f.Now, f.Zone)
	p := view.ComparePage{Window: windowText(f, w), With: r.URL.Query()["with"]}
	first := f.Scope.ProfileKey()
	names := []string{first}
	for _, v := range f.Profiles {
		if v.Name != first && (len(p.With) == 0 || slices.Contains(p.With, v.Name)) {
			names = append(names, v.Name)
		}
	}
	if len(names) < 2 { // what was named is not there any more
		p.With = nil
		for _, v := range f.Profiles {
			if v.Name != first {
				names = append(names, v.Name)
			}
		}
	}
	q := question(f.Scope, w, false)
	q.Profile = ""
	var err error
	if p.Comparison, err = c.reader.Compare(r.Context(), q, names[:min(len(names), mostCompared)]); err != nil {
		return nil, err
	}
	p.Older = older(f, w, !slices.ContainsFunc(p.Comparison.Reports, func(r delivery.Report) bool {
		return slices.ContainsFunc(r.Metrics, func(m delivery.Metric) bool { return m.N > 0 })
	}))
	return view.Compare(f, p), nil
}
