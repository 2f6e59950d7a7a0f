// Package observability holds the rules and the dashboards against what there is to show: the metrics that something emits,
// and the runbooks that alerts point to.
package observability

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

const (
	rules      = "../../platform/components/monitoring"
	dashboards = "../../platform/components/grafana/dashboards"
	runbooks   = "../../docs/runbooks"
	ours       = "../../docs/reference/prometheus.md"
	runbookURL = "https://github.com/fawkes-idp/fawkes/blob/main/docs/runbooks/"
)

// rule is one of Prometheus's rules.
type rule struct {
	Record, Alert, Expr string
	Labels, Annotations map[string]string
}

// readRules reads every file of rules.
func readRules(t *testing.T) []rule {
	t.Helper()
	var out []rule
	for _, file := range glob(t, filepath.Join(rules, "*.yaml")) {
		var f struct{ Groups []struct{ Rules []rule } }
		if err := yaml.Unmarshal(read(t, file), &f); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, g := range f.Groups {
			out = append(out, g.Rules...)
		}
	}
	if len(out) == 0 {
		t.Fatalf("%s has no rules", rules)
	}
	return out
}

// readPanels reads the queries of every panel and variable, by where it stands.
func readPanels(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, file := range glob(t, filepath.Join(dashboards, "*.json")) {
		var d struct {
			Panels []struct {
				Title   string
				Targets []struct{ Expr, RefID string }
			}
			Templating struct {
				List []struct {
					Name  string
					Query struct{ Query string }
				}
			}
		}
		if err := json.Unmarshal(read(t, file), &d); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, p := range d.Panels {
			if len(p.Targets) == 0 {
				t.Errorf("%s: the panel %q has no query", file, p.Title)
			}
			for _, target := range p.Targets {
				out[filepath.Base(file)+": "+p.Title+" "+target.RefID] = target.Expr
			}
		}
		for _, v := range d.Templating.List {
			out[filepath.Base(file)+": $"+v.Name] = v.Query.Query
		}
	}
	return out
}

var (
	quoted   = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	selected = regexp.MustCompile(`\{[^}]*\}|\b(?:by|on|without|ignoring)\s*\([^)]*\)|,\s*[a-z_]+\)$`)
	name     = regexp.MustCompile(`[a-zA-Z_:][a-zA-Z0-9_:]*\b(\s*\()?`)
	duration = regexp.MustCompile(`\[[^\]]*\]`)
	operator = []string{"and", "or", "unless", "by", "on"}
	part     = regexp.MustCompile(`_(bucket|count|sum)$`)
)

// metrics are the names of metrics in PromQL: what is neither a label nor a function nor an operator.
func metrics(query string) []string {
	for _, away := range []*regexp.Regexp{quoted, duration, selected} {
		query = away.ReplaceAllString(query, " ")
	}
	var out []string
	for _, m := range name.FindAllString(query, -1) {
		if !strings.HasSuffix(m, "(") && !slices.Contains(operator, m) {
			out = append(out, m)
		}
	}
	return out
}

// emitted are the metrics that are there: our own by the page that services/dora holds against its code, the duration of
// requests that every service measures, recorded ones, and those of others by the list with their sources.
func emitted(t *testing.T, recorded []rule) map[string]bool {
	t.Helper()
	out := map[string]bool{"up": true, "fawkes_identity_http_request_duration_seconds": true}
	for _, m := range regexp.MustCompile("(?m)^\\| `(fawkes_[a-z_]+)`").FindAllStringSubmatch(string(read(t, ours)), -1) {
		out[m[1]] = true
	}
	var others map[string]struct {
		Source  string
		Metrics []string
	}
	if err := yaml.Unmarshal(read(t, "testdata/others.yaml"), &others); err != nil {
		t.Fatal(err)
	}
	for program, o := range others {
		if o.Source == "" || len(o.Metrics) == 0 {
			t.Errorf("testdata/others.yaml: %s has no source or no metrics", program)
		}
		for _, m := range o.Metrics {
			out[m] = true
		}
	}
	for _, r := range recorded {
		out[r.Record] = true
	}
	return out
}

// Every metric that a rule or a panel names has an emitter.
func TestEveryMetricHasAnEmitter(t *testing.T) {
	all := readRules(t)
	there := emitted(t, all)
	queries := readPanels(t)
	for _, r := range all {
		queries["rule "+r.Record+r.Alert+" "+r.Labels["service"]] = r.Expr
	}
	for at, query := range queries {
		found := metrics(query)
		if len(found) == 0 {
			t.Errorf("%s names no metric: %s", at, query)
		}
		for _, m := range found {
			if !there[m] && !there[part.ReplaceAllString(m, "")] {
				t.Errorf("%s: nobody emits %s", at, m)
			}
		}
	}
}

func TestNamesOfMetricsInAQuery(t *testing.T) {
	for query, want := range map[string][]string{
		`max by (project) (a_b{service="", x=~"y|z"}) > 10`:       {"a_b"},
		`histogram_quantile(0.95, sum by (le) (rate(c_d[5m])))`:   {"c_d"},
		`service:e:rate5m > 1 and on (service) time() - f_g > 86`: {"service:e:rate5m", "f_g"},
		`label_values(h_i, project)`:                              {"h_i"},
	} {
		if got := metrics(query); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
	}
}

// Every alert says how bad it is and what happened, and has a runbook; every runbook has an alert.
func TestEveryAlertHasARunbook(t *testing.T) {
	pages := map[string]bool{}
	for _, file := range glob(t, filepath.Join(runbooks, "*.md")) {
		pages[filepath.Base(file)] = false
	}
	for _, r := range readRules(t) {
		if r.Alert == "" {
			continue
		}
		if s := r.Labels["severity"]; s != "critical" && s != "warning" {
			t.Errorf("%s has the severity %q", r.Alert, s)
		}
		if r.Annotations["summary"] == "" {
			t.Errorf("%s has no summary", r.Alert)
		}
		page, ok := strings.CutPrefix(r.Annotations["runbook_url"], runbookURL)
		if _, there := pages[page]; !ok || !there {
			t.Errorf("%s: there is no runbook %q", r.Alert, r.Annotations["runbook_url"])
			continue
		}
		pages[page] = true
		if !strings.HasPrefix(string(read(t, filepath.Join(runbooks, page))), "# "+r.Alert+"\n") {
			t.Errorf("%s is not about %s", page, r.Alert)
		}
	}
	for page, used := range pages {
		if !used {
			t.Errorf("no alert has the runbook %s", page)
		}
	}
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	out, err := filepath.Glob(pattern)
	if err != nil || len(out) == 0 {
		t.Fatalf("nothing is %s: %v", pattern, err)
	}
	return out
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	text, err := fs.ReadFile(os.DirFS(filepath.Dir(file)), filepath.Base(file))
	if err != nil {
		t.Fatal(err)
	}
	return text
}
