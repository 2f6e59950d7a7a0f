package cli

import (
	"net/url"

	"github.com/spf13/cobra"
)

func newAuditCommand(g *globals) *cobra.Command {
	var project, actor, action string
	var limit int
	cmd := &cobra.Command{
		Use:     "audit",
		Short:   "List who changed what, the newest first",
		Example: "  fawkes dora audit --project shop\n  fawkes dora audit --action source.added -o csv > sources.csv",
		Args:    exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := url.Values{}
			for key, value := range map[string]string{"project": project, "actor": actor, "action": action} {
				if value != "" {
					q.Set(key, value)
				}
			}
			return g.printList(cmd, doraBase+"/audit", q, limit,
				[]string{"id", "at", "actor", "via", "action", "project", "target", "detail"},
				[]column{timeField("AT", "at"), field("ACTOR", "actor"), field("ACTION", "action"), field("PROJECT", "project"),
					field("TARGET", "target"), field("DETAIL", "detail")})
		},
	}
	cmd.Flags().StringVarP(&project, "project", "p", "", "only what concerns this project")
	cmd.Flags().StringVar(&actor, "actor", "", "only what this person, workload or system did")
	cmd.Flags().StringVar(&action, "action", "", "only this action, for example source.added")
	addLimit(cmd, &limit)
	addOutput(cmd, g, "table", "json", "csv")
	return cmd
}
