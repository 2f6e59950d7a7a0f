package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

func newDownCommand(g *globals) *cobra.Command {
	var limit time.Duration
	cmd := &cobra.Command{
		Use:   "down",
		Short: "Stop the local platform; its state is kept",
		Args:  exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			state, err := g.stateFolder()
			if err != nil {
				return err
			}
			r, alive, err := readRunFile(state)
			if err != nil {
				return err
			}
			if !alive {
				return &fault{code: exitUnreachable, err: fmt.Errorf("no platform is running with the state %s", state), mend: "nothing to do; for another state give --state"}
			}
			process, err := os.FindProcess(r.PID)
			if err != nil {
				return fmt.Errorf("find process %d: %w", r.PID, err)
			}
			if err := process.Signal(syscall.SIGTERM); err != nil {
				return failf("stop it as the user who started it", "stop process %d: %w", r.PID, err)
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), limit)
			defer cancel()
			for {
				held, err := lockHeld(state)
				if err != nil {
					return err
				}
				if !held {
					break
				}
				if err := wait(ctx, 50*time.Millisecond); errors.Is(err, context.DeadlineExceeded) {
					return failf("look at fawkes.log in the state folder; `kill -9` loses nothing that was acknowledged", "process %d has not ended within %s", r.PID, limit)
				} else if err != nil {
					return err
				}
			}
			if g.output == "json" {
				return g.printJSON(map[string]any{"stopped": true, "pid": r.PID, "state": state})
			}
			_, err = fmt.Fprintf(g.Out, "stopped process %d; the state is kept in %s\n", r.PID, state)
			return err
		},
	}
	cmd.Flags().DurationVar(&limit, "timeout", 30*time.Second, "how long to wait for its end")
	addOutput(cmd, g, "text", "json")
	return cmd
}
