package road_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/app"
	"github.com/fawkes-idp/fawkes/internal/app/allinone"
	"github.com/fawkes-idp/fawkes/internal/bringup/road"
	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/clock"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/fawkes-idp/fawkes/internal/sandbox"
)

func TestMain(m *testing.M) {
	sandbox.Init()
	os.Exit(m.Run())
}

// api is the platform's API with the owner's token.
type api struct{ base, token string }

func (a api) Get(ctx context.Context, path string, query url.Values, into any) error {
	return a.call(ctx, http.MethodGet, path+"?"+query.Encode(), nil, into)
}

func (a api) Send(ctx context.Context, method, path string, _ url.Values, body, into any) error {
	return a.call(ctx, method, path, body, into)
}

func (a api) call(ctx context.Context, method, path string, body, into any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, method, a.base+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	if body == nil {
		r.Body = http.NoBody
	}
	r.Header.Set("Authorization", "Bearer "+a.token)
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode >= http.StatusMultipleChoices {
		return problem.New(problem.ForStatus(answer.StatusCode), "%s %s: %s", method, path, said)
	}
	if into == nil || len(said) == 0 {
		return nil
	}
	return json.Unmarshal(said, into)
}

// platform is the whole platform in this process, with no road yet.
func platform(t *testing.T) (api, string) {
	t.Helper()
	state, token := t.TempDir(), auth.NewToken()
	a, err := app.New(app.Options{
		Modules: allinone.Modules(), StateDir: state, Listen: "127.0.0.1:0", Version: "test", Env: os.Environ(),
		Settings: map[string]string{"identity.bootstrap_token": token}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := a.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return api{a.URL(), token}, state
}

// connect joins the parts, as one start does, and gives what is kept.
func connect(t *testing.T, a api, state string) road.Secrets {
	t.Helper()
	r := &road.Road{API: a, Clock: clock.System(), Base: a.base, Public: a.base, State: state, Program: "fawkes", Environ: os.Environ()}
	if _, err := r.Connect(t.Context(), func(string) {}); err != nil {
		t.Fatalf("connect: %v", err)
	}
	if _, err := r.Environments(t.Context(), func(string) {}); err != nil {
		t.Fatalf("environments: %v", err)
	}
	info, err := os.Stat(filepath.Join(state, "road.json"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("road.json has the mode %v (%v), want it for its owner only", info.Mode(), err)
	}
	text, err := os.ReadFile(filepath.Join(state, "road.json"))
	if err != nil {
		t.Fatal(err)
	}
	var s road.Secrets
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestARoadIsJoinedOnceAndMended(t *testing.T) {
	a, state := platform(t)
	first := connect(t, a, state)
	if got := connect(t, a, state); fmt.Sprint(got) != fmt.Sprint(first) {
		t.Errorf("a second start made other credentials:\n%v\n%v", got, first)
	}

	t.Run("each token may do one thing", func(t *testing.T) {
		for name, refused := range map[string]string{
			"runner-git": "/api/dora/v1/projects", "runner-events": "/api/git/v1/repositories", "gitops-registry": "/api/git/v1/repositories",
			"gitops-events": "/api/gitops/v1/applications", "runner-registry": "/api/runner/v1/runs",
		} {
			err := api{a.base, first.Tokens[name].Secret}.Get(t.Context(), refused, nil, nil)
			if err == nil || !strings.Contains(err.Error(), "this needs the scope") {
				t.Errorf("%s at %s: %v, want it refused for want of a scope", name, refused, err)
			}
		}
	})

	t.Run("what was taken back is made again", func(t *testing.T) {
		for _, path := range []string{"/api/identity/v1/tokens/" + first.Tokens["runner-git"].ID, "/api/dora/v1/sources/" + first.GitHubSource.ID} {
			if err := a.Send(t.Context(), http.MethodDelete, path, nil, nil, nil); err != nil {
				t.Fatal(err)
			}
		}
		again := connect(t, a, state)
		if again.Tokens["runner-git"].Secret == first.Tokens["runner-git"].Secret || again.GitHubSource.Secret == first.GitHubSource.Secret {
			t.Error("a token or source that was taken back is still relied on")
		}
		if again.Tokens["runner-events"] != first.Tokens["runner-events"] {
			t.Error("a token that was good was made again")
		}
	})

	t.Run("lost secrets are made again, and nothing is there twice", func(t *testing.T) {
		if err := os.Remove(filepath.Join(state, "road.json")); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(filepath.Join(state, "keys")); err != nil {
			t.Fatal(err)
		}
		connect(t, a, state)
		var sources struct{ Items []struct{ Kind, Name string } }
		if err := a.Get(t.Context(), "/api/dora/v1/sources", nil, &sources); err != nil || len(sources.Items) != 1 {
			t.Errorf("sources %v (%v), want the git server once", sources.Items, err)
		}
		var hooks struct {
			Items []struct {
				Name, Repository string
				Signed           bool
			}
		}
		if err := a.Get(t.Context(), "/api/git/v1/hooks", nil, &hooks); err != nil || len(hooks.Items) != 3 {
			t.Fatalf("hooks %v (%v), want those of the metrics, the runner and GitOps", hooks.Items, err)
		}
		for _, h := range hooks.Items {
			environments := strings.Contains(h.Repository, "!"+road.EnvironmentsRepository)
			if !h.Signed || h.Name != "gitops" && !environments || h.Name == "gitops" && h.Repository != road.EnvironmentsRepository {
				t.Errorf("hook %+v", h)
			}
		}
	})
}
