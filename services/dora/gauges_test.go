package dora

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"

	"github.com/fawkes-idp/fawkes/internal/kit/clock"
)

// scrape reads /metrics until the gauges are there that were computed at the
// clock's time.
func (s *server) scrape() map[string]*dto.MetricFamily {
	s.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		all, err := s.metrics.Gather()
		if err != nil {
			s.t.Fatal(err)
		}
		out := map[string]*dto.MetricFamily{}
		for _, f := range all {
			out[f.GetName()] = f
		}
		if age := out[gaugeAge]; age != nil && age.Metric[0].GetGauge().GetValue() == 0 {
			return out
		}
		s.svc.gauges.work.Wait()
	}
	s.t.Fatal("the gauges were not computed")
	return nil
}

// series gives the values of a gauge by its labels' values, those of empty labels
// left out.
func series(f *dto.MetricFamily) map[string]float64 {
	out := map[string]float64{}
	for _, m := range f.GetMetric() {
		var labels []string
		for _, l := range m.GetLabel() {
			if l.GetValue() != "" {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
		}
		out[strings.Join(labels, " ")] = m.GetGauge().GetValue()
	}
	return out
}

func TestPrometheusIsToldWhatIsKnown(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		s.foreignHistory("shop")
		five := s.five("project=shop&from=2026-03-01T12:00:00Z&to=2026-03-31T12:00:00Z")
		got := s.scrape()
		for name, metric := range map[string]string{gaugeFrequency: "deployment_frequency", gaugeFailRatio: "change_fail_rate", gaugeRework: "deployment_rework_rate"} {
			if v := series(got[name]); len(v) != 2 || v["project=shop"] != *five[metric].Value || v["project=shop service=web"] != *five[metric].Value {
				t.Errorf("%s: %v, the report says %v", name, v, *five[metric].Value)
			}
		}
		if v := series(got[gaugeRecovery]); v["project=shop quantile=0.5"] != 3*3600 {
			t.Errorf("%s: %v", gaugeRecovery, v)
		}
		if v := series(got[gaugeLeadTime]); v["project=shop quantile=0.5"] != *five["change_lead_time"].Value || len(v) != 6 {
			t.Errorf("%s: %v, the report says %v", gaugeLeadTime, v, *five["change_lead_time"].Value)
		}
		if v := series(got[gaugeN]); v["metric=deployment_frequency project=shop"] != 3 {
			t.Errorf("%s: %v", gaugeN, v)
		}
		if v := series(got[gaugeDelivered]); v["project=shop source=events"] != float64(s.clock.Now().Unix()) {
			t.Errorf("%s: %v", gaugeDelivered, v)
		}
		if head, lag, left := series(got[gaugeHead])[""], series(got[gaugeLag])["project=shop"], series(got[gaugeLeftOut])[""]; head == 0 || lag != 0 || left != 0 {
			t.Errorf("head %v, lag %v, left out %v", head, lag, left)
		}
		if v := series(got[gaugeOpen]); v["project=shop"] != 0 || len(v) != 2 {
			t.Errorf("%s: %v", gaugeOpen, v)
		}
		// Two months later nothing is known of the last 30 days, and nothing is told.
		s.clock.Advance(60 * 24 * time.Hour)
		got = s.scrape()
		for _, name := range []string{gaugeLeadTime, gaugeFailRatio, gaugeRecovery, gaugeRework} {
			if v := series(got[name]); len(v) > 0 {
				t.Errorf("%s is not known, and told as %v", name, v)
			}
		}
		if v := series(got[gaugeFrequency]); v["project=shop"] != 0 || len(v) != 2 {
			t.Errorf("no deployment in 30 days is a frequency of 0: %v", v)
		}
	})
}

func TestGaugesHaveAsManySeriesAsConfigured(t *testing.T) {
	onSQLite(t, func(t *testing.T, s *server) {
		s.svc.cfg.Gauges = 3
		s.foreignHistory("a")
		s.foreignHistory("b")
		s.foreignHistory("c")
		got := s.scrape()
		if v := series(got[gaugeFrequency]); len(v) != 3 || series(got[gaugeLeftOut])[""] != 2 {
			t.Errorf("%v, %v left out", v, series(got[gaugeLeftOut]))
		}
	})
}

func TestAScrapeNeverWaits(t *testing.T) {
	c := clock.NewManual(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC))
	asked, answer := make(chan struct{}, 10), make(chan error)
	g := newGauges(func(ctx context.Context) ([]sample, error) {
		asked <- struct{}{}
		select {
		case err := <-answer:
			return []sample{{gaugeHead, nil, 7}}, err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}, c, slog.New(slog.DiscardHandler))
	reg := prometheus.NewPedanticRegistry()
	if err := reg.Register(g); err != nil {
		t.Fatal(err)
	}
	read := func() map[string]float64 {
		t.Helper()
		all, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]float64{}
		for _, f := range all {
			out[f.GetName()] = f.Metric[0].GetGauge().GetValue()
		}
		return out
	}
	if v := read(); len(v) != 1 || v[gaugeFailed] != 0 {
		t.Errorf("before anything is computed: %v", v)
	}
	<-asked
	read() // a second reader does not have it computed twice
	answer <- nil
	g.work.Wait()
	c.Advance(gaugesEvery - time.Second)
	if v := read(); v[gaugeHead] != 7 || v[gaugeAge] != 29 || len(asked) > 0 {
		t.Errorf("computed 29 s ago: %v, asked again %d times", v, len(asked))
	}
	c.Advance(time.Second)
	if v := read(); v[gaugeHead] != 7 || v[gaugeAge] != 30 {
		t.Errorf("what is old is told while it is computed anew: %v", v)
	}
	<-asked
	answer <- errors.New("the database is away")
	g.work.Wait()
	if v := read(); v[gaugeHead] != 7 || v[gaugeAge] != 30 || v[gaugeFailed] != 1 || len(asked) > 0 {
		t.Errorf("after a fault: %v", v)
	}
	c.Advance(gaugesEvery)
	read()
	<-asked
	g.close() // ends the computation at hand
	c.Advance(gaugesEvery)
	read()
	if len(asked) > 0 {
		t.Error("it computes after its end")
	}
}

// TestThePageListsWhatIsRegistered compares the page with the registry, and has
// the registry linted as promtool does.
func TestThePageListsWhatIsRegistered(t *testing.T) {
	onSQLite(t, func(t *testing.T, s *server) {
		s.foreignHistory("shop")
		var all []*dto.MetricFamily
		var names []string
		for name, f := range s.scrape() {
			all, names = append(all, f), append(names, name)
		}
		found, err := promlint.NewWithMetricFamilies(all).Lint()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range found {
			// Quantiles over a window are no summary: they have no sum.
			if p.Text != `non-histogram and non-summary metrics should not have "quantile" label` && !strings.Contains(p.Text, `"quantile" label`) {
				t.Errorf("%s: %s", p.Metric, p.Text)
			}
		}
		page, err := os.ReadFile("../../docs/reference/prometheus.md")
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range Gauges() {
			names = append(names, g.Name)
			row := regexp.MustCompile("(?m)^\\| `" + g.Name + "` \\| ([^|]*) \\| ([^|]*) \\|$").FindStringSubmatch(string(page))
			if row == nil {
				t.Errorf("the page has no row for %s", g.Name)
				continue
			}
			labels := "–"
			if len(g.Labels) > 0 {
				labels = "`" + strings.Join(g.Labels, "`, `") + "`"
			}
			if row[1] != labels || row[2] != g.Help {
				t.Errorf("%s: the page says %q and %q, the code %q and %q", g.Name, row[1], row[2], labels, g.Help)
			}
		}
		for _, name := range names {
			if !strings.Contains(string(page), "`"+name+"`") {
				t.Errorf("the page does not tell of %s", name)
			}
		}
		for _, name := range regexp.MustCompile("fawkes_dora_[a-z_]+").FindAllString(string(page), -1) {
			if !slices.Contains(names, name) && !strings.HasPrefix(name, "fawkes_dora_relay_") && name != "fawkes_dora_http_request_duration_seconds" && name != "fawkes_dora_deliveries_total" {
				t.Errorf("the page tells of %s, which is not registered", name)
			}
		}
	})
}
