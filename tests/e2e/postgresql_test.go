//go:build e2e && linux

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/tests/e2e/cluster"
	"github.com/fawkes-idp/fawkes/tests/e2e/images"
)

const (
	data     = "fawkes-platform" // the namespace
	identity = "fawkes_identity" // each the name of a role and of its database
	dora     = "fawkes_dora"
	admin    = "postgres"
)

// database is the PostgreSQL of the cluster.
type database struct {
	c         *cluster.Cluster
	address   string
	passwords map[string]string // of each role
}

// TestPostgreSQL lets the component run, crash, be backed up and restored.
func TestPostgreSQL(t *testing.T) {
	c := cluster.Up(t, cluster.Options{Nodes: 1})
	ctx := t.Context()
	how := readPage(t, c, "back-up-postgresql.md")
	var db *database
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(told(c))
		}
	})

	step(t, "the component is ready in its namespace", func(t *testing.T) { db = postgresql(t, c) })
	step(t, "each role has its own database and no other", func(t *testing.T) { db.separate(t, ctx) })
	step(t, "acknowledged rows outlive a pod that is deleted by force", func(t *testing.T) {
		db.survives(t, ctx, func(context.Context) error {
			_, err := c.Kubectl(ctx, "--namespace", data, "delete", "pod", "postgresql-0", "--grace-period=0", "--force")
			return err
		})
	})
	step(t, "acknowledged rows outlive SIGKILL to the whole server", func(t *testing.T) {
		db.survives(t, ctx, db.sigkill)
		db.recovered(t, ctx)
	})

	var sum string
	step(t, "a backup is made", func(t *testing.T) {
		sum = db.sum(t, ctx)
		out, err := how.run(ctx, "create job backup-now")
		if err != nil {
			t.Fatal(err)
		}
		t.Log(out)
		for _, name := range []string{identity, dora} {
			if !regexp.MustCompile(`(?m)^` + name + `-\d{8}T\d{6}Z\.dump \d+ bytes$`).MatchString(out) {
				t.Errorf("the log names no file of %s", name)
			}
		}
	})
	step(t, "a database that was dropped is restored", func(t *testing.T) {
		db.exec(t, ctx, "DROP DATABASE "+dora+" WITH (FORCE)")
		if conn, err := db.connect(ctx, dora, dora); !is(err, "3D000") {
			closing(ctx, conn)
			t.Fatalf("of a dropped database: %v; want that there is none", err)
		}
		out, err := how.run(ctx, "create job restore-now")
		if err != nil {
			t.Fatal(err)
		}
		t.Log(out)
		if got := db.sum(t, ctx); got != sum {
			t.Errorf("restored are %s; want %s", got, sum)
		}
		db.separate(t, ctx)
	})
	step(t, "a database is restored over newer rows, which are kept beside it", func(t *testing.T) {
		conn := db.open(t, ctx, dora, dora)
		if _, err := conn.Exec(ctx, "DELETE FROM acknowledged"); err != nil {
			t.Fatal(err)
		}
		// The connection stays open: a service's would, too.
		if _, err := how.run(ctx, "create job restore-now", "restore-now", "restore-over"); err != nil {
			t.Fatal(err)
		}
		if got := db.sum(t, ctx); got != sum {
			t.Errorf("restored are %s; want %s", got, sum)
		}
		if kept := db.names(t, ctx, dora+`\_before\_%`); len(kept) != 1 {
			t.Errorf("kept databases are %v; want one", kept)
		}
		if err := conn.Ping(ctx); err == nil {
			t.Error("a connection to the old database still works")
		}
	})
	step(t, "damaged files are refused by their names, and change nothing", func(t *testing.T) { db.refuses(t, ctx, how, sum) })
	step(t, "the newest backups are kept", func(t *testing.T) {
		// One line of the manifest's is changed on its way, as an operator would to keep fewer.
		if _, err := c.Kubectl(ctx, "--namespace", data, "set", "env", "cronjob/postgresql-backup", "KEEP=1"); err != nil {
			t.Fatal(err)
		}
		out, err := how.run(ctx, "create job backup-now", "backup-now", "backup-again")
		if err != nil {
			t.Fatal(err)
		}
		t.Log(out)
		for _, name := range []string{identity, dora} {
			if files, err := filepath.Glob(filepath.Join(db.backups(t, ctx), name+"-*Z.dump")); err != nil || len(files) != 1 {
				t.Errorf("of %s there are %v, %v; want one", name, files, err)
			}
		}
	})
	step(t, "rotated passwords hold after a restart, and the old ones do not", func(t *testing.T) { db.rotate(t, ctx, how) })
	step(t, "what was written before is there at the end", func(t *testing.T) {
		if got := db.sum(t, ctx); got != sum {
			t.Errorf("there are %s; want %s", got, sum)
		}
	})
}

// postgresql installs the component as a profile does, with Pod Security enforced.
func postgresql(t *testing.T, c *cluster.Cluster) *database {
	t.Helper()
	ctx := t.Context()
	spec, err := images.PostgreSQL(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	const ref = "fawkes.test/postgres:15"
	load(t, c, ref, spec)
	if err := c.Nodes[0].Volumes(ctx, 2, "10Gi"); err != nil {
		t.Fatal(err)
	}
	foundation, err := os.ReadFile(source(t, "platform/profiles/kit/foundation/platform/fawkes-platform.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(foundation), "pod-security.kubernetes.io/enforce: restricted") {
		t.Fatal("the namespace does not enforce Pod Security")
	}
	db := &database{c: c, passwords: map[string]string{}}
	if err := c.Apply(ctx, string(foundation)); err != nil {
		t.Fatal(err)
	}
	for _, role := range []string{admin, identity, dora} {
		// What a password may have, and a script must not trip over.
		db.secret(t, ctx, role, auth.NewSecret("")+`'"$\ `+"`x`")
	}
	if err := c.Apply(ctx, rendered(t, "postgresql", "docker.io/library/postgres", ref)); err != nil {
		t.Fatal(err)
	}
	if err := c.Rollout(ctx, data, "statefulset/postgresql", 2*time.Minute); err != nil {
		t.Fatal(err)
	}
	ip, err := c.Kubectl(ctx, "--namespace", data, "get", "service", "postgresql", "-o", "jsonpath={.spec.clusterIP}")
	if err != nil {
		t.Fatal(err)
	}
	db.address = ip + ":5432"
	return db
}

// secret makes, or changes, the Secret of a role.
func (db *database) secret(t *testing.T, ctx context.Context, role, password string) {
	t.Helper()
	name := "postgresql-superuser"
	if role != admin {
		name = strings.ReplaceAll(role, "_", "-") + "-database"
	}
	if err := db.c.Apply(ctx, fmt.Sprintf(`{"apiVersion":"v1","kind":"Secret","metadata":{"namespace":%q,"name":%q},"stringData":{"username":%q,"password":%q,"database":%q}}`,
		data, name, role, password, role)); err != nil {
		t.Fatal(err)
	}
	db.passwords[role] = password
}

// connect logs in to a database, through the Service.
func (db *database) connect(ctx context.Context, role, name string) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	config, err := pgx.ParseConfig("sslmode=disable")
	if err != nil {
		return nil, err
	}
	host, _, err := net.SplitHostPort(db.address)
	if err != nil {
		return nil, err
	}
	config.Host, config.Port, config.User, config.Password, config.Database = host, 5432, role, db.passwords[role], name
	config.DialFunc = db.c.Nodes[0].DialContext
	return pgx.ConnectConfig(ctx, config)
}

// open connects until the end of the test.
func (db *database) open(t *testing.T, ctx context.Context, role, name string) *pgx.Conn {
	t.Helper()
	conn, err := db.connect(ctx, role, name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closing(context.WithoutCancel(ctx), conn) })
	return conn
}

// closing ends a connection, if there is one; that it was broken before is of no interest.
func closing(ctx context.Context, conn *pgx.Conn) {
	if conn != nil {
		_ = conn.Close(ctx)
	}
}

// is tells whether the server refused something with a certain code.
func is(err error, code string) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && refused.Code == code
}

// exec lets the superuser do something.
func (db *database) exec(t *testing.T, ctx context.Context, sql string) {
	t.Helper()
	if _, err := db.open(t, ctx, admin, admin).Exec(ctx, sql); err != nil {
		t.Fatal(err)
	}
}

// names lists the databases whose names are like a pattern.
func (db *database) names(t *testing.T, ctx context.Context, like string) []string {
	t.Helper()
	rows, err := db.open(t, ctx, admin, admin).Query(ctx, "SELECT datname FROM pg_database WHERE datname LIKE $1 ORDER BY 1", like)
	if err != nil {
		t.Fatal(err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// sum is the number of rows and a checksum of all of them.
func (db *database) sum(t *testing.T, ctx context.Context) string {
	t.Helper()
	var count int
	var sum string
	if err := db.open(t, ctx, dora, dora).QueryRow(ctx,
		"SELECT count(*), coalesce(md5(string_agg(id || ':' || filling, ',' ORDER BY id)), '') FROM acknowledged").Scan(&count, &sum); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d rows, md5 %s", count, sum)
}

// separate tries each role at each database.
func (db *database) separate(t *testing.T, ctx context.Context) {
	t.Helper()
	for _, role := range []string{identity, dora} {
		for _, name := range []string{identity, dora, admin, "template1"} {
			conn, err := db.connect(ctx, role, name)
			closing(ctx, conn)
			switch {
			case name == role && err != nil:
				t.Errorf("%s at its own database: %v", role, err)
			case name != role && !is(err, "42501"):
				t.Errorf("%s at %s: %v; want that it has no right to", role, name, err)
			}
		}
		conn := db.open(t, ctx, role, role)
		if _, err := conn.Exec(ctx, "CREATE DATABASE another"); !is(err, "42501") {
			t.Errorf("%s makes a database: %v; want that it may not", role, err)
		}
		if _, err := conn.Exec(ctx, "CREATE ROLE another"); !is(err, "42501") {
			t.Errorf("%s makes a role: %v; want that it may not", role, err)
		}
	}
	wrong := &database{c: db.c, address: db.address, passwords: map[string]string{dora: "wrong"}}
	if conn, err := wrong.connect(ctx, dora, dora); !is(err, "28P01") {
		closing(ctx, conn)
		t.Errorf("with a wrong password: %v; want that it is refused", err)
	}
}

// backups is the folder of the volume with the backups, as this machine sees it.
func (db *database) backups(t *testing.T, ctx context.Context) string {
	t.Helper()
	volume, err := db.c.Kubectl(ctx, "--namespace", data, "get", "pvc", "postgresql-backups", "-o", "jsonpath={.spec.volumeName}")
	if err != nil {
		t.Fatal(err)
	}
	path, err := db.c.Kubectl(ctx, "get", "pv", volume, "-o", "jsonpath={.spec.local.path}")
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(db.c.Dir(), db.c.Nodes[0].Name, "disk", strings.TrimPrefix(path, "/var/"))
}

// refuses gives the Job files that are not what a backup should be.
func (db *database) refuses(t *testing.T, ctx context.Context, how page, sum string) {
	t.Helper()
	dir := db.backups(t, ctx)
	files, err := filepath.Glob(filepath.Join(dir, dora+"-*Z.dump"))
	if err != nil || len(files) == 0 {
		t.Fatalf("there is no backup in %s: %v", dir, err)
	}
	whole, err := os.ReadFile(files[len(files)-1])
	if err != nil {
		t.Fatal(err)
	}
	damaged := append([]byte(nil), whole...)
	for i := len(damaged) / 2; i < len(damaged)/2+16; i++ {
		damaged[i] ^= 0xff
	}
	for name, content := range map[string][]byte{"damaged.dump": damaged, "cut-off.dump": whole[:len(whole)/2], "garbage.dump": []byte("no backup"), "missing.dump": nil} {
		if content != nil {
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		job := "restore-" + strings.TrimSuffix(name, ".dump")
		out, err := how.run(ctx, "create job restore-now", "restore-now", job, "BACKUP=latest", "BACKUP="+name, "condition=Complete", "condition=Failed", "4h", "2m")
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out, name) {
			t.Errorf("the Job's log does not name %s:\n%s", name, out)
		}
		t.Log(out)
	}
	if got := db.sum(t, ctx); got != sum {
		t.Errorf("after that there are %s; want %s", got, sum)
	}
	if rest := db.names(t, ctx, `%\_new\_%`); len(rest) != 0 {
		t.Errorf("%v are left", rest)
	}
}

// rotate gives every role another password.
func (db *database) rotate(t *testing.T, ctx context.Context, how page) {
	t.Helper()
	old := &database{c: db.c, address: db.address, passwords: map[string]string{}}
	for _, role := range []string{admin, identity, dora} {
		old.passwords[role] = db.passwords[role]
		db.secret(t, ctx, role, auth.NewSecret(""))
	}
	if _, err := how.run(ctx, "rollout restart statefulset/postgresql"); err != nil {
		t.Fatal(err)
	}
	for _, role := range []string{admin, identity, dora} {
		eventually(t, 30*time.Second, role+" logs in with its new password", func() error {
			conn, err := db.connect(ctx, role, role)
			closing(ctx, conn)
			return err
		})
		if conn, err := old.connect(ctx, role, role); !is(err, "28P01") {
			closing(ctx, conn)
			t.Errorf("%s with its old password: %v; want that it is refused", role, err)
		}
	}
}

// told is what is known of the component when a step failed.
func told(c *cluster.Cluster) string {
	var out strings.Builder
	for _, args := range [][]string{
		{"get", "pods,jobs,pvc,pv", "-o", "wide"},
		{"get", "events", "--sort-by", ".lastTimestamp"},
		{"logs", "statefulset/postgresql", "--tail=60"},
		{"logs", "statefulset/postgresql", "--tail=60", "--previous"},
		{"logs", "--selector", "app.kubernetes.io/name=postgresql-backup", "--tail=30", "--prefix"},
	} {
		text, err := c.Kubectl(context.Background(), append([]string{"--namespace", data}, args...)...)
		fmt.Fprintf(&out, "==> kubectl %s\n%s%v\n", strings.Join(args, " "), text, err)
	}
	return out.String()
}
