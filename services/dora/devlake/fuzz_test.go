package devlake

import (
	"errors"
	"testing"

	"github.com/fawkes-idp/fawkes/services/dora/event"
)

// FuzzDevLake wants of every body and mapper either a *event.FieldError, or
// valid events of the connection whose ids are unique.
func FuzzDevLake(f *testing.F) {
	for _, name := range []string{"deployment", "deployment_of_three", "issue", "pull_request"} {
		f.Add(fixture(f, name))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		now := event.Time(1_772_874_000_000_000)
		for what, m := range map[string]func() ([]event.Event, error){
			"deployments":   func() ([]event.Event, error) { return Deployments("ci", body) },
			"issue":         func() ([]event.Event, error) { return Issue("ci", body, now) },
			"pull request":  func() ([]event.Event, error) { return PullRequest("ci", body) },
			"close":         func() ([]event.Event, error) { return Close("ci", string(body), now) },
			"of connection": func() ([]event.Event, error) { return PullRequest(string(body), body) },
		} {
			events, err := m()
			if err != nil {
				var fault *event.FieldError
				if !errors.As(err, &fault) || fault.Field == "" || fault.Detail == "" {
					t.Fatalf("%s: got %T %v, want a *event.FieldError with a field and a detail", what, err, err)
				}
				continue
			}
			seen := map[string]bool{}
			for i, e := range events {
				if err := e.Body.Validate(); err != nil {
					t.Fatalf("%s: event %d: %v", what, i, err)
				}
				if _, err := event.Pack(e.Body); err != nil {
					t.Fatalf("%s: event %d: %v", what, i, err)
				}
				if seen[e.Body.Entity()] {
					t.Fatalf("%s: two events are about %q", what, e.Body.Entity())
				}
				seen[e.Body.Entity()] = true
				if e.At == 0 || what != "of connection" && e.Source != "devlake:ci" {
					t.Fatalf("%s: event %d is at %d, from %q", what, i, e.At, e.Source)
				}
			}
		}
	})
}
