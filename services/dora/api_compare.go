package dora

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/metrics"
)

type comparisonBody struct {
	metrics.Comparison
	Stale         bool  `json:"stale" doc:"Events or declarations were acknowledged that are not part of the numbers yet"`
	PendingEvents int64 `json:"pending_events" doc:"How many events"`
}

func (s *Service) registerCompare(api huma.API) {
	huma.Register(api, operation("compare-profiles", http.MethodGet, "/compare", "metrics", auth.ScopeDoraRead,
		"The same history under several profiles", "The metrics of each profile side by side, and the rules that make the first differ from each other: derived by swapping one rule at a time, each with its effect, how many rows it moves, and examples with the reason on either side."),
		func(ctx context.Context, in *struct {
			ScopeInput
			Profiles string `query:"profiles" doc:"Two to six profiles, separated by commas; the first is compared with each other one. Without it, all that are built in."`
		}) (*struct{ Body comparisonBody }, error) {
			if in.Profile != "" {
				return nil, queryProblem(event.Fault("profile", "a comparison takes `profiles=%s,…`", in.Profile))
			}
			a, q, _, err := s.ask(ctx, in.ScopeInput, "")
			if err != nil {
				return nil, err
			}
			profiles, err := s.profiles(ctx, in.Profiles)
			if err != nil {
				return nil, queryProblem(err)
			}
			// Each arranges the window many times over: one at a time bounds the memory.
			select {
			case s.comparing <- struct{}{}:
				defer func() { <-s.comparing }()
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			c, err := metrics.Compare(a.View, q, profiles)
			if err != nil {
				return nil, queryProblem(err)
			}
			for i := range c.Profiles {
				scope := in.ScopeInput
				scope.Profile = c.Profiles[i].Profile
				link(c.Profiles[i].Metrics, scope, c.From, c.To)
			}
			return &struct{ Body comparisonBody }{comparisonBody{Comparison: c, Stale: a.Stale, PendingEvents: a.Pending}}, nil
		})
}

// profiles are those of a list of names, all built-in ones for none.
func (s *Service) profiles(ctx context.Context, names string) ([]metrics.Profile, error) {
	if strings.TrimSpace(names) == "" {
		return metrics.Profiles(), nil
	}
	var out []metrics.Profile
	seen := map[string]bool{}
	for name := range strings.SplitSeq(names, ",") {
		name = strings.TrimSpace(name)
		if len(out) == metrics.MostCompared {
			return nil, event.Fault("profiles", "more than %d", metrics.MostCompared)
		}
		if name == "" || seen[name] {
			return nil, event.Fault("profiles", "%q is empty or stands twice", name)
		}
		seen[name] = true
		p, err := s.profile(ctx, name)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}
