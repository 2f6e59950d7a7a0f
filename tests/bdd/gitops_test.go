package bdd

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/cucumber/godog"
)

// gitopsSteps speak as Argo CD's notifications do, and as a pipeline with CDEvents.
func gitopsSteps(sc *godog.ScenarioContext, the func() *world) {
	sc.Step(`^Argo CD is connected to project "([^"]*)"$`, func(ctx context.Context, project string) error {
		w := the()
		for kind, to := range map[string]*webhook{"argocd": &w.webhook, "cdevents": &w.pipeline} {
			var source struct{ Secret, Path string }
			if err := w.send(ctx, http.MethodPost, "/api/dora/v1/sources", map[string]any{"kind": kind, "name": kind, "project": project}, &source); err != nil {
				return err
			}
			*to = webhook{path: source.Path, secret: source.Secret}
		}
		return nil
	})
	sc.Step(`^the pipeline has made image "([^"]*)" from commit "([^"]*)"$`, func(ctx context.Context, image, commit string) error {
		return the().madeImage(ctx, image, commit)
	})
	sc.Step(`^Argo CD brings image "([^"]*)" of "([^"]*)" to production, from (\S+) to (\S+)$`, func(ctx context.Context, image, service, from, to string) error {
		return the().synced(ctx, image, service, from, to)
	})
	sc.Step(`^no deployment is of the manifests' commit$`, func(ctx context.Context) error {
		all, err := the().deployments(ctx, the().project)
		for _, d := range all {
			if d.SHA == shaOf("manifests") {
				return fmt.Errorf("deployment %s is of the commit of the manifests", d.ID)
			}
		}
		return err
	})
}

func digestOf(image string) string {
	sum := sha256.Sum256([]byte(image))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// madeImage sends the CDEvent of an image, in binary mode.
func (w *world) madeImage(ctx context.Context, image, commit string) error {
	return w.tell(ctx, w.pipeline, map[string]any{
		"context": map[string]any{"version": "0.4.1", "id": image, "source": "/pipeline", "type": "dev.cdevents.artifact.packaged.0.2.0", "timestamp": "2026-03-02T09:20:00Z"},
		"subject": map[string]any{"id": "pkg:oci/api@" + digestOf(image), "type": "artifact", "content": map[string]any{
			"change": map[string]any{"id": shaOf(commit), "source": w.repo},
		}},
	}, "Ce-Specversion", "1.0", "Ce-Id", image, "Ce-Source", "/pipeline", "Ce-Type", "dev.cdevents.artifact.packaged.0.2.0")
}

// synced sends what Argo CD reports of an operation: that it runs, and that it succeeded.
func (w *world) synced(ctx context.Context, image, service, from, to string) error {
	for _, o := range []map[string]any{
		{"phase": "Running", "startedAt": from, "revision": shaOf("manifests")},
		{"phase": "Succeeded", "startedAt": from, "finishedAt": to, "revision": shaOf("manifests")},
	} {
		err := w.tell(ctx, w.webhook, map[string]any{
			"fawkes":      "argocd/v1",
			"app":         map[string]any{"name": service, "namespace": "argocd", "uid": "1"},
			"destination": map[string]any{"namespace": "production"},
			"operation":   o,
			"history":     map[string]any{"id": 1, "revision": shaOf("manifests")},
			"resources":   []any{map[string]any{"kind": "Deployment", "name": service, "images": []any{"registry.example/" + service + "@" + digestOf(image)}}},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// tell sends a delivery with the token of its source.
func (w *world) tell(ctx context.Context, to webhook, v any, header ...string) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	a, err := w.request(ctx, credential{bearer: to.secret}, http.MethodPost, to.path, "application/json", body, header...)
	if err != nil {
		return err
	}
	return a.into(nil)
}
