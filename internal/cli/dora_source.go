package cli

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
)

const sourcesPath = doraBase + "/sources"

func newSourceCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{Use: "source", Short: "List, add and remove what may send deliveries: webhooks and their secrets"}
	cmd.AddCommand(newSourceListCommand(g), newSourceKindsCommand(g), newSourceAddCommand(g), newSourceRemoveCommand(g))
	return cmd
}

func newSourceListCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List sources, without their secrets",
		Args:  exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := g.connect()
			if err != nil {
				return err
			}
			var all page // there are few: the list has no pages
			if err := client.get(cmd.Context(), sourcesPath, nil, &all); err != nil {
				return err
			}
			out := newListing(g.output, g.Out, []string{"id", "kind", "name", "project", "path", "url", "setup", "created_at"},
				[]column{field("ID", "id"), field("KIND", "kind"), field("NAME", "name"), field("PROJECT", "project"), field("DELIVERS TO", "path"), timeField("CREATED", "created_at")})
			for _, item := range all.Items {
				if err := out.add(item); err != nil {
					return err
				}
			}
			return out.close()
		},
	}
	addOutput(cmd, g, "table", "json", "csv")
	return cmd
}

func newSourceKindsCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "kinds",
		Short: "List what can send deliveries, where to and how it is set up",
		Args:  exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := g.connect()
			if err != nil {
				return err
			}
			var all page // there are few: the list has no pages
			if err := client.get(cmd.Context(), doraBase+"/source-kinds", nil, &all); err != nil {
				return err
			}
			out := newListing(g.output, g.Out, []string{"kind", "title", "path", "signed", "setup"},
				[]column{field("KIND", "kind"), field("IS", "title"), field("DELIVERS TO", "path"), field("SIGNED", "signed")})
			for _, item := range all.Items {
				if err := out.add(item); err != nil {
					return err
				}
			}
			return out.close()
		},
	}
	addOutput(cmd, g, "table", "json", "csv")
	return cmd
}

func newSourceAddCommand(g *globals) *cobra.Command {
	var project, name, secret string
	cmd := &cobra.Command{
		Use:   "add KIND",
		Short: "Add a source; its secret is shown once",
		Example: "  fawkes dora source add github --name shop --project shop\n" +
			"  fawkes dora source add pagerduty --project shop --secret-from secret.txt",
		Args: exactArgs("a kind (`fawkes dora source kinds`)"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if project == "" && name == "" {
				return usagef("give the project that its events belong to: --project shop, or a name for a source of many projects: --name all", "--project or --name is required")
			}
			client, err := g.connect()
			if err != nil {
				return err
			}
			body := map[string]any{"kind": args[0]}
			if project != "" {
				body["project"] = project
			}
			if name != "" {
				body["name"] = name
			}
			if secret != "" {
				text, err := g.readBody(secret)
				if err != nil {
					return err
				}
				body["secret"] = strings.TrimSpace(text)
			}
			var raw []byte
			if err := client.send(cmd.Context(), http.MethodPost, sourcesPath, nil, body, &raw); err != nil {
				return err
			}
			if g.output == "json" {
				return g.printRaw(raw)
			}
			return g.printFields(raw)
		},
	}
	cmd.Flags().StringVarP(&project, "project", "p", "", "the project that its events belong to (default: that of each one's repository or service)")
	cmd.Flags().StringVar(&secret, "secret-from", "", "a file, or - for standard input, with the secret that the source made itself (PagerDuty does)")
	cmd.Flags().StringVar(&name, "name", "", "a name to recognise it by (default: the project's)")
	addOutput(cmd, g, "text", "json")
	return cmd
}

func newSourceRemoveCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "remove ID",
		Short: "Remove a source: its deliveries are refused from now on, what it sent stays",
		Args:  exactArgs("the source's id (`fawkes dora source list`)"),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := g.connect()
			if err != nil {
				return err
			}
			if err := client.send(cmd.Context(), http.MethodDelete, sourcesPath+"/"+url.PathEscape(args[0]), nil, nil, nil); err != nil {
				return err
			}
			if g.output == "json" {
				return g.printJSON(map[string]any{"removed": args[0]})
			}
			_, err = fmt.Fprintf(g.Out, "removed %s\n", args[0])
			return err
		},
	}
	addOutput(cmd, g, "text", "json")
	return cmd
}
