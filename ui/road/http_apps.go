package road

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/fawkes-idp/fawkes/api/client/gitops"
	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/peer"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

const (
	// appsMost bounds the list of applications.
	appsMost = 2000
	// historyMost is how many roll-outs, and promotions, are read for a page.
	historyMost = 100
)

// apps asks the reconciler.
type apps struct {
	line
	client *gitops.Client
}

func newApps(peers peer.Network, gone *absence) (*apps, error) {
	base, transport := peers.Client(PartGitOps)
	c, err := gitops.NewClient(base, gitops.WithHTTPClient(transport), gitops.WithRequestEditorFn(auth.Forward))
	if err != nil {
		return nil, fmt.Errorf("make the client of gitops: %w", err)
	}
	return &apps{line{PartGitOps, "GitOps reconciler", gone}, c}, nil
}

// Apps lists applications by name.
func (a *apps) Apps(ctx context.Context, which AppFilter) ([]App, error) {
	items, _, err := Whole(ctx, appsMost, func(ctx context.Context, p Page) (List[App], error) {
		l, err := ask[gitops.ApplicationPage](ctx, a.line, "the applications", func(ctx context.Context) (*http.Response, error) {
			return a.client.ListApplications(ctx, &gitops.ListApplicationsParams{
				Limit: p.limit(), Cursor: given[string](p.Cursor), Environment: given[string](which.Environment), Service: given[string](which.Service),
				Health: given[gitops.ListApplicationsParamsHealth](which.Health), Sync: given[gitops.ListApplicationsParamsSync](which.Sync), Q: given[string](which.Search),
			})
		})
		return List[App]{each(l.Items, app), value(l.NextCursor)}, err
	})
	return items, err
}

// App reads one application.
func (a *apps) App(ctx context.Context, name string) (App, error) {
	raw, err := ask[json.RawMessage](ctx, a.line, "an application", func(ctx context.Context) (*http.Response, error) {
		return a.client.GetApplication(ctx, name)
	})
	if err != nil {
		return App{}, err
	}
	var short gitops.ApplicationInfo // what lists show of it stands in the same object
	if err := json.Unmarshal(raw, &short); err != nil {
		return App{}, fmt.Errorf("understand the answer about %s: %w", name, err)
	}
	var more gitops.ApplicationDetail
	if err := json.Unmarshal(raw, &more); err != nil {
		return App{}, fmt.Errorf("understand the answer about %s: %w", name, err)
	}
	out := app(short)
	out.Resources = each(more.Resources, func(w gitops.ObjectInfo) Resource {
		return Resource{Kind: w.Kind, Name: w.Name, Status: string(w.Status), Health: value(w.Health), Message: value(w.Message)}
	})
	out.Conditions = each(more.Conditions, func(w gitops.Condition) Condition { return Condition{w.Type, w.Message} })
	return out, nil
}

func app(w gitops.ApplicationInfo) App {
	a := App{
		Name: w.Name, Service: w.Service, Environment: w.Environment, Project: w.Project, Path: w.Path, Repository: w.Repository, Automatic: w.Automatic,
		Sync: string(w.Sync.Status), SyncMessage: value(w.Sync.Message), Revision: value(w.DesiredRevision),
		Health: string(w.Health.Status), HealthMessage: value(w.Health.Message), HealthSince: w.Health.Since,
		URL: value(w.URL), Desired: int(w.Replicas.Desired), Ready: int(w.Replicas.Ready),
		SourceRepository: value(w.Source.Repository), SourceRevision: value(w.Source.Revision), PausedByWindow: value(w.PausedByWindow), UpdatedAt: &w.UpdatedAt,
		Images: each(w.Images, func(i gitops.ImageInfo) AppImage {
			return AppImage{Name: i.Name, Digest: value(i.Digest), Revision: value(i.Revision)}
		}),
	}
	if a.Revision == "" {
		a.Revision = value(w.Sync.Revision)
	}
	if o := w.Operation; o.ID > 0 { // null otherwise
		a.Operation = &Operation{
			Kind: string(o.Kind), Phase: string(o.Phase), Message: o.Message, StartedAt: &o.StartedAt, FinishedAt: o.FinishedAt, By: o.InitiatedBy, Revision: o.Revision,
		}
	}
	return a
}

func difference(w gitops.Difference) ResourceDiff {
	return ResourceDiff{Kind: w.Kind, Name: w.Name, Change: string(w.Change), Patch: w.Patch}
}

// Diff reads what a sync would change.
func (a *apps) Diff(ctx context.Context, name string) ([]ResourceDiff, error) {
	w, err := ask[gitops.DifferenceList](ctx, a.line, "a difference", func(ctx context.Context) (*http.Response, error) {
		return a.client.DiffApplication(ctx, name)
	})
	return each(w.Resources, difference), err
}

// History lists what was rolled out, the newest first.
func (a *apps) History(ctx context.Context, name string) ([]Sync, error) {
	most := int64(historyMost)
	l, err := ask[gitops.PageHistoryInfo](ctx, a.line, "the history", func(ctx context.Context) (*http.Response, error) {
		return a.client.ListHistory(ctx, name, &gitops.ListHistoryParams{Limit: &most})
	})
	return each(l.Items, func(w gitops.HistoryInfo) Sync {
		s := Sync{
			ID: strconv.FormatInt(w.ID, 10), Kind: string(w.Kind), Revision: w.Revision, Digest: value(w.Digest), SourceRevision: value(w.SourceRevision),
			Phase: string(w.Phase), Message: w.Message, StartedAt: &w.StartedAt, FinishedAt: w.FinishedAt, By: w.InitiatedBy,
		}
		if w.RollbackOf != nil {
			s.RollbackOf = strconv.FormatInt(*w.RollbackOf, 10)
		}
		return s
	}), err
}

// Instances lists the running copies.
func (a *apps) Instances(ctx context.Context, name string) ([]Instance, error) {
	l, err := ask[gitops.PageInstanceInfo](ctx, a.line, "the instances", func(ctx context.Context) (*http.Response, error) {
		return a.client.ListInstances(ctx, name)
	})
	return each(l.Items, func(w gitops.InstanceInfo) Instance {
		i := Instance{
			Name: w.Name, Digest: value(w.Digest), State: w.State, Ready: w.Ready, Restarts: int(w.Restarts), StartedAt: w.StartedAt, LastExit: value(w.LastExit),
		}
		if w.Port != nil {
			i.Port = int(*w.Port)
		}
		return i
	}), err
}

// AppLog reads the last lines that a copy wrote.
func (a *apps) AppLog(ctx context.Context, name, instance string, tail int) (string, error) {
	most := int64(tail)
	w, err := ask[gitops.LogText](ctx, a.line, "a log", func(ctx context.Context) (*http.Response, error) {
		return a.client.ReadLogs(ctx, name, &gitops.ReadLogsParams{Instance: given[string](instance), Tail: &most})
	})
	return w.Text, err
}

// Environments lists the environments in the order in which versions go through them.
func (a *apps) Environments(ctx context.Context) (Landscape, error) {
	l, err := ask[gitops.EnvironmentList](ctx, a.line, "the environments", func(ctx context.Context) (*http.Response, error) {
		return a.client.ListEnvironments(ctx)
	})
	return Landscape{Problem: value(l.Problem), Environments: each(l.Items, func(w gitops.EnvironmentInfo) Environment {
		return Environment{
			Name: w.Name, Kind: string(w.Kind), From: value(w.From), Promote: value(w.Promote), Sync: string(w.Sync), Windows: w.Windows, Open: w.Open,
			Reason: value(w.Reason), OpensAt: w.OpensAt, Applications: int(w.Applications),
		}
	})}, err
}

// Promotions lists promotions, the newest first.
func (a *apps) Promotions(ctx context.Context) ([]Promotion, error) {
	most := int64(historyMost)
	l, err := ask[gitops.PagePromotionInfo](ctx, a.line, "the promotions", func(ctx context.Context) (*http.Response, error) {
		return a.client.ListPromotions(ctx, &gitops.ListPromotionsParams{Limit: &most})
	})
	return each(l.Items, func(w gitops.PromotionInfo) Promotion {
		return Promotion{
			ID: strconv.FormatInt(w.ID, 10), Service: w.Service, From: w.From, To: w.To, Digest: value(w.Digest), SourceRevision: value(w.SourceRevision),
			State: string(w.State), Reason: value(w.Reason), RequestedAt: &w.RequestedAt, RequestedBy: value(w.RequestedBy), DecidedBy: value(w.DecidedBy),
		}
	}), err
}

// Sync rolls out what the repository declares, or says what that would change.
func (a *apps) Sync(ctx context.Context, name string, prune, dryRun bool) ([]ResourceDiff, error) {
	w, err := ask[gitops.SyncAnswer](ctx, a.line, "a sync", func(ctx context.Context) (*http.Response, error) {
		return a.client.SyncApplication(ctx, name, gitops.SyncRequest{Prune: &prune, DryRun: &dryRun})
	})
	return each(w.Resources, difference), err
}

// Rollback has the environment repository reverted to what an entry of the history rolled out.
func (a *apps) Rollback(ctx context.Context, name, id string) error {
	n, err := numbered("roll-out", id)
	if err != nil {
		return err
	}
	return do(ctx, a.line, "a rollback", func(ctx context.Context) (*http.Response, error) {
		return a.client.RollbackApplication(ctx, name, gitops.RollbackApplicationRequest{ID: n})
	})
}

// Promote brings what runs to another environment.
func (a *apps) Promote(ctx context.Context, name, to string) error {
	return do(ctx, a.line, "a promotion", func(ctx context.Context) (*http.Response, error) {
		return a.client.PromoteApplication(ctx, name, gitops.PromoteApplicationRequest{To: to})
	})
}

// Restart replaces the running copies one by one.
func (a *apps) Restart(ctx context.Context, name string) error {
	return do(ctx, a.line, "a restart", func(ctx context.Context) (*http.Response, error) { return a.client.RestartApplication(ctx, name) })
}

// Terminate ends the operation that runs.
func (a *apps) Terminate(ctx context.Context, name string) error {
	return do(ctx, a.line, "the operation", func(ctx context.Context) (*http.Response, error) { return a.client.TerminateOperation(ctx, name) })
}

// Decide approves a promotion that waits for it, or rejects it.
func (a *apps) Decide(ctx context.Context, promotion string, approve bool) error {
	n, err := numbered("promotion", promotion)
	if err != nil {
		return err
	}
	return do(ctx, a.line, "a promotion", func(ctx context.Context) (*http.Response, error) {
		if approve {
			return a.client.ApprovePromotion(ctx, n)
		}
		return a.client.RejectPromotion(ctx, n)
	})
}

func numbered(thing, id string) (int64, error) {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return 0, problem.New(problem.NotFound, "there is no %s %q; they are numbered", thing, id)
	}
	return n, nil
}
