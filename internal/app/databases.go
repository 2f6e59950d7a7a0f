package app

import (
	"fmt"
	"slices"

	"github.com/fawkes-idp/fawkes/internal/backup"
	"github.com/fawkes-idp/fawkes/internal/kit/module"
)

// Databases lists where the services keep their data: those named, or all with
// none named.
func Databases(opts Options, services []string) ([]backup.Database, error) {
	if err := opts.complete(); err != nil {
		return nil, err
	}
	for _, name := range services {
		if !slices.ContainsFunc(opts.Modules, func(m module.Module) bool { return m.Name == name && m.Migrations != nil }) {
			return nil, fmt.Errorf("there is no service %q with a database", name)
		}
	}
	var out []backup.Database
	for _, m := range opts.Modules {
		if m.Migrations == nil || len(services) > 0 && !slices.Contains(services, m.Name) {
			continue
		}
		url, err := opts.databaseURL(m.Name)
		if err != nil {
			return nil, err
		}
		out = append(out, backup.Database{Name: m.Name, URL: url, Migrations: m.Migrations, Passing: m.Passing})
	}
	return out, nil
}
