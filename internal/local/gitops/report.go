package gitops

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/fawkes-idp/fawkes/internal/kit/webhook"
	"github.com/fawkes-idp/fawkes/internal/local/gitops/notify"
)

const (
	// Namespace is where the Applications are, in the words of Argo CD.
	Namespace = "fawkes"
	target    = "dora"
)

// report stores the notifications that the state of an application calls for, each
// once, in the transaction that makes the state.
func (e *Engine) report(ctx context.Context, tx *sql.Tx, a Application, o Operation, h Health) error {
	c := e.connections()
	if c.Events.URL == "" {
		return nil // nobody listens
	}
	n, err := e.notification(ctx, a, o, h)
	if err != nil {
		return err
	}
	body, err := n.Body(e.cfg.PublicURL)
	if err != nil {
		return err
	}
	for _, occasion := range n.Occasions() {
		_, err := e.outbox.Add(ctx, tx, webhook.Message{
			Key: fmt.Sprintf("%s %d %s", a.UID, o.ID, occasion), Target: target, URL: c.Events.URL, Body: body,
			Note: map[string]string{"application": a.Name, "occasion": occasion},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// notification is the Application as notifications tell of it.
func (e *Engine) notification(ctx context.Context, a Application, o Operation, h Health) (notify.Application, error) {
	c := e.connections().Repository
	n := notify.Application{
		Name: a.Name, Namespace: Namespace, UID: a.UID, Project: o.Detail.Project,
		Labels: map[string]string{"fawkes.dev/deployments": "true"}, Annotations: o.Detail.Annotations,
		Repository: c.URL, Path: a.Path(), Branch: c.Branch, Destination: a.Environment,
		Health: notify.Health{Status: h.Status, Since: h.Since}, At: e.clock.Now(),
		Operation: &notify.Operation{
			Phase: o.Phase, Message: o.Message, Started: o.Started, Finished: o.Finished, Revision: o.Revision,
			Automated: o.Automated && o.By == "", By: o.By, Resources: o.Detail.Resources,
		},
	}
	if o.Kind == KindHeal {
		n.Operation.SelfHeal = 1
	}
	_, objects := e.cluster.Health(a.Name)
	for _, r := range objects {
		n.Resources = append(n.Resources, notify.ResourceHealth{Kind: r.Kind, Namespace: r.Namespace, Name: r.Name, Status: r.Status})
	}
	if o.Phase == succeeded {
		n.Images = o.Detail.Images
		n.History = &notify.History{ID: o.ID, Revision: o.Revision, Started: o.Started, Deployed: o.Finished, Automated: n.Operation.Automated, By: o.By}
		return n, nil
	}
	good, err := e.store.Good(ctx, a.Name, o.ID)
	switch {
	case err == nil:
		n.Images = good.Detail.Images
		n.History = &notify.History{ID: good.ID, Revision: good.Revision, Started: good.Started, Deployed: good.Finished, Automated: good.Automated && good.By == "", By: good.By}
	case o.ID > 0 && !isNotFound(err):
		return n, err
	}
	return n, nil
}
