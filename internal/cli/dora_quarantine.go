package cli

import (
	"net/url"

	"github.com/spf13/cobra"
)

func newQuarantineCommand(g *globals) *cobra.Command {
	var project, source string
	var limit int
	cmd := &cobra.Command{
		Use:   "quarantine [ID]",
		Short: "List deliveries that could not be read, with the field at fault; or show one",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			q := url.Values{}
			for key, value := range map[string]string{"project": project, "source": source} {
				if value != "" {
					q.Set(key, value)
				}
			}
			if len(args) == 1 {
				if g.output == "csv" {
					return usagef("use -o json or -o table", "one delivery is not a list")
				}
				return g.printOne(cmd, doraBase+"/quarantine/"+url.PathEscape(args[0]), q)
			}
			return g.printList(cmd, doraBase+"/quarantine", q, limit,
				[]string{"id", "received_at", "source", "project", "code", "field", "detail"},
				[]column{timeField("RECEIVED", "received_at"), field("ID", "id"), field("SOURCE", "source"), field("PROJECT", "project"),
					field("FIELD", "field"), field("DETAIL", "detail")})
		},
	}
	cmd.Flags().StringVarP(&project, "project", "p", "", "only this project")
	cmd.Flags().StringVar(&source, "source", "", "only this source")
	addLimit(cmd, &limit)
	addOutput(cmd, g, "table", "json", "csv")
	return cmd
}
