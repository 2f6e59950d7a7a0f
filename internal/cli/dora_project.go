package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"
)

func newProjectCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "project",
		Short: "List, describe and change projects",
		Long: `List, describe and change projects. A project need not be declared: events make it known. Declaring it adds what events
cannot tell: the time zone, working days, teams, and which paths of a repository belong to which service.`,
	}
	cmd.AddCommand(newProjectListCommand(g), newProjectGetCommand(g), newProjectApplyCommand(g), newProjectDeleteCommand(g))
	return cmd
}

func newProjectListCommand(g *globals) *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List projects, declared or known from their events",
		Args:  exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.printList(cmd, doraBase+"/projects", nil, limit,
				[]string{"project", "description", "declared", "time_zone", "services", "repositories", "environments", "entities", "first_event_at", "last_event_at",
					"first_deployment_at", "last_deployment_at"},
				[]column{field("PROJECT", "project"), {"SERVICES", serviceNames}, {"COMMITS", entityCount("commit")}, {"DEPLOYMENTS", entityCount("deployment")},
					timeField("LAST EVENT", "last_event_at"), timeField("LAST DEPLOYMENT", "last_deployment_at"), field("DECLARED", "declared"), field("TIME ZONE", "time_zone")})
		},
	}
	addLimit(cmd, &limit)
	addOutput(cmd, g, "table", "json", "csv")
	return cmd
}

func serviceNames(r record) string {
	services, _ := r["services"].([]any)
	var names []string
	for _, s := range services {
		if m, ok := s.(map[string]any); ok {
			names = append(names, plainText(m["name"]))
		}
	}
	return orDash(strings.Join(names, " "))
}

// entityCount shows how many things of a type a project has.
func entityCount(kind string) func(record) string {
	return func(r record) string {
		entities, _ := r["entities"].(map[string]any)
		if n, ok := number(entities[kind]); ok {
			return humanCount(int64(n))
		}
		return "0"
	}
}

func projectPath(name string) string { return doraBase + "/projects/" + url.PathEscape(name) }

func newProjectGetCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "get NAME",
		Short: "Show a project",
		Long: `Show a project, as it was declared and as its events show it. -o yaml prints the declaration alone, to be changed and
applied again; of a project that nobody declared, one that says what was seen.`,
		Example: "  fawkes dora project get shop -o yaml > shop.yaml",
		Args:    exactArgs("the name of a project"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if g.output != "yaml" {
				return g.printOne(cmd, projectPath(args[0]), nil)
			}
			client, err := g.connect()
			if err != nil {
				return err
			}
			var p struct {
				Spec json.RawMessage `json:"spec"`
			}
			if err := client.get(cmd.Context(), projectPath(args[0]), nil, &p); err != nil {
				return err
			}
			return g.printYAML(p.Spec)
		},
	}
	addOutput(cmd, g, "text", "json", "yaml")
	return cmd
}

// printYAML writes a JSON value as YAML, its fields in their order: JSON is YAML in another style.
func (g *globals) printYAML(raw []byte) error {
	var document yaml.Node
	if err := yaml.Unmarshal(raw, &document); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	plainStyle(&document)
	encoder := yaml.NewEncoder(g.Out)
	encoder.SetIndent(2)
	if err := encoder.Encode(&document); err != nil {
		return fmt.Errorf("write YAML: %w", err)
	}
	return encoder.Close()
}

func plainStyle(n *yaml.Node) {
	n.Style = 0
	for _, inner := range n.Content {
		plainStyle(inner)
	}
}

func newProjectApplyCommand(g *globals) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "apply -f FILE",
		Short: "Declare projects from a YAML or JSON file, or change them to what it says",
		Example: `  fawkes dora project apply -f - <<EOF
  project: shop
  time_zone: Europe/Berlin
  teams: [{name: checkout}]
  services:
    - {name: api, team: checkout, repo: https://git.example/shop.git, paths: [services/api/]}
  environments: [{name: live, kind: production}]
  EOF`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				return usagef("give -f FILE, or -f - to read standard input", "apply what?")
			}
			specs, err := g.readSpecs(file)
			if err != nil {
				return err
			}
			client, err := g.connect()
			if err != nil {
				return err
			}
			var applied []string
			for _, s := range specs {
				if err := client.send(cmd.Context(), http.MethodPut, projectPath(s.name), nil, s.body, nil); err != nil {
					if len(applied) > 0 {
						g.warn("applied before the failure: %v", applied)
					}
					return err
				}
				applied = append(applied, s.name)
				if g.output == "text" {
					fmt.Fprintf(g.Out, "applied %s\n", s.name)
				}
			}
			if g.output == "json" {
				return g.printJSON(map[string]any{"applied": applied})
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "the file, or - for standard input; several documents are applied in order")
	addOutput(cmd, g, "text", "json")
	return cmd
}

// spec is one document of a project file.
type spec struct {
	name string
	body json.RawMessage
}

// readSpecs turns the YAML documents of a file into JSON as it is written: what YAML would take for
// a date stays the text that it is.
func (g *globals) readSpecs(file string) ([]spec, error) {
	in := g.In
	if file == "-" {
		file = "standard input"
	} else {
		f, err := os.Open(file)
		if err != nil {
			return nil, failf("give a file that exists, or - for standard input", "%w", err)
		}
		defer func() { _ = f.Close() }() // only read
		in = f
	}
	decoder := yaml.NewDecoder(in)
	var specs []spec
	for {
		var document yaml.Node
		err := decoder.Decode(&document)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, failf("mend the file", "%s: %w", file, err)
		}
		value, err := plainYAML(&document)
		if err != nil {
			return nil, failf("mend the file", "%s: %w", file, err)
		}
		if value == nil {
			continue
		}
		fields, ok := value.(map[string]any)
		name, named := fields["project"].(string)
		if !ok || !named || name == "" {
			return nil, failf("begin it with `project: <name>`", "%s, document %d: it names no project", file, len(specs)+1)
		}
		body, err := json.Marshal(fields)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		specs = append(specs, spec{name, body})
	}
	if len(specs) == 0 {
		return nil, failf("begin it with `project: <name>`", "%s is empty", file)
	}
	return specs, nil
}

// plainYAML gives a node as JSON has it.
func plainYAML(n *yaml.Node) (any, error) {
	switch n.Kind {
	case yaml.DocumentNode:
		if len(n.Content) == 0 {
			return nil, nil
		}
		return plainYAML(n.Content[0])
	case yaml.AliasNode:
		return nil, fmt.Errorf("line %d: an alias (*%s) is not taken; write it out", n.Line, n.Value)
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, item := range n.Content {
			v, err := plainYAML(item)
			if err != nil {
				return nil, err
			}
			list[i] = v
		}
		return list, nil
	case yaml.MappingNode:
		fields := make(map[string]any, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			if _, twice := fields[key.Value]; twice {
				return nil, fmt.Errorf("line %d: %q stands twice", key.Line, key.Value)
			}
			v, err := plainYAML(n.Content[i+1])
			if err != nil {
				return nil, err
			}
			fields[key.Value] = v
		}
		return fields, nil
	case yaml.ScalarNode:
		if n.Tag == "!!timestamp" {
			return n.Value, nil
		}
		var v any
		if err := n.Decode(&v); err != nil {
			return nil, fmt.Errorf("line %d: %w", n.Line, err)
		}
		return v, nil
	}
	return nil, nil
}

func newProjectDeleteCommand(g *globals) *cobra.Command {
	var sure bool
	cmd := &cobra.Command{
		Use:   "delete NAME",
		Short: "Take a project's declaration back; its events stay",
		Args:  exactArgs("the name of a project"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !sure {
				return usagef("add --yes when you are sure", "delete %s?", args[0])
			}
			client, err := g.connect()
			if err != nil {
				return err
			}
			if err := client.send(cmd.Context(), http.MethodDelete, projectPath(args[0]), nil, nil, nil); err != nil {
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
