package gitops

import (
	"context"
	"time"

	"github.com/fawkes-idp/fawkes/internal/local/gitops/manifest"
)

// Object is a Kubernetes object as it is written.
type Object = manifest.Object

// Problem is why the cluster would not take an object.
type Problem struct {
	Object string // Deployment/hello
	Path   string // spec.template.spec.hostNetwork
	Why    string
	Mend   string
}

// Health is that of an application on the cluster.
type Health struct {
	Status  string // Healthy, Progressing, Degraded, Missing, Suspended; see package notify
	Message string
	Since   time.Time // zero: unknown
}

// ObjectHealth is the health of one object of an application.
type ObjectHealth struct{ Kind, Namespace, Name, Status, Message string }

// Instance is one running copy of an application.
type Instance struct {
	Name, Digest, State string
	Ready               bool
	Restarts            int
	Started             time.Time // zero: not started
	Port                int       // 0: none
	LastExit            string    // why the copy before it ended; "" for none
}

// Cluster is what applications run on. The applications of this platform are
// named <service>-<environment>.
type Cluster interface {
	// Check looks for what the cluster cannot do; it changes nothing.
	Check(objects []Object) []Problem
	// Apply declares what the application shall be, all of it, and returns when that
	// is stored; the roll-out goes on by itself. Applying the same again changes
	// nothing.
	Apply(ctx context.Context, app, namespace string, objects []Object, revision string) error
	// Delete takes the application away; one that is not there is no error.
	Delete(ctx context.Context, app string) error
	// Live is what the application is declared to be now, as the cluster holds it.
	Live(app string) ([]Object, bool)
	// Health is the application's, and that of its objects.
	Health(app string) (Health, []ObjectHealth)
	// Instances are the running copies.
	Instances(app string) []Instance
	// Logs are the last lines of a copy, of the newest one where instance is "".
	Logs(app, instance string, tail int) (string, error)
	// Follow gives what a copy writes as it comes, until ctx ends.
	Follow(ctx context.Context, app, instance string, tail int, line func(string) error) error
	// Restart replaces the copies one by one.
	Restart(ctx context.Context, app string) error
	// URL is where the application answers, "" for nowhere.
	URL(app string) string
	// Watch tells the names of applications that have changed.
	Watch() <-chan string
}

// Runner is a cluster that needs to be started and stopped.
type Runner interface {
	Start(ctx context.Context) error
	Stop(ctx context.Context) error
}
