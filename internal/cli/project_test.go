package cli

import (
	"strings"
	"testing"
)

func TestProjectFilesAreTakenAsTheyAreWritten(t *testing.T) {
	read := func(text string) ([]spec, error) {
		g := &globals{IO: IO{In: strings.NewReader(text)}}
		return g.readSpecs("-")
	}
	specs, err := read("project: a\ncalendar:\n  holidays: [2026-12-25]\ntime_zone: UTC\nn: 1\nb: yes\nt: true\nnothing:\n---\n---\n{\"project\": \"b\", \"teams\": [{\"name\": \"x\"}]}\n")
	if err != nil || len(specs) != 2 {
		t.Fatalf("want two documents, got %d, %v", len(specs), err)
	}
	if want := `{"b":"yes","calendar":{"holidays":["2026-12-25"]},"n":1,"nothing":null,"project":"a","t":true,"time_zone":"UTC"}`; string(specs[0].body) != want {
		t.Errorf("first document:\nwant %s\ngot  %s", want, specs[0].body)
	}
	if want := `{"project":"b","teams":[{"name":"x"}]}`; specs[1].name != "b" || string(specs[1].body) != want {
		t.Errorf("second document:\nwant %s\ngot  %s", want, specs[1].body)
	}
	for text, want := range map[string]string{
		"":                                "is empty",
		"time_zone: UTC\n":                "document 1: it names no project",
		"project: [a]\n":                  "document 1: it names no project",
		"project: a\n---\n- b\n":          "document 2: it names no project",
		"project: a\nproject: b\n":        "stands twice",
		"project: a\n x: [\n":             "yaml",
		"x: &x [1]\nproject: a\ny: *x\n":  "an alias (*x) is not taken",
		"project: a\nmap: {a: 1, a: 2}\n": "stands twice",
	} {
		if _, err := read(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: want %q, got %v", text, want, err)
		}
	}
}
