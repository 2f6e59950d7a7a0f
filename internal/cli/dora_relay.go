package cli

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"
)

const relayPath = doraBase + "/relay"

func newRelayCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{Use: "relay", Short: "How DevLake is told of the delivery history, and what it refused"}
	status := &cobra.Command{
		Use:   "status",
		Short: "Show whether DevLake takes requests, what it has and what it is still to be told",
		Args:  exactArgs(),
		RunE:  func(cmd *cobra.Command, _ []string) error { return g.printOne(cmd, relayPath, nil) },
	}
	addOutput(status, g, "text", "json")
	cmd.AddCommand(status, newRelayDeadCommand(g),
		newRelayChangeCommand(g, "retry", "Send again what DevLake refused, as it is now"),
		newRelayChangeCommand(g, "discard", "Give up what DevLake refused: it is not told of it until it changes"))
	return cmd
}

func newRelayDeadCommand(g *globals) *cobra.Command {
	var project string
	var limit int
	cmd := &cobra.Command{
		Use:   "dead",
		Short: "List what DevLake refused, with what it said",
		Args:  exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := url.Values{}
			if project != "" {
				q.Set("project", project)
			}
			return g.printList(cmd, relayPath+"/dead-letters", q, limit,
				[]string{"id", "project", "kind", "entity", "attempts", "status", "error", "changed_at", "body"},
				[]column{field("ID", "id"), field("PROJECT", "project"), field("KIND", "kind"), field("ENTITY", "entity"),
					field("STATUS", "status"), field("ERROR", "error"), timeField("SINCE", "changed_at")})
		},
	}
	cmd.Flags().StringVarP(&project, "project", "p", "", "only this project")
	addLimit(cmd, &limit)
	addOutput(cmd, g, "table", "json", "csv")
	return cmd
}

// newRelayChangeCommand makes `retry` and `discard`, of one dead letter or of all.
func newRelayChangeCommand(g *globals, verb, short string) *cobra.Command {
	var project string
	var all bool
	cmd := &cobra.Command{
		Use:     verb + " [ID]",
		Short:   short,
		Example: "  fawkes dora relay " + verb + " 17\n  fawkes dora relay " + verb + " --all --project shop",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			path, q := relayPath+"/dead-letters:"+verb, url.Values{}
			switch {
			case all == (len(args) == 1):
				return usagef("`fawkes dora relay dead` shows the ids", "give the id of one dead letter, or --all")
			case !all && project != "":
				return usagef("leave it out, or give --all", "--project goes with --all")
			case !all:
				if id, err := strconv.ParseInt(args[0], 10, 64); err != nil || id < 1 {
					return usagef("`fawkes dora relay dead` shows the ids", "%q is not the id of a dead letter", args[0])
				}
				path = relayPath + "/dead-letters/" + args[0] + "/" + verb
			case project != "":
				q.Set("project", project)
			}
			client, err := g.connect()
			if err != nil {
				return err
			}
			var raw []byte
			if err := client.send(cmd.Context(), http.MethodPost, path, q, nil, &raw); err != nil {
				return err
			}
			if g.output == "json" {
				return g.printRaw(raw)
			}
			return g.printFields(raw)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "all dead letters")
	cmd.Flags().StringVarP(&project, "project", "p", "", "with --all: only those of this project")
	addOutput(cmd, g, "text", "json")
	return cmd
}
