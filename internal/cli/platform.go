package cli

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/fawkes-idp/fawkes/internal/app"
	inventory "github.com/fawkes-idp/fawkes/internal/platform"
)

func newPlatformCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "platform",
		Short: "Generate and check what a cluster is given: namespaces, Applications, policies",
		Long: `Generate and check what a cluster is given, from the one list of components platform/inventory.yaml and from what the
services say they call: namespaces, Argo CD projects and Applications, NetworkPolicies, and the tables of the documentation.`,
	}
	cmd.AddCommand(newPlatformGenerateCommand(g), newPlatformCheckCommand(g), newPlatformChartsCommand(g))
	return cmd
}

func newPlatformGenerateCommand(g *globals) *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "generate",
		Short: "Write everything that follows from the inventory",
		Long: `Write everything that follows from the inventory into the repository, and remove from platform/profiles what no longer
does.`,
		Args: exactArgs(),
		RunE: func(*cobra.Command, []string) error {
			_, files, err := generatedPlatform(dir, g.Err)
			if err != nil {
				return err
			}
			if err := inventory.Write(dir, files); err != nil {
				return err
			}
			fmt.Fprintf(g.Out, "%s written\n", plural(len(files), "file"))
			return nil
		},
	}
	addRepository(cmd, &dir)
	return cmd
}

func newPlatformCheckCommand(g *globals) *cobra.Command {
	var dir, charts string
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Say what is wrong with the inventory, and which generated files are not what it gives",
		Long: `Say what is wrong with the inventory, and which generated files are not what it gives: names that do not exist, folders
that are not there, values that a chart does not read. Nothing is changed.

Values of charts are held against the keys in platform/charts and, with --charts, against the charts themselves.

Exit code 0 when everything is right, 1 when something is not.`,
		Args: exactArgs(),
		RunE: func(*cobra.Command, []string) error {
			inv, files, err := generatedPlatform(dir, g.Out)
			if err != nil {
				return err
			}
			findings := inventory.Places(dir, inv)
			more, err := inventory.ChartValues(dir, inv, charts)
			if err != nil {
				return err
			}
			findings = append(findings, more...)
			for _, f := range findings {
				fmt.Fprintf(g.Out, "%s: %s\n", inventory.File, f)
			}
			drift, err := inventory.Compare(dir, files)
			if err != nil {
				return err
			}
			for _, d := range drift {
				fmt.Fprintf(g.Out, "%s %s\n", d.Path, d.Fault)
			}
			switch {
			case len(findings) > 0:
				return failf("each line above says how", "%s of the inventory", plural(len(findings), "fault"))
			case len(drift) > 0:
				return failf("run `fawkes platform generate`", "%s not what the inventory gives", plural(len(drift), "file"))
			}
			fmt.Fprintf(g.Out, "the inventory is right, and %s follow from it\n", plural(len(files), "file"))
			return nil
		},
	}
	addRepository(cmd, &dir)
	cmd.Flags().StringVar(&charts, "charts", "", "a folder of the charts themselves, each unpacked in a folder of its name")
	return cmd
}

func newPlatformChartsCommand(g *globals) *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "charts FOLDER",
		Short: "Write down which values the charts of others know, from a folder of these charts",
		Long: `Write into platform/charts which values the charts of others know, from a folder that has each chart, unpacked, in a
folder of its name, in the version that the inventory pins. What is written are names and types, no text of a chart.`,
		Example: "  helm pull grafana-community/grafana --version 12.11.1 --untar --untardir charts\n  fawkes platform charts charts",
		Args:    exactArgs("FOLDER"),
		RunE: func(_ *cobra.Command, args []string) error {
			inv, files, err := generatedPlatform(dir, g.Err)
			if err != nil {
				return err
			}
			keys, absent, err := inventory.ChartKeys(inv, args[0])
			if err != nil {
				return err
			}
			for _, name := range absent {
				fmt.Fprintf(g.Out, "the folder has no chart %s\n", name)
			}
			if len(keys) == 0 {
				return failf("name a folder that has a chart of the inventory, unpacked, in a folder of its name", "nothing was written")
			}
			maps.Copy(files, keys) // the others stay as they are generated
			if err := inventory.Write(dir, files); err != nil {
				return err
			}
			fmt.Fprintf(g.Out, "the keys of %s written\n", plural(len(keys), "chart"))
			return nil
		},
	}
	addRepository(cmd, &dir)
	return cmd
}

func addRepository(cmd *cobra.Command, dir *string) {
	cmd.Flags().StringVar(dir, "dir", ".", "the folder of the repository")
}

// generatedPlatform reads the inventory of the repository and renders everything that follows from it. The faults of an
// inventory are written to faults, one a line.
func generatedPlatform(dir string, faults io.Writer) (*inventory.Inventory, map[string][]byte, error) {
	text, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(inventory.File)))
	if err != nil {
		return nil, nil, failf("name the folder of the repository with --dir", "the inventory cannot be read: %v", err)
	}
	inv, err := inventory.Read(text, platformServices())
	var invalid *inventory.Invalid
	if errors.As(err, &invalid) {
		for _, f := range invalid.Findings {
			fmt.Fprintf(faults, "%s: %s\n", inventory.File, f)
		}
		return nil, nil, failf("each line above says how", "%s of the inventory", plural(len(invalid.Findings), "fault"))
	}
	if err != nil {
		return nil, nil, err
	}
	files, err := inventory.Generate(inv, platformServices())
	return inv, files, err
}

// platformServices are the services that a cluster runs, as their modules describe them.
func platformServices() []inventory.Service {
	var out []inventory.Service
	for _, m := range app.Modules() {
		out = append(out, inventory.Service{Name: m.Name, Calls: m.Calls, Outbound: m.Outbound, Database: m.Migrations != nil})
	}
	return out
}
