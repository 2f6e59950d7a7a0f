package dora

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

const annotationsPath = "/api/dora/v1/annotations"

func (s *server) annotated(query string) []string {
	s.t.Helper()
	var out []string
	for _, a := range get[struct{ Items []annotationBody }](s, annotationsPath+"?project=shop"+query).Items {
		if (a.ID == nil) == (a.CreatedAt != nil) && a.Kind != annotationProfile {
			s.t.Errorf("an annotation without id or time: %+v", a)
		}
		out = append(out, a.At.Format("01-02 15:04 ")+a.Kind+" "+a.Text)
	}
	return out
}

func TestAnnotationsStandBesideTheSeries(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		s.post(deploymentLine("1", "a", "2026-03-02T10:00:00Z"),
			strings.ReplaceAll(deploymentLine("2", "b", "2026-03-10T10:00:00Z"), `"success"`, `"failure"`))
		s.want(200, http.MethodPut, projectsPath+"/shop", `{"project":"shop","time_zone":"Europe/Berlin"}`, nil)
		add := func(body string) int64 {
			var a annotationBody
			if err := json.Unmarshal([]byte(s.want(201, http.MethodPost, annotationsPath, body, nil)), &a); err != nil {
				t.Fatal(err)
			}
			return *a.ID
		}
		id := add(`{"project":"shop","at":"2026-03-05","text":" smaller batches "}`)
		add(`{"project":"shop","at":"2026-03-06T12:00:00Z","service":"api","text":"a new pipeline"}`)
		want := []string{
			"03-02 10:00 first_deployment first deployment of api to production",
			"03-04 23:00 note smaller batches", // midnight in Berlin
			"03-06 12:00 note a new pipeline",
			"03-10 10:00 long_failure deployment events/2 failed service and is not restored yet",
			"03-31 12:00 project_declared the project was declared, version 1",
		}
		if got := s.annotated(""); strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("annotations:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if got := s.annotated("&from=2026-03-05&to=2026-03-06"); len(got) != 1 {
			t.Errorf("one day: %v", got)
		}
		r := get[reportBody](s, "/api/dora/v1/metrics?project=shop&from=2026-03-01&to=2026-03-20&interval=week")
		if len(r.Annotations) != 4 || r.ChangePoints == nil || len(r.ChangePoints) != 0 {
			t.Errorf("the series has %d annotations and the change points %v", len(r.Annotations), r.ChangePoints)
		}
		if _, text := s.call(http.MethodGet, "/api/dora/v1/metrics?project=shop", ""); strings.Contains(text, `"annotations"`) || strings.Contains(text, `"change_points"`) {
			t.Error("without a series there are annotations or change points")
		}
		s.want(404, http.MethodDelete, fmt.Sprintf("%s/%d?project=other", annotationsPath, id), "", nil)
		s.want(204, http.MethodDelete, fmt.Sprintf("%s/%d?project=shop", annotationsPath, id), "", nil)
		s.want(404, http.MethodDelete, fmt.Sprintf("%s/%d?project=shop", annotationsPath, id), "", nil)
		if got := s.annotated(""); len(got) != 4 {
			t.Errorf("after the removal: %v", got)
		}
		for body, field := range map[string]string{
			`{"project":"shop","text":" "}`:                                "body.text",
			`{"project":"shop","text":"` + strings.Repeat("é", 501) + `"}`: "body.text",
			`{"project":"shop","text":"x","at":"soon"}`:                    "body.at",
			`{"project":"shop","text":"x","service":"nothing"}`:            "body.service",
		} {
			s.want(422, http.MethodPost, annotationsPath, body, nil, field)
		}
		s.want(404, http.MethodPost, annotationsPath, `{"project":"nothing","text":"x"}`, nil)
	})
}

// Forty weeks: one deployment a week, then four.
func TestTheSeriesTellsOfAChangePoint(t *testing.T) {
	onSQLite(t, func(t *testing.T, s *server) {
		begin := time.Date(2025, 6, 2, 10, 0, 0, 0, time.UTC)
		var lines []string
		for w := range 40 {
			n := 1
			if w >= 20 {
				n = 4
			}
			for d := range n {
				lines = append(lines, deploymentLine(fmt.Sprintf("%d-%d", w, d), "a", begin.AddDate(0, 0, 7*w+d).Format(time.RFC3339)))
			}
		}
		s.post(lines...)
		r := get[reportBody](s, "/api/dora/v1/metrics?project=shop&from=2025-06-02&to=2026-03-09&interval=week")
		if len(r.ChangePoints) != 1 {
			t.Fatalf("%+v", r.ChangePoints)
		}
		c := r.ChangePoints[0]
		if c.Metric != "deployment_frequency" || !c.At.Equal(time.Date(2025, 10, 20, 0, 0, 0, 0, time.UTC)) || c.Before != 1.0/7 || c.After != 4.0/7 || c.Method == "" {
			t.Errorf("%+v", c)
		}
	})
}
