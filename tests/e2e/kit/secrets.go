//go:build linux

package kit

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/tests/e2e/cluster"
)

// The namespaces of the kit.
const (
	argocdNamespace   = "argocd"
	servicesNamespace = "fawkes-apps"
	dataNamespace     = "fawkes-platform"
)

// secrets are what Vault would have and the operator of secrets would bring; the kit has neither, so they are made here, at
// random, and are nowhere but in the cluster.
type secrets struct {
	operator  string            // the first admin's token
	databases map[string]string // the password of each service's database
	superuser string
}

func newSecrets(services []string) secrets {
	s := secrets{operator: auth.NewToken(), superuser: auth.NewSecret(""), databases: map[string]string{}}
	for _, name := range services {
		s.databases[name] = auth.NewSecret("")
	}
	return s
}

// databaseName is the database, and the role that owns it, of a service.
func databaseName(service string) string { return "fawkes_" + service }

// apply makes the Secrets that the profile's workloads name.
func (s secrets) apply(ctx context.Context, c *cluster.Cluster) error {
	objects := []map[string]any{
		secret(dataNamespace, "postgresql-superuser", map[string]string{"username": "postgres", "password": s.superuser}),
		secret(servicesNamespace, "fawkes-operator", map[string]string{"token": s.operator}),
	}
	for _, service := range slices.Sorted(maps.Keys(s.databases)) {
		user, password := databaseName(service), s.databases[service]
		name := "fawkes-" + service + "-database"
		objects = append(objects,
			secret(dataNamespace, name, map[string]string{"username": user, "password": password, "database": user}),
			secret(servicesNamespace, name, map[string]string{"url": fmt.Sprintf("postgres://%s:%s@postgresql.%s.svc:5432/%s", user, password, dataNamespace, user)}),
		)
	}
	text, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "List", "items": objects})
	if err != nil {
		return err
	}
	return c.Apply(ctx, string(text))
}

func secret(namespace, name string, data map[string]string) map[string]any {
	return map[string]any{
		"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"namespace": namespace, "name": name}, "stringData": data,
	}
}
