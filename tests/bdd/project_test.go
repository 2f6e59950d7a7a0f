package bdd

import (
	"context"
	"net/http"

	"github.com/cucumber/godog"
)

// projectSteps describe what the story is about.
func projectSteps(sc *godog.ScenarioContext, the func() *world) {
	sc.Step(`^project "([^"]*)" with service "([^"]*)" from repository "([^"]*)"$`, func(ctx context.Context, project, service, repo string) error {
		w := the()
		w.project, w.repo = project, repo
		return w.describe(ctx, service, repo)
	})
	sc.Step(`^project "([^"]*)" also has service "([^"]*)" from repository "([^"]*)"$`, func(ctx context.Context, _, service, repo string) error {
		return the().describe(ctx, service, repo)
	})
}

// describe adds a service to the project's description and applies it.
func (w *world) describe(ctx context.Context, service, repo string) error {
	w.services = append(w.services, map[string]any{"name": service, "repo": repo})
	return w.send(ctx, http.MethodPut, "/api/dora/v1/projects/"+w.project, map[string]any{
		"project": w.project, "time_zone": "UTC", "services": w.services,
	}, nil)
}
