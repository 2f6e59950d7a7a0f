package dora

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/fawkes-idp/fawkes/services/dora/metrics"
)

// The API of OpenDORA (DevoteamNL/opendora), as its Backstage plugin calls it:
// the same parameters, answers and plain-text errors. It differs in one thing:
// what is not known is null and not 0.

type openDoraPoint struct {
	Key   string   `json:"key"`
	Value *float64 `json:"value"`
}

type openDoraMetric struct {
	Aggregation string          `json:"aggregation"`
	DataPoints  []openDoraPoint `json:"dataPoints"`
}

type openDoraBenchmark struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// plainError is an error that is answered as text, as http.Error does.
type plainError struct {
	status int
	text   string
}

func (e *plainError) Error() string { return e.text }

func plainf(status int, format string, args ...any) error {
	return &plainError{status, fmt.Sprintf(format, args...)}
}

// mostBuckets bounds a series of a foreign shape.
const mostBuckets = 1000

// openDora answers one operation of OpenDORA. A browser on another origin may
// read it, as there, but must send a token: cookies are not believed here.
func (s *Service) openDora(answer func(ctx context.Context, q url.Values) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		if r.Method == http.MethodOptions {
			w.Header().Set("Access-Control-Allow-Methods", "GET")
			w.Header().Set("Access-Control-Allow-Headers", "Authorization")
			w.Header().Set("Access-Control-Max-Age", "600")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		v, err := s.askedByToken(r, func(ctx context.Context) (any, error) { return answer(ctx, r.URL.Query()) })
		if err == nil {
			w.Header().Set("Cache-Control", "no-store")
			s.json(w, r, http.StatusOK, v)
			return
		}
		var own *plainError
		if !errors.As(err, &own) {
			p := problem.Prepare(r.Context(), err)
			own = &plainError{p.Status, p.Detail}
		}
		if own.status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", `Bearer realm="fawkes"`)
		}
		retryLater(w, own.status)
		http.Error(w, own.text, own.status)
	}
}

// askedByToken answers a caller whose token, not cookie, may read.
func (s *Service) askedByToken(r *http.Request, answer func(ctx context.Context) (any, error)) (any, error) {
	if r.Header.Get("Authorization") == "" {
		return nil, problem.New(problem.Unauthenticated, "the request carries no token").WithMend("send \"Authorization: Bearer <token>\"")
	}
	p, err := s.auth.Authenticate(r)
	if err != nil {
		return nil, err
	}
	if !p.Can(auth.ScopeDoraRead) {
		return nil, problem.New(problem.Forbidden, "this needs the scope %s", auth.ScopeDoraRead)
	}
	return answer(auth.NewContext(r.Context(), p))
}

// openDoraAsked is a question of OpenDORA whose parameters hold.
type openDoraAsked struct {
	kind, aggregation string
	from, to          time.Time
	parts             []part
	profile           metrics.Profile
}

func (s *Service) readOpenDora(ctx context.Context, q url.Values, kinds ...string) (openDoraAsked, error) {
	bad := func(format string, args ...any) (openDoraAsked, error) {
		return openDoraAsked{}, plainf(http.StatusBadRequest, format, args...)
	}
	in := openDoraAsked{kind: q.Get("type"), aggregation: "weekly"}
	if given, ok := q["aggregation"]; ok {
		if in.aggregation = given[0]; len(given) != 1 || !slices.Contains([]string{"weekly", "monthly", "quarterly"}, in.aggregation) {
			return bad("aggregation should be provided as either weekly, monthly or quarterly")
		}
	}
	if len(q["type"]) != 1 || !slices.Contains(kinds, in.kind) {
		return bad("type should be provided as one of the following: %s", strings.Join(kinds, ", "))
	}
	if given, ok := q["project"]; ok && (len(given) != 1 || given[0] == "") {
		return bad("project should be provided as a non-empty string or omitted")
	}
	now := s.clock.Now()
	in.to, in.from = now, now.AddDate(0, -6, 0)
	for name, at := range map[string]*time.Time{"to": &in.to, "from": &in.from} {
		given, ok := q[name]
		if !ok {
			continue
		}
		t, valid := openDoraTime(given[0])
		if len(given) != 1 || !valid {
			return bad("%s should be provided as a RFC3339 formatted date string or omitted", name)
		}
		*at = t
	}
	switch {
	case q.Has("to") != q.Has("from"):
		return bad("both to and from should be provided or both should be omitted")
	case in.to.After(now.Add(time.Second)): // seconds are rounded
		return bad("to should not be a date in the future")
	case in.from.After(in.to):
		return bad("from should be a date before to")
	}
	var err error
	if in.profile, err = s.profile(ctx, q.Get("profile")); err != nil {
		return openDoraAsked{}, queryProblem(err)
	}
	in.parts, err = s.openDoraParts(ctx, q.Get("project"), q.Get("team"))
	return in, err
}

// openDoraTime reads RFC 3339, as OpenDORA does, and unix seconds.
func openDoraTime(text string) (time.Time, bool) {
	if t, err := time.Parse(time.RFC3339, strings.ReplaceAll(text, " ", "+")); err == nil {
		return t, true
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return time.Unix(n, 0).UTC(), err == nil && n >= 0 && n < 1<<38
}

// openDoraParts finds what the plugin's name of an entity means: a project, or a
// service of that name; without one all projects, or the team's services.
func (s *Service) openDoraParts(ctx context.Context, name, team string) ([]part, error) {
	all, err := s.visible(ctx, func(string) bool { return true })
	if errors.Is(err, errManyProjects) {
		return nil, plainf(http.StatusBadRequest, "project should be provided: there are more than %d", mostProjects)
	}
	if err != nil {
		return nil, err
	}
	var projects, services, teams []part
	for _, a := range all {
		if strings.EqualFold(a.View.Spec().Project, name) {
			projects = append(projects, part{a: a})
		}
		for _, v := range a.Summary.Services {
			if name != "" && strings.EqualFold(v.Name, name) {
				services = append(services, part{a, metrics.Query{Service: v.Name}})
			}
		}
		for _, t := range a.View.Spec().Teams {
			if name == "" && strings.EqualFold(t.Name, team) {
				teams = append(teams, part{a, metrics.Query{Team: t.Name}})
			}
		}
	}
	switch {
	case name == "" && team == "":
		for _, a := range all {
			teams = append(teams, part{a: a})
		}
		return teams, nil
	case name == "" && len(teams) == 0:
		return nil, plainf(http.StatusNotFound, "no project declares the team %q", team)
	case name == "":
		return teams, nil
	case len(projects) > 0:
		return projects, nil
	case len(services) > 0:
		return services, nil
	}
	return nil, plainf(http.StatusNotFound, "there is no project and no service %q", name)
}

// openDoraMetric answers GET /dora/api/metric, the oldest bucket first.
func (s *Service) openDoraMetric(ctx context.Context, q url.Values) (any, error) {
	in, err := s.readOpenDora(ctx, q, "df_count", "df_average", "mltc", "cfr", "mttr")
	if err != nil {
		return nil, err
	}
	out := openDoraMetric{Aggregation: in.aggregation, DataPoints: []openDoraPoint{}}
	buckets := openDoraBuckets(in.aggregation, in.from, in.to, location(in.parts))
	if len(buckets) > mostBuckets {
		return nil, plainf(http.StatusBadRequest, "from and to hold more than %d buckets", mostBuckets)
	}
	name := map[string]string{"mltc": metrics.ChangeLeadTime, "cfr": metrics.ChangeFailRate, "mttr": metrics.RecoveryTime}[in.kind]
	if name == "" {
		name = metrics.DeploymentFrequency
	}
	sum, deployed := 0.0, false
	for i, b := range buckets {
		at, err := pool(in.parts, in.profile, name, b.from, b.to)
		if err != nil {
			return nil, err
		}
		deployed = deployed || at.seen
		value := at.value
		switch in.kind {
		case "df_count":
			value = new(float64(at.count))
		case "df_average": // OpenDORA's is the mean of the buckets so far
			sum += float64(at.count)
			value = new(sum / float64(i+1))
		case "mltc", "mttr":
			if value != nil {
				value = new(*value / 3600)
			}
		}
		out.DataPoints = append(out.DataPoints, openDoraPoint{b.key, value})
	}
	if !deployed {
		out.DataPoints = []openDoraPoint{} // nothing is known: the plugin says so
	}
	return out, nil
}

type openDoraBucket struct {
	key      string
	from, to time.Time
}

// openDoraBuckets are whole weeks from Sunday to Sunday, named as MySQL's
// YEARWEEK does, months or quarters; the first holds from, the last to.
func openDoraBuckets(aggregation string, from, to time.Time, loc *time.Location) []openDoraBucket {
	day := func(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, loc) }
	y, m, d := from.In(loc).Date()
	var begin time.Time
	var step func(time.Time) time.Time
	var key func(time.Time) string
	switch aggregation {
	case "monthly":
		begin = day(y, m, 1)
		step = func(t time.Time) time.Time { return day(t.Year(), t.Month()+1, 1) }
		key = func(t time.Time) string { return t.Format("06/01") }
	case "quarterly":
		begin = day(y, (m-1)/3*3+1, 1)
		step = func(t time.Time) time.Time { return day(t.Year(), t.Month()+3, 1) }
		key = func(t time.Time) string { return t.Format(time.DateOnly) }
	default:
		begin = day(y, m, d-int(day(y, m, d).Weekday()))
		step = func(t time.Time) time.Time { return day(t.Year(), t.Month(), t.Day()+7) }
		key = func(t time.Time) string { return fmt.Sprintf("%d%02d", t.Year(), (t.YearDay()-1)/7+1) }
	}
	var out []openDoraBucket
	for at := begin; !at.After(to) && len(out) <= mostBuckets; {
		next := step(at)
		out = append(out, openDoraBucket{key(at), at, next})
		at = next
	}
	return out
}

// openDoraBenchmark answers GET /dora/api/benchmark with the keys that the
// plugin has texts for.
func (s *Service) openDoraBenchmark(ctx context.Context, q url.Values) (any, error) {
	in, err := s.readOpenDora(ctx, q, "df", "mltc", "cfr", "mttr")
	if err != nil {
		return nil, err
	}
	name := map[string]string{"df": metrics.DeploymentFrequency, "mltc": metrics.ChangeLeadTime, "cfr": metrics.ChangeFailRate, "mttr": metrics.RecoveryTime}[in.kind]
	if !in.from.Before(in.to) {
		return nil, plainf(http.StatusBadRequest, "from should be a date before to")
	}
	at, err := pool(in.parts, in.profile, name, in.from, in.to)
	if err != nil {
		return nil, err
	}
	if at.value == nil || at.level == nil {
		return openDoraBenchmark{Key: map[string]string{"df": "na-deployments", "mltc": "na-deployments-pullrequests",
			"cfr": "na-deployments-incidents", "mttr": "na-incidents"}[in.kind]}, nil
	}
	short := func(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }
	switch in.kind {
	case "df":
		perWeek := float64(at.days) / at.weeks
		if *at.level == metrics.Elite || *at.level == metrics.High {
			return openDoraBenchmark{"week-" + *at.level, short(perWeek)}, nil
		}
		return openDoraBenchmark{"month-" + *at.level, short(perWeek * 30.4375 / 7)}, nil
	case "cfr":
		return openDoraBenchmark{*at.level, short(*at.value*100) + "%"}, nil
	}
	return openDoraBenchmark{*at.level, short(*at.value / 3600)}, nil
}
