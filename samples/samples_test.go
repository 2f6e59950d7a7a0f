package samples_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fawkes-idp/fawkes/internal/scaffold/scaffoldtest"
	"github.com/fawkes-idp/fawkes/samples"
)

func TestTheSampleIsAModuleOfItsOwnThatBuildsAndPassesItsTests(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "hello")
	if err := samples.Write(dir, "hello", samples.Params{}); err != nil {
		t.Fatal(err)
	}
	scaffoldtest.Go(t, dir)
	scaffoldtest.Manifests(t, dir, "hello")
}

func TestTheSampleUnderAnotherName(t *testing.T) {
	dir := t.TempDir()
	if err := samples.Write(dir, "hello", samples.Params{Service: "greeter-2", Promote: []string{"dev", "staging"}}); err != nil {
		t.Fatal(err)
	}
	scaffoldtest.Manifests(t, dir, "greeter-2")
	text, err := os.ReadFile(filepath.Join(dir, "fawkes.yaml"))
	if err != nil || !strings.Contains(string(text), "service: greeter-2\n") || !strings.Contains(string(text), "to: [dev, staging]\n") {
		t.Errorf("%v\n%s", err, text)
	}
	scaffoldtest.Run(t, dir, "go", "vet", "./...")
}

func TestTheSwitchIsOneWordOfTheConfiguration(t *testing.T) {
	dir := t.TempDir()
	if err := samples.Write(dir, "hello", samples.Params{}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "deploy", "configmap.yaml"))
	if err != nil || strings.Count(string(text), "HEALTH: passing") != 1 {
		t.Errorf("deploy/configmap.yaml says HEALTH: passing not once: %v\n%s", err, text)
	}
}

func TestWhatIsNoSampleOrNoNameIsRefused(t *testing.T) {
	for _, c := range []struct {
		name string
		p    samples.Params
		want string
	}{
		{"goodbye", samples.Params{}, "there is hello"},
		{"../hello", samples.Params{}, "no sample"},
		{"hello", samples.Params{Service: "No Name"}, "service: "},
		{"hello", samples.Params{Promote: []string{"dev]"}}, "promote: "},
	} {
		dir := filepath.Join(t.TempDir(), "x")
		if err := samples.Write(dir, c.name, c.p); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %+v: %v, want %q", c.name, c.p, err, c.want)
		}
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s %+v: something was written", c.name, c.p)
		}
	}
}
