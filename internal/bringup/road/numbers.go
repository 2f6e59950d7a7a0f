package road

import (
	"context"
	"fmt"
	"net/url"
	"time"
)

// Metric is one of the five, as the service gives it; a value that is nil is not known, and Reason
// says why.
type Metric struct {
	Metric string   `json:"metric"`
	Value  *float64 `json:"value"`
	Unit   string   `json:"unit"`
	N      int      `json:"n"`
	Reason string   `json:"reason"`
}

// Numbers are the sample's delivery metrics of all time, asked again until they know the deployment
// of the commit, for at most patience.
func (r *Road) Numbers(ctx context.Context, sha string, patience time.Duration) (metrics []Metric, deployments int, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		var rows struct {
			Items []struct {
				SHA      string  `json:"sha"`
				Finished *string `json:"finished_at"`
			} `json:"items"`
		}
		if err := r.API.Get(ctx, "/api/dora/v1/deployments", url.Values{"project": {Sample}, "limit": {"100"}}, &rows); err != nil && !absent(err) {
			return nil, 0, fmt.Errorf("read the sample's deployments: %w", err)
		}
		known := false
		for _, d := range rows.Items {
			if d.Finished != nil {
				deployments++
			}
			known = known || d.SHA == sha && d.Finished != nil
		}
		if known {
			var report struct {
				Metrics []Metric `json:"metrics"`
			}
			if err := r.API.Get(ctx, "/api/dora/v1/metrics", url.Values{"project": {Sample}}, &report); err != nil {
				return nil, 0, fmt.Errorf("read the sample's metrics: %w", err)
			}
			return report.Metrics, deployments, nil
		}
		deployments = 0
		if err := pause(ctx); err != nil {
			return nil, 0, fmt.Errorf("the metrics do not know the deployment of %s yet: %w", sha, err)
		}
	}
}
