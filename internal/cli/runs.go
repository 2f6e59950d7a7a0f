package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"
)

const runsPath = "/api/runner/v1/runs"

func newRunsCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "runs",
		Short: "The runs of the golden path: what waits, what runs, what it wrote",
		Long: `The runs of the golden path: what waits, what runs, what it wrote.

Every push to a branch of the platform's git server becomes a run. Runs of one branch go one at a time; a newer push takes
the place of those of its branch that still wait.`,
	}
	cmd.AddCommand(newRunsListCommand(g), newRunsShowCommand(g), newRunsLogsCommand(g), newRunsStartCommand(g),
		newRunsChangeCommand(g, "cancel", "End a run, or take it from the queue", "canceled"),
		newRunsChangeCommand(g, "retry", "Queue a run that is over once more", "queued"))
	return cmd
}

func runPath(id string) string { return runsPath + "/" + url.PathEscape(id) }

func newRunsListCommand(g *globals) *cobra.Command {
	var repository, branch, status, sha, query string
	var limit int
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List runs, the newest first",
		Example: "  fawkes runs list --repository fawkes/hello\n  fawkes runs list --status failed -o json",
		Args:    exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := url.Values{}
			for key, value := range map[string]string{"repository": repository, "branch": branch, "status": status, "sha": sha, "q": query} {
				if value != "" {
					q.Set(key, value)
				}
			}
			return g.printList(cmd, runsPath, q, limit,
				[]string{"id", "repository", "branch", "sha", "subject", "author", "trigger", "attempt", "status", "reason", "queued_at", "started_at", "finished_at", "digest"},
				[]column{field("ID", "id"), field("REPOSITORY", "repository"), field("BRANCH", "branch"), shaField("SHA", "sha"), field("STATUS", "status"),
					field("TRIGGER", "trigger"), timeField("QUEUED", "queued_at"), timeField("FINISHED", "finished_at"), field("SUBJECT", "subject")})
		},
	}
	f := cmd.Flags()
	f.StringVar(&repository, "repository", "", "only of this repository, owner/name")
	f.StringVar(&branch, "branch", "", "only of this branch")
	f.StringVar(&status, "status", "", "only with this status: queued, running, succeeded, failed, canceled, superseded, interrupted")
	f.StringVar(&sha, "sha", "", "only of this commit, in full")
	f.StringVarP(&query, "query", "q", "", "only with this text in the subject, author, repository, branch or commit")
	addLimit(cmd, &limit)
	addOutput(cmd, g, "table", "json", "csv")
	return cmd
}

func newRunsShowCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show RUN",
		Short: "Show a run with its stages",
		Args:  exactArgs("the id of a run"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.printOne(cmd, runPath(args[0]), nil)
		},
	}
	addOutput(cmd, g, "text", "json")
	return cmd
}

// runState is what a command reads of a run.
type runState struct {
	ID     string  `json:"id"`
	Status string  `json:"status"`
	Reason *string `json:"reason"`
}

func newRunsStartCommand(g *globals) *cobra.Command {
	var ref string
	cmd := &cobra.Command{
		Use:     "start REPOSITORY",
		Short:   "Queue a run for what a branch is now",
		Example: "  fawkes runs start fawkes/hello --ref main",
		Args:    exactArgs("a repository, owner/name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			body := map[string]string{"repository": args[0]}
			if ref != "" {
				body["ref"] = ref
			}
			return g.changeRun(cmd, runsPath, body, "queued")
		},
	}
	cmd.Flags().StringVar(&ref, "ref", "", "a branch, or the commit that one points at (default the default branch)")
	addOutput(cmd, g, "text", "json")
	return cmd
}

func newRunsChangeCommand(g *globals, verb, short, done string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   verb + " RUN",
		Short: short,
		Args:  exactArgs("the id of a run"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.changeRun(cmd, runPath(args[0])+"/"+verb, nil, done)
		},
	}
	addOutput(cmd, g, "text", "json")
	return cmd
}

// changeRun sends a change and says what became of it.
func (g *globals) changeRun(cmd *cobra.Command, path string, body any, done string) error {
	client, err := g.connect()
	if err != nil {
		return err
	}
	var raw []byte
	if err := client.send(cmd.Context(), http.MethodPost, path, nil, body, &raw); err != nil {
		return err
	}
	if g.output == "json" {
		return g.printRaw(raw)
	}
	var r runState
	if err := json.Unmarshal(raw, &r); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if done == "canceled" && r.Status == "running" {
		done = "is being canceled:"
	} else if done == "canceled" {
		done = r.Status + ":"
	}
	_, err = fmt.Fprintf(g.Out, "%s %s\n", done, r.ID)
	return err
}

// logPause is how often a log that is followed is asked for more.
const logPause = 300 * time.Millisecond

func newRunsLogsCommand(g *globals) *cobra.Command {
	var stage string
	var follow bool
	cmd := &cobra.Command{
		Use:   "logs RUN",
		Short: "Print what a run wrote; -f follows it to its end",
		Long: `Print what a run wrote, stage after stage.

With -f the command goes on until the run is over, and fails when the run did not succeed.`,
		Example: "  fawkes runs logs run-4q2f7x --stage unit-test\n  fawkes runs logs -f run-4q2f7x",
		Args:    exactArgs("the id of a run"),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := g.connect()
			if err != nil {
				return err
			}
			q := url.Values{"limit": {"1048576"}}
			if stage != "" {
				q.Set("stage", stage)
			}
			for after := int64(0); ; {
				q.Set("after", strconv.FormatInt(after, 10))
				var part struct {
					Text string `json:"text"`
					Next int64  `json:"next"`
					Done bool   `json:"done"`
				}
				if err := client.get(cmd.Context(), runPath(args[0])+"/log", q, &part); err != nil {
					return err
				}
				fmt.Fprint(g.Out, printableLines(part.Text))
				more := part.Next > after
				after = part.Next
				switch {
				case part.Done && follow:
					return g.howItEnded(cmd, client, args[0])
				case part.Done, !more && !follow:
					return nil
				case !more:
					if err := client.pause(cmd.Context(), logPause); err != nil {
						return err
					}
				}
			}
		},
	}
	cmd.Flags().StringVar(&stage, "stage", "", "only this stage, for example unit-test")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on until the run is over")
	return cmd
}

// howItEnded fails for a run that did not succeed.
func (g *globals) howItEnded(cmd *cobra.Command, client *api, id string) error {
	var r runState
	if err := client.get(cmd.Context(), runPath(id), nil, &r); err != nil {
		return err
	}
	if r.Status == "succeeded" {
		return nil
	}
	reason := ""
	if r.Reason != nil {
		reason = ": " + printable(*r.Reason)
	}
	return failf("fawkes runs show "+id+" shows its stages", "the run %s%s", r.Status, reason)
}

// printableLines takes out what could steer a terminal; programs that are built write anything.
func printableLines(text string) string {
	out := make([]rune, 0, len(text))
	for _, r := range text {
		if r == '\n' || r == '\t' || r >= ' ' && r != 0x7f && (r < 0x80 || r > 0x9f) {
			out = append(out, r)
		}
	}
	return string(out)
}
