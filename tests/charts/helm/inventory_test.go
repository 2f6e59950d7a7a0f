package helm

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"sigs.k8s.io/yaml"
)

// chartSource is a component's source, as far as Helm reads it.
type chartSource struct {
	Chart  *struct{ Name, Version string }
	Values map[string]any
}

// component is what the inventory says of a component, as far as a chart's manifests can be held against it.
type component struct {
	Name      string
	Source    chartSource
	Instead   map[string]chartSource
	Workloads []struct {
		Name   string
		Labels map[string]string
		Ports  map[string]int
	}
	Kinds, ClusterKinds []string
}

// TestChartsOfTheInventory renders each chart of the folder that FAWKES_CHARTS names, by the values of the inventory: the
// schema of the chart takes them, every kind is one that the inventory lists, and the pods of each workload have its
// labels and ports. Without a folder there is nothing to render, and only the inventory is read.
func TestChartsOfTheInventory(t *testing.T) {
	text, err := os.ReadFile("../../../platform/inventory.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var inventory struct{ Components []component }
	if err := yaml.Unmarshal(text, &inventory); err != nil {
		t.Fatal(err)
	}
	if len(inventory.Components) == 0 {
		t.Fatal("the inventory has no components")
	}
	folder := os.Getenv("FAWKES_CHARTS")
	entries := []string{}
	if folder != "" {
		if entries, err = filepath.Glob(filepath.Join(folder, "*", "Chart.yaml")); err != nil || len(entries) == 0 {
			t.Fatalf("%s has no charts: %v", folder, err)
		}
	}
	there := map[string]bool{}
	for _, e := range entries {
		there[filepath.Base(filepath.Dir(e))] = true
	}
	for _, c := range inventory.Components {
		sources := map[string]chartSource{"": c.Source}
		for profile, s := range c.Instead {
			sources[profile] = s
		}
		for profile, s := range sources {
			if s.Chart == nil || !there[s.Chart.Name] {
				continue
			}
			t.Run(strings.TrimSuffix(c.Name+"-"+profile, "-"), func(t *testing.T) { c.hold(t, filepath.Join(folder, s.Chart.Name), s) })
		}
	}
}

// hold renders a chart and holds what comes out against the component.
func (c component) hold(t *testing.T, dir string, s chartSource) {
	t.Helper()
	loaded, err := loader.LoadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if loaded.Metadata.Version != s.Chart.Version {
		t.Fatalf("the folder has %s, the inventory pins %s", loaded.Metadata.Version, s.Chart.Version)
	}
	if err := dependencies(loaded, s.Values); err != nil {
		t.Fatal(err)
	}
	text, _, err := renderAs(loaded, c.Name, s.Values)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]bool{}
	for _, k := range append(c.Kinds, c.ClusterKinds...) {
		kinds[k] = true
	}
	ports := map[string]map[int]bool{} // by workload
	for document := range strings.SplitSeq(text, "---\n") {
		var m manifest
		if err := yaml.Unmarshal([]byte(document), &m); err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		if m.Kind == "" || m.Metadata.Annotations["helm.sh/hook"] == "test" {
			continue
		}
		if !kinds[m.groupKind()] {
			t.Errorf("%s %s is of no kind that the inventory lists", m.groupKind(), m.Metadata.Name)
		}
		for _, w := range c.Workloads {
			if m.Spec.Template.Metadata.has(w.Labels) {
				if ports[w.Name] == nil {
					ports[w.Name] = map[int]bool{}
				}
				for _, container := range m.Spec.Template.Spec.Containers {
					for _, p := range container.Ports {
						ports[w.Name][p.ContainerPort] = true
					}
				}
			}
		}
	}
	for _, w := range c.Workloads {
		if ports[w.Name] == nil {
			t.Errorf("no pod has the labels of the workload %s: %v", w.Name, w.Labels)
			continue
		}
		for name, port := range w.Ports {
			if !ports[w.Name][port] {
				t.Errorf("the pods of %s do not open %s (%d), only %v", w.Name, name, port, ports[w.Name])
			}
		}
	}
}

// manifest is an object, as far as it is held against the inventory.
type manifest struct {
	APIVersion, Kind string
	Metadata         metadata
	Spec             struct {
		Template struct {
			Metadata metadata
			Spec     struct {
				Containers []struct{ Ports []struct{ ContainerPort int } }
			}
		}
	}
}

type metadata struct {
	Name                string
	Labels, Annotations map[string]string
}

// groupKind is the kind as the inventory writes it.
func (m manifest) groupKind() string {
	if group, _, ok := strings.Cut(m.APIVersion, "/"); ok {
		return m.Kind + "." + group
	}
	return m.Kind
}

func (m metadata) has(labels map[string]string) bool {
	for key, value := range labels {
		if m.Labels[key] != value {
			return false
		}
	}
	return len(labels) > 0
}
