package dora

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/metrics"
	"github.com/fawkes-idp/fawkes/services/dora/project"
)

// The DORA metrics API of GitLab, by the rules of the profile "gitlab":
// GET /projects/:id/dora/metrics and GET /groups/:id/dora/metrics, also below
// /api/v4. An id is a project's name, URL-encoded; the id of a group is what
// stands before the slash in the names of its projects.

type gitlabPoint struct {
	Date  *string  `json:"date"`
	Value *float64 `json:"value"`
}

// gitlabError is an error in one of GitLab's two forms: {"message": …}, or
// {"error": …} of a parameter that is wrong.
type gitlabError struct {
	status  int
	Message string `json:"message,omitempty"`
	Fault   string `json:"error,omitempty"`
}

func (e *gitlabError) Error() string { return e.Message + e.Fault }

// gitlabTiers are GitLab's tiers of environments and our kinds.
func gitlabTiers() map[string]string {
	return map[string]string{
		"production": project.KindProduction, "staging": project.KindStaging, "testing": project.KindTesting,
		"development": project.KindDevelopment, "other": "",
	}
}

// gitlab answers for a project, or for a group of projects.
func (s *Service) gitlab(group bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		// GitLab's own header stands for a bearer token.
		if token := r.Header.Get("PRIVATE-TOKEN"); token != "" && r.Header.Get("Authorization") == "" {
			r = r.Clone(r.Context())
			r.Header.Set("Authorization", "Bearer "+token)
		}
		v, err := s.askedByToken(r, func(ctx context.Context) (any, error) {
			return s.gitlabMetrics(ctx, group, r.PathValue("id"), r.URL.Query())
		})
		if err == nil {
			w.Header().Set("Cache-Control", "no-store")
			s.json(w, r, http.StatusOK, v)
			return
		}
		var own *gitlabError
		if !errors.As(err, &own) {
			p := problem.Prepare(r.Context(), err)
			own = &gitlabError{status: p.Status, Message: p.Detail}
			switch p.Status {
			case http.StatusUnauthorized:
				own.Message = "401 Unauthorized"
			case http.StatusForbidden:
				own.Message = "403 Forbidden"
			case http.StatusInternalServerError:
				own.Message = "500 Internal Server Error"
			}
		}
		retryLater(w, own.status)
		s.json(w, r, own.status, own)
	}
}

func (s *Service) gitlabMetrics(ctx context.Context, group bool, id string, q url.Values) (any, error) {
	in, err := s.readGitLab(q)
	if err != nil {
		return nil, err
	}
	kind := "Project"
	want := func(name string) bool { return name == id }
	if group {
		kind, want = "Group", func(name string) bool { return strings.HasPrefix(name, id+"/") }
	}
	all, err := s.visible(ctx, want)
	if errors.Is(err, errManyProjects) {
		return nil, &gitlabError{status: http.StatusBadRequest, Message: "the group has too many projects"}
	}
	if err != nil {
		return nil, err
	}
	if len(all) == 0 { // one that may not be read is not told of, as there
		return nil, &gitlabError{status: http.StatusNotFound, Message: "404 " + kind + " Not Found"}
	}
	parts := gitlabParts(all, in.tiers)
	return in.answer(parts, location(parts), s.clock.Now())
}

// gitlabAsked is a question of GitLab's whose parameters hold.
type gitlabAsked struct {
	metric, interval string
	start, end       string // days; "" where none was given
	tiers            []string
	profile          metrics.Profile
}

func (s *Service) readGitLab(q url.Values) (gitlabAsked, error) {
	bad := func(text string) (gitlabAsked, error) {
		return gitlabAsked{}, &gitlabError{status: http.StatusBadRequest, Fault: text}
	}
	in := gitlabAsked{metric: q.Get("metric"), interval: "daily", start: q.Get("start_date"), end: q.Get("end_date")}
	names := gitlabNames()
	if !q.Has("metric") {
		return bad("metric is missing, metric does not have a valid value")
	}
	if names[in.metric] == "" {
		return bad("metric does not have a valid value")
	}
	if q.Has("interval") {
		if in.interval = q.Get("interval"); !slices.Contains([]string{"all", "monthly", "daily"}, in.interval) {
			return bad("interval does not have a valid value")
		}
	}
	for name, day := range map[string]string{"start_date": in.start, "end_date": in.end} {
		if _, err := metrics.Day(name, day, time.UTC); day != "" && err != nil {
			return bad(name + " is invalid")
		}
	}
	for _, name := range []string{"environment_tiers[]", "environment_tiers", "environment_tier"} {
		for _, v := range q[name] {
			in.tiers = append(in.tiers, strings.Split(v, ",")...)
		}
	}
	if len(in.tiers) == 0 {
		in.tiers = []string{"production"}
	}
	for _, t := range in.tiers {
		if _, ok := gitlabTiers()[t]; !ok {
			return bad("environment_tiers does not have a valid value")
		}
	}
	slices.Sort(in.tiers)
	in.tiers = slices.Compact(in.tiers)
	var err error
	in.profile, err = metrics.ProfileNamed("gitlab")
	return in, err
}

func gitlabNames() map[string]string {
	return map[string]string{
		"deployment_frequency": metrics.DeploymentFrequency, "lead_time_for_changes": metrics.ChangeLeadTime,
		"time_to_restore_service": metrics.RecoveryTime, "change_failure_rate": metrics.ChangeFailRate,
	}
}

// gitlabParts are the environments of the tiers that are asked for.
func gitlabParts(all []answer, tiers []string) []part {
	var out []part
	for _, a := range all {
		spec, seen := a.View.Spec(), map[string]bool{}
		for _, t := range tiers {
			if t == "production" {
				out = append(out, part{a: a})
				continue
			}
			for _, l := range a.History.Lanes {
				kind, known := spec.EnvironmentKind(l.Environment), false
				for _, k := range gitlabTiers() {
					known = known || k != "" && k == kind
				}
				if !seen[l.Environment] && (kind == gitlabTiers()[t] || t == "other" && !known) {
					seen[l.Environment] = true
					out = append(out, part{a, metrics.Query{Environment: l.Environment}})
				}
			}
		}
	}
	return out
}

// answer gives a row for each day or month of the window that has begun, the
// oldest first; a month is named by its first day. The one row of "all" has no
// date.
func (in gitlabAsked) answer(parts []part, loc *time.Location, now time.Time) (any, error) {
	day := func(text string, plus int) time.Time {
		t, _ := time.Parse(time.DateOnly, text) // read before
		begin, err := metrics.Day("", t.AddDate(0, 0, plus).Format(time.DateOnly), loc)
		if err != nil {
			return now
		}
		return begin
	}
	if in.end == "" {
		in.end = now.In(loc).Format(time.DateOnly)
	}
	if in.start == "" {
		t, _ := time.Parse(time.DateOnly, in.end)
		in.start = t.AddDate(0, -3, 0).Format(time.DateOnly)
	}
	from, to := day(in.start, 0), day(in.end, 1)
	if !from.Before(to) {
		return nil, &gitlabError{status: http.StatusBadRequest, Message: "The start date must be earlier than the end date"}
	}
	out := []gitlabPoint{}
	add := func(date *string, from, to time.Time) error {
		at, err := pool(parts, in.profile, gitlabNames()[in.metric], from, to)
		var fault *event.FieldError
		if errors.As(err, &fault) {
			return &gitlabError{status: http.StatusBadRequest, Fault: fault.Field + " is invalid"}
		}
		if err != nil {
			return err
		}
		value := at.value
		if in.metric == "deployment_frequency" && value != nil {
			value = new(float64(at.count))
		}
		out = append(out, gitlabPoint{date, value})
		return nil
	}
	if in.interval == "all" {
		if err := add(nil, from, to); err != nil {
			return nil, err
		}
		return out, nil
	}
	for at := from; at.Before(to) && !at.After(now); {
		if len(out) == mostBuckets {
			return nil, &gitlabError{status: http.StatusBadRequest, Message: "The date range is too long for the interval"}
		}
		y, m, d := at.In(loc).Date()
		date := time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
		next := day(date.Format(time.DateOnly), 1)
		if in.interval == "monthly" {
			date = time.Date(y, m, 1, 0, 0, 0, 0, time.UTC)
			next = day(date.AddDate(0, 1, 0).Format(time.DateOnly), 0)
		}
		if next.After(to) {
			next = to
		}
		if err := add(new(date.Format(time.DateOnly)), at, next); err != nil {
			return nil, err
		}
		at = next
	}
	return out, nil
}
