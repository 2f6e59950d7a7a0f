package manifests

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/fawkes-idp/fawkes/internal/app"
	"github.com/fawkes-idp/fawkes/internal/platform"
)

const root = "../.."

// TestNoKeyStandsTwice reads every YAML file of the repository that is YAML: templates of charts are not until they are rendered, which
// their golden files are.
func TestNoKeyStandsTwice(t *testing.T) {
	cmd := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "*.yaml", "*.yml")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for name := range strings.SplitSeq(strings.TrimRight(string(out), "\x00"), "\x00") {
		if (strings.HasPrefix(name, "charts/") && strings.Contains(name, "/templates/")) || strings.HasPrefix(name, "templates/") || strings.HasPrefix(name, "tests/e2e/cluster/config/") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		if os.IsNotExist(err) {
			continue // taken away and not committed yet
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Decode(text); err != nil && !planted(name) {
			t.Errorf("%s: %v", name, err)
		}
		read++
	}
	if read < 300 {
		t.Errorf("%d files were read; want 300 or more", read)
	}
}

// planted says which files are wrong because a test wants them so.
func planted(name string) bool { return strings.Contains(name, "/testdata/") }

// inventory is that of the repository.
func inventory(t *testing.T) (*platform.Inventory, []platform.Service) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(platform.File)))
	if err != nil {
		t.Fatal(err)
	}
	var services []platform.Service
	for _, m := range app.Modules() {
		services = append(services, platform.Service{Name: m.Name, Calls: m.Calls, Outbound: m.Outbound, Database: m.Migrations != nil})
	}
	inv, err := platform.Read(text, services)
	if err != nil {
		t.Fatal(err)
	}
	return inv, services
}

// TestWhatComponentsNameExists renders the folder of each component, in each profile, and follows every name in it.
func TestWhatComponentsNameExists(t *testing.T) {
	inv, services := inventory(t)
	folders := map[string]bool{}
	for _, name := range platform.Profiles() {
		for _, c := range inv.Profile(name, services).Components {
			around := Surroundings{Namespaces: beside(inv, c.Namespace), Secrets: map[string][]string{}}
			for _, s := range c.Secrets {
				around.Secrets[s.Name] = s.Keys
			}
			for _, folder := range []string{c.Source.Path, c.Source.Manifests} {
				if folder == "" || strings.HasPrefix(folder, "charts/") {
					continue
				}
				folders[folder] = true
				for _, fault := range Check(rendered(t, folder), around) {
					t.Errorf("%s in %s: %s", folder, name, fault)
				}
			}
		}
	}
	if len(folders) < 8 {
		t.Errorf("the components have %d folders: %v; want eight or more", len(folders), slices.Sorted(maps.Keys(folders)))
	}
}

// TestWhatTheChartsNameExists follows every name in the renderings of our own charts.
func TestWhatTheChartsNameExists(t *testing.T) {
	inv, _ := inventory(t)
	secrets := map[string]map[string][]string{}
	for _, c := range inv.Components {
		secrets[c.Name] = map[string][]string{}
		for _, s := range c.Secrets {
			secrets[c.Name][s.Name] = s.Keys
		}
	}
	files, err := filepath.Glob(filepath.Join(root, "tests", "charts", "helm", "testdata", "golden", "*.yaml"))
	if err != nil || len(files) < 16 {
		t.Fatalf("%d renderings, %v; want 16 or more", len(files), err)
	}
	for _, file := range files {
		chart, _, _ := strings.Cut(filepath.Base(file), "-")
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		objects, err := Decode(text)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		for _, fault := range Check(objects, Surroundings{Secrets: secrets[chart]}) {
			t.Errorf("%s: %s", filepath.Base(file), fault)
		}
	}
}

// TestEverySecretComesFromTheOneStore sees that each ExternalSecret asks the store that exists, and that no profile writes a Secret down.
func TestEverySecretComesFromTheOneStore(t *testing.T) {
	inv, services := inventory(t)
	stores := map[string]bool{}
	for _, o := range rendered(t, "platform/components/vault") {
		if o["kind"] == "ClusterSecretStore" {
			stores[text(under(o, "metadata")["name"])] = true
		}
	}
	if !stores[inv.Wiring.Secrets.Store] {
		t.Errorf("the ClusterSecretStore %s is not defined; there are %v", inv.Wiring.Secrets.Store, stores)
	}
	for _, name := range platform.Profiles() {
		found := 0
		err := filepath.WalkDir(filepath.Join(root, "platform", "profiles", name), func(file string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			content, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			objects, err := Decode(content)
			if err != nil {
				return err
			}
			for _, o := range objects {
				switch o["kind"] {
				case "Secret":
					t.Errorf("%s holds %s", file, ID(o))
				case "ExternalSecret":
					found++
					if store := text(under(o, "spec", "secretStoreRef")["name"]); !stores[store] {
						t.Errorf("%s: %s asks the store %s, which is not defined", file, ID(o), store)
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		want := 0
		for _, c := range inv.Profile(name, services).Components {
			if c.Name != inv.Wiring.Secrets.Operator {
				continue
			}
			want = 1
		}
		if (found > 0) != (want > 0) {
			t.Errorf("the profile %s has %d ExternalSecrets, and the operator: %v", name, found, want > 0)
		}
	}
}

// beside lists the namespaces of the project that owns a namespace: Argo CD lets what is in one of them be in any.
func beside(inv *platform.Inventory, namespace string) []string {
	project := ""
	for _, ns := range inv.Namespaces {
		if ns.Name == namespace {
			project = ns.Project
		}
	}
	var out []string
	for _, ns := range inv.Namespaces {
		if ns.Project == project {
			out = append(out, ns.Name)
		}
	}
	return out
}

// rendered is what kustomize makes of a folder of the repository.
func rendered(t *testing.T, folder string) []Object {
	t.Helper()
	found, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join(root, folder))
	if err != nil {
		t.Fatalf("%s: %v", folder, err)
	}
	text, err := found.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	objects, err := Decode(text)
	if err != nil {
		t.Fatalf("%s: %v", folder, err)
	}
	return objects
}
