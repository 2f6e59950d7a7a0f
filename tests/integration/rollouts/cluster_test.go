package rollouts

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fawkes-idp/fawkes/internal/local/gitops"
	"github.com/fawkes-idp/fawkes/internal/local/gitops/manifest"
)

// cluster keeps what is applied in memory; an image whose name holds "bad" never
// gets healthy.
type cluster struct {
	mu     sync.Mutex
	apps   map[string][]gitops.Object
	health map[string]gitops.Health
	events chan string
}

func newCluster() *cluster {
	return &cluster{apps: map[string][]gitops.Object{}, health: map[string]gitops.Health{}, events: make(chan string, 1000)}
}

func (c *cluster) Check([]gitops.Object) []gitops.Problem { return nil }

func (c *cluster) Apply(_ context.Context, app, _ string, objects []gitops.Object, _ string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if fmt.Sprint(c.apps[app]) == fmt.Sprint(objects) {
		return nil
	}
	c.apps[app], c.health[app] = slices.Clone(objects), gitops.Health{Status: "Healthy", Since: time.Now().UTC()}
	for _, o := range objects {
		if strings.Contains(strings.Join(manifest.Images(o), " "), "bad") {
			c.health[app] = gitops.Health{Status: "Degraded", Message: "/healthz answers 500", Since: time.Now().UTC()}
		}
	}
	c.events <- app
	return nil
}

func (c *cluster) Delete(_ context.Context, app string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.apps, app)
	return nil
}

func (c *cluster) Live(app string) ([]gitops.Object, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o, ok := c.apps[app]
	return slices.Clone(o), ok
}

func (c *cluster) Health(app string) (gitops.Health, []gitops.ObjectHealth) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h, ok := c.health[app]; ok {
		return h, nil
	}
	return gitops.Health{Status: "Missing"}, nil
}

func (c *cluster) Instances(string) []gitops.Instance { return nil }
func (c *cluster) Logs(string, string, int) (string, error) {
	return "", errors.New("there are none")
}

func (c *cluster) Follow(context.Context, string, string, int, func(string) error) error { return nil }
func (c *cluster) Restart(context.Context, string) error                                 { return nil }
func (c *cluster) URL(string) string                                                     { return "" }
func (c *cluster) Watch() <-chan string                                                  { return c.events }
