package promote

import (
	"strings"
	"testing"

	"github.com/fawkes-idp/fawkes/internal/goldenpath/fawkesfile"
)

const known = `environments:
  - {name: dev, kind: development}
  - {name: production, kind: production}
`

// One host belongs to one environment: only production has it as the manifests say.
func TestEnvironmentsShareNoHost(t *testing.T) {
	bare := environments(t, map[string]string{"environments.yaml": known})
	c := change("api", rev1, "a", "dev", "production")
	c.Manifests = Defaults("api", fawkesfile.Deploy{Port: 8080, Health: "/healthz", Replicas: 1})
	if _, err := Promote(t.Context(), Target{URL: bare}, c, t.TempDir()); err != nil {
		t.Fatal(err)
	}
	const want = `replacements:
  # The hosts of this environment are those of the manifests with its name before them; production has them as they are.
  - source: {kind: Deployment, name: api, fieldPath: metadata.namespace}
    targets:
      - select: {kind: Ingress}
        fieldPaths: [spec.rules.*.host]
        options: {delimiter: ., index: -1}`
	if got := git(t, bare, "show", "main:apps/api/dev/kustomization.yaml"); !strings.HasSuffix(got, want) {
		t.Errorf("dev:\n%s\nwant at its end\n%s", got, want)
	}
	if got := git(t, bare, "show", "main:apps/api/production/kustomization.yaml"); strings.Contains(got, "replacements") {
		t.Errorf("production:\n%s", got)
	}
}

func TestTheHostsArePeoplesToChange(t *testing.T) {
	bare := environments(t, map[string]string{"environments.yaml": known, "apps/api/dev/kustomization.yaml": "namespace: dev\n"})
	c := change("api", rev1, "a", "dev")
	c.Manifests = Defaults("api", fawkesfile.Deploy{Port: 8080, Health: "/healthz", Replicas: 1})
	if _, err := Promote(t.Context(), Target{URL: bare}, c, t.TempDir()); err != nil {
		t.Fatal(err)
	}
	if got := git(t, bare, "show", "main:apps/api/dev/kustomization.yaml"); strings.Contains(got, "replacements") {
		t.Errorf("what people took away is there again:\n%s", got)
	}
}

// kustomize fails where it is to replace what is not there.
func TestNoHostNoReplacement(t *testing.T) {
	for name, text := range map[string]string{
		"no ingress":         "kind: Deployment\nmetadata: {name: api}\n",
		"an ingress of all":  "kind: Deployment\nmetadata: {name: api}\n---\nkind: Ingress\nspec: {rules: [{http: {}}]}\n",
		"no deployment":      "kind: Ingress\nspec: {rules: [{host: a.example}]}\n",
		"what is no mapping": "[1, 2\n",
	} {
		if n := hosts([]Manifest{{Name: "a.yaml", Text: []byte(text)}}); n != nil {
			t.Errorf("%s: a replacement", name)
		}
	}
}
