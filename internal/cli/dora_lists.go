package cli

import (
	"net/url"
	"strings"

	"github.com/spf13/cobra"
)

func newDeploymentsCommand(g *globals) *cobra.Command {
	var s scope
	var limit int
	var newest order
	var failed, uncounted bool
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
			if uncounted {
				q.Set("uncounted", "true")
			}
			if kind != "" {
				q.Set("kind", kind)
			}
			newest.ask(cmd, g, q)
			return g.printList(cmd, doraBase+"/deployments", q, limit,
				[]string{"id", "service", "environment", "repo", "sha", "digest", "kind", "outcome", "started_at", "finished_at",
					"previous_id", "changes", "failed", "failure_reasons", "restored_at", "reports"},
				[]column{timeField("FINISHED", "finished_at"), field("ID", "id"), field("SERVICE", "service"), field("ENVIRONMENT", "environment"),
					shaField("SHA", "sha"), field("KIND", "kind"), field("OUTCOME", "outcome"), field("CHANGES", "changes"),
					{"FAILED", failureText}, timeField("RESTORED", "restored_at")})
		},
	}
	s.add(cmd)
	addLimit(cmd, &limit)
	newest.add(cmd)
	cmd.Flags().BoolVar(&failed, "failed", false, "only deployments that failed")
	cmd.Flags().BoolVar(&uncounted, "uncounted", false, "only reports that do not count, because another source is believed there")
	cmd.Flags().StringVar(&kind, "kind", "", "only this kind: first, forward, redeploy, rollback")
	addOutput(cmd, g, "table", "json", "csv")
	return cmd
}

// order is the --newest of a list.
type order struct{ newest bool }

func (o *order) add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&o.newest, "newest", false, "the latest first (default in a table; --newest=false turns it round)")
}

// ask puts the order into the query.
func (o *order) ask(cmd *cobra.Command, g *globals, q url.Values) {
	if o.newest || g.output == "table" && !cmd.Flags().Changed("newest") {
		q.Set("newest", "true")
	}
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
	var newest order
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
			newest.ask(cmd, g, q)
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
	newest.add(cmd)
	cmd.Flags().StringVar(&deployment, "deployment", "", "only changes that first arrived with this deployment (its key, source/id)")
	addOutput(cmd, g, "table", "json", "csv")
	return cmd
}

func newIncidentsCommand(g *globals) *cobra.Command {
	var s scope
	var limit int
	var newest order
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
			newest.ask(cmd, g, q)
			return g.printList(cmd, doraBase+"/incidents", q, limit,
				[]string{"id", "service", "opened_at", "resolved_at", "deployment_id", "linked_by"},
				[]column{timeField("OPENED", "opened_at"), timeField("RESOLVED", "resolved_at"), field("ID", "id"), field("SERVICE", "service"),
					field("SEVERITY", "severity"), field("DEPLOYMENT", "deployment_id"), field("LINKED BY", "linked_by"),
					{"REASON", func(r record) string { return r.text("reason") }}})
		},
	}
	s.add(cmd)
	addLimit(cmd, &limit)
	newest.add(cmd)
	cmd.Flags().StringVar(&deployment, "deployment", "", "only incidents of this deployment (its key, source/id)")
	addOutput(cmd, g, "table", "json", "csv")
	return cmd
}
