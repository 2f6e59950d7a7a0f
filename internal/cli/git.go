package cli

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
)

const gitBase = "/api/git/v1"

func newGitCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "git",
		Short: "The platform's own repositories, their hooks, and a login for git",
		Long: `The platform's own git repositories. Have git log in by itself, clone, and push:

  git config --global credential.http://127.0.0.1:8080.helper '!fawkes git credential'
  git clone $(fawkes git url shop/api)`,
	}
	cmd.AddCommand(newGitListCommand(g), newGitCreateCommand(g), newGitURLCommand(g), newGitHooksCommand(g), newGitDeliveriesCommand(g), newGitCredentialCommand(g))
	return cmd
}

// repositoryPath is the address of OWNER/NAME in the API.
func repositoryPath(name string) (string, error) {
	owner, own, ok := strings.Cut(name, "/")
	if !ok || owner == "" || own == "" || strings.Contains(own, "/") {
		return "", usagef("give OWNER/NAME, for example shop/api", "%q is not the name of a repository", name)
	}
	return gitBase + "/repositories/" + url.PathEscape(owner) + "/" + url.PathEscape(own), nil
}

func newGitListCommand(g *globals) *cobra.Command {
	var limit int
	var search string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List repositories",
		Args:  exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			query := url.Values{}
			if search != "" {
				query.Set("q", search)
			}
			return g.printList(cmd, gitBase+"/repositories", query, limit,
				[]string{"name", "description", "default_branch", "clone_url", "size_bytes", "created_at", "pushed_at", "head_sha"},
				[]column{field("NAME", "name"), field("BRANCH", "default_branch"), shaField("HEAD", "head_sha"), timeField("PUSHED", "pushed_at"), field("CLONE URL", "clone_url")})
		},
	}
	cmd.Flags().StringVarP(&search, "search", "q", "", "only names with this in them")
	addLimit(cmd, &limit)
	addOutput(cmd, g, "table", "json", "csv")
	return cmd
}

func newGitCreateCommand(g *globals) *cobra.Command {
	var description, branch string
	cmd := &cobra.Command{
		Use:   "create OWNER/NAME",
		Short: "Make a repository and print its clone URL; one that is there stays as it is",
		Long: `Make a repository and print its clone URL. Its default branch is protected: its history is not replaced, and it is
not deleted. A push to a repository that is not there makes it, too.`,
		Example: "  fawkes git create shop/api --description \"The shop's API\"",
		Args:    exactArgs("the repository's name (OWNER/NAME)"),
		RunE: func(cmd *cobra.Command, args []string) error {
			path, err := repositoryPath(args[0])
			if err != nil {
				return err
			}
			client, err := g.connect()
			if err != nil {
				return err
			}
			body := map[string]any{}
			if description != "" {
				body["description"] = description
			}
			if branch != "" {
				body["default_branch"] = branch
			}
			var raw []byte
			if err := client.send(cmd.Context(), http.MethodPut, path, nil, body, &raw); err != nil {
				return err
			}
			return g.printCloneURL(raw)
		},
	}
	cmd.Flags().StringVar(&description, "description", "", "what it is, in a line")
	cmd.Flags().StringVar(&branch, "branch", "", "the default branch (default main)")
	addOutput(cmd, g, "text", "json")
	return cmd
}

func newGitURLCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "url OWNER/NAME",
		Short:   "Print a repository's clone URL",
		Example: "  git clone $(fawkes git url shop/api)",
		Args:    exactArgs("the repository's name (OWNER/NAME)"),
		RunE: func(cmd *cobra.Command, args []string) error {
			path, err := repositoryPath(args[0])
			if err != nil {
				return err
			}
			client, err := g.connect()
			if err != nil {
				return err
			}
			var raw []byte
			if err := client.get(cmd.Context(), path, nil, &raw); err != nil {
				return err
			}
			return g.printCloneURL(raw)
		},
	}
	addOutput(cmd, g, "text", "json")
	return cmd
}

// printCloneURL prints the repository, or in text its clone URL alone.
func (g *globals) printCloneURL(raw []byte) error {
	if g.output == "json" {
		return g.printRaw(raw)
	}
	repository, err := decodeRecord(raw)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(g.Out, repository.text("clone_url"))
	return err
}
