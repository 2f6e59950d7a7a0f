package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

func newWatchCommand(g *globals) *cobra.Command {
	var project, types, source string
	var after int64
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Show what happens as it happens: events, and the numbers that they move",
		Long: `Show what happens as it happens: events, and the numbers that they move.

A line is printed for each event, and one for each project whose numbers moved, with the five metrics over the last 30
days. It goes on, where it was, when the connection breaks, and ends with Ctrl-C. With -o json each line is one JSON
object: {"event", "id", "data"}; --after takes an id to go on from.`,
		Example: "  fawkes dora watch --project shop\n  fawkes dora watch --type deployment,incident -o json",
		Args:    exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := g.connect()
			if err != nil {
				return err
			}
			q := url.Values{}
			for key, value := range map[string]string{"project": project, "type": types, "source": source} {
				if value != "" {
					q.Set(key, value)
				}
			}
			if after >= 0 {
				q.Set("after", strconv.FormatInt(after, 10))
			}
			err = client.stream(cmd.Context(), doraBase+"/stream", q, g.printTold)
			if errors.Is(err, context.Canceled) {
				return nil // Ctrl-C is how it ends
			}
			return err
		},
	}
	f := cmd.Flags()
	f.StringVarP(&project, "project", "p", "", "only this project")
	f.StringVar(&types, "type", "", "only events of these types, separated by commas")
	f.StringVar(&source, "source", "", "only what these sources reported, separated by commas")
	f.Int64Var(&after, "after", -1, "begin after this number of the log, 0 for all of it (default: with what comes from now on)")
	addOutput(cmd, g, "text", "json")
	return cmd
}

// printTold writes one event of the stream as a line.
func (g *globals) printTold(t told) error {
	if g.output == "json" {
		text, err := json.Marshal(t)
		if err != nil {
			return fmt.Errorf("read the stream: %w", err)
		}
		_, err = fmt.Fprintf(g.Out, "%s\n", text)
		return err
	}
	line, err := toldLine(t)
	if err != nil || line == "" {
		return err
	}
	_, err = fmt.Fprintln(g.Out, printable(line))
	return err
}

func toldLine(t told) (string, error) {
	r, err := decodeRecord(t.Data)
	if err != nil {
		return "", err
	}
	switch t.Event {
	case "delivery":
		e, _ := r["event"].(map[string]any)
		about := record(e)
		words := []string{t.ID, orDash(r.text("project")), about.text("type")}
		for _, key := range []string{"service", "environment", "id", "number", "outcome", "sha", "digest", "repo"} {
			text := about.text(key)
			if key == "sha" && len(text) > 10 {
				text = text[:10]
			}
			if text != "" {
				words = append(words, text)
			}
		}
		return strings.Join(append(words, "by "+r.text("source")), "  "), nil
	case "reset":
		return "the log was restored from an older backup: it ends at " + r.text("head") + ", before " + r.text("after") + "; going on from there", nil
	case "projection":
		words := []string{t.ID, orDash(r.text("project")), "now"}
		all, _ := r["metrics"].([]any)
		for _, v := range all {
			m, _ := v.(map[string]any)
			metric := record(m)
			value := "–"
			if n, ok := m["value"].(json.Number); ok {
				f, err := n.Float64()
				if err != nil {
					return "", fmt.Errorf("read the stream: %w", err)
				}
				value = humanValue(f, metric.text("unit"))
			}
			words = append(words, strings.ReplaceAll(metric.text("metric"), "_", " ")+" "+value)
		}
		return strings.Join(words, "  "), nil
	}
	return "", nil
}
