package cli

import (
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// A flag of a command that has the name of one of all commands takes its place: --state would no longer be the state
// folder there.
func TestNoCommandTakesAGlobalFlagAway(t *testing.T) {
	root := newRootCommand(&globals{})
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
			if g := root.PersistentFlags().Lookup(f.Name); g != nil && g != f {
				t.Errorf("%s has a --%s of its own", cmd.CommandPath(), f.Name)
			}
		})
		for _, c := range cmd.Commands() {
			walk(c)
		}
	}
	walk(root)
}
