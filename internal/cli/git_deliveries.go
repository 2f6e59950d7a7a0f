package cli

import (
	"fmt"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"
)

const gitDeliveriesPath = gitBase + "/deliveries"

func newGitDeliveriesCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{Use: "deliveries", Short: "List what hooks were told, and tell it again"}
	cmd.AddCommand(newGitDeliveriesListCommand(g), newGitRedeliverCommand(g))
	return cmd
}

func newGitDeliveriesListCommand(g *globals) *cobra.Command {
	var limit int
	var hook, state string
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List deliveries to hooks, the newest first",
		Example: "  fawkes git deliveries list --only dead",
		Args:    exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			query := url.Values{}
			if hook != "" {
				query.Set("hook", hook)
			}
			if state != "" {
				query.Set("state", state)
			}
			return g.printList(cmd, gitDeliveriesPath, query, limit,
				[]string{"id", "guid", "hook", "event", "repository", "ref", "state", "attempts", "status", "error", "created_at", "next_at", "delivered_at"},
				[]column{field("ID", "id"), field("HOOK", "hook"), field("EVENT", "event"), field("REPOSITORY", "repository"), field("REF", "ref"), field("STATE", "state"),
					field("TRIED", "attempts"), field("STATUS", "status"), timeField("CREATED", "created_at"), field("ERROR", "error")})
		},
	}
	cmd.Flags().StringVar(&hook, "hook", "", "only to this hook")
	cmd.Flags().StringVar(&state, "only", "", "only pending, delivered or dead ones")
	completeFlag(cmd, "only", []string{"pending", "delivered", "dead"})
	addLimit(cmd, &limit)
	addOutput(cmd, g, "table", "json", "csv")
	return cmd
}

func newGitRedeliverCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "redeliver ID",
		Short: "Deliver once more, with the same delivery id",
		Args:  exactArgs("the delivery's id (`fawkes git deliveries list`)"),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := g.connect()
			if err != nil {
				return err
			}
			if err := client.send(cmd.Context(), http.MethodPost, gitDeliveriesPath+"/"+url.PathEscape(args[0])+"/redeliver", nil, nil, nil); err != nil {
				return err
			}
			if g.output == "json" {
				return g.printJSON(map[string]any{"redelivered": args[0]})
			}
			_, err = fmt.Fprintf(g.Out, "delivery %s goes out again\n", args[0])
			return err
		},
	}
	addOutput(cmd, g, "text", "json")
	return cmd
}
