package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

// checkpoint is how far an import has come, in the server's own form.
type checkpoint struct {
	Key         string   `json:"key"`
	Repo        string   `json:"repo"`
	Tips        []string `json:"tips"`
	Deployments int      `json:"deployments"`
}

// mostTips is how many tips the server keeps of one import.
const mostTips = 10_000

// checkpoints are those of one project. The server keeps them: when its state is lost, so are they,
// and everything is sent again. The walk reads them while the answers move them.
type checkpoints struct {
	client  *api
	project string

	mu      sync.Mutex
	byKey   map[string]checkpoint
	changed map[string]bool
}

// loadCheckpoints asks the server how far former imports came.
func loadCheckpoints(ctx context.Context, client *api, project string) (*checkpoints, error) {
	c := &checkpoints{client: client, project: project, byKey: map[string]checkpoint{}, changed: map[string]bool{}}
	var answer struct {
		Items []checkpoint `json:"items"`
	}
	err := client.get(ctx, doraBase+"/imports", url.Values{"project": {project}}, &answer)
	var refused *problem.Problem
	if errors.As(err, &refused) && refused.Status == http.StatusNotFound && refused.Code == problem.UnknownProject {
		return c, nil // nothing was imported into it yet
	}
	if err != nil {
		return nil, err
	}
	for _, item := range answer.Items {
		c.byKey[item.Key] = item
	}
	return c, nil
}

// tips gives the commits that are known to be stored with all their ancestors.
func (c *checkpoints) tips(key string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.byKey[key].Tips
}

// set moves a checkpoint; save tells the server.
func (c *checkpoints) set(key, repo string, tips []string, deployments int) {
	if len(tips) > mostTips {
		return // too many to keep: what lies behind the former ones is sent again
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if old, ok := c.byKey[key]; ok && slices.Equal(old.Tips, tips) && old.Deployments == deployments {
		return
	}
	c.byKey[key] = checkpoint{Key: key, Repo: repo, Tips: tips, Deployments: deployments}
	c.changed[key] = true
}

// save stores the checkpoints that have moved.
func (c *checkpoints) save(ctx context.Context) error {
	c.mu.Lock()
	var moved []checkpoint
	for key := range c.changed {
		moved = append(moved, c.byKey[key])
	}
	clear(c.changed)
	c.mu.Unlock()
	for _, m := range moved {
		path := doraBase + "/imports/" + url.PathEscape(m.Key)
		if err := c.client.send(ctx, http.MethodPut, path, url.Values{"project": {c.project}}, m, nil); err != nil {
			return fmt.Errorf("store the import's checkpoint: %w", err)
		}
	}
	return nil
}

// checkpointKey names what an import covers: another repository, another border, or paths where
// there were none, is another import.
func checkpointKey(kind string, parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return kind + "-" + hex.EncodeToString(sum[:12])
}
