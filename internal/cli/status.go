package cli

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

// platformStatus is what `fawkes status -o json` prints.
type platformStatus struct {
	Running bool    `json:"running"`
	Ready   bool    `json:"ready"`
	API     string  `json:"api,omitempty"`
	PID     int     `json:"pid,omitempty"`
	Version string  `json:"version,omitempty"`
	Uptime  float64 `json:"uptime_seconds,omitempty"`
	State   string  `json:"state,omitempty"`
	Reason  string  `json:"reason,omitempty"`
}

func newStatusCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say whether the platform runs and is ready",
		Long:  "Say whether the platform runs and is ready. Exit code 0 when it is, 3 when none runs, 1 when it runs but is not ready.",
		Args:  exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s := platformStatus{}
			if g.Env("FAWKES_API") == "" {
				state, err := g.stateFolder()
				if err != nil {
					return err
				}
				r, alive, err := readRunFile(state)
				if err != nil {
					return err
				}
				s = platformStatus{Running: alive, State: state}
				if alive {
					s.API, s.PID, s.Version, s.Uptime = r.API, r.PID, r.Version, g.Clock.Now().Sub(r.Started).Round(time.Second).Seconds()
				}
			}
			client, err := g.connect()
			if err != nil {
				return errors.Join(g.printStatus(s), err)
			}
			client.patience = 1
			s.API = client.base
			err = client.get(cmd.Context(), "/readyz", nil, nil)
			var refused *problem.Problem
			s.Running = err == nil || errors.As(err, &refused)
			s.Ready = err == nil
			if err != nil {
				s.Reason, _ = explain(err)
				if refused != nil {
					err = failf("the log has more, fawkes.log in the state folder", "%s is not ready: %s", client.base, s.Reason)
				}
			}
			if printErr := g.printStatus(s); printErr != nil {
				return printErr
			}
			return err
		},
	}
	addOutput(cmd, g, "text", "json")
	return cmd
}

func (g *globals) printStatus(s platformStatus) error {
	if g.output == "json" {
		return g.printJSON(s)
	}
	if !s.Running {
		return nil // the error says it
	}
	text := "runs at " + s.API
	if s.PID != 0 {
		text = fmt.Sprintf("runs at %s as process %d, version %s, up %s, state %s", s.API, s.PID, s.Version, humanSeconds(s.Uptime), s.State)
	}
	if s.Ready {
		text += "\nready"
	}
	_, err := fmt.Fprintln(g.Out, text)
	return err
}

func newOpenCommand(g *globals) *cobra.Command {
	var quiet bool
	cmd := &cobra.Command{
		Use:   "open",
		Short: "Print a new one-time link to the console, and open it in the browser",
		Args:  exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := g.connect()
			if err != nil {
				return err
			}
			var link struct {
				URL     string    `json:"url"`
				Expires time.Time `json:"expires_at"`
			}
			if err := client.send(cmd.Context(), http.MethodPost, "/api/identity/v1/signin-links", nil, struct{}{}, &link); err != nil {
				return err
			}
			link.URL = clickable(link.URL, client.base)
			if g.output == "json" {
				if err := g.printJSON(map[string]any{"console": link.URL, "expires_at": link.Expires}); err != nil {
					return err
				}
			} else if _, err := fmt.Fprintln(g.Out, link.URL); err != nil {
				return err
			}
			if !quiet {
				g.browse(cmd.Context(), link.URL)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&quiet, "no-browser", false, "print the link only")
	addOutput(cmd, g, "text", "json")
	return cmd
}
