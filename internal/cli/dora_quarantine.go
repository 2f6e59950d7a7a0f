package cli

import (
	"net/url"
	"strconv"

	"github.com/spf13/cobra"
)

const quarantinePath = doraBase + "/quarantine"

// newQuarantineCommand lists when it is given nothing, and shows what it is given.
func newQuarantineCommand(g *globals) *cobra.Command {
	list := newQuarantineListCommand(g)
	cmd := newQuarantineListCommand(g)
	cmd.Use = "quarantine [ID]"
	cmd.Args = cobra.MaximumNArgs(1)
	listAll := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return listAll(cmd, args)
		}
		if g.output = cmd.Flag("output").Value.String(); g.output == "csv" {
			return usagef("use -o json or -o table", "one delivery is not a list")
		}
		return g.showQuarantined(cmd, args[0])
	}
	show := &cobra.Command{
		Use:   "get ID",
		Short: "Show one delivery, with the beginning of its body",
		Args:  exactArgs("the delivery's id (`fawkes dora quarantine list`)"),
		RunE:  func(cmd *cobra.Command, args []string) error { return g.showQuarantined(cmd, args[0]) },
	}
	addOutput(show, g, "text", "json")
	cmd.AddCommand(list, show)
	return cmd
}

func newQuarantineListCommand(g *globals) *cobra.Command {
	var project string
	var limit int
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List deliveries that could not be read, with the field at fault",
		Args:  exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := url.Values{}
			if project != "" {
				q.Set("project", project)
			}
			return g.printList(cmd, quarantinePath, q, limit,
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

func (g *globals) showQuarantined(cmd *cobra.Command, id string) error {
	if _, err := strconv.ParseInt(id, 10, 64); err != nil {
		return usagef("`fawkes dora quarantine list` shows the ids", "%q is not the id of a delivery", id)
	}
	return g.printOne(cmd, quarantinePath+"/"+id, nil)
}
