package app_test

import (
	"database/sql"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/fawkes-idp/fawkes/internal/app"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore/pgtest"
)

// migrate runs "fawkes-service migrate" with the real modules.
func migrate(t *testing.T, env []string, args ...string) (int, string) {
	t.Helper()
	var out safeBuffer
	code := app.Service{
		Modules: app.Modules(), Args: append([]string{"migrate"}, args...), Env: env, Stdout: &out, Stderr: &out, Version: "v1",
		Ready: func(url string) { t.Errorf("migrating answers requests at %s", url) },
	}.Run(t.Context())
	return code, out.String()
}

// version is the newest migration that the database says it has, 0 when it knows none.
func version(t *testing.T, driver, url string) (newest int64) {
	t.Helper()
	db, err := sql.Open(driver, url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRowContext(t.Context(), "SELECT COALESCE(MAX(version_id), 0) FROM goose_db_version").Scan(&newest); err != nil {
		t.Fatal(err)
	}
	return newest
}

func TestMigrateMakesTheSchemaAndStartsNothing(t *testing.T) {
	server := pgtest.Start(t)
	for _, name := range []string{"dora", "identity"} {
		t.Run(name, func(t *testing.T) {
			url := server.Database(t)
			env := []string{"FAWKES_" + strings.ToUpper(name) + "_DATABASE_URL=" + url}
			for range 2 { // the second time there is nothing left to do
				code, out := migrate(t, env, name)
				if code != app.ExitOK || !strings.Contains(out, "the schema is up to date") || !strings.Contains(out, `"engine":"postgres"`) {
					t.Fatalf("code %d, said:\n%s", code, out)
				}
			}
			if got := version(t, "pgx", url); got == 0 {
				t.Error("the database knows of no migration")
			}
		})
	}
}

func TestMigrateInAStateFolder(t *testing.T) {
	folder := t.TempDir()
	if code, out := migrate(t, nil, "dora", "--state", folder); code != app.ExitOK {
		t.Fatalf("code %d, said:\n%s", code, out)
	}
	if got := version(t, "sqlite", filepath.Join(folder, "dora.db")); got == 0 {
		t.Error("the file knows of no migration")
	}
}

func TestSeveralMigrationsAtOnceWaitForEachOther(t *testing.T) {
	env := []string{"FAWKES_DORA_DATABASE_URL=" + pgtest.Start(t).Database(t)}
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			if code, out := migrate(t, env, "dora"); code != app.ExitOK {
				t.Errorf("code %d, said:\n%s", code, out)
			}
		})
	}
	all.Wait()
}

func TestMigrateSaysWhatIsWrong(t *testing.T) {
	d := &diary{}
	for _, c := range []struct {
		args []string
		env  []string
		code int
		said string
	}{
		{nil, nil, app.ExitUsage, "name the module"},
		{[]string{"nope"}, nil, app.ExitUsage, `no module "nope"`},
		{[]string{"all"}, nil, app.ExitUsage, `no module "all"`},
		{[]string{"stored", "more"}, nil, app.ExitUsage, `"more" is one argument too many`},
		{[]string{"stored", "--listen", ":1"}, nil, app.ExitUsage, "listen"},
		{[]string{"stored", "--help"}, nil, app.ExitOK, "-state"},
		{[]string{"bare"}, nil, app.ExitFailed, "the module bare has no database"},
		{[]string{"stored"}, nil, app.ExitFailed, "FAWKES_STORED_DATABASE_URL"},
		{[]string{"stored", "--log-level", "loud"}, nil, app.ExitFailed, "debug, info, warn or error"},
		{[]string{"stored"}, []string{"FAWKES_STORED_DATABASE_URL=mysql://x"}, app.ExitFailed, "mysql"},
	} {
		stored := part(d, "stored")
		stored.Migrations = tables()
		var out safeBuffer
		code := app.Service{Modules: options(part(d, "bare"), stored).Modules, Args: append([]string{"migrate"}, c.args...), Env: c.env, Stdout: &out, Stderr: &out}.Run(t.Context())
		if code != c.code || !strings.Contains(out.String(), c.said) {
			t.Errorf("%v: code %d, said %q; want %d, %q", c.args, code, out.String(), c.code, c.said)
		}
	}
}
