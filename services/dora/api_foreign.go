package dora

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/httpapi"
)

// registerForeign adds the answers in the shapes of other systems.
func (s *Service) registerForeign(api *httpapi.API) {
	metric, benchmark := s.openDora(s.openDoraMetric), s.openDora(s.openDoraBenchmark)
	for _, method := range []string{"GET ", "OPTIONS "} {
		api.Mux().HandleFunc(method+"/dora/api/metric", metric)
		api.Mux().HandleFunc(method+"/dora/api/benchmark", benchmark)
	}
	for _, prefix := range []string{"", "/api/v4"} {
		api.Mux().HandleFunc("GET "+prefix+"/projects/{id}/dora/metrics", s.gitlab(false))
		api.Mux().HandleFunc("GET "+prefix+"/groups/{id}/dora/metrics", s.gitlab(true))
	}
	api.Mux().Handle("GET "+base+"/stream", s.auth.Require(auth.ScopeDoraRead)(http.HandlerFunc(s.handleStream)))
	s.registerBadges(api.Huma())
	api.Mux().HandleFunc("GET "+badgesPath+"/{project}/{file}", s.handleBadge)
	describeBadge(api.Huma().OpenAPI())
	describeForeign(api.Huma().OpenAPI())
	describeStream(api.Huma().OpenAPI())
}

// describeGet adds to the specification what a plain handler answers to GET.
func describeGet(doc *huma.OpenAPI, id, path, tag, summary, text, media string, security []map[string][]string, answers map[string]string, params ...*huma.Param) {
	op := &huma.Operation{
		OperationID: id, Method: http.MethodGet, Path: path, Tags: []string{tag}, Summary: summary, Description: text,
		Security: security, Parameters: params, Responses: map[string]*huma.Response{},
	}
	for status, text := range answers {
		op.Responses[status] = &huma.Response{Description: text}
	}
	schema := &huma.Schema{Type: "string"}
	if media == "application/json" {
		schema = &huma.Schema{}
	}
	op.Responses["200"].Content = map[string]*huma.MediaType{media: {Schema: schema}}
	if doc.Paths == nil {
		doc.Paths = map[string]*huma.PathItem{}
	}
	item := doc.Paths[path]
	if item == nil {
		item = &huma.PathItem{}
		doc.Paths[path] = item
	}
	item.Get = op
}

func textParam(in, name, text string, values ...any) *huma.Param {
	return &huma.Param{Name: name, In: in, Required: in == "path", Description: text, Schema: &huma.Schema{Type: "string", Enum: values}}
}

func describeForeign(doc *huma.OpenAPI) {
	bearer := []map[string][]string{{auth.SchemeBearer: {auth.ScopeDoraRead}}}
	day := func(name, text string) *huma.Param { return textParam("query", name, text) }
	opendora := []*huma.Param{
		textParam("query", "project", "A project, or a service; all projects without one"), textParam("query", "team", "Without project: only the services of this team"),
		day("from", "RFC 3339 or unix seconds; six months ago without one"), day("to", "RFC 3339 or unix seconds; now without one"),
		textParam("query", "profile", "By whose rules: not OpenDORA's, ours"),
	}
	refusals := map[string]string{"200": "The numbers", "400": "A parameter is wrong, as text", "401": "No token", "403": "The token may not", "404": "No such project"}
	describeGet(doc, "opendora-metric", "/dora/api/metric", "foreign", "OpenDORA: a metric", "As the backend of OpenDORA answers its Backstage plugin; what is not known is null.",
		"application/json", bearer, refusals, append([]*huma.Param{
			textParam("query", "type", "The metric", "df_count", "df_average", "mltc", "cfr", "mttr"),
			textParam("query", "aggregation", "Unit of the series; weekly without one", "weekly", "monthly", "quarterly")}, opendora...)...)
	describeGet(doc, "opendora-benchmark", "/dora/api/benchmark", "foreign", "OpenDORA: a level", "The key of the plugin's text for a metric's level.",
		"application/json", bearer, refusals, append([]*huma.Param{textParam("query", "type", "The metric", "df", "mltc", "cfr", "mttr")}, opendora...)...)
	refusals = map[string]string{"200": "A list of {date, value}", "400": "A parameter is wrong, in GitLab's form", "401": "No token", "403": "The token may not", "404": "No such project"}
	for kind, group := range map[string]bool{"projects": false, "groups": true} {
		id := map[bool]string{false: "gitlab-project-dora", true: "gitlab-group-dora"}[group]
		describeGet(doc, id, "/api/v4/"+kind+"/{id}/dora/metrics", "foreign", "GitLab: a metric",
			"As GitLab's API for DORA metrics answers, by the rules of the profile gitlab. The header PRIVATE-TOKEN is read, too, and the same is answered without /api/v4.",
			"application/json", bearer, refusals,
			textParam("path", "id", "Name of the project, URL-encoded; of a group, what stands before the slash in its projects' names"),
			textParam("query", "metric", "The metric", "deployment_frequency", "lead_time_for_changes", "time_to_restore_service", "change_failure_rate"),
			textParam("query", "interval", "Unit of the series; daily without one", "daily", "monthly", "all"),
			day("start_date", "First day; three months before end_date without one"), day("end_date", "Last day; today without one"),
			textParam("query", "environment_tiers[]", "Tiers: production (without one), staging, testing, development, other"))
	}
}

func describeStream(doc *huma.OpenAPI) {
	describeGet(doc, "stream-events", base+"/stream", "events", "What happens, as it happens",
		"Server-sent events: delivery, an event of the log as in GET /events, and projection, the five numbers of a project over 30 days after they moved. The id is the place in the log; Last-Event-ID or after goes on from there.",
		"text/event-stream", auth.Needs(auth.ScopeDoraRead),
		map[string]string{"200": "The stream", "401": "No credential", "403": "The credential may not", "404": "No such project", "422": "A parameter is wrong", "503": "Too many streams; come again after Retry-After"},
		textParam("query", "project", "Only of this project"), textParam("query", "type", "Only events of these types, separated by commas"),
		textParam("query", "source", "Only what these sources reported, separated by commas"),
		&huma.Param{Name: "after", In: "query", Description: "Begin after this number of the log; with what comes from now on without one", Schema: &huma.Schema{Type: "integer", Format: "int64"}},
		textParam("header", "Last-Event-ID", "As after; browsers send it when they come again"))
}

func describeBadge(doc *huma.OpenAPI) {
	security := append([]map[string][]string{{}}, auth.Needs(auth.ScopeDoraRead)...)
	describeGet(doc, "get-badge", badgesPath+"/{project}/{file}", "badges", "A metric as a picture",
		"SVG. Opened by the token that POST /badges puts into the address, or by a credential that may read the project.", "image/svg+xml", security,
		map[string]string{"200": "The picture", "304": "It is the same", "401": "The token does not open this badge", "403": "The credential may not", "404": "No such badge or project", "422": "A parameter is wrong"},
		textParam("path", "project", "Name of the project"), textParam("path", "file", "The metric, with .svg"),
		textParam("query", "token", "Opens this badge alone"), textParam("query", "style", "flat without one", badgeFlat, badgeSquare, badgePlastic),
		textParam("query", "label", "Text on the left, at most 60 letters; the metric's name without one"), textParam("query", "service", "Only this service"),
		textParam("query", "profile", "By whose rules; dora-2025 without one"), textParam("query", "window", "The last so many days, 1d to 366d; 30d without one"))
}
