package manifest

import (
	"strings"
	"testing"
)

const inDev = `namespace: dev
resources: [base/a.yaml]
replacements:
  - source: {kind: Deployment, name: shop, fieldPath: metadata.namespace}
    targets:
      - select: {kind: Ingress}
        fieldPaths: [spec.rules.*.host]
        options: {delimiter: ., index: -1}
`

const shop = `apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec: {}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop}
spec: {rules: [{host: shop.localhost}, {host: www.shop.localhost}]}
`

// hostsOf renders a kustomization and gives the hosts of its ingress.
func hostsOf(t *testing.T, kustomization string) string {
	t.Helper()
	objects, err := render("apps/shop/x", map[string][]byte{Kustomization: []byte(kustomization), "base/a.yaml": []byte(shop)})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, o := range objects {
		if o["kind"] == "Ingress" {
			for _, r := range o["spec"].(map[string]any)["rules"].([]any) {
				out = append(out, r.(map[string]any)["host"].(string))
			}
		}
	}
	return strings.Join(out, " ")
}

// The same service has an address of its own in each environment that a promotion begins.
func TestEachEnvironmentHasHostsOfItsOwn(t *testing.T) {
	if got, want := hostsOf(t, inDev), "dev.shop.localhost dev.www.shop.localhost"; got != want {
		t.Errorf("dev: %s, want %s", got, want)
	}
	for _, c := range []struct {
		environment string
		production  bool
		target      string
		want        string
	}{
		{"staging", false, "", "staging.shop.localhost staging.www.shop.localhost"},
		{"production", true, "", "shop.localhost www.shop.localhost"},
		{"production", true, strings.ReplaceAll(inDev, "namespace: dev", "namespace: production"), "production.shop.localhost production.www.shop.localhost"},
		{"staging", false, "namespace: staging\nresources: [base/a.yaml]\n", "shop.localhost www.shop.localhost"},
	} {
		text, err := Promote([]byte(inDev), []byte(c.target), c.environment, c.production)
		if err != nil {
			t.Fatal(err)
		}
		if got := hostsOf(t, string(text)); got != c.want {
			t.Errorf("%s after %q: %s, want %s", c.environment, c.target, got, c.want)
		}
	}
	other := strings.Replace(inDev, "replacements:\n", "replacements:\n  - source: {kind: Deployment, fieldPath: metadata.name}\n    targets: [{select: {kind: Deployment}, fieldPaths: [metadata.name]}]\n", 1)
	text, err := Promote([]byte(other), nil, "production", true)
	if err != nil || !strings.Contains(string(text), "metadata.name}") || strings.Contains(string(text), "spec.rules") {
		t.Errorf("%v\n%s", err, text)
	}
}
