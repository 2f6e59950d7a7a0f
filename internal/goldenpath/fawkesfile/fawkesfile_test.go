package fawkesfile

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestEveryKeyIsRead(t *testing.T) {
	got, err := Parse([]byte(`version: 1
service: api
project: shop
language: go
go: {package: cmd/api, version: "1.26", tags: [netgo]}
build: {network: false}
test: {network: false, coverage: false}
behavior: {command: [go, test, ./tests/behavior]}
image:
  root: dist/
  entrypoint: [/app/api]
  base: registry.example/base:1
  env: {MODE: fast}
  exclude: ["*.map"]
stages:
  build: {command: make all, timeout: 5m}
  image-scan: {skip: no network here}
  sign: {skip: true}
gate:
  max_secrets: 1
  static_analysis: warning
  vulnerabilities: "off"
  min_tests: 3
  min_coverage: 62.5
  allow:
    - {rule: G404, path: internal/dice/*.go, reason: " dice need no secrets ", until: 2027-01-31}
promote: {to: [dev, staging]}
deploy: {port: 9000, health: /ready, replicas: 2, host: api.example, config: {GREETING: hello}}
`))
	if err != nil {
		t.Fatal(err)
	}
	coverage := 62.5
	want := &File{
		Service: "api", Project: "shop", Language: "go", Go: Go{Package: "./cmd/api", Version: "1.26", Tags: []string{"netgo"}}, Behavior: Behavior{Command: []string{"go", "test", "./tests/behavior"}},
		Image: Image{Root: "dist", Entrypoint: []string{"/app/api"}, Base: "registry.example/base:1", Env: map[string]string{"MODE": "fast"}, Exclude: []string{"*.map"}},
		Stages: map[string]Stage{
			"build":      {Command: []string{"sh", "-ec", "make all"}, Timeout: 5 * time.Minute},
			"image-scan": {Skip: true, Reason: "no network here"}, "sign": {Skip: true, Reason: "fawkes.yaml says so"},
		},
		Gate: Gate{MaxSecrets: 1, StaticAnalysis: LevelWarning, Vulnerabilities: Off, MinTests: 3, MinCoverage: &coverage, Allow: []Allow{
			{Rule: "G404", Path: "internal/dice/*.go", Reason: "dice need no secrets", Until: time.Date(2027, 2, 1, 0, 0, 0, 0, time.UTC), Line: 26},
		}},
		Promote: Promote{To: []string{"dev", "staging"}},
		Deploy:  Deploy{Port: 9000, Health: "/ready", Replicas: 2, Host: "api.example", Config: map[string]string{"GREETING": "hello"}},
		Lines:   got.Lines,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got.Lines["gate.allow[0].until"] != 26 || got.Lines["stages.build.timeout"] != 16 {
		t.Errorf("lines: %v", got.Lines)
	}
}

func TestAFileThatSaysNothingIsTheDefault(t *testing.T) {
	for _, text := range []string{"", "# only a comment\n", "version: 1\n", "version: 1\ngate:\nservice:\n"} {
		got, err := Parse([]byte(text))
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if diff := cmp.Diff(Default(), got, cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Lines" }, cmp.Ignore())); diff != "" {
			t.Errorf("%q:\n%s", text, diff)
		}
	}
}

func TestEveryFaultNamesItsLine(t *testing.T) {
	for text, want := range map[string]string{
		"version: 2\n":                                                   "fawkes.yaml:1: version: want a whole number from 1 to 1",
		"version: 1\nstagess: {}\n":                                      "fawkes.yaml:2: stagess: is not a key here; known are behavior, build, deploy, gate, go, image, language, project, promote, service, stages, test, version (did you mean stages?)",
		"stages: {biuld: {}}\n":                                          "fawkes.yaml:1: stages.biuld: is not a key here",
		"stages: {build: {skipp: true}}\n":                               "did you mean skip?",
		"stages: {checkout: {skip: true}}\n":                             "the checkout cannot be skipped",
		"stages: {sign: {skip: \"\"}}\n":                                 "want true, or the reason as text",
		"stages: {sign: {command: [x]}}\n":                               "only build, unit-test and behavior-test run a command",
		"stages: {build: {timeout: 3h}}\n":                               "want a time from 1s to 2h",
		"stages: {build: {timeout: [1s]}}\n":                             "want a time from 1s to 2h",
		"stages: {build: {command: []}}\n":                               "is empty",
		"stages: {build: {command: {}}}\n":                               "want a list",
		"service: Api\n":                                                 "want small letters",
		"service: ../x\n":                                                "want small letters",
		"service: a\nservice: b\n":                                       "fawkes.yaml:2: service: is there twice",
		"language: rust\n":                                               "want one of go, node, python, java",
		"go: {package: ../x}\n":                                          "want a package of this repository",
		"go: {version: latest}\n":                                        "want a version of Go",
		"go: {tags: [\"-x\"]}\n":                                         "want a build tag",
		"image: {root: /etc}\n":                                          "want a path inside the repository",
		"image: {root: a/../../b}\n":                                     "want a path inside the repository",
		"image: {env: {A-B: x}}\n":                                       "is no name of a variable",
		"image: {exclude: [\"[\"]}\n":                                    "is not a pattern",
		"gate: {min_coverage: 101}\n":                                    "want a number from 0 to 100",
		"gate: {min_coverage: .nan}\n":                                   "want a number from 0 to 100",
		"gate: {max_secrets: -1}\n":                                      "want a whole number",
		"gate: {static_analysis: eror}\n":                                "want one of error, warning, note, off (did you mean error?)",
		"gate:\n  allow:\n    - {rule: G1}\n":                            "fawkes.yaml:3: gate.allow[0]: needs reason",
		"gate: {allow: [{rule: G1, reason: x, until: tomorrow}]}\n":      "want a day such as 2027-01-31",
		"gate: {allow: [{rule: \"[\", reason: x, until: 2027-01-01}]}\n": "want a pattern",
		"gate: {allow: [G1]}\n":                                          "want a mapping",
		"promote: {to: [dev, dev]}\n":                                    "dev is there twice",
		"promote: {to: [\"../x\"]}\n":                                    "want small letters",
		"deploy: {port: 70000}\n":                                        "want a whole number from 1 to 65535",
		"deploy: {health: healthz}\n":                                    "want a path such as /healthz",
		"deploy: {host: \"a b\"}\n":                                      "want the name of a host",
		"a: &x 1\nb: *x\n":                                               "",
		"service: &x api\nproject: *x\n":                                 "anchors and aliases are not read",
		"<<: {service: a}\n":                                             "",
		"[]\n":                                                           "want a mapping",
		"service: \"a\\u0001\"\n":                                        "holds a control character",
		"service: [a\n":                                                  "fawkes.yaml:",
		"version: 1\n---\nversion: 1\n":                                  "more than one document",
		"\xff\xfe":                                                       "not UTF-8",
		"x: " + strings.Repeat("a", MostBytes):                           "more than 65536 bytes",
		"project: " + strings.Repeat("a", 5000):                          "is longer than",
		"image: {exclude: [" + strings.Repeat("a,", 300) + "a]}":         "has more than 200 entries",
	} {
		_, err := Parse([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: got %v, want %q", text, err, want)
			continue
		}
		for _, f := range Faults(err) {
			if f.Line < 1 {
				t.Errorf("%.60q: %+v has no line", text, f)
			}
		}
	}
}

// FuzzParse wants that no input makes the reader panic, and that every refusal says where.
func FuzzParse(f *testing.F) {
	f.Add("version: 1\nservice: api\ngate: {allow: [{rule: a, reason: b, until: 2027-01-01}]}\n")
	f.Add("stages: {build: {command: [a], timeout: 1s}}\n")
	f.Add("a: &a [*a]\n")
	f.Add("? {a: b}\n: c\n")
	f.Fuzz(func(t *testing.T, text string) {
		file, err := Parse([]byte(text))
		switch {
		case err == nil && file == nil:
			t.Fatal("neither a file nor an error")
		case err != nil && len(Faults(err)) == 0:
			t.Fatalf("%v names no line", err)
		case err == nil && strings.Contains(file.Image.Root+"/", "../"):
			t.Fatalf("the root %q leaves the repository", file.Image.Root)
		}
	})
}
