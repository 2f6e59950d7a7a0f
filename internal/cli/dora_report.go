package cli

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

// report is the part of the server's answer that a table and a CSV file show.
type report struct {
	Project  string         `json:"project"`
	Profile  string         `json:"profile"`
	TimeZone string         `json:"time_zone"`
	From     time.Time      `json:"from"`
	To       time.Time      `json:"to"`
	Metrics  []reportMetric `json:"metrics"`
	Score    *float64       `json:"score"`
	Series   []struct {
		From    time.Time      `json:"from"`
		To      time.Time      `json:"to"`
		Metrics []reportMetric `json:"metrics"`
	} `json:"series"`
}

type reportMetric struct {
	Metric      string      `json:"metric"`
	Value       *float64    `json:"value"`
	Unit        string      `json:"unit"`
	P75         *float64    `json:"p75"`
	P90         *float64    `json:"p90"`
	N           int         `json:"n"`
	Interval    *[2]float64 `json:"interval"`
	Level       *string     `json:"level"`
	LevelReason *string     `json:"level_reason"`
	Score       *float64    `json:"score"`
	Reason      *string     `json:"reason"`
	Detail      *string     `json:"detail"`
}

func newReportCommand(g *globals) *cobra.Command {
	var s scope
	var interval string
	cmd := &cobra.Command{
		Use:   "report --project P",
		Short: "The five delivery metrics, with interval, level and sample size",
		Example: `  fawkes dora report --project shop
  fawkes dora report --project shop --from 2025-01-01 --interval month -o csv
  fawkes dora report --project shop --profile devlake-2023 -o json`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			q, err := s.query()
			if err != nil {
				return err
			}
			if !oneOf(interval, "all", "day", "week", "month") {
				return usagef("give one of: all, day, week, month", "--interval: %q is not an interval", interval)
			}
			q.Set("interval", interval)
			client, err := g.connect()
			if err != nil {
				return err
			}
			var raw []byte
			if err := client.get(cmd.Context(), doraBase+"/metrics", q, &raw); err != nil {
				return err
			}
			if g.output == "json" {
				return g.printRaw(raw)
			}
			var r report
			if err := json.Unmarshal(raw, &r); err != nil {
				return fmt.Errorf("read report: %w", err)
			}
			if g.output == "csv" {
				return g.reportCSV(r)
			}
			return g.reportTable(r, interval)
		},
	}
	s.add(cmd)
	cmd.Flags().StringVar(&interval, "interval", "all", "a series of day, week or month beside the whole: all, day, week, month")
	completeFlag(cmd, "interval", []string{"all", "day", "week", "month"})
	addOutput(cmd, g, "table", "json", "csv")
	return cmd
}

func oneOf(s string, allowed ...string) bool {
	for _, a := range allowed {
		if s == a {
			return true
		}
	}
	return false
}

// reportCSV writes a row for each metric of the whole window, then of each part of the series.
func (g *globals) reportCSV(r report) error {
	out := bufio.NewWriter(g.Out)
	w := csv.NewWriter(out)
	rows := [][]string{{"project", "profile", "from", "to", "metric", "value", "unit", "p75", "p90", "n", "interval_low", "interval_high", "level", "score", "reason"}}
	add := func(from, to time.Time, metrics []reportMetric) {
		for _, m := range metrics {
			low, high := "", ""
			if m.Interval != nil {
				low, high = floatText(&m.Interval[0]), floatText(&m.Interval[1])
			}
			rows = append(rows, []string{unformula(r.Project), r.Profile, from.Format(time.RFC3339), to.Format(time.RFC3339), m.Metric, floatText(m.Value), m.Unit,
				floatText(m.P75), floatText(m.P90), strconv.Itoa(m.N), low, high, deref(m.Level), floatText(m.Score), deref(m.Reason)})
		}
	}
	add(r.From, r.To, r.Metrics)
	for _, b := range r.Series {
		add(b.From, b.To, b.Metrics)
	}
	if err := w.WriteAll(rows); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return out.Flush()
}

func floatText(v *float64) string {
	if v == nil {
		return ""
	}
	return strconv.FormatFloat(*v, 'g', -1, 64)
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// reportTable writes the metrics for a person: a value, or – with the reason why there is none.
func (g *globals) reportTable(r report, interval string) error {
	out := bufio.NewWriter(g.Out)
	zone, err := time.LoadLocation(r.TimeZone)
	if err != nil {
		zone = time.UTC
	}
	fmt.Fprintf(out, "%s · %s · %s to %s\n\n", printable(r.Project), r.Profile, r.From.In(zone).Format("2006-01-02 15:04"), r.To.In(zone).Format("2006-01-02 15:04 MST"))
	t := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "METRIC\tVALUE\t95 % INTERVAL\tP75\tP90\tLEVEL\tN\tWHY")
	for _, m := range r.Metrics {
		low := "–"
		if m.Interval != nil {
			low = humanValue(m.Interval[0], m.Unit) + " … " + humanValue(m.Interval[1], m.Unit)
		}
		fmt.Fprintln(t, strings.Join([]string{metricTitle(m.Metric), valueText(m), low, optional(m.P75, m.Unit), optional(m.P90, m.Unit),
			orDash(deref(m.Level)), humanCount(m.N), whyText(m)}, "\t"))
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	if r.Score != nil {
		fmt.Fprintf(out, "\nDORA quick check: %s of 10\n", trimZeros(fmt.Sprintf("%.1f", *r.Score)))
	}
	if len(r.Series) > 0 {
		fmt.Fprintln(out)
		t := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
		fmt.Fprint(t, strings.ToUpper(interval))
		for _, m := range r.Metrics {
			fmt.Fprintf(t, "\t%s", strings.ToUpper(metricTitle(m.Metric)))
		}
		fmt.Fprintln(t)
		for _, b := range r.Series {
			fmt.Fprint(t, b.From.In(zone).Format(time.DateOnly))
			for _, m := range b.Metrics {
				fmt.Fprintf(t, "\t%s", valueText(m))
				if m.Value != nil {
					fmt.Fprintf(t, " (n=%d)", m.N)
				}
			}
			fmt.Fprintln(t)
		}
		if err := t.Flush(); err != nil {
			return fmt.Errorf("write report: %w", err)
		}
	}
	return out.Flush()
}

func metricTitle(name string) string {
	switch name {
	case "deployment_frequency":
		return "deployment frequency"
	case "change_lead_time":
		return "change lead time"
	case "change_fail_rate":
		return "change fail rate"
	case "failed_deployment_recovery_time":
		return "recovery time"
	case "deployment_rework_rate":
		return "rework rate"
	}
	return strings.ReplaceAll(name, "_", " ")
}

func valueText(m reportMetric) string {
	if m.Value == nil {
		return "–"
	}
	return humanValue(*m.Value, m.Unit)
}

func optional(v *float64, unit string) string {
	if v == nil {
		return "–"
	}
	return humanValue(*v, unit)
}

// whyText says why a value, or else its level, is not there.
func whyText(m reportMetric) string {
	switch {
	case m.Value == nil && m.Detail != nil:
		return printable(*m.Detail)
	case m.Value == nil && m.Reason != nil:
		return strings.ReplaceAll(*m.Reason, "_", " ")
	case m.Value != nil && m.Level == nil && m.LevelReason != nil:
		return "no level: " + strings.ReplaceAll(*m.LevelReason, "_", " ")
	}
	return ""
}
