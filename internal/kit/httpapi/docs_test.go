package httpapi_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

func TestTheSpecificationIsOpenAPI31AndAlwaysTheSame(t *testing.T) {
	first, err := newFixture(t, nil).api.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		again, err := newFixture(t, nil).api.OpenAPI()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first, again) {
			t.Fatalf("two writings differ:\n%s\n---\n%s", first, again)
		}
	}
	var spec struct {
		OpenAPI string
		Paths   map[string]map[string]struct {
			Security  []map[string][]string
			Responses map[string]struct {
				Content map[string]struct{ Schema map[string]string }
			}
		}
		Components struct {
			Schemas         map[string]any
			SecuritySchemes map[string]any `yaml:"securitySchemes"`
		}
	}
	if err := yaml.Unmarshal(first, &spec); err != nil {
		t.Fatal(err)
	}
	put := spec.Paths["/api/things/v1/things/{id}"]["put"]
	if !strings.HasPrefix(spec.OpenAPI, "3.1") || len(put.Security) == 0 || put.Security[0]["bearer"][0] != "dora:write" {
		t.Fatalf("version %q, security %v", spec.OpenAPI, put.Security)
	}
	if got := put.Responses["default"].Content["application/problem+json"].Schema["$ref"]; got != "#/components/schemas/Problem" {
		t.Errorf("errors have the schema %q, want our Problem", got)
	}
	if spec.Components.Schemas["Problem"] == nil || spec.Components.SecuritySchemes["bearer"] == nil {
		t.Errorf("the components lack Problem or bearer:\n%s", first)
	}
}

func TestTheSpecificationIsServed(t *testing.T) {
	f := newFixture(t, nil)
	want, err := f.api.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	if a := f.do(t, "GET", "/api/things/openapi.yaml", ""); a.body != string(want) || a.Header.Get("Content-Type") != "application/yaml" {
		t.Fatalf("served %s:\n%s", a.Header.Get("Content-Type"), a.body)
	}
}

func TestThePageOfTheDocumentationStandsAlone(t *testing.T) {
	f := newFixture(t, nil)
	a := f.do(t, "GET", "/api/things/docs", "")
	if a.StatusCode != 200 || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") {
		t.Fatalf("%d %s", a.StatusCode, a.Header.Get("Content-Type"))
	}
	for _, want := range []string{"/api/things/v1/things/{id}", "Store a thing", "dora:write", "What it is called.", "Counts &lt;things&gt;.", "invalid_field"} {
		if !strings.Contains(a.body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if found := regexp.MustCompile(`(?i)(src|href)="(https?:)?//|<script|@import|url\(`).FindString(a.body); found != "" {
		t.Errorf("the page asks for something else: %s", found)
	}
	// The policy lets through this very style, or the page would stand naked.
	style := regexp.MustCompile(`(?s)<style>(.*?)</style>`).FindStringSubmatch(a.body)
	if style == nil {
		t.Fatal("the page has no style")
	}
	sum := sha256.Sum256([]byte(style[1]))
	if want := "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(a.Header.Get("Content-Security-Policy"), want) {
		t.Errorf("the policy %q does not let the style %s through", a.Header.Get("Content-Security-Policy"), want)
	}
}
