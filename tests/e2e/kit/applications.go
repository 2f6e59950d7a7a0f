//go:build linux

package kit

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/tests/e2e/cluster"
)

// Application is what Argo CD says of one of its Applications.
type Application struct {
	Name         string
	Wave         string
	Sync, Health string
	Revision     string
	Images       []string
	Operation    string // the phase of the last operation
	Message      string // why it is not well, as far as Argo CD knows
	Started      time.Time
	Finished     time.Time
}

// Healthy says whether the Application is what git says, and well.
func (a Application) Healthy() bool { return a.Sync == "Synced" && a.Health == "Healthy" }

// Applications asks Argo CD's objects for all Applications, in the order of their waves and names.
func Applications(ctx context.Context, c *cluster.Cluster) ([]Application, error) {
	text, err := c.Kubectl(ctx, "--namespace", "argocd", "get", "applications.argoproj.io", "-o", "json")
	if err != nil {
		return nil, err
	}
	var list struct {
		Items []struct {
			Metadata struct {
				Name        string
				Annotations map[string]string
			}
			Status struct {
				Sync       struct{ Status, Revision string }
				Health     struct{ Status, Message string }
				Summary    struct{ Images []string }
				Conditions []struct{ Type, Message string }
				State      struct {
					Phase, Message string
					Started        time.Time `json:"startedAt"`
					Finished       time.Time `json:"finishedAt"`
				} `json:"operationState"`
			}
		}
	}
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, fmt.Errorf("read the Applications: %w", err)
	}
	var out []Application
	for _, item := range list.Items {
		s := item.Status
		a := Application{
			Name: item.Metadata.Name, Wave: item.Metadata.Annotations["argocd.argoproj.io/sync-wave"], Sync: s.Sync.Status, Revision: s.Sync.Revision,
			Health: s.Health.Status, Images: s.Summary.Images, Operation: s.State.Phase, Started: s.State.Started, Finished: s.State.Finished,
		}
		for _, condition := range s.Conditions {
			a.Message += condition.Type + ": " + condition.Message + "; "
		}
		if s.State.Phase != "Succeeded" {
			a.Message += s.State.Message
		}
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b Application) int { return strings.Compare(a.Wave+a.Name, b.Wave+b.Name) })
	return out, nil
}

// untilHealthy waits until all of these Applications are there and healthy, and tells of each that becomes so.
func (k *Kit) untilHealthy(ctx context.Context, limit time.Duration, names ...string) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	told := map[string]bool{}
	var last []Application
	for {
		apps, err := Applications(ctx, k.Cluster)
		if err == nil {
			last = apps
			left := 0
			for _, name := range names {
				i := slices.IndexFunc(apps, func(a Application) bool { return a.Name == name })
				if i < 0 || !apps[i].Healthy() {
					left++
				} else if !told[name] {
					told[name] = true
					k.mark("wave %-2s %s is Healthy", apps[i].Wave, name)
				}
			}
			if left == 0 {
				return nil
			}
		}
		if werr := pause(ctx, 250*time.Millisecond); werr != nil {
			var says strings.Builder
			for _, a := range last {
				fmt.Fprintf(&says, "\n  %-26s wave %-2s %-10s %-12s %s %s", a.Name, a.Wave, a.Sync, a.Health, a.Operation, a.Message)
			}
			return fmt.Errorf("%s not Healthy within %s (%w):%s", strings.Join(names, ", "), limit, werr, says.String())
		}
	}
}

// pause waits between two looks.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
