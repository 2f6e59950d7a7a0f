package cli

import (
	"encoding/json"
	"net/url"

	"github.com/spf13/cobra"
)

const doraBase = "/api/dora/v1"

func newDoraCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dora",
		Short: "Delivery metrics and the evidence behind them",
		Long: `Delivery metrics and the evidence behind them.

Days in --from and --to are days in the project's time zone; the window begins with --from and ends before --to.`,
	}
	imports := &cobra.Command{Use: "import", Short: "Bring delivery history in"}
	imports.AddCommand(newImportGitCommand(g), newImportGitHubCommand(g), newImportEventsCommand(g))
	cmd.AddCommand(imports, newReportCommand(g), newCompareCommand(g), newDeploymentsCommand(g), newChangesCommand(g), newIncidentsCommand(g),
		newEvidenceCommand(g), newQuarantineCommand(g), newProjectCommand(g), newProfileCommand(g), newAnnotateCommand(g), newAnnotationCommand(g), newSourceCommand(g), newAuditCommand(g), newRelayCommand(g))
	cmd.AddCommand(newWatchCommand(g), newBadgeCommand(g), newArchiveCommand(g))
	return cmd
}

// scope is which part of a project's history a command asks about.
type scope struct {
	project, service, team, environment, from, to, profile string
}

// add gives the command the flags of a scope.
func (s *scope) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVarP(&s.project, "project", "p", "", "the project (required)")
	f.StringVar(&s.service, "service", "", "only this service")
	f.StringVar(&s.team, "team", "", "only this team's services")
	f.StringVar(&s.environment, "environment", "", "only this environment (default: all of kind production)")
	f.StringVar(&s.from, "from", "", "from this day or time on, for example 2025-01-01")
	f.StringVar(&s.to, "to", "", "up to this day or time, which is not part of the window")
	f.StringVar(&s.profile, "profile", "", "by whose rules: dora-2025, devlake-2023, fourkeys, gitlab, or one of your own (default dora-2025)")
}

// query is the scope as the API takes it.
func (s *scope) query() (url.Values, error) {
	if s.project == "" {
		return nil, usagef("give --project; `fawkes dora project list` lists the projects", "--project is required")
	}
	q := url.Values{}
	for key, value := range map[string]string{"project": s.project, "service": s.service, "team": s.team,
		"environment": s.environment, "from": s.from, "to": s.to, "profile": s.profile} {
		if value != "" {
			q.Set(key, value)
		}
	}
	return q, nil
}

// tableLimit is how many rows a table shows unless --limit says otherwise.
const tableLimit = 100

// addLimit gives a list command its --limit.
func addLimit(cmd *cobra.Command, limit *int) {
	cmd.Flags().IntVar(limit, "limit", -1, "at most so many items, 0 for all (default all, and 100 in a table)")
}

// printList follows a list of the API and writes it in the form that was asked for.
func (g *globals) printList(cmd *cobra.Command, path string, query url.Values, limit int, keys []string, columns []column) error {
	client, err := g.connect()
	if err != nil {
		return err
	}
	if limit < 0 {
		limit = 0
		if g.output == "table" {
			limit = tableLimit
		}
	}
	out := newListing(g.output, g.Out, keys, columns)
	more, err := client.list(cmd.Context(), path, query, limit, func(raw json.RawMessage) error { return out.add(raw) })
	if err != nil {
		return err
	}
	if err := out.close(); err != nil {
		return err
	}
	if more && g.output == "table" {
		g.warn("only the first %d are shown; --limit 0 shows all", limit)
	}
	return nil
}
