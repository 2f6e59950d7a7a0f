package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fawkes-idp/fawkes/internal/kit/config"
	"github.com/fawkes-idp/fawkes/internal/kit/module"
)

func TestTheCommittedFilesAreWhatTheCodeGives(t *testing.T) {
	files, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join("..", "..", "charts", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("charts/%s is stale; run `make generate`", name)
		}
	}
}

func TestARouteAsAnIngressHasIt(t *testing.T) {
	for route, want := range map[string]path{
		"/": {"/", "Prefix"}, "/api/dora/": {"/api/dora", "Prefix"}, "/signin": {"/signin", "Exact"}, "/projects/{id}/metrics": {},
	} {
		got, ok := ingressPath(route)
		if got != want || ok != (want != path{}) {
			t.Errorf("%s is %+v, %t; want %+v", route, got, ok, want)
		}
	}
}

// TestANewServiceIsInTheSchema makes one with a setting of each kind.
func TestANewServiceIsInTheSchema(t *testing.T) {
	m := module.Module{Name: "smart-alerting", Summary: "alerts", Config: []config.Key{
		{Name: "smart-alerting.most", Default: "5", Doc: "Most.", Check: config.IsInt(1, 9)},
		{Name: "smart-alerting.on", Check: config.IsBool()},
		{Name: "smart-alerting.kind", Check: config.IsOneOf("a", "b")},
		{Name: "smart-alerting.token", Secret: true},
	}, New: func(context.Context, module.Deps) (*module.Service, error) { return nil, nil }}
	text, err := json.Marshal(platformSchema([]module.Module{m}))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"smart-alerting":{"additionalProperties":false`,
		`"most":{"description":"Most. Default: 5.","maximum":9,"minimum":1,"type":"integer"}`,
		`"on":{"description":"","type":"boolean"}`, `"kind":{"description":"","enum":["a","b"],"type":"string"}`,
		`"token":{"additionalProperties":false`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the schema lacks %s", want)
		}
	}
	if strings.Contains(string(text), `"database"`) {
		t.Error("a service without a database has the setting of one")
	}
}
