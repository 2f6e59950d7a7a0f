package cli

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

const tokensPath = "/api/identity/v1/tokens"

func newTokenCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{Use: "token", Short: "Make, list and revoke API tokens"}
	cmd.AddCommand(newTokenCreateCommand(g), newTokenListCommand(g), newTokenRevokeCommand(g))
	return cmd
}

func newTokenCreateCommand(g *globals) *cobra.Command {
	var scopes, projects []string
	var life time.Duration
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a token for a program; it is shown once",
		Long: `Make a token for a program. It is shown once and stored nowhere: put it where the program finds it.

Scopes: dora:read, dora:write (events and imports), dora:admin (projects and sources), identity:admin, *:read, *.`,
		Example: "  fawkes token create ci-of-shop --scope dora:write --project shop --expires-in 2160h",
		Args:    exactArgs("a name that tells what the token is for"),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := g.connect()
			if err != nil {
				return err
			}
			body := map[string]any{"name": args[0], "scopes": scopes}
			if len(projects) > 0 {
				body["projects"] = projects
			}
			if life != 0 {
				body["expires_in"] = int64(life / time.Second)
			}
			var raw []byte
			if err := client.send(cmd.Context(), http.MethodPost, tokensPath, nil, body, &raw); err != nil {
				return err
			}
			if g.output == "json" {
				return g.printRaw(raw)
			}
			made, err := decodeRecord(raw)
			if err != nil {
				return err
			}
			info := made
			if inner, ok := made["info"].(map[string]any); ok {
				info = inner
			}
			fmt.Fprintf(g.Err, "%s, may %s, until %s; it is shown this once\n", info.text("id"), strings.Join(scopes, " "), humanTime(info.text("expires_at")))
			_, err = fmt.Fprintln(g.Out, made.text("token"))
			return err
		},
	}
	cmd.Flags().StringSliceVar(&scopes, "scope", []string{"dora:read", "dora:write"}, "what it may do; may be given several times")
	cmd.Flags().StringSliceVarP(&projects, "project", "p", nil, "limit it to these projects; may be given several times")
	cmd.Flags().DurationVar(&life, "expires-in", 0, "how long it is good, for example 720h (default: the platform's)")
	addOutput(cmd, g, "text", "json")
	return cmd
}

func newTokenListCommand(g *globals) *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List tokens, without their text",
		Args:  exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.printList(cmd, tokensPath, nil, limit,
				[]string{"id", "name", "person", "scopes", "projects", "created_at", "expires_at", "last_used_at", "revoked_at"},
				[]column{field("ID", "id"), field("NAME", "name"), {"SCOPES", listText("scopes")}, {"PROJECTS", listText("projects")},
					timeField("CREATED", "created_at"), timeField("EXPIRES", "expires_at"), timeField("LAST USED", "last_used_at"), timeField("REVOKED", "revoked_at")})
		},
	}
	addLimit(cmd, &limit)
	addOutput(cmd, g, "table", "json", "csv")
	return cmd
}

// listText shows a list of plain values.
func listText(key string) func(record) string {
	return func(r record) string {
		items, _ := r[key].([]any)
		texts := make([]string, len(items))
		for i, item := range items {
			texts[i] = plainText(item)
		}
		return orDash(strings.Join(texts, " "))
	}
}

func newTokenRevokeCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "revoke ID",
		Short: "Revoke a token; services notice within a minute",
		Args:  exactArgs("the token's id (`fawkes token list`)"),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := g.connect()
			if err != nil {
				return err
			}
			if err := client.send(cmd.Context(), http.MethodDelete, tokensPath+"/"+url.PathEscape(args[0]), nil, nil, nil); err != nil {
				return err
			}
			if g.output == "json" {
				return g.printJSON(map[string]any{"revoked": args[0]})
			}
			_, err = fmt.Fprintf(g.Out, "revoked %s\n", args[0])
			return err
		},
	}
	addOutput(cmd, g, "text", "json")
	return cmd
}
