package cli

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/fawkes-idp/fawkes/internal/app"
)

func newConfigCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "Explain the settings"}
	cmd.AddCommand(newConfigCheckCommand(g))
	return cmd
}

func newConfigCheckCommand(g *globals) *cobra.Command {
	var changed bool
	cmd := &cobra.Command{
		Use:   "check [FILE]",
		Short: "Check the settings of a file and the environment, and say where each comes from",
		Long: `Check the settings of a file and the environment, and say where each comes from. A setting comes from, the later winning:
its default, the file, the environment (FAWKES_<SERVICE>_<KEY>). A wrong name is an error that names the nearest known
one. Secrets are not shown. Exit code 0 when all is right, 1 when not.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			file := ""
			if len(args) == 1 {
				file = args[0]
			}
			cfg, err := app.LoadConfig(platformModules(), file, g.Environ, nil)
			if err != nil {
				return &fault{code: exitFailure, err: err, mend: "mend each of these; `fawkes config check` lists the known settings when all is right"}
			}
			lines := cfg.Explain()
			if changed {
				kept := lines[:0]
				for _, l := range lines {
					if l.Source != "default" {
						kept = append(kept, l)
					}
				}
				lines = kept
			}
			if g.output == "json" {
				return g.printJSON(lines)
			}
			t := tabwriter.NewWriter(g.Out, 0, 4, 2, ' ', 0)
			fmt.Fprintln(t, "SETTING\tVALUE\tFROM\tVARIABLE\tMEANING")
			for _, l := range lines {
				fmt.Fprintln(t, strings.Join([]string{l.Key, orDash(printable(l.Value)), l.Source, l.Env, l.Doc}, "\t"))
			}
			return t.Flush()
		},
	}
	cmd.Flags().BoolVar(&changed, "changed", false, "only settings that differ from the default's source")
	addOutput(cmd, g, "table", "json")
	return cmd
}
