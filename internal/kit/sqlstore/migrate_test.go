package sqlstore_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore/pgtest"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore/storetest"
)

func TestMigrateAgainChangesNothing(t *testing.T) {
	storetest.Each(t, schema(), func(t *testing.T, db *sqlstore.DB) {
		if err := db.Migrate(context.Background(), schema()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestMigrateKeepsWhatWasDoneBeforeAFailure(t *testing.T) {
	storetest.Each(t, nil, func(t *testing.T, db *sqlstore.DB) {
		ctx := context.Background()
		broken := schema()
		for _, engine := range []string{"sqlite", "postgres"} {
			broken[engine+"/0002_broken.sql"] = &fstest.MapFile{Data: []byte("-- +goose Up\nCREATE TABLE half (id TEXT);\nSELECT nonsense FROM nowhere;\n")}
		}
		err := db.Migrate(ctx, broken)
		if err == nil || !strings.Contains(err.Error(), "0002_broken.sql") {
			t.Fatalf("Migrate = %v, want an error that names the file", err)
		}
		if n := count(t, db); n != 0 {
			t.Fatalf("the table of the first migration has %d rows, want 0", n)
		}
		if _, err := db.Read.ExecContext(ctx, "SELECT * FROM half"); err == nil {
			t.Fatal("the failed migration left its table")
		}
	})
}

func TestMigrateWithoutFilesIsAMistake(t *testing.T) {
	db := storetest.OpenSQLite(t, nil)
	err := db.Migrate(context.Background(), fstest.MapFS{"postgres/1_x.sql": {Data: []byte("-- +goose Up\nSELECT 1;\n")}})
	if err == nil || !strings.Contains(err.Error(), "sqlite/") {
		t.Fatalf("Migrate = %v, want an error that names the folder", err)
	}
}

func TestSeveralReplicasMigrateAtOnce(t *testing.T) {
	url := pgtest.Start(t).Database(t)
	ctx := context.Background()
	slow := schema()
	slow["postgres/0001_item.sql"] = &fstest.MapFile{Data: []byte("-- +goose Up\nSELECT pg_sleep(0.2);\nCREATE TABLE item (id TEXT PRIMARY KEY, n BIGINT NOT NULL);\n")}
	replicas := make([]*sqlstore.DB, 4)
	for i := range replicas {
		db, err := sqlstore.Open(ctx, url, sqlstore.Options{Logger: discard()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
		replicas[i] = db
	}
	var wg sync.WaitGroup
	for i, db := range replicas {
		wg.Go(func() {
			if err := db.Migrate(ctx, slow); err != nil {
				t.Errorf("replica %d: %v", i, err)
			}
		})
	}
	wg.Wait()
}
