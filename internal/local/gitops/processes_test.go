package gitops

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/clock"
	"github.com/fawkes-idp/fawkes/internal/kit/config"
	"github.com/fawkes-idp/fawkes/internal/kit/module"
	"github.com/fawkes-idp/fawkes/internal/local/gitops/manifest"
	"github.com/fawkes-idp/fawkes/internal/local/gitops/notify"
	"github.com/fawkes-idp/fawkes/internal/sandbox"
)

func TestMain(m *testing.M) {
	sandbox.Init()
	os.Exit(m.Run())
}

// TestWhatIsAppliedToProcessesIsWhatIsWanted has the objects of a folder, as
// kustomize renders them, be applied to the real runtime: what it then holds must
// not differ, or everything would drift for ever.
func TestWhatIsAppliedToProcessesIsWhatIsWanted(t *testing.T) {
	w := newWorld(t, onlyProduction)
	w.release("hello", "production", "v1")
	w.push("v1")
	w.step()
	a := w.app("hello-production")
	desired, err := w.e.objects(t.Context(), a, a.Tree)
	if err != nil {
		t.Fatal(err)
	}
	settings, err := config.Load(keys(), "", nil, map[string]string{"gitops.ingress_port": "18081"})
	if err != nil {
		t.Fatal(err)
	}
	d := module.Deps{Config: settings.Section("gitops"), Log: slog.New(slog.DiscardHandler), Clock: clock.System()}
	p, err := newProcesses(d, t.TempDir(), func() Connections { return Connections{} })
	if err != nil {
		t.Fatal(err)
	}
	if problems := p.Check(desired); len(problems) > 0 {
		t.Fatalf("%+v", problems)
	}
	if err := p.Apply(t.Context(), a.Name, "production", desired, a.Revision); !errors.Is(err, ErrClusterAway) {
		t.Errorf("before its start: %v", err)
	}
	if h, _ := p.Health(a.Name); h.Status != notify.Missing {
		t.Errorf("%+v", h)
	}
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := p.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	if err := p.Apply(t.Context(), a.Name, "production", desired, a.Revision); err != nil {
		t.Fatal(err)
	}
	live, _ := p.Live(a.Name)
	differences, err := manifest.Compare(desired, live)
	if err != nil {
		t.Fatal(err)
	}
	for _, diff := range differences {
		if diff.Change != manifest.None {
			t.Errorf("%s %s/%s:\n%s", diff.Change, diff.Kind, diff.Name, diff.Patch)
		}
	}
	if h, objects := p.Health(a.Name); h.Status == notify.Healthy || len(objects) != 2 {
		t.Errorf("an image that cannot be pulled is %+v, %d objects", h, len(objects))
	}
	spec, ok := desired[0]["spec"].(map[string]any)
	if !ok {
		t.Fatalf("%+v", desired[0])
	}
	spec["paused"], spec["nonsense"] = true, true
	if problems := p.Check(desired); len(problems) == 0 || !strings.Contains(sayProblems(problems), "nonsense") {
		t.Errorf("%+v", problems)
	}
}
