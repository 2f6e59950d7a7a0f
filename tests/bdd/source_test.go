package bdd

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/cucumber/godog"
)

// webhook is a connection to GitHub: where it delivers, and the secret it signs with.
type webhook struct{ path, secret string }

// sourceSteps speak as GitHub does.
func sourceSteps(sc *godog.ScenarioContext, the func() *world) {
	sc.Step(`^GitHub is connected to project "([^"]*)"$`, func(ctx context.Context, project string) error { return the().connect(ctx, project) })
	sc.Step(`^GitHub delivers a finished deployment of "([^"]*)" to production, of commit "([^"]*)", as delivery "([^"]*)"$`,
		func(ctx context.Context, service, commit, id string) error {
			return the().deliver(ctx, the().webhook.secret, service, commit, id)
		})
	sc.Step(`^GitHub delivers the very same delivery "([^"]*)" again$`, func(ctx context.Context, id string) error {
		return the().deliver(ctx, the().webhook.secret, "api", "start", id)
	})
	sc.Step(`^a stranger delivers a finished deployment of "([^"]*)" to production, of commit "([^"]*)", as delivery "([^"]*)"$`,
		func(ctx context.Context, service, commit, id string) error {
			return the().deliver(ctx, "a guess", service, commit, id)
		})
	sc.Step(`^GitHub gets the same answer both times$`, func() error { return the().sameAnswers() })
	sc.Step(`^the delivery is refused$`, func() error {
		w := the()
		last := w.deliveries[len(w.deliveries)-1]
		if last.status != http.StatusUnauthorized {
			return fmt.Errorf("%s answers %d %s, want 401", last.what, last.status, last.body)
		}
		return nil
	})
}

// connect makes a source; its secret is shown once.
func (w *world) connect(ctx context.Context, project string) error {
	var source struct{ Secret string }
	err := w.send(ctx, http.MethodPost, "/api/dora/v1/sources", map[string]any{"kind": "github", "name": "github", "project": project}, &source)
	w.webhook = webhook{path: "/webhooks/dora/github", secret: source.Secret}
	if err == nil && source.Secret == "" {
		err = fmt.Errorf("the new source shows no secret")
	}
	return err
}

// deliver sends a deployment_status event with GitHub's headers, signed with the secret.
func (w *world) deliver(ctx context.Context, secret, service, commit, id string) error {
	body, err := json.Marshal(map[string]any{
		"action": "created",
		"deployment_status": map[string]any{
			"id": 7, "state": "success", "environment": "production",
			"created_at": "2026-03-02T09:30:00Z", "updated_at": "2026-03-02T09:30:00Z",
		},
		"deployment": map[string]any{
			"id": 1, "sha": shaOf(commit), "ref": "main", "task": "deploy", "environment": "production",
			"payload":    map[string]any{"service": service},
			"created_at": "2026-03-02T09:25:00Z", "updated_at": "2026-03-02T09:30:00Z",
		},
		"repository": map[string]any{
			"id": 1, "name": "shop", "full_name": "shop/shop", "html_url": "https://git.example/shop",
			"clone_url": w.repo, "default_branch": "main",
		},
	})
	if err != nil {
		return err
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	a, err := w.request(ctx, credential{}, http.MethodPost, w.webhook.path, "application/json", body,
		"X-GitHub-Event", "deployment_status", "X-GitHub-Delivery", id,
		"X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	w.deliveries = append(w.deliveries, a)
	return err
}

func (w *world) sameAnswers() error {
	if len(w.deliveries) != 2 {
		return fmt.Errorf("%d deliveries, want 2", len(w.deliveries))
	}
	first, second := w.deliveries[0], w.deliveries[1]
	if first.status != second.status || first.status < 200 || first.status > 299 {
		return fmt.Errorf("answers %d %s, then %d %s; want the same success", first.status, first.body, second.status, second.body)
	}
	return nil
}
