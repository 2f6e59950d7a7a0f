package cli

import (
	"fmt"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"
)

const badgesPath = doraBase + "/badges"

func newBadgeCommand(g *globals) *cobra.Command {
	var service, profile, window, label, style string
	var revoke bool
	cmd := &cobra.Command{
		Use:   "badge PROJECT METRIC",
		Short: "Make the address of a badge: one metric as a picture, for a README",
		Long: `Make the address of a badge: one metric as a picture, for a README.

METRIC is deployment_frequency, change_lead_time, change_fail_rate, failed_deployment_recovery_time or
deployment_rework_rate. Whoever has the address sees this one number and nothing else, without a token, until the
project's badges are revoked.`,
		Example: "  fawkes dora badge shop change_lead_time\n  fawkes dora badge shop change_fail_rate --service api --window 90d --style flat-square\n  fawkes dora badge shop --revoke",
		Args: func(cmd *cobra.Command, args []string) error {
			if revoke {
				return exactArgs("a project")(cmd, args)
			}
			return exactArgs("a project", "a metric")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if revoke {
				return g.revokeBadges(cmd, args[0])
			}
			client, err := g.connect()
			if err != nil {
				return err
			}
			body := map[string]any{"project": args[0], "metric": args[1]}
			for key, value := range map[string]string{"service": service, "profile": profile, "window": window, "label": label, "style": style} {
				if value != "" {
					body[key] = value
				}
			}
			var raw []byte
			if err := client.send(cmd.Context(), http.MethodPost, badgesPath, nil, body, &raw); err != nil {
				return err
			}
			if g.output == "json" {
				return g.printRaw(raw)
			}
			return g.printFields(raw)
		},
	}
	f := cmd.Flags()
	f.StringVar(&service, "service", "", "only this service")
	f.StringVar(&profile, "profile", "", "by whose rules (default dora-2025)")
	f.StringVar(&window, "window", "", "the last so many days, for example 90d (default 30d)")
	f.StringVar(&label, "label", "", "the text on the left (default: the metric's name)")
	f.StringVar(&style, "style", "", "flat, flat-square or plastic (default flat)")
	f.BoolVar(&revoke, "revoke", false, "end the addresses of all badges of PROJECT instead")
	addOutput(cmd, g, "text", "json")
	return cmd
}

// revokeBadges ends the addresses of all badges of a project.
func (g *globals) revokeBadges(cmd *cobra.Command, project string) error {
	client, err := g.connect()
	if err != nil {
		return err
	}
	if err := client.send(cmd.Context(), http.MethodDelete, badgesPath, url.Values{"project": {project}}, nil, nil); err != nil {
		return err
	}
	if g.output == "json" {
		return g.printJSON(map[string]any{"revoked": project})
	}
	_, err = fmt.Fprintf(g.Out, "the badges of %s are revoked\n", project)
	return err
}
