package dora

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/fawkes-idp/fawkes/services/dora/github"
)

// A webhook of a whole organization has one secret for many projects: each delivery belongs to the project of its
// repository.
func TestASourceOfNoProjectIsForEachRepositorysOwn(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		for _, c := range []struct{ body, text string }{
			{`{"kind":"github"}`, "needs a name"},
			{`{"kind":"devlake","name":"all"}`, "for one project"},
			{`{"kind":"github","name":"x","project":"no name"}`, "is not a name for a project"},
		} {
			if code, text := s.call(http.MethodPost, "/api/dora/v1/sources", c.body); code != http.StatusUnprocessableEntity || !strings.Contains(text, c.text) {
				t.Errorf("%s: %d %s, want 422 with %q", c.body, code, text, c.text)
			}
		}
		code, text := s.call(http.MethodPost, "/api/dora/v1/sources", `{"kind":"github","name":"organization"}`)
		var made struct{ Secret string }
		if err := json.Unmarshal([]byte(text), &made); err != nil || code != http.StatusCreated || made.Secret == "" {
			t.Fatalf("add a source without a project: %d %s (%v)", code, text, err)
		}
		for _, repo := range []string{"shop", "search"} {
			body := strings.ReplaceAll(pushOf(pushed(repo, "2026-03-02T08:00:00Z")), "acme/shop", "acme/"+repo)
			if code, text := s.call(http.MethodPost, githubPath, body, "Authorization", "", github.HeaderEvent, "push", github.HeaderDelivery, "d-"+repo,
				github.HeaderSignature, github.Sign(made.Secret, []byte(body))); code != http.StatusAccepted {
				t.Fatalf("push to %s: %d %s", repo, code, text)
			}
			if p := get[projectBody](s, "/api/dora/v1/projects/"+repo); p.Entities["commit"] != 1 {
				t.Errorf("project %s has %v, want its own commit", repo, p.Entities)
			}
		}
	})
}
