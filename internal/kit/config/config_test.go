package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/config"
)

func keys() []config.Key {
	return []config.Key{
		{Name: "dora.incident_window", Default: "24h", Doc: "how long", Check: config.IsDuration(time.Minute, 720*time.Hour)},
		{Name: "dora.batch", Default: "512", Check: config.IsInt(1, 1000)},
		{Name: "dora.relay", Default: "false", Check: config.IsBool()},
		{Name: "dora.profile", Default: "dora-2025", Check: config.IsOneOf("dora-2025", "devlake-2023")},
		{Name: "identity.secret", Secret: true},
		{Name: "mcp-k8s.name", Default: "x"},
	}
}

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fawkes.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestEachLayerWinsOverTheOneBefore(t *testing.T) {
	const text = "dora:\n  incident_window: 1h\n  batch: 7\n"
	for _, c := range []struct {
		name, file    string
		env           []string
		flags         map[string]string
		value, source string
	}{
		{"default", "", nil, nil, "24h", config.FromDefault},
		{"file", text, nil, nil, "1h", config.FromFile},
		{"environment", text, []string{"FAWKES_DORA_INCIDENT_WINDOW=2h"}, nil, "2h", config.FromEnvironment},
		{"flag", text, []string{"FAWKES_DORA_INCIDENT_WINDOW=2h"}, map[string]string{"dora.incident_window": "3h"}, "3h", config.FromFlag},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := ""
			if c.file != "" {
				path = file(t, c.file)
			}
			cfg, err := config.Load(keys(), path, c.env, c.flags)
			if err != nil {
				t.Fatal(err)
			}
			if got, source := cfg.String("dora.incident_window"), cfg.Source("dora.incident_window"); got != c.value || source != c.source {
				t.Fatalf("got %s from %s, want %s from %s", got, source, c.value, c.source)
			}
		})
	}
}

func TestValuesHaveTypes(t *testing.T) {
	cfg, err := config.Load(keys(), file(t, "dora:\n  batch: 7\n  relay: true\n"), []string{"FAWKES_MCP_K8S_NAME=y"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := cfg.Section("dora")
	if s.Int("batch") != 7 || !s.Bool("relay") || s.Duration("incident_window") != 24*time.Hour || s.String("profile") != "dora-2025" {
		t.Fatalf("got %d %v %v %s", s.Int("batch"), s.Bool("relay"), s.Duration("incident_window"), s.String("profile"))
	}
	if got := cfg.Section("mcp-k8s").String("name"); got != "y" {
		t.Fatalf("the hyphenated service got %q, want y", got)
	}
}

func TestFaultsNameTheKeyAndTheMend(t *testing.T) {
	for _, c := range []struct {
		name, file string
		env        []string
		flags      map[string]string
		want       []string
	}{
		{name: "unknown key in the file", file: "dora:\n  incident_windov: 1h\n", want: []string{`unknown key "dora.incident_windov"`, "did you mean dora.incident_window?"}},
		{name: "unknown service in the file", file: "doora:\n  batch: 1\n", want: []string{`unknown key "doora.batch"`, "did you mean dora.batch?"}},
		{name: "nothing near", file: "zzzzzzzz:\n  qqqqqq: 1\n", want: []string{`unknown key "zzzzzzzz.qqqqqq"`}},
		{name: "unknown variable", env: []string{"FAWKES_DORA_BATCHS=1"}, want: []string{"unknown variable FAWKES_DORA_BATCHS", "did you mean FAWKES_DORA_BATCH?"}},
		{name: "unknown flag", flags: map[string]string{"dora.x": "1"}, want: []string{`the flag has the unknown key "dora.x"`}},
		{name: "bad value in the file", file: "dora:\n  batch: many\n", want: []string{"dora.batch (from the file)", `"many" is not a whole number from 1 to 1000`}},
		{name: "bad value in the environment", env: []string{"FAWKES_DORA_INCIDENT_WINDOW=1 day"}, want: []string{"from FAWKES_DORA_INCIDENT_WINDOW", "write it as 90s, 15m or 24h"}},
		{name: "out of bounds", env: []string{"FAWKES_DORA_INCIDENT_WINDOW=1s"}, want: []string{"1s is not between 1m0s and 720h0m0s"}},
		{name: "not one of", env: []string{"FAWKES_DORA_PROFILE=mine"}, want: []string{`"mine" is not one of dora-2025, devlake-2023`}},
		{name: "neither true nor false", env: []string{"FAWKES_DORA_RELAY=maybe"}, want: []string{`"maybe" is neither true nor false`}},
		{name: "a list", file: "dora:\n  batch: [1, 2]\n", want: []string{`gives "dora.batch" no plain value`}},
		{name: "no value", file: "dora:\n  batch:\n", want: []string{`gives "dora.batch" no plain value`}},
		{name: "broken file", file: "dora: [\n", want: []string{"fawkes.yaml"}},
		{name: "several at once", file: "dora:\n  a: 1\n", env: []string{"FAWKES_DORA_BATCH=0"}, want: []string{"dora.a", "dora.batch"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := ""
			if c.file != "" {
				path = file(t, c.file)
			}
			_, err := config.Load(keys(), path, c.env, c.flags)
			if err == nil {
				t.Fatal("Load = nil, want an error")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error lacks %q:\n%v", want, err)
				}
			}
		})
	}
	if _, err := config.Load(keys(), "/does/not/exist.yaml", nil, nil); err == nil || !strings.Contains(err.Error(), "/does/not/exist.yaml") {
		t.Errorf("a missing file: %v, want an error that names it", err)
	}
}

func TestVariablesOfOthersAreLeftAlone(t *testing.T) {
	env := []string{"FAWKES_API=http://x", "FAWKES_TOKEN=t", "FAWKES_DORA_DATABASE_URL=postgres://x", "FAWKES_PEER_IDENTITY_URL=http://i",
		"FAWKES_DORA_EXTRA_DATABASE_URL=postgres://y", "PATH=/bin", "FAWKES_PUBLIC_URL=http://p"}
	if _, err := config.Load(keys(), "", env, nil); err != nil {
		t.Fatal(err)
	}
}

func TestSecretsAreMaskedWhereTheyAreShown(t *testing.T) {
	cfg, err := config.Load(keys(), "", []string{"FAWKES_IDENTITY_SECRET=hunter2"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, line := range cfg.Explain() {
		names = append(names, line.Key)
		if strings.Contains(line.Value, "hunter2") {
			t.Errorf("%s is shown", line.Key)
		}
		if line.Key == "identity.secret" && (line.Value == "" || line.Source != config.FromEnvironment || line.Env != "FAWKES_IDENTITY_SECRET") {
			t.Errorf("the secret's line is %+v, want a mask, its source and its variable", line)
		}
	}
	if got, want := strings.Join(names, " "), "dora.batch dora.incident_window dora.profile dora.relay identity.secret mcp-k8s.name"; got != want {
		t.Errorf("the lines are %s, want %s", got, want)
	}
	if got := cfg.String("identity.secret"); got != "hunter2" {
		t.Errorf("the program itself reads %q", got)
	}
}

func TestAskingForAnUndeclaredKeyIsAFaultOfTheProgram(t *testing.T) {
	cfg, err := config.Load(keys(), "", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if recover() == nil {
			t.Error("it did not panic")
		}
	}()
	cfg.Section("dora").String("nope")
}
