package platform

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	"gopkg.in/yaml.v3"
)

// planted is a chart as its project would publish it.
const planted = `
-- prometheus/Chart.yaml --
name: prometheus
version: 1.2.3
dependencies: [{name: exporter, alias: nodes}, {name: far}]
-- prometheus/values.yaml --
server: {replicas: 1, labels: {}, image: {tag: ""}, side: {tag: 8, annotations: {a: b}}, args: [], config: {x: 1}, tracing: null}
enabled: true
inject: "-"
-- prometheus/values.schema.json --
{"properties": {"inject": {"type": ["boolean", "string"]}, "enabled": {"type": "boolean"}, "server": {"properties": {"replicas": {"type": "integer"}}}}}
-- prometheus/templates/a.yaml --
{{ .Values.server.image.tag }} {{ toYaml .Values.server.config }} {{ .Values.server.hidden.deep }} {{ $.Values.server.labels.team }}
-- prometheus/charts/exporter/Chart.yaml --
name: exporter
version: 0.1.0
-- prometheus/charts/exporter/values.yaml --
port: 9100
`

func unpackCharts(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range txtar.Parse([]byte(planted)).Files {
		file := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestTheKeysOfAChartAreThoseOfItsValuesItsTemplatesAndItsDependencies(t *testing.T) {
	keys, _, err := ReadChart(filepath.Join(unpackCharts(t), "prometheus"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"enabled": "boolean", "inject": "any", "far": "any", "nodes": map[string]any{"port": "number"},
		"server": map[string]any{
			"replicas": "number", "labels": "map", "image": map[string]any{"tag": "string"}, "side": map[string]any{"tag": "number", "annotations": map[string]any{"a": "string"}}, "args": "list",
			"config": map[string]any{"x": "number", "*": "any"}, "tracing": "any", "hidden": map[string]any{"deep": "any"},
		},
	}
	if diff := cmp.Diff(want, keys.Values); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
}

func TestValuesThatAChartDoesNotReadAreFound(t *testing.T) {
	charts, root := unpackCharts(t), t.TempDir()
	inv, err := Read([]byte(small(t)), services())
	if err != nil {
		t.Fatal(err)
	}
	files, absent, err := ChartKeys(inv, charts)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"collector v0.9.1"}, absent); diff != "" {
		t.Errorf("charts that are absent (-want +got):\n%s", diff)
	}
	if err := Write(root, files); err != nil {
		t.Fatal(err)
	}
	for i, c := range inv.Components {
		if c.Source.Chart == nil || c.Source.Chart.Name != "prometheus" {
			continue
		}
		for _, try := range []struct{ values, want string }{
			{"{server: {replicas: 2, labels: {a: b}, config: {y: 2}, tracing: {on: true}, hidden: {deep: 1}}, nodes: {port: 1}, far: {x: 1}}", ""},
			{"{server: {side: {tag: 8.1.2, annotations: {c: d}}}}", ""},
			{"{server: {side: {tag: [8]}}}", "values.server.side.tag: is a list"},
			{"{inject: false}", ""},
			{"{server: {replica: 2}}", "components[prometheus].source.values.server.replica: the chart prometheus 1.2.3 reads no such value; did you mean replicas?"},
			{"{replicas: 2}", "values.replicas: the chart prometheus 1.2.3 reads no such value"},
			{"{server: {replicas: two}}", "values.server.replicas: is a string, and the chart prometheus 1.2.3 has a number"},
			{"{server: {args: {a: b}}}", "values.server.args: is a map"},
			{"{server: 1}", "values.server: the chart prometheus 1.2.3 has a mapping here"},
			{"{nodes: {prt: 1}}", "values.nodes.prt: the chart prometheus 1.2.3 reads no such value; did you mean port?"},
			{"{server: {replicas: 1}}", "values.server.replicas: repeats the default"},
			{"{enabled: true}", "values.enabled: repeats the default"},
		} {
			inv.Components[i].Source.Values = nil
			if err := yaml.Unmarshal([]byte(try.values), &inv.Components[i].Source.Values); err != nil {
				t.Fatal(err)
			}
			found, err := ChartValues(root, inv, charts)
			if err != nil {
				t.Fatal(err)
			}
			var about []string
			for _, f := range found {
				if strings.HasPrefix(f.Field, "components[prometheus]") {
					about = append(about, f.String())
				}
			}
			if got := strings.Join(about, "\n"); (try.want == "") != (got == "") || !strings.Contains(got, try.want) {
				t.Errorf("%s: found %q, want %q", try.values, got, try.want)
			}
		}
		inv.Components[i].Source.Values = nil
		inv.Components[i].Source.Chart.Version = "1.2.4"
	}
	found, err := ChartValues(root, inv, "")
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 2 || !strings.Contains(found[0].String(), "the keys of collector are not known") || !strings.Contains(found[1].String(), "is 1.2.4, and the keys that are known are those of 1.2.3") {
		t.Errorf("found %v", found)
	}
}
