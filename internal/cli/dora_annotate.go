package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"
)

const annotationsPath = doraBase + "/annotations"

func newAnnotateCommand(g *globals) *cobra.Command {
	var project, service, at string
	cmd := &cobra.Command{
		Use:     "annotate --project P TEXT",
		Short:   "Write a sentence about a moment, shown beside the trends",
		Example: `  fawkes dora annotate --project shop --at 2025-03-01 "trunk-based development from here on"`,
		Args:    exactArgs("a text"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if project == "" {
				return usagef("give --project; `fawkes dora project list` lists the projects", "--project is required")
			}
			client, err := g.connect()
			if err != nil {
				return err
			}
			body := map[string]any{"project": project, "text": args[0]}
			for key, value := range map[string]string{"service": service, "at": at} {
				if value != "" {
					body[key] = value
				}
			}
			var raw []byte
			if err := client.send(cmd.Context(), http.MethodPost, annotationsPath, nil, body, &raw); err != nil {
				return err
			}
			if g.output == "json" {
				return g.printRaw(raw)
			}
			var a struct {
				ID int64  `json:"id"`
				At string `json:"at"`
			}
			if err := json.Unmarshal(raw, &a); err != nil {
				return fmt.Errorf("read answer: %w", err)
			}
			_, err = fmt.Fprintf(g.Out, "annotation %d at %s\n", a.ID, a.At)
			return err
		},
	}
	cmd.Flags().StringVarP(&project, "project", "p", "", "the project (required)")
	cmd.Flags().StringVar(&service, "service", "", "the service that it is about (default: all)")
	cmd.Flags().StringVar(&at, "at", "", "the day or time that it is about (default: now)")
	addOutput(cmd, g, "text", "json")
	return cmd
}

func newAnnotationCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{Use: "annotation", Short: "List and delete what stands beside the trends; `annotate` writes it"}
	cmd.AddCommand(newAnnotationListCommand(g), newAnnotationDeleteCommand(g))
	return cmd
}

func newAnnotationListCommand(g *globals) *cobra.Command {
	var s scope
	cmd := &cobra.Command{
		Use:   "list --project P",
		Short: "List annotations, those that people wrote and those that came by themselves",
		Args:  exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			q, err := s.query()
			if err != nil {
				return err
			}
			client, err := g.connect()
			if err != nil {
				return err
			}
			var all page // the list has no pages
			if err := client.get(cmd.Context(), annotationsPath, q, &all); err != nil {
				return err
			}
			out := newListing(g.output, g.Out, []string{"id", "at", "kind", "automatic", "project", "service", "text", "ref", "created_at", "created_by"},
				[]column{field("ID", "id"), timeField("AT", "at"), field("KIND", "kind"), field("SERVICE", "service"), field("TEXT", "text"), field("BY", "created_by")})
			for _, item := range all.Items {
				if err := out.add(item); err != nil {
					return err
				}
			}
			return out.close()
		},
	}
	s.add(cmd)
	addOutput(cmd, g, "table", "json", "csv")
	return cmd
}

func newAnnotationDeleteCommand(g *globals) *cobra.Command {
	var project string
	cmd := &cobra.Command{
		Use:   "delete ID --project P",
		Short: "Delete an annotation",
		Args:  exactArgs("the id of an annotation"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if project == "" {
				return usagef("give the project that it belongs to", "--project is required")
			}
			client, err := g.connect()
			if err != nil {
				return err
			}
			if err := client.send(cmd.Context(), http.MethodDelete, annotationsPath+"/"+url.PathEscape(args[0]), url.Values{"project": {project}}, nil, nil); err != nil {
				return err
			}
			if g.output == "json" {
				return g.printJSON(map[string]any{"deleted": args[0]})
			}
			_, err = fmt.Fprintf(g.Out, "deleted %s\n", args[0])
			return err
		},
	}
	cmd.Flags().StringVarP(&project, "project", "p", "", "the project that it belongs to (required)")
	addOutput(cmd, g, "text", "json")
	return cmd
}
