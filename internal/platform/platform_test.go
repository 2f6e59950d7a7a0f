package platform

import (
	"errors"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "write the golden file")

func services() []Service {
	return []Service{
		{Name: "identity", Database: true},
		{Name: "dora", Calls: []string{"identity"}, Outbound: []string{"tracker"}, Database: true},
		{Name: "console", Calls: []string{"dora"}},
	}
}

func small(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("testdata/small.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestAnInventoryThatCannotBeMeantIsRefusedWithTheFieldAndTheMend(t *testing.T) {
	text := small(t)
	for _, c := range []struct{ name, old, new, field, detail, mend string }{
		{"unknown key", "    exposure: internal\n", "    exposure: internal\n    namspace: x\n", "components[prometheus].namspace", "is no key", "did you mean namespace?"},
		{"unknown key of a workload", "apiServer: true}", "apiserver: true}", "components[prometheus].workloads[server].apiserver", "is no key", "did you mean apiServer?"},
		{"duplicate key", "    wave: services\n", "    wave: services\n    wave: data\n", "components[fawkes].wave", "stands twice, in lines", "keep one"},
		{"wrong type", "ports: {http: 9090}", "ports: {http: web}", "components[prometheus].workloads[server].ports.http", "expected integer", "see inventory.schema.json"},
		{"missing key", "    title: Services\n", "", "components[fawkes].title", "is missing", "add title"},
		{"unknown exposure", "exposure: internal", "exposure: inside", "components[prometheus].exposure", "inside is not known", "internal"},
		{"unknown tier", `tier: "2"`, `tier: "3"`, "components[entry].tier", `no tier "3"`, "give 1, 2 or extension"},
		{"unknown profile", "profiles: [kit, tier1]\n", "profiles: [kitt, tier1]\n", "components[postgresql].profiles", `no profile "kitt"`, "did you mean kit?"},
		{"missing chart version", ", version: 1.2.3", "", "components[prometheus].source.chart.version", "is missing", "add the exact version"},
		{"chart version with a range", "version: 1.2.3", "version: ^1.2.3", "components[prometheus].source.chart.version", "not one exact version", "for example 1.2.3"},
		{"a need that does not exist", "needs: [postgresql]", "needs: [postgres]", "components[fawkes].needs", `no component "postgres"`, "did you mean postgresql?"},
		{"namespace without entry", "    namespace: apps\n    wave: data", "    namespace: stores\n    wave: data", "components[postgresql].namespace", `"stores" has no entry`, "add it to namespaces"},
		{"unknown wave", "wave: services", "wave: service", "components[fawkes].wave", `no wave "service"`, "did you mean services?"},
		{"needs of the same wave", "wave: services", "wave: data", "components[fawkes].wave", "does not come before", "move one of them"},
		{"needs in a circle", "profiles: [kit, tier1]\n", "profiles: [kit, tier1]\n    needs: [fawkes]\n", "components[postgresql].needs", "circle: postgresql > fawkes > postgresql", "take one of the needs away"},
		{"two owners of a name", "- name: entry\n", "- name: prometheus\n", "components[2].name", "prometheus has two owners: Prometheus and Way in", "another name"},
		{"an owner beside the root", "root: root", "root: fawkes", "components[4].name", "two owners: the root Application and Services", "another name"},
		{"an owner beside a foundation", "- name: entry\n", "- name: apps-foundation\n", "components[2].name", "two owners", "another name"},
		{"two sources", "source: {path: charts/fawkes, valueFiles: [profiles/tier1.yaml]}", "source: {path: charts/fawkes, elsewhere: too}", "components[fawkes].source", "2 times", "one of chart, path, environment and elsewhere"},
		{"no source", "source: {path: charts/fawkes, valueFiles: [profiles/tier1.yaml]}", "source: {}", "components[fawkes].source", "0 times", "one of chart, path, environment and elsewhere"},
		{"images without a kustomization", "source: {path: charts/fawkes, valueFiles: [profiles/tier1.yaml]}", "source: {elsewhere: x, images: {a: b}}", "components[fawkes].source.images", "belong to a kustomization", "by values"},
		{"manifests beside nothing", "source: {path: charts/fawkes, valueFiles: [profiles/tier1.yaml]}", "source: {path: charts/fawkes, manifests: x}", "components[fawkes].source.manifests", "there is none", "the folder that is there"},
		{"a Secret that nobody makes", "values: {server: {replicas: 2}}", "values: {server: {replicas: 2, existingSecret: prometheus-tokn}}", "components[prometheus].source.values.server.existingSecret", "nobody makes the Secret prometheus-tokn", "prometheus-token"},
		{"a variable of a Secret that nobody makes", "values: {server: {replicas: 2}}", "values: {env: [{valueFrom: {secretKeyRef: {name: other, key: k}}}]}", "components[prometheus].source.values.env[0].valueFrom.secretKeyRef.name", "nobody makes the Secret other", "add it to"},
		{"a Secret twice", "made: entry}", "made: entry}\n      - {name: prometheus-tls, keys: [a]}", "components[prometheus].secrets[prometheus-tls].name", "is there twice", "keep one"},
		{"a maker that is no component", "made: entry", "made: entri", "components[prometheus].secrets[prometheus-tls].made", `no component "entri"`, "did you mean entry?"},
		{"no operator of secrets", "operator: entry", "operator: vault", "wiring.secrets.operator", `no component "vault"`, "known:"},
		{"kind that is none", "kinds: [StatefulSet.apps]", "kinds: [apps/StatefulSet]", "components[postgresql].kinds", "is no kind", "Kind.group"},
		{"unknown project", "{name: watch, project: platform", "{name: watch, project: platfrm", "namespaces[watch].project", `no project "platfrm"`, "did you mean platform?"},
		{"root in another project", "argocd: {namespace: argocd, project: platform", "argocd: {namespace: argocd, project: apps", "argocd.project", "belongs to the project platform", "name the project"},
		{"a call of no workload", "database: postgresql/server:postgres", "database: postgresql/sever:postgres", "components[fawkes].everyService.database", `"sever"`, "did you mean server?"},
		{"a call of no port", "database: postgresql/server:postgres", "database: postgresql/server:pg", "components[fawkes].everyService.database", `no port of postgresql/server "pg"`, "postgres"},
		{"a call of nothing outside", "calls: [forge]", "calls: [forg]", "components[collector].workloads[collector].calls", `"forg"`, "did you mean forge?"},
		{"outbound name without an end", "outbound: {tracker: forge}", "outbound: {other: forge}", "components[fawkes].everyService.outbound", "has no tracker, which the service dora calls", "add tracker"},
		{"services without a database", "      database: postgresql/server:postgres\n", "", "components[fawkes].everyService.database", "identity keeps data", "name the database"},
		{"a port that is not there", "metrics: [http]", "metrics: [htp]", "components[fawkes].everyService.metrics", `no port "htp"`, "did you mean http?"},
		{"a workload without labels", "labels: {app: collector}, ", "", "components[collector].workloads[collector].labels", "are missing", "add the labels"},
		{"labels that select two workloads", "labels: {app: entry}", "labels: {app: collector}", "components[collector].workloads[collector].labels", "select the pods of entry/controller too", "only its pods"},
		{"exposure without a port", "exposure: none\n    source: {elsewhere", "exposure: external\n    source: {elsewhere", "components[entry].exposure", "the workloads say otherwise", "external port"},
		{"port without exposure", "    exposure: external\n", "    exposure: internal\n", "components[fawkes].exposure", "the workloads say otherwise", "make the exposure external"},
		{"wiring to nothing", "scraper: prometheus/server", "scraper: prometheus/servr", "wiring.scraper", `"servr"`, "did you mean server?"},
		{"name outside twice", "{name: managed,", "{name: forge,", "outside[1].name", "there twice", "keep one"},
		{"standing for nothing", "standsFor: postgresql", "standsFor: postgres", "outside[managed].standsFor", `no component "postgres"`, "did you mean postgresql?"},
		{"no YAML", "version: 1", "version: [1", "inventory", "is no YAML", "mend the line"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if strings.Count(text, c.old) == 0 {
				t.Fatalf("the inventory has no %q", c.old)
			}
			_, err := Read([]byte(strings.Replace(text, c.old, c.new, 1)), services())
			var invalid *Invalid
			if !errors.As(err, &invalid) {
				t.Fatalf("want it refused, got %v", err)
			}
			if !slices.ContainsFunc(invalid.Findings, func(f Finding) bool {
				return f.Field == c.field && strings.Contains(f.Detail, c.detail) && strings.Contains(f.Mend, c.mend)
			}) {
				t.Errorf("want %s: %s; %s\ngot %v", c.field, c.detail, c.mend, err)
			}
		})
	}
}

func TestAServiceThatCallsNoServiceIsRefused(t *testing.T) {
	_, err := Read([]byte(small(t)), []Service{{Name: "dora", Calls: []string{"identty"}}, {Name: "identity"}})
	if err == nil || !strings.Contains(err.Error(), `no service "identty"; did you mean identity?`) {
		t.Errorf("got %v", err)
	}
}

// TestTheSmallInventoryGivesTheGoldenFiles holds everything that is rendered of testdata/small.yaml against
// testdata/small.txtar; the schema is that of the repository.
func TestTheSmallInventoryGivesTheGoldenFiles(t *testing.T) {
	files := generate(t, small(t))
	delete(files, SchemaFile)
	got := &txtar.Archive{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		got.Files = append(got.Files, txtar.File{Name: name, Data: files[name]})
	}
	const golden = "testdata/small.txtar"
	if *update {
		if err := os.WriteFile(golden, txtar.Format(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(txtar.Format(got))); diff != "" {
		t.Errorf("rendered files differ; run the test with -update and read the difference (-golden +rendered):\n%s", diff)
	}
}

func generate(t *testing.T, text string) map[string][]byte {
	t.Helper()
	inv, err := Read([]byte(text), services())
	if err != nil {
		t.Fatal(err)
	}
	files, err := Generate(inv, services())
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestATreeIsHeldAgainstWhatIsGenerated(t *testing.T) {
	root, files := t.TempDir(), generate(t, small(t))
	if err := Write(root, files); err != nil {
		t.Fatal(err)
	}
	compare := func(want ...Drift) {
		t.Helper()
		got, err := Compare(root, files)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("drift (-want +got):\n%s", diff)
		}
	}
	compare()
	stale, gone, extra := "platform/profiles/kit/root.yaml", "platform/profiles/kit/kustomization.yaml", "platform/profiles/old/x/left.yaml"
	page := "docs/reference/components/old.md"
	for name, err := range map[string]error{
		stale: os.WriteFile(filepath.Join(root, stale), []byte("x"), 0o600),
		gone:  os.Remove(filepath.Join(root, gone)),
		page:  os.WriteFile(filepath.Join(root, page), nil, 0o600), extra: errors.Join(os.MkdirAll(filepath.Join(root, filepath.Dir(extra)), 0o755), os.WriteFile(filepath.Join(root, extra), nil, 0o600)),
	} {
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	compare(Drift{gone, "is missing"}, Drift{stale, "is stale"}, Drift{extra, "is no longer generated"}, Drift{page, "is no longer generated"})
	if err := Write(root, files); err != nil {
		t.Fatal(err)
	}
	compare()
	if _, err := os.Stat(filepath.Join(root, "platform", "profiles", "old")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the empty folder is still there: %v", err)
	}
}
