package runner

import (
	"context"
	"database/sql"
	"errors"
	"path"

	"github.com/fawkes-idp/fawkes/internal/events"
	"github.com/fawkes-idp/fawkes/internal/kit/webhook"
)

// reportTarget is the queue of reports.
const reportTarget = "events"

// errNoReceiver keeps reports waiting while nothing takes them.
var errNoReceiver = errors.New("no receiver of events is connected: set events.url with PUT " + base + "/connections")

// reportEnd stores the report of a run whose end the golden path could not tell, in the transaction that ends it. It
// is the event that the golden path would have sent, under the same id, so that a receiver keeps one of the two. A run
// whose pipeline had not begun is no run to anybody else.
func (s *Service) reportEnd(ctx context.Context, tx *sql.Tx, r Run) error {
	if r.Detail.Isolation == nil {
		return nil
	}
	service := r.Detail.Service
	if service == "" {
		service = path.Base(r.Repository)
	}
	run := events.Run{
		Source: events.SourceOf(r.Repository), ID: events.RunID(r.ID, r.Attempt), Pipeline: service, URL: s.address(r.ID),
		Repository: r.CloneURL, SHA: r.SHA, Branch: r.Branch, Attempt: r.Attempt, Service: service, StartedAt: r.Started,
	}
	outcome := events.Cancel
	if r.Status == Failed {
		outcome = events.Error // it died, needed too much or took too long
	}
	line, err := run.Finished(r.Finished, outcome, r.Reason).Line()
	if err != nil {
		return err
	}
	_, err = s.outbox.Add(ctx, tx, webhook.Message{
		Key: "finished " + run.ID, Target: reportTarget, Header: map[string]string{"Content-Type": events.MediaType}, Body: line,
	})
	return err
}

// receiver is where reports go now, so that a changed address or token reaches those that wait.
func (s *Service) receiver(ctx context.Context, _ string) (webhook.Endpoint, error) {
	c, err := s.store.Connections(ctx)
	if err != nil {
		return webhook.Endpoint{}, err
	}
	if c.Events.URL == "" {
		return webhook.Endpoint{}, errNoReceiver
	}
	e := webhook.Endpoint{URL: c.Events.URL}
	if c.Events.Token != "" {
		e.Header = map[string]string{"Authorization": "Bearer " + c.Events.Token}
	}
	return e, nil
}

func (s *Service) reported(_, result string) { s.count.reports.WithLabelValues(result).Inc() }

// address is where people see a run.
func (s *Service) address(id string) string { return s.config.PublicURL + "/runs/" + id }
