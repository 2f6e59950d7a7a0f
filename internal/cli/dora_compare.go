package cli

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

// comparison is the part of the server's answer that a table shows.
type comparison struct {
	Project  string `json:"project"`
	Profiles []struct {
		Profile string         `json:"profile"`
		Metrics []reportMetric `json:"metrics"`
	} `json:"profiles"`
	Pairs []struct {
		Metric    string `json:"metric"`
		ToProfile string `json:"to_profile"`
		Differs   bool   `json:"differs"`
	} `json:"pairs"`
	Differences []ruleDifference `json:"differences"`
}

type ruleDifference struct {
	Metric      string   `json:"metric"`
	Unit        string   `json:"unit"`
	FromProfile string   `json:"from_profile"`
	ToProfile   string   `json:"to_profile"`
	Rule        string   `json:"rule"`
	From        string   `json:"from"`
	To          string   `json:"to"`
	ToText      string   `json:"to_text"`
	Before      *float64 `json:"before"`
	After       *float64 `json:"after"`
	NRows       int      `json:"n_rows"`
	Examples    []struct {
		Kind   string  `json:"kind"`
		Key    string  `json:"key"`
		Before rowSide `json:"before"`
		After  rowSide `json:"after"`
	} `json:"examples"`
}

type rowSide struct {
	Counted bool     `json:"counted"`
	Value   *float64 `json:"value"`
	Reason  *string  `json:"reason"`
}

func newCompareCommand(g *globals) *cobra.Command {
	var s scope
	var profiles string
	cmd := &cobra.Command{
		Use:   "compare --project P",
		Short: "The same history under several profiles, and the rules that make the difference",
		Long: `The same history under several profiles, and the rules that make the difference. The first profile is compared with each
other one: its rules are swapped for the other's one at a time, and every swap that moves a metric is shown with its
effect and some of the rows that count otherwise.`,
		Example: `  fawkes dora compare --project shop --profiles dora-2025,fourkeys
  fawkes dora compare --project shop --from 2025-01-01 -o json`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if s.profile != "" {
				return usagef("give --profiles "+s.profile+",…", "--profile: a comparison takes several")
			}
			q, err := s.query()
			if err != nil {
				return err
			}
			if profiles != "" {
				q.Set("profiles", profiles)
			}
			client, err := g.connect()
			if err != nil {
				return err
			}
			var raw []byte
			if err := client.get(cmd.Context(), doraBase+"/compare", q, &raw); err != nil {
				return err
			}
			if g.output == "json" {
				return g.printRaw(raw)
			}
			var c comparison
			if err := json.Unmarshal(raw, &c); err != nil {
				return fmt.Errorf("read comparison: %w", err)
			}
			out := bufio.NewWriter(g.Out)
			if err := c.table(out); err != nil {
				return fmt.Errorf("write comparison: %w", err)
			}
			return out.Flush()
		},
	}
	s.add(cmd)
	_ = cmd.Flags().MarkHidden("profile") // exists: scope.add made it
	cmd.Flags().StringVar(&profiles, "profiles", "", "two to six profiles, separated by commas (default: all that are built in)")
	addOutput(cmd, g, "table", "json")
	return cmd
}

// table writes the metrics side by side, and below each what makes it differ.
func (c *comparison) table(out io.Writer) error {
	t := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprint(t, "METRIC")
	for _, p := range c.Profiles {
		fmt.Fprintf(t, "\t%s", strings.ToUpper(printable(p.Profile)))
	}
	fmt.Fprintln(t)
	for i, m := range c.Profiles[0].Metrics {
		fmt.Fprint(t, metricTitle(m.Metric))
		for _, p := range c.Profiles {
			fmt.Fprintf(t, "\t%s (n=%d)", valueText(p.Metrics[i]), p.Metrics[i].N)
		}
		fmt.Fprintln(t)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, p := range c.Pairs {
		if !p.Differs {
			continue
		}
		t := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
		fmt.Fprintf(t, "\n%s: %s to %s\n  RULE\tFROM\tTO\tVALUE\tBECOMES\tROWS\tFOR EXAMPLE\n", metricTitle(p.Metric), printable(c.Profiles[0].Profile), printable(p.ToProfile))
		for _, d := range c.Differences {
			if d.Metric == p.Metric && d.ToProfile == p.ToProfile {
				fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\t%d\t%s\n", d.Rule, d.From, d.To, optional(d.Before, d.Unit), optional(d.After, d.Unit), d.NRows, d.example())
			}
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// example tells of one row that counts otherwise.
func (d *ruleDifference) example() string {
	if len(d.Examples) == 0 {
		return "–"
	}
	e := d.Examples[0]
	unit := d.Unit
	if unit == "per_day" || unit == "ratio" {
		unit = "count"
	}
	side := func(s rowSide) string {
		if s.Value != nil {
			return humanValue(*s.Value, unit)
		}
		return strings.ReplaceAll(deref(s.Reason), "_", " ")
	}
	key := e.Key
	if e.Kind == "change" && len(key) > 12 {
		key = key[:12]
	}
	return printable(fmt.Sprintf("%s %s: %s, then %s", strings.ReplaceAll(e.Kind, "_", " "), key, side(e.Before), side(e.After)))
}
