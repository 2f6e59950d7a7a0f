package cli

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

func newAppsPromoteCommand(g *globals) *cobra.Command {
	var to string
	cmd := &cobra.Command{
		Use:     "promote NAME",
		Short:   "Ask for what runs to be promoted to the next environment",
		Example: "  fawkes apps promote hello-staging --to production",
		Args:    exactArgs("the name of an application (`fawkes apps list`)"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if to == "" {
				return usagef("give --to; `fawkes environments` lists them in the order of promotion", "--to is required")
			}
			raw, err := g.act(cmd, appPath(args[0], "/promote"), map[string]any{"to": to})
			if err != nil || g.output == "json" {
				return err
			}
			return g.sayPromotion(raw)
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "the environment to promote to (required)")
	addOutput(cmd, g, "text", "json")
	return cmd
}

// sayPromotion tells of a promotion in a line.
func (g *globals) sayPromotion(raw []byte) error {
	var p struct {
		ID                       int64
		Service, From, To, State string
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	line := fmt.Sprintf("promotion %d: %s from %s to %s: %s", p.ID, p.Service, p.From, p.To, strings.ReplaceAll(p.State, "_", " "))
	if p.State == "waiting_approval" {
		line += fmt.Sprintf("; `fawkes apps approve %d`", p.ID)
	}
	_, err := fmt.Fprintln(g.Out, line)
	return err
}

func newAppsPromotionsCommand(g *globals) *cobra.Command {
	var service, state string
	var limit int
	cmd := &cobra.Command{
		Use:     "promotions",
		Short:   "List promotions, newest first",
		Example: "  fawkes apps promotions --only waiting_approval",
		Args:    exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := url.Values{}
			for key, value := range map[string]string{"service": service, "state": state} {
				if value != "" {
					q.Set(key, value)
				}
			}
			return g.printList(cmd, gitopsBase+"/promotions", q, limit,
				[]string{"id", "service", "from", "to", "state", "source_revision", "digest", "requested_at", "requested_by", "decided_at", "decided_by", "reason", "commit"},
				[]column{field("ID", "id"), field("SERVICE", "service"), field("FROM", "from"), field("TO", "to"), field("STATE", "state"), shaField("COMMIT", "source_revision"),
					timeField("REQUESTED", "requested_at"), field("DECIDED BY", "decided_by"), field("REASON", "reason")})
		},
	}
	cmd.Flags().StringVar(&service, "service", "", "only this service")
	cmd.Flags().StringVar(&state, "only", "", "only this state: waiting_health, waiting_approval, promoting, done, rejected, superseded")
	addLimit(cmd, &limit)
	addOutput(cmd, g, "table", "json", "csv")
	return cmd
}

func newAppsDecideCommand(g *globals, approve bool) *cobra.Command {
	verb, short := "reject", "Reject a promotion that waits for approval"
	if approve {
		verb, short = "approve", "Approve a promotion that waits for it"
	}
	cmd := &cobra.Command{
		Use:   verb + " ID",
		Short: short,
		Args:  exactArgs("the id of a promotion (`fawkes apps promotions`)"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := strconv.ParseInt(args[0], 10, 64); err != nil {
				return usagef("`fawkes apps promotions` lists the ids", "%q is not the id of a promotion", args[0])
			}
			raw, err := g.act(cmd, gitopsBase+"/promotions/"+args[0]+"/"+verb, nil)
			if err != nil || g.output == "json" {
				return err
			}
			return g.sayPromotion(raw)
		},
	}
	addOutput(cmd, g, "text", "json")
	return cmd
}

func newAppsLogsCommand(g *globals) *cobra.Command {
	var instance string
	var tail int
	var follow bool
	cmd := &cobra.Command{
		Use:     "logs NAME",
		Short:   "Show what a copy of an application wrote",
		Example: "  fawkes apps logs hello-production --tail 50\n  fawkes apps logs hello-production --follow",
		Args:    exactArgs("the name of an application (`fawkes apps list`)"),
		RunE: func(cmd *cobra.Command, args []string) error {
			q := url.Values{}
			if instance != "" {
				q.Set("instance", instance)
			}
			client, err := g.connect()
			if err != nil {
				return err
			}
			if follow {
				return client.stream(cmd.Context(), appPath(args[0], "/logs/stream"), q, func(e told) error {
					if g.output == "json" {
						_, err := fmt.Fprintf(g.Out, "%s\n", e.Data)
						return err
					}
					return g.printLog(e.Data)
				})
			}
			q.Set("tail", strconv.Itoa(tail))
			var raw []byte
			if err := client.get(cmd.Context(), appPath(args[0], "/logs"), q, &raw); err != nil {
				return err
			}
			if g.output == "json" {
				return g.printRaw(raw)
			}
			return g.printLog(raw)
		},
	}
	cmd.Flags().StringVar(&instance, "instance", "", "the copy (default: the newest; `fawkes apps instances` lists them)")
	cmd.Flags().IntVar(&tail, "tail", 200, "how many lines, at most 10000")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what is written from now on, until Ctrl-C")
	addOutput(cmd, g, "text", "json")
	return cmd
}

// printLog writes the text of an answer, a line at a time, without what could move
// the cursor.
func (g *globals) printLog(raw []byte) error {
	var l struct{ Text string }
	if err := json.Unmarshal(raw, &l); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	for line := range strings.SplitSeq(strings.TrimRight(l.Text, "\n"), "\n") {
		if line == "" && l.Text == "" {
			continue
		}
		if _, err := fmt.Fprintln(g.Out, printable(line)); err != nil {
			return err
		}
	}
	return nil
}

func newAppsRestartCommand(g *globals) *cobra.Command {
	return newAppsVerb(g, "restart", "Replace the running copies of an application one by one", "the copies are being replaced")
}

func newAppsTerminateCommand(g *globals) *cobra.Command {
	return newAppsVerb(g, "terminate", "End the operation that runs", "the operation is being ended")
}

func newAppsVerb(g *globals, verb, short, said string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   verb + " NAME",
		Short: short,
		Args:  exactArgs("the name of an application (`fawkes apps list`)"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := g.act(cmd, appPath(args[0], "/"+verb), nil); err != nil || g.output == "json" {
				return err
			}
			_, err := fmt.Fprintf(g.Out, "%s: %s\n", args[0], said)
			return err
		},
	}
	addOutput(cmd, g, "text", "json")
	return cmd
}

func newAppsInstancesCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "instances NAME",
		Short: "List the running copies of an application",
		Args:  exactArgs("the name of an application (`fawkes apps list`)"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.printWhole(cmd, appPath(args[0], "/instances"),
				[]string{"name", "state", "ready", "restarts", "started_at", "port", "digest", "last_exit"},
				[]column{field("NAME", "name"), field("STATE", "state"), field("READY", "ready"), field("RESTARTS", "restarts"), timeField("STARTED", "started_at"), field("PORT", "port"), field("LAST EXIT", "last_exit")})
		},
	}
	addOutput(cmd, g, "table", "json", "csv")
	return cmd
}

// printWhole writes a list that has no pages.
func (g *globals) printWhole(cmd *cobra.Command, path string, keys []string, columns []column) error {
	client, err := g.connect()
	if err != nil {
		return err
	}
	var all page
	if err := client.get(cmd.Context(), path, nil, &all); err != nil {
		return err
	}
	out := newListing(g.output, g.Out, keys, columns)
	for _, item := range all.Items {
		if err := out.add(item); err != nil {
			return err
		}
	}
	return out.close()
}

func newEnvironmentsCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "environments",
		Short: "List environments in the order of promotion, and whether they may be changed now",
		Args:  exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.printWhole(cmd, gitopsBase+"/environments",
				[]string{"name", "kind", "from", "promote", "sync", "rollback", "windows", "open", "reason", "opens_at", "applications"},
				[]column{field("NAME", "name"), field("KIND", "kind"), field("FROM", "from"), field("PROMOTE", "promote"), field("SYNC", "sync"),
					field("OPEN", "open"), field("REASON", "reason"), timeField("OPENS", "opens_at"), field("APPLICATIONS", "applications")})
		},
	}
	addOutput(cmd, g, "table", "json", "csv")
	return cmd
}
