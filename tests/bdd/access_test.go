package bdd

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/cucumber/godog"
)

// accessSteps speak as people who may do less than everything.
func accessSteps(sc *godog.ScenarioContext, the func() *world) {
	sc.Step(`^someone with the role "([^"]*)"$`, func(ctx context.Context, role string) error { return the().become(ctx, role) })
	sc.Step(`^someone without a token$`, func() error { the().someone = credential{}; return nil })

	sc.Step(`^they can read the metrics of "([^"]*)"$`, func(ctx context.Context, project string) error {
		return the().allowed(the().readMetrics(ctx, project))
	})
	sc.Step(`^they cannot read the metrics of "([^"]*)": "([^"]*)"$`, func(ctx context.Context, project, code string) error {
		return the().denied(code)(the().readMetrics(ctx, project))
	})
	sc.Step(`^they report a deployment of "([^"]*)" to production$`, func(ctx context.Context, service string) error {
		return the().allowed(the().reportOne(ctx, service))
	})
	sc.Step(`^they cannot report a deployment of "([^"]*)": "([^"]*)"$`, func(ctx context.Context, service, code string) error {
		return the().denied(code)(the().reportOne(ctx, service))
	})
	sc.Step(`^they cannot change project "([^"]*)": "([^"]*)"$`, func(ctx context.Context, project, code string) error {
		return the().denied(code)(the().changeProject(ctx, project))
	})
}

// become makes a person with a role and signs them in by a one-time link, as an admin would.
func (w *world) become(ctx context.Context, role string) error {
	var person struct{ ID string }
	if err := w.send(ctx, http.MethodPost, "/api/identity/v1/people", map[string]any{"name": "Someone", "role": role}, &person); err != nil {
		return err
	}
	var link struct{ URL string }
	if err := w.send(ctx, http.MethodPost, "/api/identity/v1/signin-links", map[string]any{"person": person.ID}, &link); err != nil {
		return err
	}
	cookie, err := w.signIn(ctx, link.URL)
	w.someone = credential{cookie: cookie}
	return err
}

func (w *world) readMetrics(ctx context.Context, project string) (answer, error) {
	return w.request(ctx, w.someone, http.MethodGet, "/api/dora/v1/metrics?project="+project, "", nil)
}

func (w *world) reportOne(ctx context.Context, service string) (answer, error) {
	event := deploymentEvent(w.project, service, w.repo, "theirs", "start", "2026-03-02T09:30:00Z", "success")
	body, err := json.Marshal(event)
	if err != nil {
		return answer{}, err
	}
	return w.request(ctx, w.someone, http.MethodPost, "/api/dora/v1/events", "application/json", body)
}

func (w *world) changeProject(ctx context.Context, project string) (answer, error) {
	body, err := json.Marshal(map[string]any{"project": project, "incident_window": "1h"})
	if err != nil {
		return answer{}, err
	}
	return w.request(ctx, w.someone, http.MethodPut, "/api/dora/v1/projects/"+project, "application/json", body)
}

func (w *world) allowed(a answer, err error) error {
	if err != nil {
		return err
	}
	return a.into(nil)
}

// denied requires a problem with that code.
func (w *world) denied(code string) func(answer, error) error {
	return func(a answer, err error) error {
		if err != nil {
			return err
		}
		var problem struct{ Code string }
		if err := json.Unmarshal(a.body, &problem); err != nil || problem.Code != code || a.status < 400 {
			return fmt.Errorf("%s answers %d %s, want the problem %q", a.what, a.status, a.body, code)
		}
		return nil
	}
}
