package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"
)

const profilesPath = doraBase + "/profiles"

func newProfileCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "profile",
		Short: "List, show, write and delete the rules by which history becomes numbers",
		Long: `List, show, write and delete profiles: sets of rules by which the same history becomes numbers. Four are built in; your
own are YAML files that name a base and the rules that differ from it (docs/reference/profiles.md).`,
	}
	cmd.AddCommand(newProfileListCommand(g), newProfileShowCommand(g), newProfilePutCommand(g), newProfileDeleteCommand(g))
	return cmd
}

func profilePath(name string) string { return profilesPath + "/" + url.PathEscape(name) }

func newProfileListCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List profiles, the built-in ones first",
		Args:  exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := g.connect()
			if err != nil {
				return err
			}
			var all struct {
				Profiles []json.RawMessage `json:"profiles"`
			}
			if err := client.get(cmd.Context(), profilesPath, nil, &all); err != nil {
				return err
			}
			out := newListing(g.output, g.Out, []string{"name", "summary", "built_in", "base", "version", "unit", "edition", "updated_at", "updated_by"},
				[]column{field("NAME", "name"), field("BASE", "base"), field("VERSION", "version"), field("UNIT", "unit"), timeField("WRITTEN", "updated_at"), field("SUMMARY", "summary")})
			for _, item := range all.Profiles {
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

func newProfileShowCommand(g *globals) *cobra.Command {
	var version int64
	cmd := &cobra.Command{
		Use:   "show NAME",
		Short: "Show a profile's rules; -o yaml prints its file",
		Args:  exactArgs("the name of a profile"),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := g.connect()
			if err != nil {
				return err
			}
			q := url.Values{}
			if version != 0 {
				q.Set("version", strconv.FormatInt(version, 10))
			}
			var raw []byte
			if err := client.get(cmd.Context(), profilePath(args[0]), q, &raw); err != nil {
				return err
			}
			if g.output == "json" {
				return g.printRaw(raw)
			}
			var p struct {
				Name, Summary, Base string
				Version             int64
				Source              *string
				DeletedAt           *string `json:"deleted_at"`
				Choices             []struct{ Rule, Choice, Text string }
				Limits              []string
			}
			if err := json.Unmarshal(raw, &p); err != nil {
				return fmt.Errorf("read profile: %w", err)
			}
			if g.output == "yaml" {
				return g.profileFile(p.Name, p.Source, func() map[string]string {
					rules := map[string]string{}
					for _, c := range p.Choices {
						rules[c.Rule] = c.Choice
					}
					return rules
				})
			}
			fmt.Fprintf(g.Out, "%s: %s\n", printable(p.Name), printable(p.Summary))
			if p.Base != "" {
				fmt.Fprintf(g.Out, "version %d, based on %s\n", p.Version, p.Base)
			}
			if p.DeletedAt != nil {
				fmt.Fprintf(g.Out, "deleted at %s\n", *p.DeletedAt)
			}
			fmt.Fprintln(g.Out)
			for _, c := range p.Choices {
				fmt.Fprintf(g.Out, "%s: %s\n    %s\n", c.Rule, c.Choice, c.Text)
			}
			for _, l := range p.Limits {
				fmt.Fprintf(g.Out, "\nlimit: %s\n", printable(l))
			}
			return nil
		},
	}
	cmd.Flags().Int64Var(&version, "version", 0, "an older version; 0 is the newest")
	addOutput(cmd, g, "text", "json", "yaml")
	return cmd
}

// profileFile writes the file of a profile: as it was given, or, of a built-in one, a file to begin from.
func (g *globals) profileFile(name string, source *string, rules func() map[string]string) error {
	if source != nil {
		_, err := io.WriteString(g.Out, *source)
		return err
	}
	fmt.Fprintf(g.Out, "# %s is built in. Take another name, and keep the rules that you change.\nname: my-profile\nbase: %s\n", name, name)
	text, err := yaml.Marshal(map[string]any{"rules": profileRules(rules())})
	if err == nil {
		_, err = g.Out.Write(text)
	}
	return err
}

// profileRules writes sets as lists.
func profileRules(rules map[string]string) map[string]any {
	out := map[string]any{}
	for rule, choice := range rules {
		switch rule {
		case "counted_outcomes", "rated_outcomes", "failures":
			out[rule] = strings.Split(choice, ",")
		default:
			out[rule] = choice
		}
	}
	return out
}

func newProfilePutCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "put FILE",
		Short: "Write a profile from a YAML file, or a new version of it; - reads standard input",
		Example: `  fawkes dora profile put - <<EOF
  name: merge-to-live
  base: dora-2025
  rules: {lead_start: merged}
  levels:
    change_lead_time: {elite: 1h, high: 1d, medium: 1w}
  EOF`,
		Args: exactArgs("a file, or - for standard input"),
		RunE: func(cmd *cobra.Command, args []string) error {
			in := g.In
			if args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return failf("give a file that exists, or - for standard input", "%w", err)
				}
				defer func() { _ = f.Close() }() // only read
				in = f
			}
			file, err := io.ReadAll(in)
			if err != nil {
				return fmt.Errorf("read %s: %w", args[0], err)
			}
			var head struct {
				Name string `yaml:"name"`
			}
			if err := yaml.Unmarshal(file, &head); err != nil {
				return failf("mend the file", "%s: %w", args[0], err)
			}
			if head.Name == "" {
				return failf("begin it with `name: <name>`", "%s: it names no profile", args[0])
			}
			client, err := g.connect()
			if err != nil {
				return err
			}
			var raw []byte
			if err := client.do(cmd.Context(), request{method: http.MethodPut, path: profilePath(head.Name), body: file,
				header: map[string]string{"Content-Type": "application/yaml"}, again: true}, &raw); err != nil {
				return err
			}
			if g.output == "json" {
				return g.printRaw(raw)
			}
			var p struct {
				Version int64 `json:"version"`
			}
			if err := json.Unmarshal(raw, &p); err != nil {
				return fmt.Errorf("read answer: %w", err)
			}
			_, err = fmt.Fprintf(g.Out, "wrote %s, version %d\n", head.Name, p.Version)
			return err
		},
	}
	addOutput(cmd, g, "text", "json")
	return cmd
}

func newProfileDeleteCommand(g *globals) *cobra.Command {
	var sure bool
	cmd := &cobra.Command{
		Use:   "delete NAME",
		Short: "Delete a profile; its versions stay readable",
		Args:  exactArgs("the name of a profile"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !sure {
				return usagef("add --yes when you are sure", "delete %s?", args[0])
			}
			client, err := g.connect()
			if err != nil {
				return err
			}
			if err := client.send(cmd.Context(), http.MethodDelete, profilePath(args[0]), nil, nil, nil); err != nil {
				return err
			}
			if g.output == "json" {
				return g.printJSON(map[string]any{"deleted": args[0]})
			}
			_, err = fmt.Fprintf(g.Out, "deleted %s\n", args[0])
			return err
		},
	}
	cmd.Flags().BoolVar(&sure, "yes", false, "do it")
	addOutput(cmd, g, "text", "json")
	return cmd
}
