package platform_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/fawkes-idp/fawkes/internal/platform"
)

// valuesOf are the values of a component of this repository's inventory.
func valuesOf(t *testing.T, name string) map[string]any {
	t.Helper()
	text, err := os.ReadFile("../../" + platform.File)
	if err != nil {
		t.Fatal(err)
	}
	var inventory struct {
		Components []struct {
			Name   string
			Source struct{ Values map[string]any }
		}
	}
	if err := yaml.Unmarshal(text, &inventory); err != nil {
		t.Fatal(err)
	}
	for _, c := range inventory.Components {
		if c.Name == name {
			return c.Source.Values
		}
	}
	t.Fatalf("the inventory has no %s", name)
	return nil
}

// at follows keys into values.
func at(t *testing.T, values any, keys ...string) any {
	t.Helper()
	for _, key := range keys {
		m, ok := values.(map[string]any)
		if !ok || m[key] == nil {
			t.Fatalf("there is no %s", strings.Join(keys, "."))
		}
		values = m[key]
	}
	return values
}

// TestJenkinsFindsWhatItsConfigurationNames: every secret that the configuration as code reads is one that the chart mounts
// and the other way round, the shared library's folder is there, and its credentials have the names that it asks for.
func TestJenkinsFindsWhatItsConfigurationNames(t *testing.T) {
	folder := "../../platform/components/jenkins"
	var kustomization struct {
		GeneratorOptions   struct{ Labels map[string]string } `yaml:"generatorOptions"`
		ConfigMapGenerator []struct{ Files []string }         `yaml:"configMapGenerator"`
	}
	text, err := os.ReadFile(filepath.Join(folder, "kustomization.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &kustomization); err != nil {
		t.Fatal(err)
	}
	if kustomization.GeneratorOptions.Labels["jenkins-jenkins-config"] != "true" {
		t.Error("the side car does not look at the ConfigMap")
	}
	found, err := filepath.Glob(filepath.Join(folder, "casc", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	listed := kustomization.ConfigMapGenerator[0].Files
	all := ""
	for _, file := range found {
		name := "casc/" + filepath.Base(file)
		if !slices.Contains(listed, name) {
			t.Errorf("the kustomization leaves out %s", name)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var document map[string]any
		if err := yaml.Unmarshal(text, &document); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		all += string(text)
	}
	if len(found) != len(listed) {
		t.Errorf("the kustomization lists %v, and there are %v", listed, found)
	}

	mounted, read := map[string]bool{}, map[string]bool{}
	secrets, _ := at(t, valuesOf(t, "jenkins"), "controller", "additionalExistingSecrets").([]any)
	for _, s := range secrets {
		m, _ := s.(map[string]any)
		mounted[m["name"].(string)+"-"+m["keyName"].(string)] = true
	}
	for _, m := range regexp.MustCompile(`\$\{(?:readFileBase64:/run/secrets/additional/)?(jenkins-[a-z-]+)\}`).FindAllStringSubmatch(all, -1) {
		read[m[1]] = true
	}
	if !maps.Equal(mounted, read) || len(read) == 0 {
		t.Errorf("the chart mounts %v, and the configuration reads %v", slices.Sorted(maps.Keys(mounted)), slices.Sorted(maps.Keys(read)))
	}

	path := regexp.MustCompile(`libraryPath: (\S+)`).FindStringSubmatch(all)
	if path == nil {
		t.Fatal("the configuration names no library")
	}
	library, err := os.ReadFile(filepath.Join("..", "..", path[1], "vars", "goldenPath.groovy"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`credentials\('([^']+)'\)`).FindAllStringSubmatch(string(library), -1) {
		if !strings.Contains(all, "id: "+m[1]+",") {
			t.Errorf("the library asks for the credential %s, which the configuration does not make", m[1])
		}
	}
}

// TestPluginsOfJenkinsAreOfExactVersions: none is the newest that there is.
func TestPluginsOfJenkinsAreOfExactVersions(t *testing.T) {
	controller := valuesOf(t, "jenkins")["controller"].(map[string]any)
	plugins, _ := controller["installPlugins"].([]any)
	for _, p := range plugins {
		if !regexp.MustCompile(`^[a-z0-9-]+:[0-9][0-9A-Za-z._-]*$`).MatchString(p.(string)) {
			t.Errorf("the plugin %v has no exact version", p)
		}
	}
	if len(plugins) == 0 || controller["installLatestPlugins"] != false {
		t.Errorf("%d plugins, the newest dependencies: %v", len(plugins), controller["installLatestPlugins"])
	}
}
