package cli

import (
	"bufio"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
)

func newGitCredentialCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "credential OPERATION",
		Short: "Log git in: a credential helper that answers for the platform's own addresses alone",
		Long: `A credential helper of git (see gitcredentials). For an address of the platform it answers with the platform's token:
FAWKES_TOKEN, or that of the running local one. For any other address, and while no platform runs, it stays silent, so
that git asks its next helper or its user. It stores nothing.`,
		Example: "  git config --global credential.http://127.0.0.1:8080.helper '!fawkes git credential'",
		Args:    exactArgs("an operation of git's: get, store or erase"),
		RunE: func(_ *cobra.Command, args []string) error {
			if args[0] != "get" {
				return nil // store, erase, and whatever git may think of later
			}
			asked, err := readCredential(g.In)
			if err != nil {
				return err
			}
			client, err := g.connect()
			if err != nil || client.token == "" {
				return nil //nolint:nilerr // git goes on without
			}
			base, err := url.Parse(client.base)
			if err != nil || asked["protocol"] != base.Scheme || !strings.EqualFold(asked["host"], base.Host) {
				return nil //nolint:nilerr // another server's
			}
			_, err = fmt.Fprintf(g.Out, "username=fawkes\npassword=%s\n", client.token)
			return err
		},
	}
}

// readCredential reads git's lines of key=value, up to an empty one.
func readCredential(in io.Reader) (map[string]string, error) {
	out := map[string]string{}
	lines := bufio.NewScanner(io.LimitReader(in, 64<<10))
	for lines.Scan() && lines.Text() != "" {
		key, value, ok := strings.Cut(lines.Text(), "=")
		if !ok {
			return nil, usagef("let git call it", "git credential: %q is not key=value", lines.Text())
		}
		out[key] = value
	}
	return out, lines.Err()
}
