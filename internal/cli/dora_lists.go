package cli

import (
	"net/url"
	"strings"

	"github.com/spf13/cobra"
)

func newDeploymentsCommand(g *globals) *cobra.Command {
	var s scope
	var limit int
	var failed bool
	var kind string
	cmd := &cobra.Command{
		Use:     "deployments --project P",
		Short:   "List deployments: what went out, what it replaced, whether it failed",
		Example: "  fawkes dora deployments --project shop --failed\n  fawkes dora deployments --project shop -o csv > deployments.csv",
		Args:    exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			q, err := s.query()
			if err != nil {
				return err
			}
			if failed {
				q.Set("failed", "true")
			}
			if kind != "" {
				q.Set("kind", kind)
			}
			return g.printList(cmd, doraBase+"/deployments", q, limit,
				[]string{"id", "service", "environment", "repo", "sha", "digest", "kind", "outcome", "started_at", "finished_at",
					"previous_id", "changes", "failed", "failure_reasons", "restored_at"},
				[]column{timeField("FINISHED", "finished_at"), field("ID", "id"), field("SERVICE", "service"), field("ENVIRONMENT", "environment"),
					shaField("SHA", "sha"), field("KIND", "kind"), field("OUTCOME", "outcome"), field("CHANGES", "changes"),
					{"FAILED", failureText}, timeField("RESTORED", "restored_at")})
		},
	}
	s.add(cmd)
	addLimit(cmd, &limit)
	cmd.Flags().BoolVar(&failed, "failed", false, "only deployments that failed")
	cmd.Flags().StringVar(&kind, "kind", "", "only this kind: first, forward, redeploy, rollback")
	addOutput(cmd, g, "table", "json", "csv")
	return cmd
}

// failureText is "no", or by which rules a deployment failed.
func failureText(r record) string {
	if failed, _ := r["failed"].(bool); !failed {
		return "no"
	}
	var why []string
	if reasons, ok := r["failure_reasons"].([]any); ok {
		for _, reason := range reasons {
			why = append(why, plainText(reason))
		}
	}
	if len(why) == 0 {
		return "yes"
	}
	return strings.Join(why, ", ")
}

func newChangesCommand(g *globals) *cobra.Command {
	var s scope
	var limit int
	var deployment string
	cmd := &cobra.Command{
		Use:   "changes --project P",
		Short: "List changes and how long each took to reach its users",
		Long: `List changes and how long each took to reach its users.

Under the profile dora-2025 a change is a commit, under devlake-2023 a merged pull request. A value that is not known
is shown as –, with the reason.`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			q, err := s.query()
			if err != nil {
				return err
			}
			if deployment != "" {
				q.Set("deployment", deployment)
			}
			return g.printList(cmd, doraBase+"/changes", q, limit,
				[]string{"repo", "number", "sha", "author_ref", "first_commit_at", "created_at", "first_review_at", "merged_at", "deployed_at",
					"deployment_id", "coding_seconds", "pickup_seconds", "review_seconds", "deploy_seconds", "lead_time_seconds", "reason"},
				[]column{shaField("SHA", "sha"), field("PR", "number"), timeField("FIRST COMMIT", "first_commit_at"), timeField("MERGED", "merged_at"),
					timeField("DEPLOYED", "deployed_at"), field("DEPLOYMENT", "deployment_id"), secondsField("CODING", "coding_seconds"),
					secondsField("PICKUP", "pickup_seconds"), secondsField("REVIEW", "review_seconds"), secondsField("DEPLOY", "deploy_seconds"),
					secondsField("LEAD TIME", "lead_time_seconds"), {"REASON", func(r record) string { return r.text("reason") }}})
		},
	}
	s.add(cmd)
	addLimit(cmd, &limit)
	cmd.Flags().StringVar(&deployment, "deployment", "", "only changes that first arrived with this deployment (its key, source/id)")
	addOutput(cmd, g, "table", "json", "csv")
	return cmd
}

func newIncidentsCommand(g *globals) *cobra.Command {
	var s scope
	var limit int
	var deployment string
	cmd := &cobra.Command{
		Use:   "incidents --project P",
		Short: "List incidents and the deployment that each is linked to",
		Args:  exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			q, err := s.query()
			if err != nil {
				return err
			}
			if deployment != "" {
				q.Set("deployment", deployment)
			}
			return g.printList(cmd, doraBase+"/incidents", q, limit,
				[]string{"id", "service", "opened_at", "resolved_at", "deployment_id", "linked_by"},
				[]column{timeField("OPENED", "opened_at"), timeField("RESOLVED", "resolved_at"), field("ID", "id"), field("SERVICE", "service"),
					field("SEVERITY", "severity"), field("DEPLOYMENT", "deployment_id"), field("LINKED BY", "linked_by"),
					{"REASON", func(r record) string { return r.text("reason") }}})
		},
	}
	s.add(cmd)
	addLimit(cmd, &limit)
	cmd.Flags().StringVar(&deployment, "deployment", "", "only incidents of this deployment (its key, source/id)")
	addOutput(cmd, g, "table", "json", "csv")
	return cmd
}

func newEvidenceCommand(g *globals) *cobra.Command {
	var s scope
	var limit int
	var metric, deployment, change string
	cmd := &cobra.Command{
		Use:   "evidence --project P --metric M",
		Short: "Show the rows behind a number, each with the rule that linked it",
		Long: `Show the rows behind a number, each with the rule that linked it: of a metric, of one deployment, or of one change.

Metrics: deployment_frequency, change_lead_time, change_fail_rate, failed_deployment_recovery_time, deployment_rework_rate.`,
		Example: `  fawkes dora evidence --project shop --metric change_lead_time --from 2025-01-01
  fawkes dora evidence --project shop --deployment git:shop/v1.2.0
  fawkes dora evidence --project shop --change 3f2ab1c`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			q, err := s.query()
			if err != nil {
				return err
			}
			chosen := 0
			for _, v := range []string{metric, deployment, change} {
				if v != "" {
					chosen++
				}
			}
			if chosen != 1 {
				return usagef("give one of --metric, --deployment, --change", "evidence of what?")
			}
			if metric == "" {
				if g.output == "csv" {
					return usagef("use -o json or -o table", "the evidence of one %s is not a list", map[bool]string{true: "deployment", false: "change"}[deployment != ""])
				}
				path := doraBase + "/deployments/" + url.PathEscape(deployment) + "/evidence"
				if change != "" {
					path = doraBase + "/changes/" + url.PathEscape(change) + "/evidence"
				}
				return g.printOne(cmd, path, q)
			}
			q.Set("metric", metric)
			return g.printList(cmd, doraBase+"/evidence", q, limit,
				[]string{"metric", "kind", "value", "unit", "reason", "rule", "ref", "deployment", "change", "incident"},
				[]column{field("KIND", "kind"), {"WHAT", evidenceSubject}, {"VALUE", evidenceValue}, field("RULE", "rule"), field("POINTS AT", "ref"),
					{"REASON", func(r record) string { return r.text("reason") }}})
		},
	}
	s.add(cmd)
	addLimit(cmd, &limit)
	cmd.Flags().StringVar(&metric, "metric", "", "the metric whose rows to show")
	cmd.Flags().StringVar(&deployment, "deployment", "", "the deployment (its key, source/id) whose evidence to show")
	cmd.Flags().StringVar(&change, "change", "", "the change (its SHA) whose evidence to show")
	addOutput(cmd, g, "table", "json", "csv")
	mustComplete(cmd, "metric", metricNames)
	return cmd
}

var metricNames = []string{"deployment_frequency", "change_lead_time", "change_fail_rate", "failed_deployment_recovery_time", "deployment_rework_rate"}

// evidenceSubject names the row: a deployment by its id, a change by its commit, an incident by its id.
func evidenceSubject(r record) string {
	kind := r.text("kind")
	for _, key := range []string{"change", "deployment", "incident"} {
		inner, ok := r[key].(map[string]any)
		if !ok || kind == "incident" && key != "incident" {
			continue
		}
		sub := record(inner)
		switch {
		case key != "change":
			return sub.text("service") + " " + sub.text("id")
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

// printOne writes one object: as JSON, or its fields in two columns.
func (g *globals) printOne(cmd *cobra.Command, path string, query url.Values) error {
	client, err := g.connect()
	if err != nil {
		return err
	}
	var raw []byte
	if err := client.get(cmd.Context(), path, query, &raw); err != nil {
		return err
	}
	if g.output == "json" {
		return g.printRaw(raw)
	}
	return g.printFields(raw)
}
