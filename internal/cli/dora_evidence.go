package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

func newEvidenceCommand(g *globals) *cobra.Command {
	var s scope
	var limit int
	var newest order
	var metric string
	one := map[string]*string{"deployments": new(string), "changes": new(string), "incidents": new(string)}
	metrics := []string{"deployment_frequency", "change_lead_time", "change_fail_rate", "failed_deployment_recovery_time", "deployment_rework_rate"}
	cmd := &cobra.Command{
		Use:   "evidence --project P --metric M",
		Short: "Show the rows behind a number, each with the rule that linked it",
		Long: `Show the rows behind a number, each with the rule that linked it; or all about one deployment, change or incident: what it
replaced, what it brought, why it failed, what restored service, and the reports behind it.

Metrics: ` + strings.Join(metrics, ", ") + `.`,
		Example: `  fawkes dora evidence --project shop --metric change_lead_time --from 2025-01-01
  fawkes dora evidence --project shop --deployment v1.2.0
  fawkes dora evidence --project shop --change 3f2ab1c`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			q, err := s.query()
			if err != nil {
				return err
			}
			kind, id, chosen := "", "", 0
			for k, v := range one {
				if *v != "" {
					kind, id, chosen = k, *v, chosen+1
				}
			}
			if metric != "" {
				chosen++
			}
			if chosen != 1 {
				return usagef("give one of --metric, --deployment, --change, --incident", "evidence of what?")
			}
			if kind != "" {
				if g.output == "csv" {
					return usagef("use -o json or -o table", "this evidence is not a list")
				}
				return g.evidenceOfOne(cmd, kind, id, q)
			}
			q.Set("metric", metric)
			newest.ask(cmd, g, q)
			return g.printList(cmd, doraBase+"/evidence", q, limit,
				[]string{"metric", "kind", "value", "unit", "reason", "rule", "ref", "deployment", "change", "incident"},
				[]column{field("KIND", "kind"), {"WHAT", evidenceSubject}, {"VALUE", evidenceValue}, field("RULE", "rule"), field("POINTS AT", "ref"),
					{"REASON", func(r record) string { return r.text("reason") }}})
		},
	}
	s.add(cmd)
	addLimit(cmd, &limit)
	newest.add(cmd)
	cmd.Flags().StringVar(&metric, "metric", "", "the metric whose rows to show")
	cmd.Flags().StringVar(one["deployments"], "deployment", "", "the deployment (its id, or its key source/id) whose evidence to show")
	cmd.Flags().StringVar(one["changes"], "change", "", "the change (its SHA) whose evidence to show")
	cmd.Flags().StringVar(one["incidents"], "incident", "", "the incident (its id, or its key source/id) whose evidence to show")
	addOutput(cmd, g, "table", "json", "csv")
	completeFlag(cmd, "metric", metrics)
	return cmd
}

// evidenceOfOne shows all about one thing. People know deployments and incidents by their id; when no
// key is like it, the one that has this id is meant.
func (g *globals) evidenceOfOne(cmd *cobra.Command, kind, id string, scoped url.Values) error {
	client, err := g.connect()
	if err != nil {
		return err
	}
	q := url.Values{"project": scoped["project"]}
	if scoped.Has("profile") {
		q["profile"] = scoped["profile"]
	}
	address := func(key string) string { return doraBase + "/" + kind + "/" + url.PathEscape(key) + "/evidence" }
	var raw []byte
	err = client.get(cmd.Context(), address(id), q, &raw)
	var refused *problem.Problem
	if errors.As(err, &refused) && refused.Status == http.StatusNotFound && refused.Code != problem.UnknownProject && kind != "changes" {
		key, lookErr := g.keyOf(cmd.Context(), client, kind, id, q)
		if lookErr != nil {
			return lookErr
		}
		if key != "" {
			err = client.get(cmd.Context(), address(key), q, &raw)
		}
	}
	if err != nil {
		return err
	}
	if g.output == "json" {
		return g.printRaw(raw)
	}
	return g.printFields(raw)
}

// keyOf finds the key of the one deployment or incident with an id; "" when none has it.
func (g *globals) keyOf(ctx context.Context, client *api, kind, id string, q url.Values) (string, error) {
	keys := map[string]bool{}
	environments := []string{""}
	var p struct {
		Environments []struct {
			Name string `json:"name"`
		} `json:"environments"`
	}
	if err := client.get(ctx, projectPath(q.Get("project")), nil, &p); err != nil {
		return "", err
	}
	for _, e := range p.Environments {
		environments = append(environments, e.Name)
	}
	for _, environment := range environments {
		scoped := url.Values{"project": q["project"]}
		if environment != "" {
			scoped.Set("environment", environment)
		}
		if _, err := client.list(ctx, doraBase+"/"+kind, scoped, 0, func(raw json.RawMessage) error {
			var row struct{ ID, Key string }
			if err := json.Unmarshal(raw, &row); err != nil {
				return fmt.Errorf("read answer: %w", err)
			}
			if row.ID == id {
				keys[row.Key] = true
			}
			return nil
		}); err != nil {
			return "", err
		}
	}
	found := make([]string, 0, len(keys))
	for key := range keys {
		found = append(found, key)
	}
	if len(found) > 1 {
		return "", usagef("give one of these keys", "%q is the id of several: %s", id, strings.Join(found, ", "))
	}
	return strings.Join(found, ""), nil
}

// evidenceSubject names the row: a change by its commit, a deployment or an incident by its id.
func evidenceSubject(r record) string {
	order := []string{"change", "deployment", "incident"}
	if r.text("kind") == "incident" {
		order = []string{"incident"}
	}
	for _, key := range order {
		inner, ok := r[key].(map[string]any)
		if !ok {
			continue
		}
		sub := record(inner)
		switch {
		case key != "change":
			return strings.TrimSpace(sub.text("service") + " " + sub.text("id"))
		case sub.text("number") != "":
			return "#" + sub.text("number") + " " + shortSHA(sub.text("sha"))
		}
		return shortSHA(sub.text("sha"))
	}
	return "–"
}

func evidenceValue(r record) string {
	n, ok := number(r["value"])
	if !ok {
		return "–"
	}
	return humanValue(n, r.text("unit"))
}
