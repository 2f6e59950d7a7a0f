package cli

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
)

const hooksPath = gitBase + "/hooks"

func newGitHooksCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{Use: "hooks", Short: "List, add and remove who is told of pushes"}
	cmd.AddCommand(newGitHooksListCommand(g), newGitHooksAddCommand(g), newGitHooksRemoveCommand(g))
	return cmd
}

func newGitHooksListCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List hooks, without their secrets",
		Args:  exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := g.connect()
			if err != nil {
				return err
			}
			var all page // there are few: the list has no pages
			if err := client.get(cmd.Context(), hooksPath, nil, &all); err != nil {
				return err
			}
			out := newListing(g.output, g.Out, []string{"name", "url", "events", "repository", "active", "signed", "created_at"},
				[]column{field("NAME", "name"), field("TELLS", "url"), {"EVENTS", listText("events")}, field("REPOSITORY", "repository"), field("ACTIVE", "active"), field("SIGNED", "signed")})
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

func newGitHooksAddCommand(g *globals) *cobra.Command {
	var secret, repository string
	var events []string
	cmd := &cobra.Command{
		Use:     "add NAME URL",
		Short:   "Tell a URL of pushes, in the form of GitHub's webhooks; a hook of this name is replaced",
		Example: "  fawkes git hooks add jenkins https://jenkins.example/github-webhook/ --secret-from secret.txt",
		Args:    exactArgs("a name for the hook", "the URL to tell"),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := g.connect()
			if err != nil {
				return err
			}
			body := map[string]any{"url": args[1], "events": events, "repository": repository}
			if secret != "" {
				text, err := g.readBody(secret)
				if err != nil {
					return err
				}
				body["secret"] = strings.TrimSpace(text)
			}
			var raw []byte
			if err := client.send(cmd.Context(), http.MethodPut, hooksPath+"/"+url.PathEscape(args[0]), nil, body, &raw); err != nil {
				return err
			}
			if g.output == "json" {
				return g.printRaw(raw)
			}
			return g.printFields(raw)
		},
	}
	cmd.Flags().StringVar(&secret, "secret-from", "", "a file, or - for standard input, with the secret that signs deliveries")
	cmd.Flags().StringVar(&repository, "repository", "*", "only of this repository (OWNER/NAME)")
	cmd.Flags().StringSliceVar(&events, "event", []string{"push"}, "push, create or delete; may be given several times")
	addOutput(cmd, g, "text", "json")
	return cmd
}

func newGitHooksRemoveCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "remove NAME",
		Short: "Remove a hook; what waits for it is given up",
		Args:  exactArgs("the hook's name (`fawkes git hooks list`)"),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := g.connect()
			if err != nil {
				return err
			}
			if err := client.send(cmd.Context(), http.MethodDelete, hooksPath+"/"+url.PathEscape(args[0]), nil, nil, nil); err != nil {
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
