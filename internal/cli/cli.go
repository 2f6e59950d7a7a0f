// Package cli is the fawkes command: what a person or a script types.
//
// Each command is a constructor newXCommand(globals) in a file of its own; nothing is kept in
// package variables, so that a test can run many programs in one process. Commands talk to the
// platform over HTTP, with the address and the token of FAWKES_API and FAWKES_TOKEN, or those that
// the running local platform has left in its state folder.
//
// Standard output carries the answer and nothing else; progress, warnings and errors go to standard
// error. An error is one line that names what is wrong, and a second that says how to mend it. The
// exit codes are listed by `fawkes help exit-codes`.
package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fawkes-idp/fawkes/internal/kit/clock"
)

// IO is what a command meets of the world, so that a test can be the world.
type IO struct {
	In       io.Reader
	Out, Err io.Writer
	Env      func(string) string // os.Getenv
	Environ  []string            // os.Environ()
	Terminal bool                // whether Err may be written over, line by line
	Clock    clock.Clock
}

// System is the world of the process. (This function reads the environment; nothing else does.)
func System() IO {
	info, err := os.Stderr.Stat()
	terminal := err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
	return IO{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Env: os.Getenv, Environ: os.Environ(), Terminal: terminal, Clock: clock.System()}
}

// globals are the flags and surroundings that every command shares.
type globals struct {
	IO
	state   string // --state
	output  string // -o of the command that runs
	version string
}

// Run runs the program with its arguments (without the program's name) and gives its exit code.
func Run(ctx context.Context, version string, io IO, args []string) int {
	g := &globals{IO: io, version: version}
	root := newRootCommand(g)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	g.complain(err)
	return exitCode(err)
}

func newRootCommand(g *globals) *cobra.Command {
	root := &cobra.Command{
		Use:   "fawkes",
		Short: "Bring up the delivery platform and ask it how delivery goes",
		Long: `Fawkes is an internal delivery platform. Start it, give it a repository's history, read the metrics:

  fawkes up
  fawkes dora import git . --project shop --service shop --deployments tags:'v*'
  fawkes dora report --project shop`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(g.In)
	root.SetOut(g.Out)
	root.SetErr(g.Err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef(cmd.CommandPath()+" --help lists the flags", "%s", err)
	})
	root.PersistentFlags().StringVar(&g.state, "state", "", "the state folder of the local platform (default $FAWKES_STATE, or ~/.fawkes)")
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddGroup(&cobra.Group{ID: "platform", Title: "The platform:"}, &cobra.Group{ID: "delivery", Title: "Delivery:"})
	for _, c := range []*cobra.Command{newUpCommand(g), newStatusCommand(g), newOpenCommand(g), newDownCommand(g), newDoctorCommand(g), newConfigCommand(g), newTokenCommand(g), newBackupCommand(g), newRestoreCommand(g), newPlatformCommand(g)} {
		c.GroupID = "platform"
		root.AddCommand(c)
	}
	for _, c := range []*cobra.Command{
		newNewCommand(g),
		newGitCommand(g),
		newCICommand(g),
		newRunsCommand(g),
		newRegistryCommand(g),
		newAppsCommand(g),
		newEnvironmentsCommand(g),
		newDoraCommand(g),
	} {
		c.GroupID = "delivery"
		root.AddCommand(c)
	}
	root.AddCommand(newVersionCommand(g), newCompletionCommand(g), newEnvironmentTopic(), newExitCodesTopic())
	sayUnknownCommands(root)
	return root
}

// sayUnknownCommands makes a group of commands refuse a wrong name with the near ones, instead of
// printing its help and calling that a success.
func sayUnknownCommands(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		sayUnknownCommands(sub)
	}
	if !cmd.HasSubCommands() || cmd.HasParent() && cmd.RunE != nil {
		return // no group, or one that knows what to do with a name
	}
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		mend := cmd.CommandPath() + " --help lists the commands"
		cmd.SuggestionsMinimumDistance = 2
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			mend = "did you mean " + strings.Join(near, ", ") + "?"
		}
		return usagef(mend, "%s has no command %q", cmd.CommandPath(), args[0])
	}
}

// addOutput gives a command its -o flag with the forms that it knows, the first being the default.
func addOutput(cmd *cobra.Command, g *globals, forms ...string) {
	chosen := cmd.Flags().StringP("output", "o", forms[0], "the form of the answer: "+strings.Join(forms, ", "))
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !oneOf(*chosen, forms...) {
			return usagef("give one of: "+strings.Join(forms, ", "), "--output: %q is not a form of this answer", *chosen)
		}
		g.output = *chosen
		return run(cmd, args)
	}
	completeFlag(cmd, "output", forms)
}

// completeFlag offers fixed values for a flag in the shell. A command without this flag is a slip in
// this package, which every use of the command then tells.
func completeFlag(cmd *cobra.Command, flag string, values []string) {
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		cmd.RunE = func(*cobra.Command, []string) error { return fmt.Errorf("complete --%s: %w", flag, err) }
	}
}

// stateFolder is the absolute state folder, which need not exist.
func (g *globals) stateFolder() (string, error) {
	dir := g.state
	if dir == "" {
		dir = g.Env("FAWKES_STATE")
	}
	if dir == "" {
		home := g.Env("HOME")
		if home == "" {
			return "", usagef("give --state, or set HOME", "there is no home folder to keep the state in")
		}
		dir = filepath.Join(home, ".fawkes")
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("state folder: %w", err)
	}
	return abs, nil
}

// exactArgs checks the number of arguments and names the missing ones.
func exactArgs(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		mend := "use: " + cmd.UseLine()
		if len(args) < len(names) {
			return usagef(mend, "%s needs %s", cmd.CommandPath(), strings.Join(names[len(args):], " and "))
		}
		return usagef(mend, "%s does not take %q", cmd.CommandPath(), args[len(names)])
	}
}
