package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
)

const gitopsBase = "/api/gitops/v1"

func newAppsCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "apps",
		Short: "Applications: what runs where, what is wanted, and the way between the two",
		Long: `Applications: what runs where, what is wanted, and the way between the two.

An application is a service in an environment and is named by both: hello-production.`,
	}
	cmd.AddCommand(newAppsListCommand(g), newAppsShowCommand(g), newAppsDiffCommand(g), newAppsSyncCommand(g), newAppsHistoryCommand(g), newAppsRollbackCommand(g),
		newAppsPromoteCommand(g), newAppsPromotionsCommand(g), newAppsDecideCommand(g, true), newAppsDecideCommand(g, false),
		newAppsLogsCommand(g), newAppsRestartCommand(g), newAppsTerminateCommand(g), newAppsInstancesCommand(g))
	return cmd
}

func appPath(name, what string) string {
	return gitopsBase + "/applications/" + url.PathEscape(name) + what
}

// inner shows a field of an object inside a record: "health.status".
func inner(title, path string) column {
	return column{title, func(r record) string {
		var v any = map[string]any(r)
		for _, key := range strings.Split(path, ".") {
			m, ok := v.(map[string]any)
			if !ok {
				return "–"
			}
			v = m[key]
		}
		return orDash(plainText(v))
	}}
}

// innerSHA is inner for the name of a commit.
func innerSHA(title, path string) column {
	c := inner(title, path)
	return column{title, func(r record) string { return shortSHA(strings.Trim(c.show(r), "–")) }}
}

func newAppsListCommand(g *globals) *cobra.Command {
	var environment, service, health, sync string
	var limit int
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List applications: health, state against the repository, version, address",
		Example: "  fawkes apps list --environment production\n  fawkes apps list --health Degraded -o json",
		Args:    exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := url.Values{}
			for key, value := range map[string]string{"environment": environment, "service": service, "health": health, "sync": sync} {
				if value != "" {
					q.Set(key, value)
				}
			}
			return g.printList(cmd, gitopsBase+"/applications", q, limit,
				[]string{"name", "service", "environment", "sync", "health", "operation", "images", "url", "source", "updated_at"},
				[]column{field("NAME", "name"), inner("HEALTH", "health.status"), inner("SYNC", "sync.status"), innerSHA("COMMIT", "source.revision"),
					inner("READY", "replicas.ready"), inner("OF", "replicas.desired"), field("URL", "url"), inner("OPERATION", "operation.phase"), inner("MESSAGE", "sync.message")})
		},
	}
	f := cmd.Flags()
	f.StringVar(&environment, "environment", "", "only this environment")
	f.StringVar(&service, "service", "", "only this service")
	f.StringVar(&health, "health", "", "only this health: Healthy, Progressing, Degraded, Suspended, Missing, Unknown")
	f.StringVar(&sync, "sync", "", "only this state: Synced, OutOfSync, Unknown")
	addLimit(cmd, &limit)
	addOutput(cmd, g, "table", "json", "csv")
	return cmd
}

func newAppsShowCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show NAME",
		Short: "Show an application with its objects and what is wrong with it",
		Args:  exactArgs("the name of an application (`fawkes apps list`)"),
		RunE:  func(cmd *cobra.Command, args []string) error { return g.printOne(cmd, appPath(args[0], ""), nil) },
	}
	addOutput(cmd, g, "text", "json")
	return cmd
}

func newAppsDiffCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "diff NAME",
		Short: "Show what a sync would change, as unified differences",
		Args:  exactArgs("the name of an application (`fawkes apps list`)"),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := g.connect()
			if err != nil {
				return err
			}
			var raw []byte
			if err := client.get(cmd.Context(), appPath(args[0], "/diff"), nil, &raw); err != nil {
				return err
			}
			if g.output == "json" {
				return g.printRaw(raw)
			}
			return g.printDiff(raw)
		},
	}
	addOutput(cmd, g, "text", "json")
	return cmd
}

// printDiff writes the differences of an answer, object by object.
func (g *globals) printDiff(raw []byte) error {
	var d struct {
		Resources []struct{ Kind, Name, Change, Patch string } `json:"resources"`
	}
	if err := json.Unmarshal(raw, &d); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	changes := 0
	for _, r := range d.Resources {
		if r.Change == "none" {
			continue
		}
		changes++
		if _, err := fmt.Fprintf(g.Out, "%s %s/%s\n", r.Change, r.Kind, r.Name); err != nil {
			return err
		}
		for line := range strings.SplitSeq(strings.TrimRight(r.Patch, "\n"), "\n") {
			if _, err := fmt.Fprintln(g.Out, printable(line)); err != nil {
				return err
			}
		}
	}
	if changes == 0 {
		_, err := fmt.Fprintln(g.Out, "nothing differs")
		return err
	}
	return nil
}

func newAppsSyncCommand(g *globals) *cobra.Command {
	var prune, dry bool
	cmd := &cobra.Command{
		Use:     "sync NAME",
		Short:   "Roll out what the repository wants, now",
		Example: "  fawkes apps sync hello-staging --dry-run\n  fawkes apps sync hello-staging --prune",
		Args:    exactArgs("the name of an application (`fawkes apps list`)"),
		RunE: func(cmd *cobra.Command, args []string) error {
			raw, err := g.act(cmd, appPath(args[0], "/sync"), map[string]any{"prune": prune, "dry_run": dry})
			if err != nil || g.output == "json" {
				return err
			}
			if err := g.printDiff(raw); err != nil || dry {
				return err
			}
			_, err = fmt.Fprintf(g.Out, "%s: the roll-out has begun; follow it with `fawkes apps show %s`\n", args[0], args[0])
			return err
		},
	}
	cmd.Flags().BoolVar(&prune, "prune", false, "remove what the repository no longer has")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "say what would be changed, and change nothing")
	addOutput(cmd, g, "text", "json")
	return cmd
}

// act posts to an address; with -o json it prints the answer.
func (g *globals) act(cmd *cobra.Command, path string, body any) ([]byte, error) {
	client, err := g.connect()
	if err != nil {
		return nil, err
	}
	var raw []byte
	if err := client.send(cmd.Context(), http.MethodPost, path, nil, body, &raw); err != nil {
		return nil, err
	}
	if g.output == "json" {
		return raw, g.printRaw(raw)
	}
	return raw, nil
}

func newAppsHistoryCommand(g *globals) *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use:   "history NAME",
		Short: "List the roll-outs of an application, newest first",
		Args:  exactArgs("the name of an application (`fawkes apps list`)"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.printList(cmd, appPath(args[0], "/history"), nil, limit,
				[]string{"id", "kind", "phase", "revision", "source_revision", "digest", "started_at", "finished_at", "initiated_by", "rollback_of", "message"},
				[]column{field("ID", "id"), field("KIND", "kind"), field("PHASE", "phase"), shaField("COMMIT", "source_revision"), shaField("ENVIRONMENTS", "revision"),
					timeField("STARTED", "started_at"), timeField("FINISHED", "finished_at"), field("BY", "initiated_by"), field("UNDOES", "rollback_of"), field("MESSAGE", "message")})
		},
	}
	addLimit(cmd, &limit)
	addOutput(cmd, g, "table", "json", "csv")
	return cmd
}

func newAppsRollbackCommand(g *globals) *cobra.Command {
	var to int64
	cmd := &cobra.Command{
		Use:     "rollback NAME",
		Short:   "Revert the environment repository to what a former roll-out brought",
		Example: "  fawkes apps history hello-production\n  fawkes apps rollback hello-production --to 12",
		Args:    exactArgs("the name of an application (`fawkes apps list`)"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if to <= 0 {
				return usagef("give --to; `fawkes apps history "+args[0]+"` lists the roll-outs", "--to is required: the id of a roll-out that succeeded")
			}
			if _, err := g.act(cmd, appPath(args[0], "/rollback"), map[string]any{"id": to}); err != nil || g.output == "json" {
				return err
			}
			_, err := fmt.Fprintf(g.Out, "%s: the repository is being reverted to roll-out %d, and rolled out from there\n", args[0], to)
			return err
		},
	}
	cmd.Flags().Int64Var(&to, "to", 0, "the id of a roll-out that succeeded (required)")
	addOutput(cmd, g, "text", "json")
	return cmd
}
