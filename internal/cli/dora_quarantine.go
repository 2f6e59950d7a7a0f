package cli

import (
	"net/url"

	"github.com/spf13/cobra"
)

func newQuarantineCommand(g *globals) *cobra.Command {
	var project string
	var limit int
	cmd := &cobra.Command{
		Use:   "quarantine [ID]",
		Short: "List deliveries that could not be read, with the field at fault; or show one",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			q := url.Values{}
			if project != "" {
				q.Set("project", project)
			}
			if len(args) == 1 {
				if g.output == "csv" {
					return usagef("use -o json or -o table", "one delivery is not a list")
				}
				return g.printOne(cmd, doraBase+"/quarantine/"+url.PathEscape(args[0]), nil)
			}
			return g.printList(cmd, doraBase+"/quarantine", q, limit,
				[]string{"id", "received_at", "source", "project", "kind", "delivery", "field", "detail", "size"},
				[]column{timeField("RECEIVED", "received_at"), field("ID", "id"), field("SOURCE", "source"), field("PROJECT", "project"),
					field("FIELD", "field"), field("DETAIL", "detail")})
		},
	}
	cmd.Flags().StringVarP(&project, "project", "p", "", "only this project")
	addLimit(cmd, &limit)
	addOutput(cmd, g, "table", "json", "csv")
	return cmd
}
