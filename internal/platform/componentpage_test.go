package platform

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"
)

func TestTheSecretsThatValuesNameAreListed(t *testing.T) {
	var values map[string]any
	if err := yaml.Unmarshal([]byte(`
existingSecretAdminPassword: admin
existingSecretAdminPasswordKey: PASSWORD
core: {existingSecret: core, secretName: "", tls: {secretName: web}}
jdbc: {jdbcSecretName: database, jdbcSecretPasswordKey: password}
mounted: [{name: road, keyName: b}, {name: road, keyName: a}]
env: [{name: A, valueFrom: {secretKeyRef: {name: settings, key: file}}}, {name: B, value: plain}]
envSecrets: {KEYS: keys}
secretless: no
`), &values); err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		{"`admin`", "–"}, {"`core`", "–"}, {"`database`", "–"}, {"`keys`", "`KEYS`"}, {"`road`", "`a`, `b`"}, {"`settings`", "`file`"}, {"`web`", "–"},
	}
	if diff := cmp.Diff(want, secretsOf(values)); diff != "" {
		t.Errorf("Secrets (-want +got):\n%s", diff)
	}
}
