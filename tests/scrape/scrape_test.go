// Package scrape lets Prometheus read the platform: its own scraper, storage and query engine, built from tests/prometheus,
// by the configuration that the reference page gives, with the queries that it gives.
package scrape

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/tests/process"
)

const page = "../../docs/reference/prometheus.md"

// block is the first fenced block of the page after a heading.
func block(t *testing.T, heading string) string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(text), "\n"+heading+"\n")
	_, after, fenced := strings.Cut(after, "\n```")
	_, after, begun := strings.Cut(after, "\n")
	body, _, ended := strings.Cut(after, "\n```")
	if !found || !fenced || !begun || !ended {
		t.Fatalf("%s has no block after %q", page, heading)
	}
	return body
}

// prometheus is the program of tests/prometheus, running.
type prometheus struct {
	t       *testing.T
	in      io.Writer
	answers *bufio.Scanner
}

func start(t *testing.T, configuration string) *prometheus {
	t.Helper()
	program := filepath.Join(t.TempDir(), "prometheus")
	build := exec.CommandContext(t.Context(), "go", "build", "-C", "../prometheus", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build tests/prometheus: %v\n%s", err, text)
	}
	file := filepath.Join(t.TempDir(), "prometheus.yml")
	if err := os.WriteFile(file, []byte(configuration), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, file, t.TempDir()) // it ends with its input
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close() // its end ends the program
		if err := cmd.Wait(); err != nil {
			t.Errorf("prometheus: %v\n%s", err, said.String())
		}
	})
	p := &prometheus{t: t, in: in, answers: bufio.NewScanner(out)}
	p.answers.Buffer(nil, 1<<20)
	return p
}

type sample struct {
	Metric map[string]string
	Value  [2]any
}

// query evaluates PromQL; an error of it fails the test.
func (p *prometheus) query(text string) []sample {
	p.t.Helper()
	if _, err := fmt.Fprintln(p.in, strings.Join(strings.Fields(text), " ")); err != nil {
		p.t.Fatal(err)
	}
	if !p.answers.Scan() {
		p.t.Fatalf("no answer to %s: %v", text, p.answers.Err())
	}
	var got struct {
		Error  string
		Result []sample
	}
	if err := json.Unmarshal(p.answers.Bytes(), &got); err != nil || got.Error != "" {
		p.t.Fatalf("%s: %s%v: %s", text, got.Error, err, p.answers.Text())
	}
	return got.Result
}

// value is the one value that a query gives.
func (p *prometheus) value(text string) float64 {
	p.t.Helper()
	got := p.query(text)
	if len(got) != 1 {
		p.t.Fatalf("%s gives %d values: %v", text, len(got), got)
	}
	v, err := strconv.ParseFloat(fmt.Sprint(got[0].Value[1]), 64)
	if err != nil {
		p.t.Fatalf("%s gives %v", text, got)
	}
	return v
}

// shop reports a month in which every third of twelve deployments failed, each of one commit, a day old.
func shop(t *testing.T, p *process.Process) {
	t.Helper()
	now := time.Now().UTC().Truncate(time.Second)
	var lines []string
	for i := range 12 {
		at := now.Add(time.Duration(i-13) * 48 * time.Hour)
		sha, parents := fmt.Sprintf("%040x", i+1), "[]"
		if i > 0 {
			parents = fmt.Sprintf(`["%040x"]`, i)
		}
		outcome := "success"
		if i%3 == 2 {
			outcome = "failure"
		}
		authored, finished := at.Add(-24*time.Hour).Format(time.RFC3339), at.Format(time.RFC3339)
		lines = append(lines,
			fmt.Sprintf(`{"type":"commit","repo":"https://git.example/shop","sha":%q,"parents":%s,"authored_at":%q,"committed_at":%q}`, sha, parents, authored, authored),
			fmt.Sprintf(`{"type":"deployment","id":"d%d","service":"api","environment":"production","repo":"https://git.example/shop","sha":%q,"outcome":%q,"started_at":%q,"finished_at":%q}`, i, sha, outcome, finished, finished))
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.URL+"/api/dora/v1/events:batch?project=shop", strings.NewReader(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+p.Token)
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(answer.Body)
	if cerr := answer.Body.Close(); err != nil || cerr != nil || answer.StatusCode != http.StatusOK || !strings.Contains(string(text), `"stored":24`) {
		t.Fatalf("events were not taken: %s %s (%v, %v)", answer.Status, text, err, cerr)
	}
}

// reported are the values of the report of 30 days, by metric; absent where they are unknown.
func reported(t *testing.T, p *process.Process) map[string]float64 {
	t.Helper()
	now := time.Now().UTC()
	window := url.Values{"project": {"shop"}, "from": {now.Add(-30 * 24 * time.Hour).Format(time.RFC3339)}, "to": {now.Format(time.RFC3339)}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL+"/api/dora/v1/metrics?"+window.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+p.Token)
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	var report struct {
		Metrics []struct {
			Metric string
			Value  *float64
		}
	}
	err = json.NewDecoder(answer.Body).Decode(&report)
	if cerr := answer.Body.Close(); err != nil || cerr != nil {
		t.Fatal(err, cerr)
	}
	out := map[string]float64{}
	for _, m := range report.Metrics {
		if m.Value != nil {
			out[m.Metric] = *m.Value
		}
	}
	return out
}

// What Prometheus reads is what the report says, and what is not known has no series.
func TestPrometheusReadsTheGaugesBack(t *testing.T) {
	platform := process.Up(t, process.Build(t, "fawkes"), t.TempDir())
	shop(t, platform)
	configuration := block(t, "## Scraping")
	if n := strings.Count(configuration, "127.0.0.1:8080"); n != 1 {
		t.Fatalf("the documented configuration names the address %d times:\n%s", n, configuration)
	}
	configuration = "global: {scrape_interval: 1s, scrape_timeout: 1s}\n" + strings.ReplaceAll(configuration, "127.0.0.1:8080", strings.TrimPrefix(platform.URL, "http://"))
	p := start(t, configuration)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(90 * time.Second); len(p.query(`fawkes_dora_change_lead_time_seconds{service="", project="shop"}`)) == 0; <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("no gauge was scraped; up is %v", p.query("up"))
		}
	}
	if up := p.value(`up{job="fawkes"}`); up != 1 {
		t.Errorf("up is %v", up)
	}
	report := reported(t, platform)
	for query, metric := range map[string]string{
		`fawkes_dora_deployment_frequency_per_day{service=""}`:                      "deployment_frequency",
		`fawkes_dora_change_lead_time_seconds{service="",quantile="0.5"}`:           "change_lead_time",
		`fawkes_dora_change_fail_ratio{service=""}`:                                 "change_fail_rate",
		`fawkes_dora_failed_deployment_recovery_seconds{service="",quantile="0.5"}`: "failed_deployment_recovery_time",
		`fawkes_dora_deployment_rework_ratio{service=""}`:                           "deployment_rework_rate",
	} {
		want, known := report[metric]
		if !known {
			if got := p.query(query); len(got) != 0 {
				t.Errorf("%s is not known, and %s gives %v", metric, query, got)
			}
			continue
		}
		if got := p.value(query); math.Abs(got-want) > 1e-9*math.Abs(want) {
			t.Errorf("%s gives %v, the report says %v", query, got, want)
		}
	}
	if len(report) < 3 {
		t.Errorf("the report knows only %v", report)
	}
	if got := p.value(`sum(fawkes_dora_events_total{result="stored"})`); got != 24 {
		t.Errorf("%v events are counted, want 24", got)
	}
	// The documented queries: the deployments fail often, nothing is behind, the source has spoken now.
	n := 0
	for _, documented := range strings.Split(block(t, "## Queries"), "\n\n") {
		_, query, commented := strings.Cut(documented, "\n")
		if !commented || !strings.HasPrefix(documented, "# ") {
			t.Fatalf("%q is no query with its comment", documented)
		}
		want := 0
		if strings.Contains(query, "change_fail_ratio") {
			want = 1
		}
		if got := p.query(query); len(got) != want {
			t.Errorf("%s gives %v, want %d", query, got, want)
		}
		n++
	}
	if n != 3 {
		t.Errorf("%d queries are documented, want 3", n)
	}
}
