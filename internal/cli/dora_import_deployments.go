package cli

import (
	"context"

	"github.com/fawkes-idp/fawkes/internal/gitlog"
)

// sendDeployments sends the deployments after the commits that they deploy.
func (im *gitImport) sendDeployments(ctx context.Context, sender *importer, src source, marks *checkpoints) error {
	sent := 0
	add := func(d gitlog.Deployment) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		b := sender.room()
		before := len(b.body)
		body, err := d.AppendEvent(b.body, "", im.repo.Name, im.service, im.environment)
		if err != nil {
			b.body = b.body[:before]
			return err
		}
		b.body = body
		sent++
		n := sent
		return sender.added(func() { im.deployed = n })
	}
	for _, d := range src.deployments {
		if err := add(d); err != nil {
			return err
		}
	}
	if im.plan.Kind != "merges" {
		return nil
	}
	key := checkpointKey("merges", im.repo.Name, im.sinceText, src.merges.Name, im.service, im.environment)
	known, _, err := im.repo.Known(ctx, marks.tips(key))
	if err != nil {
		return err
	}
	skipped, err := im.repo.Merges(ctx, gitlog.Range{From: []string{src.merges.SHA}, Not: known, Since: im.since}, add)
	if err != nil {
		return err
	}
	if skipped > 0 {
		im.warn("%s without a readable date, so that they are no deployments", plural(skipped, "merge"))
	}
	return sender.mark(func() { marks.set(key, im.repo.Name, []string{src.merges.SHA}, sent) })
}
