package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"

	"github.com/spf13/cobra"
)

const quarantinePath = doraBase + "/quarantine"

// newQuarantineCommand lists when it is given nothing, and shows what it is given.
func newQuarantineCommand(g *globals) *cobra.Command {
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
		Use:     "show ID",
		Aliases: []string{"get"},
		Short:   "Show one delivery, with its body",
		Args:    exactArgs("the delivery's id (`fawkes dora quarantine list`)"),
		RunE:    func(cmd *cobra.Command, args []string) error { return g.showQuarantined(cmd, args[0]) },
	}
	addOutput(show, g, "text", "json")
	cmd.AddCommand(newQuarantineListCommand(g), show, newQuarantineReplayCommand(g), newQuarantineDiscardCommand(g))
	return cmd
}

// quarantineFilter says which deliveries.
type quarantineFilter struct{ project, source string }

func (f *quarantineFilter) add(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&f.project, "project", "p", "", "only this project")
	cmd.Flags().StringVar(&f.source, "source", "", "only this source: github, jenkins, devlake, devlake:NAME, events …")
}

func (f *quarantineFilter) query() url.Values {
	q := url.Values{}
	if f.project != "" {
		q.Set("project", f.project)
	}
	if f.source != "" {
		q.Set("source", f.source)
	}
	return q
}

func newQuarantineListCommand(g *globals) *cobra.Command {
	var filter quarantineFilter
	var status string
	var limit int
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List deliveries that could not be read, with the field at fault",
		Args:  exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := filter.query()
			if status != "" {
				q.Set("status", status)
			}
			return g.printList(cmd, quarantinePath, q, limit,
				[]string{"id", "received_at", "source", "source_name", "project", "kind", "delivery", "field", "detail", "size", "status", "attempts"},
				[]column{timeField("RECEIVED", "received_at"), field("ID", "id"), field("SOURCE", "source"), field("PROJECT", "project"),
					field("STATUS", "status"), field("FIELD", "field"), field("DETAIL", "detail")})
		},
	}
	filter.add(cmd)
	cmd.Flags().StringVar(&status, "status", "", "only these: open, replayed, discarded")
	addLimit(cmd, &limit)
	addOutput(cmd, g, "table", "json", "csv")
	return cmd
}

func (g *globals) showQuarantined(cmd *cobra.Command, id string) error {
	if err := quarantineID(id); err != nil {
		return err
	}
	return g.printOne(cmd, quarantinePath+"/"+id, nil)
}

func quarantineID(id string) error {
	if _, err := strconv.ParseInt(id, 10, 64); err != nil {
		return usagef("`fawkes dora quarantine list` shows the ids", "%q is not the id of a delivery", id)
	}
	return nil
}

func newQuarantineReplayCommand(g *globals) *cobra.Command {
	var filter quarantineFilter
	var body string
	var all bool
	cmd := &cobra.Command{
		Use:   "replay [ID]",
		Short: "Read a delivery again, as it is or with a corrected body; what is stored is not stored twice",
		Example: "  fawkes dora quarantine replay 12\n" +
			"  fawkes dora quarantine replay 12 --body corrected.json\n" +
			"  fawkes dora quarantine replay --all --source jenkins",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOrAll(args, all, filter); err != nil {
				return err
			}
			if all {
				if body != "" {
					return usagef("replay that delivery by its id", "--body corrects one delivery, not all")
				}
				return g.settleQuarantine(cmd, "replay", filter)
			}
			request := map[string]any{}
			if body != "" {
				text, err := g.readBody(body)
				if err != nil {
					return err
				}
				request["body"] = text
			}
			return g.settleOne(cmd, args[0], "replay", request)
		},
	}
	filter.add(cmd)
	cmd.Flags().StringVar(&body, "body", "", "a file with the corrected body, or - for standard input")
	cmd.Flags().BoolVar(&all, "all", false, "all that are open (of --project and --source)")
	addOutput(cmd, g, "text", "json")
	return cmd
}

func newQuarantineDiscardCommand(g *globals) *cobra.Command {
	var filter quarantineFilter
	var all bool
	cmd := &cobra.Command{
		Use:   "discard [ID]",
		Short: "Put a delivery aside",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOrAll(args, all, filter); err != nil {
				return err
			}
			if all {
				return g.settleQuarantine(cmd, "discard", filter)
			}
			return g.settleOne(cmd, args[0], "discard", nil)
		},
	}
	filter.add(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "all that are open (of --project and --source)")
	addOutput(cmd, g, "text", "json")
	return cmd
}

func oneOrAll(args []string, all bool, filter quarantineFilter) error {
	switch {
	case all == (len(args) == 1):
		return usagef("give the id of one delivery, or --all", "one delivery or all of them")
	case !all && filter != (quarantineFilter{}):
		return usagef("leave them out, or give --all in place of the id", "--project and --source choose among all")
	case len(args) == 1:
		return quarantineID(args[0])
	}
	return nil
}

// settleOne replays or discards one delivery.
func (g *globals) settleOne(cmd *cobra.Command, id, what string, body any) error {
	client, err := g.connect()
	if err != nil {
		return err
	}
	var raw []byte
	if err := client.send(cmd.Context(), http.MethodPost, quarantinePath+"/"+id+"/"+what, nil, body, &raw); err != nil {
		return err
	}
	if g.output == "json" {
		return g.printRaw(raw)
	}
	return g.printFields(raw)
}

// settled is what became of many.
type settled struct {
	Replayed   int               `json:"replayed"`
	Discarded  int               `json:"discarded"`
	Failed     int               `json:"failed"`
	Stored     int               `json:"stored"`
	Duplicates int               `json:"duplicates"`
	Errors     []json.RawMessage `json:"errors"`
	NextCursor *string           `json:"next_cursor,omitempty"`
}

// settleQuarantine replays or discards all of a filter, one page after another.
func (g *globals) settleQuarantine(cmd *cobra.Command, what string, filter quarantineFilter) error {
	client, err := g.connect()
	if err != nil {
		return err
	}
	all := settled{Errors: []json.RawMessage{}}
	q := filter.query()
	for {
		var one settled
		if err := client.send(cmd.Context(), http.MethodPost, quarantinePath+":"+what, q, nil, &one); err != nil {
			return err
		}
		all.Replayed, all.Discarded, all.Failed = all.Replayed+one.Replayed, all.Discarded+one.Discarded, all.Failed+one.Failed
		all.Stored, all.Duplicates, all.Errors = all.Stored+one.Stored, all.Duplicates+one.Duplicates, append(all.Errors, one.Errors...)
		if one.NextCursor == nil {
			break
		}
		q.Set("cursor", *one.NextCursor)
	}
	if g.output == "json" {
		return g.printJSON(all)
	}
	if what == "discard" {
		_, err := fmt.Fprintf(g.Out, "%d discarded\n", all.Discarded)
		return err
	}
	if _, err := fmt.Fprintf(g.Out, "%d replayed: %d events stored, %d were stored already; %d cannot be read yet\n", all.Replayed, all.Stored, all.Duplicates, all.Failed); err != nil {
		return err
	}
	for _, raw := range all.Errors {
		var f struct{ ID, Field, Detail string }
		if err := json.Unmarshal(raw, &f); err != nil {
			return fmt.Errorf("read answer: %w", err)
		}
		if _, err := fmt.Fprintf(g.Out, "  %s  %s: %s\n", f.ID, printable(f.Field), printable(f.Detail)); err != nil {
			return err
		}
	}
	return nil
}

// readBody reads a small file, or standard input.
func (g *globals) readBody(name string) (string, error) {
	in := g.In
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return "", failf("give a file, or - for standard input", "%w", err)
		}
		defer f.Close() //nolint:errcheck // only read
		in = f
	}
	const most = 25 << 20
	var text bytes.Buffer
	if _, err := io.Copy(&text, io.LimitReader(in, most+1)); err != nil {
		return "", failf("", "read %s: %w", name, err)
	}
	if text.Len() > most {
		return "", usagef("give at most 25 MiB", "%s is longer than that", name)
	}
	return text.String(), nil
}
