package platform

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestEveryFolderThatTheInventoryNamesExistsAndCanBeRendered(t *testing.T) {
	inv, err := Read([]byte(small(t)), services())
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	make := func(name string) {
		t.Helper()
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	whole := []string{
		"platform/components/alerts/kustomization.yaml", "platform/components/prometheus/kustomization.yaml",
		"platform/components/postgresql/kustomization.yaml", "charts/fawkes/Chart.yaml", "charts/fawkes/profiles/tier1.yaml",
	}
	for _, name := range whole {
		make(name)
	}
	if found := Places(root, inv); len(found) > 0 {
		t.Fatalf("a whole tree: %v", found)
	}
	for _, c := range []struct{ gone, field, detail string }{
		{whole[0], "components[prometheus].source.manifests", "neither a chart nor has it a kustomization"},
		{whole[1], "components[prometheus].instead.kit.path", "neither a chart nor has it a kustomization"},
		{"platform/components/postgresql", "components[postgresql].source.path", "there is no folder platform/components/postgresql"},
		{whole[4], "components[fawkes].source.valueFiles", "there is no file charts/fawkes/profiles/tier1.yaml"},
	} {
		t.Run(c.gone, func(t *testing.T) {
			away := filepath.Join(t.TempDir(), "away")
			if err := os.Rename(filepath.Join(root, c.gone), away); err != nil {
				t.Fatal(err)
			}
			found := Places(root, inv)
			if err := os.Rename(away, filepath.Join(root, c.gone)); err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(found, func(f Finding) bool { return f.Field == c.field && strings.Contains(f.Detail, c.detail) }) {
				t.Errorf("found %v; want %s: %s", found, c.field, c.detail)
			}
		})
	}
}
