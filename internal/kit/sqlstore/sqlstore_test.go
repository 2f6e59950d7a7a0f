package sqlstore_test

import (
	"context"
	"database/sql"
	"testing"
	"testing/fstest"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore/storetest"
)

func schema() fstest.MapFS {
	text := "-- +goose Up\nCREATE TABLE item (id TEXT PRIMARY KEY, n BIGINT NOT NULL);\n-- +goose Down\nDROP TABLE item;\n"
	lite := "-- +goose Up\nCREATE TABLE item (id TEXT PRIMARY KEY, n INTEGER NOT NULL) STRICT;\n-- +goose Down\nDROP TABLE item;\n"
	return fstest.MapFS{
		"sqlite/0001_item.sql":   {Data: []byte(lite)},
		"postgres/0001_item.sql": {Data: []byte(text)},
	}
}

func TestTxCommitsAndReaderSees(t *testing.T) {
	storetest.Each(t, schema(), func(t *testing.T, db *sqlstore.DB) {
		ctx := context.Background()
		if err := db.Tx(ctx, func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, "INSERT INTO item (id, n) VALUES ($1, $2)", "a", 7)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		var n int
		if err := db.Read.QueryRowContext(ctx, "SELECT n FROM item WHERE id = $1", "a").Scan(&n); err != nil || n != 7 {
			t.Fatalf("read n = %d, %v; want 7", n, err)
		}
	})
}
