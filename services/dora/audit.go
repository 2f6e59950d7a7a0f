package dora

import (
	"context"
	"fmt"

	"github.com/fawkes-idp/fawkes/internal/kit/audit"
)

// The actions of the audit log: what it was done to, and what was done.
const (
	ActionProjectDeclared  = "project.declared"
	ActionProjectWithdrawn = "project.withdrawn"
	ActionSourceAdded      = "source.added"
	ActionSourceRemoved    = "source.removed"
	ActionLogArchived      = "log.archived"
	ActionImportRecorded   = "import.recorded"
)

// audit writes into the audit log that the caller in ctx did something, such as
// "source.added" (actions are declared as constants beside their feature), to
// the thing named target of a project ("" where it belongs to none). detail is
// for people to read and never holds a secret. Call it when the thing is done;
// its error is the operation's, so that nothing goes on unnoticed:
//
//	if err := s.audit(ctx, ActionSourceAdded, src.Project, src.Name, "jenkins"); err != nil {
//		return nil, err
//	}
//
// Without a caller in ctx, as in background work, the actor is "system". A plain
// handler that authenticates by itself puts the caller there with auth.NewContext.
func (s *Service) audit(ctx context.Context, action, project, target, detail string) error {
	e := audit.From(ctx, s.clock.Now(), action, target, detail)
	e.Project = project
	// The thing is done: that the caller has gone meanwhile must not hide it.
	if err := s.store.Record(context.WithoutCancel(ctx), e); err != nil {
		return fmt.Errorf("%s %s was done: %w", action, target, err)
	}
	return nil
}
