package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/fawkes-idp/fawkes/internal/events"
	"github.com/fawkes-idp/fawkes/internal/goldenpath"
)

const ciExitCodesText = `The exit codes of fawkes ci:

  0    every stage passed, or was skipped for the reason that is shown
  1    a stage failed: it does not build, a test fails
  2    the command line, fawkes.yaml or the surroundings are wrong
  3    the quality gate refused: secrets, findings, too few tests
  4    the registry, a repository or the receiver of events cannot be reached
  5    a stage took longer than its limit
  130  stopped by a signal`

// ciFlags are the flags that all commands of `fawkes ci` share.
type ciFlags struct {
	dir, artifacts string
}

func newCICommand(g *globals) *cobra.Command {
	f := &ciFlags{}
	cmd := &cobra.Command{
		Use:   "ci",
		Short: "Take a commit down the golden path: build, test, scan, image, promotion",
		Long: `Take a commit down the golden path. It is the same on a laptop, in Jenkins, in GitHub Actions and under the platform's
own runner, which are recognized by their variables:

  fawkes ci explain      what would be done, and why
  fawkes ci run          all stages
  fawkes ci unit-test    one stage; run.json among the artifacts carries what the next ones need

` + ciExitCodesText,
	}
	cmd.PersistentFlags().StringVar(&f.dir, "dir", ".", "the work tree")
	cmd.PersistentFlags().StringVar(&f.artifacts, "artifacts", "artifacts", "the folder of reports, logs and the run's state; below --dir unless absolute")
	cmd.AddCommand(newCIRunCommand(g, f), newCIPlanCommand(g, f), newCIExplainCommand(g, f), newCIGateCommand(g, f), newCISummaryCommand(g, f), newCIEventsCommand(g), newCIFinishCommand(g, f))
	for _, stage := range goldenpath.Stages() {
		cmd.AddCommand(newCIStageCommand(g, f, stage))
	}
	return cmd
}

func (g *globals) ciOptions(f *ciFlags) goldenpath.Options {
	program, err := os.Executable()
	if err != nil {
		program = "" // scanners beside it are not found then
	}
	o := goldenpath.Options{Dir: f.dir, Artifacts: f.artifacts, Environ: g.Environ, Program: program, Version: g.version, Clock: g.Clock}
	if !filepath.IsAbs(o.Artifacts) {
		o.Artifacts = filepath.Join(f.dir, f.artifacts)
	}
	if abs, err := filepath.Abs(o.Artifacts); err == nil {
		o.Artifacts = abs
	}
	return o
}

func newCIRunCommand(g *globals, f *ciFlags) *cobra.Command {
	var older bool
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run all stages",
		Args:  exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.runCI(f, older, func(o goldenpath.Options) goldenpath.Result { return goldenpath.Run(cmd.Context(), o) })
		},
	}
	cmd.Flags().BoolVar(&older, "older", false, "promote even where a newer revision is promoted already")
	addOutput(cmd, g, "text", "json")
	return cmd
}

func newCIStageCommand(g *globals, f *ciFlags, stage string) *cobra.Command {
	about := map[string]string{
		"checkout": "Make sure of the commit, and begin a run", "build": "Build the program", "unit-test": "Run the unit tests", "behavior-test": "Run the behavior tests",
		"secrets": "Look for leaked credentials", "static-analysis": "Look for bugs and dangerous code", "image": "Pack the image", "image-scan": "Look for known vulnerabilities in the image",
		"sbom": "List what the program is made of", "sign": "Sign the image", "push": "Push the image", "promote": "Promote the image, and end the run",
	}
	cmd := &cobra.Command{
		Use:   stage,
		Short: about[stage],
		Args:  exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.runCI(f, false, func(o goldenpath.Options) goldenpath.Result { return goldenpath.RunStage(cmd.Context(), o, stage) })
		},
	}
	addOutput(cmd, g, "text", "json")
	return cmd
}

func newCIFinishCommand(g *globals, f *ciFlags) *cobra.Command {
	var outcome string
	cmd := &cobra.Command{
		Use:   "finish",
		Short: "Tell the end of a run that told none",
		Long: `Tell the end of a run whose stages were started one by one and that did not come to its end: it was aborted, or a step
failed that is none of ours. Of a run that has told its end nothing more is told; what of its events could not be delivered
is sent. A pipeline calls it at the end of every run.`,
		Example: "  fawkes ci finish --as aborted",
		Args:    exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.runCI(f, false, func(o goldenpath.Options) goldenpath.Result { return goldenpath.Finish(cmd.Context(), o, outcome) })
		},
	}
	cmd.Flags().StringVar(&outcome, "as", "", "how it ended: "+strings.Join(goldenpath.Outcomes(), ", "))
	addOutput(cmd, g, "text", "json")
	return cmd
}

// runCI runs what it is given with progress in the chosen form, and gives its end as an exit code.
func (g *globals) runCI(f *ciFlags, older bool, run func(goldenpath.Options) goldenpath.Result) error {
	o := g.ciOptions(f)
	o.Older = older
	o.Reporter = goldenpath.ReporterFunc(g.tellCI)
	if g.output == "json" {
		encoder := json.NewEncoder(g.Out)
		encoder.SetEscapeHTML(false)
		o.Reporter = goldenpath.ReporterFunc(func(e goldenpath.Event) {
			_ = encoder.Encode(e) // a reader that has gone away does not stop the run
		})
	}
	r := run(o)
	if r.Exit == goldenpath.ExitOK {
		return nil
	}
	reason := r.Reason
	if r.Stage != "" {
		reason = r.Stage + ": " + reason
	}
	return &fault{code: r.Exit, err: errors.New(reason), mend: r.Mend}
}

// tellCI writes progress for a person.
func (g *globals) tellCI(e goldenpath.Event) {
	switch e.Event {
	case "run":
		fmt.Fprintf(g.Out, "%s  %.12s  %s  %s\n", printable(e.Repository), e.SHA, printable(e.Branch), e.Language)
	case "log":
		for line := range strings.Lines(e.Text) {
			fmt.Fprintf(g.Out, "  %-15s | %s\n", e.Stage, strings.TrimSuffix(line, "\n"))
		}
	case "stage":
		if e.Status == goldenpath.StatusRunning {
			return
		}
		text := e.Reason
		if text == "" {
			text = e.Summary
		}
		mark := map[string]string{goldenpath.StatusPassed: "✓", goldenpath.StatusFailed: "✗", goldenpath.StatusSkipped: "–"}[e.Status]
		fmt.Fprintf(g.Out, "%s %-15s %6.1f s  %s\n", mark, e.Stage, *e.Seconds, printable(text))
	case "note":
		fmt.Fprintf(g.Out, "! %s\n", printable(e.Text))
	case "result":
		fmt.Fprintf(g.Out, "%s in %.1f s\n", e.Status, *e.Seconds)
	}
}

func newCIPlanCommand(g *globals, f *ciFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "List the stages and what each would do",
		Args:  exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			plan, err := g.planCI(cmd.Context(), f)
			if err != nil {
				return err
			}
			if g.output == "json" {
				return g.printJSON(plan)
			}
			t := tabwriter.NewWriter(g.Out, 0, 4, 2, ' ', 0)
			for _, s := range plan.Stages {
				does := s.Does
				if s.Skipped != nil {
					does = "skipped: " + *s.Skipped
				}
				fmt.Fprintf(t, "%s\t%s\n", s.Name, printable(does))
			}
			if err := t.Flush(); err != nil {
				return err
			}
			return faultsOf(plan)
		},
	}
	addOutput(cmd, g, "table", "json")
	return cmd
}

func newCIExplainCommand(g *globals, f *ciFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain",
		Short: "Explain what would be done and why: language, commands, limits, settings, isolation",
		Args:  exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			plan, err := g.planCI(cmd.Context(), f)
			if err != nil {
				return err
			}
			if g.output == "json" {
				return g.printJSON(plan)
			}
			g.explainCI(plan)
			return faultsOf(plan)
		},
	}
	addOutput(cmd, g, "text", "json")
	return cmd
}

func (g *globals) planCI(ctx context.Context, f *ciFlags) (goldenpath.Plan, error) {
	plan, err := goldenpath.Explain(ctx, g.ciOptions(f))
	return plan, ciFault(err)
}

func (g *globals) explainCI(plan goldenpath.Plan) {
	branch := "no branch"
	if plan.Branch != nil {
		branch = *plan.Branch
	}
	fmt.Fprintf(g.Out, "commit     %.12s of %s on %s\nsystem     %s\nservice    %s, project %s\nlanguage   %s: %s\n", plan.SHA, printable(plan.Repository), printable(branch), plan.System,
		plan.Service, plan.Project, orDash(plan.Language), orDash(plan.Because))
	for _, s := range plan.Stages {
		fmt.Fprintf(g.Out, "\n%s\n", s.Name)
		if s.Skipped != nil {
			fmt.Fprintf(g.Out, "  skipped  %s\n", printable(*s.Skipped))
			continue
		}
		fmt.Fprintf(g.Out, "  does     %s\n  because  %s\n  limit    %s\n", printable(s.Does), printable(s.Because), humanSeconds(s.Limit))
		if len(s.Needs) > 0 {
			fmt.Fprintf(g.Out, "  after    %s\n", strings.Join(s.Needs, ", "))
		}
	}
	fmt.Fprintln(g.Out, "\nsettings of fawkes.yaml")
	for _, s := range plan.Settings {
		fmt.Fprintf(g.Out, "  line %-4d %s\n", s.Line, printable(s.Key))
	}
	if len(plan.Settings) == 0 {
		fmt.Fprintln(g.Out, "  none: everything is found out")
	}
	i := plan.Isolation
	fmt.Fprintf(g.Out, "\nisolation of the repository's commands\n  Landlock %t, process namespace %t, network namespace %t\n", i.Landlock, i.PIDNamespace, i.NetworkNamespace)
	for _, n := range i.Notes {
		fmt.Fprintf(g.Out, "  %s\n", printable(n))
	}
}

// faultsOf gives what makes a plan impossible.
func faultsOf(plan goldenpath.Plan) error {
	if len(plan.Faults) == 0 {
		return nil
	}
	return &fault{code: goldenpath.ExitUsage, err: errors.New(strings.Join(plan.Faults, "; ")), mend: "docs/reference/golden-path.md lists the keys of fawkes.yaml"}
}

func newCIGateCommand(g *globals, f *ciFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "gate",
		Short: "Judge the artifacts of a run by the rules of fawkes.yaml",
		Args:  exactArgs(),
		RunE: func(*cobra.Command, []string) error {
			verdict, err := goldenpath.Gate(g.ciOptions(f))
			if err != nil {
				return ciFault(err)
			}
			if g.output == "json" {
				if err := g.printJSON(verdict); err != nil {
					return err
				}
			} else {
				t := tabwriter.NewWriter(g.Out, 0, 4, 2, ' ', 0)
				for _, r := range verdict.Rules {
					fmt.Fprintf(t, "%s\t%s\t%s\n", map[bool]string{true: "✓", false: "✗"}[r.Passed], r.Name, printable(r.Detail))
				}
				if err := t.Flush(); err != nil {
					return err
				}
			}
			if !verdict.Passed {
				return &fault{code: goldenpath.ExitRefused, err: fmt.Errorf("the quality gate refuses it: %s", verdict.Why()), mend: "mend what is named; exceptions go into gate.allow of fawkes.yaml"}
			}
			return nil
		},
	}
	addOutput(cmd, g, "table", "json")
	return cmd
}

func newCISummaryCommand(g *globals, f *ciFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "summary",
		Short: "Print the summary of a run",
		Args:  exactArgs(),
		RunE: func(*cobra.Command, []string) error {
			text, err := goldenpath.Summary(g.ciOptions(f).Artifacts, g.output == "json")
			if err != nil {
				return ciFault(err)
			}
			_, err = g.Out.Write(text)
			return err
		},
	}
	addOutput(cmd, g, "markdown", "json")
	return cmd
}

func newCIEventsCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{Use: "events", Short: "Deliver the events of a run"}
	cmd.AddCommand(&cobra.Command{
		Use:   "send FILE",
		Short: "Send the events of a run's events.jsonl to FAWKES_EVENTS_URL; what was taken before is kept once",
		Args:  exactArgs("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			url := g.Env("FAWKES_EVENTS_URL")
			if url == "" {
				return usagef("set FAWKES_EVENTS_URL, for example to https://fawkes.example/webhooks/dora/cloudevents", "it is not said where the events go")
			}
			sent, err := goldenpath.SendEvents(cmd.Context(), args[0], events.Sender{URL: url, Token: g.Env("FAWKES_EVENTS_TOKEN")})
			if err != nil {
				return ciFault(err)
			}
			fmt.Fprintf(g.Out, "sent %d events\n", sent)
			return nil
		},
	})
	return cmd
}

// ciFault gives an error of the golden path with its exit code and its mend.
func ciFault(err error) error {
	if err == nil {
		return nil
	}
	code, mend := goldenpath.ExitOf(err)
	return &fault{code: code, err: err, mend: mend}
}
