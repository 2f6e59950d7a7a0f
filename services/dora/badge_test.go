package dora

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/services/dora/metrics"
)

// makeBadge gives the path of a badge.
func (s *server) makeBadge(body string) badgeBody {
	s.t.Helper()
	var b badgeBody
	if err := json.Unmarshal([]byte(s.want(200, http.MethodPost, badgesPath, body, nil)), &b); err != nil {
		s.t.Fatal(err)
	}
	return b
}

// picture fetches a badge without a credential.
func (s *server) picture(path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w
}

// wellFormed reads a badge as XML.
func wellFormed(t *testing.T, svg string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("%v in %s", err, svg)
		}
	}
}

func TestABadgeIsOpenedByItsTokenAlone(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		s.foreignHistory("team/shop")
		made := s.makeBadge(`{"project":"team/shop","metric":"change_lead_time","window":"31d"}`)
		if again := s.makeBadge(`{"project":"team/shop","metric":"change_lead_time","window":"31d"}`); again != made {
			t.Errorf("asked again, the address is another: %v", again)
		}
		w := s.picture(made.Path)
		h, body := w.Header(), w.Body.String()
		wellFormed(t, body)
		if w.Code != 200 || h.Get("Content-Type") != "image/svg+xml; charset=utf-8" || h.Get("Cache-Control") != "public, max-age=300" || h.Get("Cross-Origin-Resource-Policy") != "cross-origin" {
			t.Fatalf("%d %v %s", w.Code, h, body)
		}
		for _, want := range []string{`role="img"`, `aria-label="change lead time: `, "<title>change lead time: ", " over 31 days, n = 3, no level: "} {
			if !strings.Contains(body, want) {
				t.Errorf("want %s in %s", want, body)
			}
		}
		if w := s.picture(made.Path, "If-None-Match", `W/"other", `+h.Get("Etag")); w.Code != 304 || w.Body.Len() > 0 {
			t.Errorf("unchanged: %d with %d bytes", w.Code, w.Body.Len())
		}
		// How it looks is the reader's business; what it tells is not.
		if w := s.picture(made.Path + "&style=plastic&label=lead"); w.Code != 200 {
			t.Errorf("another style: %d", w.Code)
		}
		other := s.makeBadge(`{"project":"team/shop","metric":"change_lead_time","window":"31d","service":"web"}`)
		for what, path := range map[string]string{
			"another metric":  strings.Replace(made.Path, "change_lead_time", "change_fail_rate", 1),
			"another window":  strings.Replace(made.Path, "31d", "32d", 1),
			"another service": made.Path + "&service=web",
			"all services":    strings.Replace(other.Path, "&service=web", "", 1) + "&x",
			"another profile": made.Path + "&profile=devlake-2023",
			"another project": strings.Replace(made.Path, "shop", "none", 1),
			"no token":        strings.Replace(made.Path, "token=", "token=x", 1),
			"an empty token":  badgesPath + "/team%2Fshop/change_lead_time.svg?window=31d&token=",
		} {
			if w := s.picture(path); w.Code != 401 && !(what == "all services" && w.Code == 422) {
				t.Errorf("%s: %d %s", what, w.Code, w.Body)
			}
		}
		s.want(204, http.MethodDelete, badgesPath+"?project=team%2Fshop", "", nil)
		if w := s.picture(made.Path); w.Code != 401 {
			t.Errorf("after the badges were revoked: %d", w.Code)
		}
		s.want(404, http.MethodDelete, badgesPath+"?project=team%2Fshop", "", nil)
		if anew := s.makeBadge(`{"project":"team/shop","metric":"change_lead_time","window":"31d"}`); anew.Path == made.Path || s.picture(anew.Path).Code != 200 {
			t.Errorf("made anew: %v", anew)
		}
		if log := s.audited("?action=badges.revoked"); len(log) != 1 {
			t.Errorf("the audit log: %v", log)
		}
	})
}

func TestABadgeIsShownToWhoMayReadTheProject(t *testing.T) {
	onSQLite(t, func(t *testing.T, s *server) {
		s.foreignHistory("theirs")
		const path = badgesPath + "/theirs/change_fail_rate.svg"
		s.want(200, http.MethodGet, path, "", nil, "<svg")
		s.want(401, http.MethodGet, path, "", as(""))
		s.want(403, http.MethodGet, path, "", as(s.token(auth.ScopeDoraWrite)))
		s.want(403, http.MethodGet, path, "", as(s.token(auth.ScopeDoraRead, "mine")))
		for query, want := range map[string]int{"?style=round": 422, "?window=0d": 422, "?window=30": 422, "?window=9999999999999999999d": 422, "?profile=x": 422, "?service=x": 422,
			"?colour=red": 422, "?label=" + strings.Repeat("x", 61): 422, "?label=%ff": 400} {
			s.want(want, http.MethodGet, path+query, "", nil)
		}
		s.want(404, http.MethodGet, badgesPath+"/theirs/speed.svg", "", nil)
		s.want(404, http.MethodGet, badgesPath+"/theirs/change_fail_rate.png", "", nil)
		s.want(404, http.MethodGet, badgesPath+"/nothing/change_fail_rate.svg", "", nil)
		s.want(422, http.MethodPost, badgesPath, `{"project":"theirs","metric":"change_fail_rate","window":"x"}`, nil, "body.window")
		s.want(422, http.MethodPost, badgesPath, `{"project":"theirs","metric":"speed"}`, nil, "body.metric")
	})
}

func TestABadgeEscapesAndMeasuresItsText(t *testing.T) {
	hostile := `</title><script>alert("1")</script>&"'` + "\x00\x1b"
	for _, style := range []string{badgeFlat, badgeSquare, badgePlastic} {
		svg := string(badgeOf(metrics.Metric{Metric: "change_fail_rate", Unit: metrics.UnitRatio, Value: new(0.125), N: 8, Level: new(metrics.High)}, hostile, style, 30).svg())
		wellFormed(t, svg)
		if strings.Contains(svg, "<script") || !strings.Contains(svg, "&lt;script&gt;") || !strings.Contains(svg, levelColor(metrics.High)) || !strings.Contains(svg, ">12.5 %<") {
			t.Errorf("%s: %s", style, svg)
		}
	}
	unknown := string(badgeOf(metrics.Metric{Metric: "change_fail_rate", Reason: new("no_deployment_in_window")}, "", badgeFlat, 30).svg())
	if !strings.Contains(unknown, ">unknown<") || !strings.Contains(unknown, levelColor("")) || !strings.Contains(unknown, "<title>change fail rate: unknown over 30 days: no deployment in window</title>") {
		t.Error(unknown)
	}
	if narrow, wide := textWidth("iiiii"), textWidth("WWWWW"); narrow > 16 || wide < 54 {
		t.Errorf("five i are %.1f wide, five W %.1f", narrow, wide)
	}
	for value, want := range map[float64]string{0: "none", 0.02: "0.6 a month", 0.2: "1.4 a week", 1: "1 a day", 12.4: "12 a day"} {
		if got := badgeValue(value, metrics.UnitPerDay); got != want {
			t.Errorf("%v a day is %q, want %q", value, got, want)
		}
	}
	for value, want := range map[float64]string{5: "5 s", 59: "1 min", 5400: "1.5 h", 90000: "1 d", 8640000: "100 d"} {
		if got := badgeValue(value, metrics.UnitSeconds); got != want {
			t.Errorf("%v s is %q, want %q", value, got, want)
		}
	}
}

// TestLevelsHaveColorsThatCanBeRead computes the contrast of white on each.
func TestLevelsHaveColorsThatCanBeRead(t *testing.T) {
	seen := map[string]string{}
	for _, level := range []string{metrics.Elite, metrics.High, metrics.Medium, metrics.Low, ""} {
		c := levelColor(level)
		if former, twice := seen[c]; twice {
			t.Errorf("%q and %q have the same color", level, former)
		}
		seen[c] = level
		var r, g, b int
		if _, err := fmt.Sscanf(c, "#%02x%02x%02x", &r, &g, &b); err != nil {
			t.Fatal(err)
		}
		if ratio := contrastWithWhite(r, g, b); ratio < 4.5 {
			t.Errorf("%q: white on %s has a contrast of %.2f", level, c, ratio)
		}
	}
}

// contrastWithWhite is that of WCAG 2.
func contrastWithWhite(r, g, b int) float64 {
	linear := func(v int) float64 {
		c := float64(v) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 1.05 / (0.2126*linear(r) + 0.7152*linear(g) + 0.0722*linear(b) + 0.05)
}
