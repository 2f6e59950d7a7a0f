package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fawkes-idp/fawkes/internal/scaffold"
	"github.com/fawkes-idp/fawkes/templates"
)

func newNewCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "new",
		Short: "Start something new with the golden path in place",
	}
	cmd.AddCommand(newNewServiceCommand(g))
	return cmd
}

// newService is what the flags of `fawkes new service` say.
type newService struct {
	template, dir, owner, repository string
	promote                          []string
	push                             bool
}

func newNewServiceCommand(g *globals) *cobra.Command {
	var f newService
	cmd := &cobra.Command{
		Use:   "service NAME",
		Short: "Write the repository of a new service",
		Long: `Write the repository of a new service: source with a page, health and metrics, unit and behavior tests, fawkes.yaml,
manifests, Jenkinsfile, GitHub workflow and catalog entry, as a first commit. With --push it is created on the platform
and pushed, and the golden path begins.`,
		Example: "  fawkes new service shop-cart --template go\n  fawkes new service shop-cart --template node --owner team-cart --push",
		Args:    exactArgs("the name of the service"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.startService(cmd.Context(), args[0], f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.template, "template", "", "what it is written in: "+strings.Join(templates.Names(), ", "))
	flags.StringVar(&f.dir, "dir", "", "the folder to write, which must be empty or absent (default ./NAME)")
	flags.StringVar(&f.owner, "owner", "", "the team that owns it, for the catalog")
	flags.StringSliceVar(&f.promote, "promote", nil, "the environments that a good commit goes to, in order (default dev)")
	flags.StringVar(&f.repository, "repository", "", "the repository on the platform, as owner/name (default fawkes/NAME)")
	flags.BoolVar(&f.push, "push", false, "create the repository on the platform and push to it")
	completeFlag(cmd, "template", templates.Names())
	addOutput(cmd, g, "text", "json")
	return cmd
}

// startedService is what was made.
type startedService struct {
	Service    string  `json:"service"`
	Template   string  `json:"template"`
	Dir        string  `json:"dir"`
	Commit     string  `json:"commit"`
	Repository *string `json:"repository"`
	CloneURL   *string `json:"clone_url"`
}

func (g *globals) startService(ctx context.Context, name string, f newService) error {
	if f.template == "" {
		return usagef("give one of: "+strings.Join(templates.Names(), ", "), "--template is required")
	}
	if f.repository == "" {
		f.repository = "fawkes/" + name
	} else if !f.push {
		return usagef("add --push", "--repository: nothing is pushed")
	}
	owner, repository, ok := strings.Cut(f.repository, "/")
	if !ok || owner == "" || repository == "" || strings.Contains(repository, "/") {
		return usagef("give owner/name, such as fawkes/shop-cart", "--repository: %q is not the name of a repository", f.repository)
	}
	var client *api
	if f.push { // a platform that is not there is said before anything is written
		var err error
		if client, err = g.connect(); err != nil {
			return err
		}
	}
	if f.dir == "" {
		f.dir = name
	}
	dir, err := filepath.Abs(f.dir)
	if err != nil {
		return fmt.Errorf("--dir: %w", err)
	}
	if err := templates.Write(dir, f.template, templates.Params{Service: name, Owner: f.owner, Promote: f.promote}); err != nil {
		return advised(err)
	}
	made := startedService{Service: name, Template: f.template, Dir: dir}
	if made.Commit, err = scaffold.Begin(ctx, dir, "Begin "+name+" from the template "+f.template, g.Environ); err != nil {
		return advised(err)
	}
	if f.push {
		clone, err := g.pushService(ctx, client, dir, owner, repository, name)
		if err != nil {
			fmt.Fprintf(g.Err, "%s is written and committed in %s, and not on the platform\n", name, dir)
			return err
		}
		made.Repository, made.CloneURL = &f.repository, &clone
	}
	return g.printStarted(made)
}

// pushService creates the repository on the platform, which changes nothing when it is there, and pushes to it.
func (g *globals) pushService(ctx context.Context, client *api, dir, owner, repository, service string) (string, error) {
	var made struct {
		CloneURL string `json:"clone_url"`
	}
	path := "/api/git/v1/repositories/" + url.PathEscape(owner) + "/" + url.PathEscape(repository)
	body := map[string]string{"description": "The service " + service, "default_branch": scaffold.Branch}
	if err := client.send(ctx, http.MethodPut, path, nil, body, &made); err != nil {
		return "", err
	}
	if err := scaffold.Push(ctx, dir, made.CloneURL, client.token, g.Environ); err != nil {
		return "", advised(err)
	}
	helper, err := g.credentialHelper()
	if err == nil {
		err = advised(scaffold.SignIn(ctx, dir, made.CloneURL, helper, g.Environ))
	}
	return made.CloneURL, err
}

// credentialHelper is the command line by which git asks this program for a sign-in; where the platform is found
// by its state folder, it names that.
func (g *globals) credentialHelper() (string, error) {
	program, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find the program for git's sign-in: %w", err)
	}
	words := []string{quoted(program)}
	if g.Env("FAWKES_API") == "" {
		state, err := g.stateFolder()
		if err != nil {
			return "", err
		}
		words = append(words, "--state", quoted(state))
	}
	return strings.Join(append(words, "git", "credential"), " "), nil
}

// quoted is a word of a shell's command.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func (g *globals) printStarted(made startedService) error {
	if g.output == "json" {
		return g.printJSON(made)
	}
	out := fmt.Sprintf("%s  %s  from the template %s\n", made.Service, made.Dir, made.Template)
	if made.CloneURL != nil {
		out += fmt.Sprintf("  pushed  %.7s to %s\n", made.Commit, *made.CloneURL)
	} else {
		out += fmt.Sprintf("  commit  %.7s on the branch %s; fawkes new service … --push would have pushed it\n", made.Commit, scaffold.Branch)
	}
	_, err := fmt.Fprint(g.Out, out)
	return err
}

// advised gives an error that knows how it is mended its place among those of the command line. A wrong name, an
// unknown template and a folder that is not empty are the command line's own mistakes.
func advised(err error) error {
	var name *scaffold.NameError
	var unknown *templates.UnknownError
	var git *scaffold.GitError
	switch {
	case errors.As(err, &name):
		return usagef(name.Advice(), "%s", name)
	case errors.As(err, &unknown):
		return usagef(unknown.Advice(), "%s", unknown)
	case errors.Is(err, scaffold.ErrNotEmpty):
		return usagef("give another folder with --dir, or empty this one", "--dir: %s", err)
	case errors.As(err, &git):
		return failf(git.Advice(), "%s", git)
	}
	return err
}
