package helm

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
)

var update = flag.Bool("update", false, "write the golden files again")

// combination is one way in which a chart is installed.
type combination struct{ chart, tier, cloud string }

func (c combination) String() string { return c.chart + "-" + c.tier + "-" + c.cloud }

// files are the chart's profiles, and testdata's example of what that cloud's stack hands over.
func (c combination) files() []string {
	place := "cloud"
	if c.cloud == "local" {
		place = "local"
	}
	profiles := path.Join(charts, c.chart, "profiles")
	return []string{path.Join(profiles, c.tier+".yaml"), path.Join(profiles, place+".yaml"), path.Join("testdata", c.chart+"-"+c.cloud+".yaml")}
}

func combinations() (out []combination) {
	for _, chart := range []string{"fawkes", "sample"} {
		for _, tier := range []string{"tier1", "tier2"} {
			for _, cloud := range []string{"local", "aws", "azure", "gcp"} {
				out = append(out, combination{chart, tier, cloud})
			}
		}
	}
	return out
}

func rendered(t *testing.T, c combination, more ...map[string]any) (string, []string) {
	t.Helper()
	values, err := Merge(c.files()...)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range more {
		values = loader.MergeMaps(values, m)
	}
	text, used, err := Render(c.chart, values)
	if err != nil {
		t.Fatal(err)
	}
	return text, Inputs(used)
}

func TestEveryCombinationIsGood(t *testing.T) {
	for _, c := range combinations() {
		t.Run(c.String(), func(t *testing.T) {
			text, inputs := rendered(t, c)
			for _, finding := range Check(text, inputs) {
				t.Error(finding)
			}
			golden := filepath.Join("testdata", "golden", c.String()+".yaml")
			if *update {
				if err := os.WriteFile(golden, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if string(want) != text {
				t.Errorf("it differs from %s, first in line %d; write it again with -update and read the difference", golden, differs(string(want), text))
			}
		})
	}
}

func differs(a, b string) int {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return i + 1
		}
	}
	return min(len(x), len(y)) + 1
}

func TestHelmLintFindsNothing(t *testing.T) {
	for _, c := range combinations() {
		values, err := Merge(c.files()...)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range lint.RunAll(path.Join(charts, c.chart), values, "fawkes-apps").Messages {
			if m.Severity > support.InfoSev {
				t.Errorf("%s: %v", c, m)
			}
		}
	}
}

// TestAnUnknownKeyIsRefused plants a key at every level that the schema has.
func TestAnUnknownKeyIsRefused(t *testing.T) {
	for _, chart := range []string{"fawkes", "sample"} {
		text, err := os.ReadFile(path.Join(charts, chart, "values.schema.json"))
		if err != nil {
			t.Fatal(err)
		}
		var schema map[string]any
		if err := json.Unmarshal(text, &schema); err != nil {
			t.Fatal(err)
		}
		levels := objects(schema, nil)
		if len(levels) < 5 {
			t.Fatalf("%s: the schema has %d levels", chart, len(levels))
		}
		for _, level := range levels {
			planted := map[string]any{"unheardOf": true}
			for _, key := range slices.Backward(level) {
				planted = map[string]any{key: planted}
			}
			values, err := Merge(combination{chart, "tier1", "local"}.files()...)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := Render(chart, loader.MergeMaps(values, planted)); err == nil || !strings.Contains(err.Error(), "unheardOf") {
				t.Errorf("%s: an unknown key below %q: %v", chart, strings.Join(level, "."), err)
			}
		}
	}
}

// objects lists where the schema has objects, but for maps of texts.
func objects(schema map[string]any, at []string) (out [][]string) {
	properties, ok := schema["properties"].(map[string]any)
	if !ok {
		return nil
	}
	out = append(out, slices.Clone(at))
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if next, ok := properties[name].(map[string]any); ok {
			out = append(out, objects(next, append(slices.Clone(at), name))...)
		}
	}
	return out
}

func TestTheSchemaRefusesWhatIsNoGoodValue(t *testing.T) {
	dora := func(key string, value any) map[string]any {
		return map[string]any{"services": map[string]any{"dora": map[string]any{key: value}}}
	}
	for name, c := range map[string]struct {
		values map[string]any
		want   string
	}{
		"a literal secret":     {dora("secrets", map[string]any{"github_secret": "hunter2"}), "github_secret"},
		"a secret as setting":  {dora("settings", map[string]any{"github_secret": "hunter2"}), "github_secret"},
		"a literal database":   {dora("database", "postgres://u:p@h/d"), "database"},
		"a number too large":   {dora("settings", map[string]any{"gauges": 100001}), "gauges"},
		"text for a number":    {dora("settings", map[string]any{"gauges": "many"}), "gauges"},
		"no duration":          {dora("settings", map[string]any{"retention": "soon"}), "retention"},
		"an odd digest":        {map[string]any{"image": map[string]any{"digest": "sha256:1"}}, "digest"},
		"no replicas":          {dora("replicas", 0), "replicas"},
		"a service of no name": {map[string]any{"services": map[string]any{"nobody": map[string]any{}}}, "nobody"},
	} {
		values, err := Merge(combination{"fawkes", "tier1", "local"}.files()...)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := Render("fawkes", loader.MergeMaps(values, c.values)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q named", name, err, c.want)
		}
	}
}

// TestSettingsReachTheServiceAsTheyAre: Helm reads numbers as floating point, and would write 1e+06.
func TestSettingsReachTheServiceAsTheyAre(t *testing.T) {
	text, inputs := rendered(t, combination{"fawkes", "tier1", "local"}, map[string]any{
		"http":          map[string]any{"connections": 1000000},
		"operatorToken": map[string]any{"secret": "operator"},
		"services": map[string]any{"dora": map[string]any{
			"settings": map[string]any{"retention": "24h", "quarantine_mib": 1048576, "devlake_url": "https://devlake.example"},
			"secrets":  map[string]any{"github_secret": map[string]any{"secret": "github", "key": "webhook"}},
		}},
	})
	for _, finding := range Check(text, inputs) {
		t.Error(finding)
	}
	for _, want := range []string{
		`FAWKES_HTTP_CONNECTIONS: "1000000"`, `FAWKES_DORA_RETENTION: "24h"`, `FAWKES_DORA_QUARANTINE_MIB: "1048576"`, `FAWKES_DORA_DEVLAKE_URL: "https://devlake.example"`,
		"name: FAWKES_DORA_GITHUB_SECRET\n              valueFrom: {secretKeyRef: {name: github, key: webhook}}",
		"name: FAWKES_AUTH_STATIC_TOKEN\n              valueFrom: {secretKeyRef: {name: operator, key: token}}",
		`{name: FAWKES_PEER_IDENTITY_URL, value: "http://identity"}`, "args: [dora, --listen, \":8080\"", "args: [migrate, dora,",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the render lacks %q", want)
		}
	}
}

func TestWhatIsMissingIsSaid(t *testing.T) {
	for want, values := range map[string]map[string]any{
		"image.digest or image.tag says which image": {},
		"ingress.host says under which name":         {"image": map[string]any{"tag": "1"}, "ingress": map[string]any{"enabled": true}},
	} {
		if _, _, err := Render("fawkes", values); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", values, err, want)
		}
	}
}

// TestAPlantedFaultIsFoundByName changes one thing of a good render.
func TestAPlantedFaultIsFoundByName(t *testing.T) {
	good, inputs := rendered(t, combination{"fawkes", "tier2", "aws"})
	for want, change := range map[string][2]string{
		"Secret/nowhere, which is not there":                     {"name: fawkes-dora-database", "name: nowhere"},
		"ServiceAccount/nobody, which is not there":              {"serviceAccountName: dora\n", "serviceAccountName: nobody\n"},
		"ConfigMap/nothing, which is not there":                  {"configMapRef: {name: dora-settings}", "configMapRef: {name: nothing}"},
		"Service/identify, which is not there":                   {`value: "http://identity"`, `value: "http://identify"`},
		"Secret/no-tls, which is not there":                      {"secretName: fawkes-tls", "secretName: no-tls"},
		`the port "web" of Service/identity, which is not there`: {"{service: {name: identity, port: {name: http}}}", "{service: {name: identity, port: {name: web}}}"},
		"Deployment/none, which is not there":                    {"kind: Deployment, name: dora}", "kind: Deployment, name: none}"},
		"leads to the port web, which its pods do not name":      {"targetPort: http", "targetPort: web"},
		"a probe asks at the port web":                           {"httpGet: {path: /readyz, port: http}", "httpGet: {path: /readyz, port: web}"},
		`key "replicas" already set`:                             {"revisionHistoryLimit: 5", "replicas: 1\n  replicas: 2"},
		`unknown field "replica"`:                                {"revisionHistoryLimit: 5", "replica: 5"},
		"is not restricted: allowPrivilegeEscalation != false":   {"allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true"},
		"is not restricted: unrestricted capabilities":           {"capabilities: {drop: [ALL]}", "capabilities: {}"},
		"is not restricted: seccompProfile":                      {"seccompProfile: {type: RuntimeDefault}", "seccompProfile: {type: Unconfined}"},
		"can be written":                                         {"readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false"},
		"a token is mounted":                                     {"      automountServiceAccountToken: false", "      automountServiceAccountToken: true"},
		"names no user by number":                                {"runAsUser: 65532", "runAsUser: 0"},
		"lacks a probe":                                          {"          livenessProbe:\n            httpGet: {path: /healthz, port: http}\n            periodSeconds: 10\n            timeoutSeconds: 5\n", ""},
		"lacks the label app.kubernetes.io/part-of":              {"    app.kubernetes.io/part-of: fawkes\n", ""},
		"has no PodDisruptionBudget":                             {"matchLabels:\n      app.kubernetes.io/name: dora\n", "matchLabels:\n      app.kubernetes.io/name: other\n"},
		"is no certain one":                                      {"fawkes@sha256:" + strings.Repeat("a", 64), "fawkes:latest"},
		"lacks requests of processor and memory":                 {"memory: 1Gi", "ephemeral-storage: 1Gi"},
		"is there twice":                                         {"kind: Service\nmetadata:\n  name: dora\n", "kind: Service\nmetadata:\n  name: identity\n"},
		"Service/dora selects the pods of Job/dora-migrate":      {"spec:\n  selector:\n    app.kubernetes.io/name: dora\n    app.kubernetes.io/component: service", "spec:\n  selector:\n    app.kubernetes.io/name: dora"},
		"which no chart here has":                                {"kind: PodDisruptionBudget", "kind: PodDisruptionBadger"},
	} {
		if !strings.Contains(good, change[0]) {
			t.Errorf("the render has no %q to change", change[0])
			continue
		}
		findings := Check(strings.ReplaceAll(good, change[0], change[1]), inputs)
		if !slices.ContainsFunc(findings, func(f string) bool { return strings.Contains(f, want) }) {
			t.Errorf("%q for %q finds %s, want %q", change[1], change[0], fmt.Sprint(findings), want)
		}
	}
}
