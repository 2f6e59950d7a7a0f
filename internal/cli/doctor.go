package cli

import (
	"context"
	"fmt"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fawkes-idp/fawkes/internal/app"
)

func newDoctorCommand(g *globals) *cobra.Command {
	var listen string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look for what would keep the platform from running, and say how to mend it",
		Long: `Look for what would keep the platform from running, and say how to mend it: git, the port, the state folder, the disk,
versions, and each database that FAWKES_<SERVICE>_DATABASE_URL names. Nothing is changed.

Exit code 0 when nothing failed (warnings are allowed), 1 when something did.`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			checks, err := g.diagnose(cmd.Context(), listen)
			if err != nil {
				return err
			}
			failed := 0
			for _, c := range checks {
				if c.Status == checkFailed {
					failed++
				}
			}
			if g.output == "json" {
				if err := g.printJSON(map[string]any{"ok": failed == 0, "checks": checks}); err != nil {
					return err
				}
			} else {
				g.printChecks(checks)
			}
			if failed > 0 {
				return failf("each line marked ✗ says how", "%s failed", plural(failed, "check"))
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&listen, "listen", app.DefaultListen, "the address that the platform would listen on")
	addOutput(cmd, g, "text", "json")
	return cmd
}

func (g *globals) diagnose(ctx context.Context, listen string) ([]check, error) {
	state, err := g.stateFolder()
	if err != nil {
		return nil, err
	}
	checks := []check{
		{"fawkes", checkOK, fmt.Sprintf("%s, %s, %s/%s", g.version, runtime.Version(), runtime.GOOS, runtime.GOARCH), ""},
		checkGit(ctx),
	}
	checks = append(checks, checkState(state)...)
	r, alive, err := readRunFile(state)
	switch {
	case err != nil:
		checks = append(checks, check{"platform", checkFailed, err.Error(), "remove the file when no platform runs"})
	case alive:
		c := check{"platform", checkOK, fmt.Sprintf("runs as process %d at %s, version %s", r.PID, r.API, r.Version), ""}
		if r.Version != g.version {
			c.Status, c.Mend = checkWarning, "restart it: `fawkes down`, then `fawkes up`"
			c.Detail += ", not " + g.version
		}
		checks = append(checks, c)
	case r.PID != 0:
		checks = append(checks, check{"platform", checkWarning, fmt.Sprintf("process %d had not ended cleanly; nothing runs now", r.PID), "nothing to do: the next `fawkes up` cleans up"}, checkPort(listen))
	default:
		checks = append(checks, checkPort(listen))
	}
	for _, kv := range g.Environ {
		name, value, _ := strings.Cut(kv, "=")
		if strings.HasPrefix(name, "FAWKES_") && strings.HasSuffix(name, "_DATABASE_URL") {
			checks = append(checks, checkPostgres(ctx, name, value))
		}
	}
	return checks, nil
}

func (g *globals) printChecks(checks []check) {
	for _, c := range checks {
		mark := map[string]string{checkOK: "✓", checkWarning: "!", checkFailed: "✗"}[c.Status]
		fmt.Fprintf(g.Out, "  %s %-10s %s\n", mark, c.Name, c.Detail)
		if c.Mend != "" {
			fmt.Fprintf(g.Out, "    %-10s mend: %s\n", "", c.Mend)
		}
	}
}
