// Package bdd runs the platform's acceptance criteria, written in the business's words in features/*.feature,
// against the real platform: every scenario starts it in this process with state of its own and speaks to it
// over HTTP, as a customer's tools do.
package bdd

import (
	"context"
	"testing"

	"github.com/cucumber/godog"
)

// TestFeatures runs every scenario; one with a step that is undefined or pending fails.
func TestFeatures(t *testing.T) {
	suite := godog.TestSuite{
		Name: "fawkes",
		ScenarioInitializer: func(sc *godog.ScenarioContext) {
			var w *world
			sc.Before(func(ctx context.Context, _ *godog.Scenario) (context.Context, error) {
				var err error
				w, err = newWorld(ctx)
				return ctx, err
			})
			sc.After(func(ctx context.Context, _ *godog.Scenario, err error) (context.Context, error) {
				if w == nil {
					return ctx, nil
				}
				if err != nil {
					t.Logf("the platform's log:\n%s", w.log)
				}
				return ctx, w.close()
			})
			// The steps are methods of the world that Before has made.
			the := func() *world { return w }
			projectSteps(sc, the)
			deliverySteps(sc, the)
			sourceSteps(sc, the)
			gitopsSteps(sc, the)
			accessSteps(sc, the)
			repositorySteps(sc, the)
		},
		Options: &godog.Options{Format: "pretty", Paths: []string{"features"}, TestingT: t, Strict: true, NoColors: true},
	}
	if status := suite.Run(); status != 0 {
		t.Fatalf("godog ended with status %d", status)
	}
}
