package road

import (
	"context"
	"time"
)

// Apps answers what the pages ask the reconciler of the environment repository.
type Apps interface {
	Apps(ctx context.Context, which AppFilter) ([]App, error)
	App(ctx context.Context, name string) (App, error)
	Diff(ctx context.Context, name string) ([]ResourceDiff, error)
	History(ctx context.Context, name string) ([]Sync, error)
	Instances(ctx context.Context, name string) ([]Instance, error)
	AppLog(ctx context.Context, name, instance string, tail int) (string, error)
	Environments(ctx context.Context) (Landscape, error)
	Promotions(ctx context.Context) ([]Promotion, error)

	// Sync rolls out what the repository declares and gives what that changes; a dry run only gives it.
	Sync(ctx context.Context, name string, prune, dryRun bool) ([]ResourceDiff, error)
	Rollback(ctx context.Context, name, id string) error
	Promote(ctx context.Context, name, to string) error
	Restart(ctx context.Context, name string) error
	Terminate(ctx context.Context, name string) error
	Decide(ctx context.Context, promotion string, approve bool) error
}

// How an application stands, in the words of Argo CD.
const (
	Healthy     = "Healthy"
	Progressing = "Progressing"
	Degraded    = "Degraded"
	Missing     = "Missing"
	Suspended   = "Suspended"

	Synced    = "Synced"
	OutOfSync = "OutOfSync"

	PhaseRunning   = "Running"
	PhaseSucceeded = "Succeeded"
	PhaseFailed    = "Failed"
	PhaseError     = "Error"
)

// The states of a promotion.
const (
	PromotionWaitsApproval = "waiting_approval"
	PromotionWaitsHealth   = "waiting_health"
	PromotionGoesOn        = "promoting"
	PromotionDone          = "done"
	PromotionRejected      = "rejected"
	PromotionSuperseded    = "superseded"
)

// AppFilter says which applications; an empty field is any.
type AppFilter struct{ Environment, Service, Health, Sync, Search string }

// App is one service in one environment.
type App struct {
	Name, Service, Environment string
	Project, Path, Repository  string
	Automatic                  bool // synced by itself

	Sync, SyncMessage     string
	Revision              string // of the environment repository
	Health, HealthMessage string
	HealthSince           *time.Time
	Operation             *Operation
	Images                []AppImage
	URL                   string
	Desired, Ready        int
	SourceRepository      string
	SourceRevision        string
	PausedByWindow        string // why the window holds a sync back; empty when none does
	UpdatedAt             *time.Time

	// Of a single one.
	Resources  []Resource
	Conditions []Condition
}

// Version is the commit of the service that the application declares, or failing that its image's digest.
func (a App) Version() string {
	if a.SourceRevision != "" {
		return a.SourceRevision
	}
	for _, i := range a.Images {
		if i.Revision != "" {
			return i.Revision
		}
	}
	for _, i := range a.Images {
		if i.Digest != "" {
			return i.Digest
		}
	}
	return ""
}

// Digest is that of the application's first image.
func (a App) Digest() string {
	for _, i := range a.Images {
		if i.Digest != "" {
			return i.Digest
		}
	}
	return ""
}

// Busy says that something is happening to the application.
func (a App) Busy() bool {
	return a.Health == Progressing || a.Operation != nil && a.Operation.Phase == PhaseRunning
}

// Operation is the running sync or the last one.
type Operation struct {
	Kind                  string // sync, rollback or heal
	Phase, Message        string
	StartedAt, FinishedAt *time.Time
	By, Revision          string
}

// AppImage is an image that the application declares. Revision is the commit it was built from.
type AppImage struct{ Name, Digest, Revision string }

// Resource is one object of the application.
type Resource struct{ Kind, Name, Status, Health, Message string }

// Condition is something that is wrong with the application as it is declared.
type Condition struct{ Type, Message string }

// ResourceDiff is how one object would change: create, update, delete or none.
type ResourceDiff struct{ Kind, Name, Change, Patch string }

// Sync is one entry of the history, the newest first.
type Sync struct {
	ID, Kind              string // the kinds are those of an Operation
	Revision, Digest      string
	SourceRevision        string
	Phase, Message        string
	StartedAt, FinishedAt *time.Time
	By                    string
	RollbackOf            string // the entry that this one undoes
}

// Instance is one process of the application.
type Instance struct {
	Name, Digest, State string
	Ready               bool
	Restarts, Port      int
	StartedAt           *time.Time
	LastExit            string
}

// Landscape is the environments in the order in which versions go through them. Problem is why the environment
// repository, or a part of it, is not read; empty when all is well.
type Landscape struct {
	Environments []Environment
	Problem      string
}

// Environment is a place that services run in. Promote is automatic or approval.
type Environment struct {
	Name, Kind, From, Promote, Sync string
	Windows                         []string
	Open                            bool
	Reason                          string // why it is closed
	OpensAt                         *time.Time
	Applications                    int
}

// Promotion is a version on its way from one environment to the next.
type Promotion struct {
	ID, Service, From, To  string
	Digest, SourceRevision string
	State                  string
	Reason                 string
	RequestedAt            *time.Time
	RequestedBy, DecidedBy string // empty when it came by itself, and while nobody has decided
}
