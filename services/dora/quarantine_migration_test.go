package dora

import (
	"context"
	"database/sql"
	"io/fs"
	"strings"
	"testing"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore/storetest"
)

// first are the migrations up to the first.
type first struct{ fs.FS }

// ReadDir implements fs.ReadDirFS.
func (f first) ReadDir(name string) ([]fs.DirEntry, error) {
	all, err := fs.ReadDir(f.FS, name)
	var out []fs.DirEntry
	for _, e := range all {
		if e.IsDir() || strings.HasPrefix(e.Name(), "00001") {
			out = append(out, e)
		}
	}
	return out, err
}

// Sub implements fs.SubFS.
func (f first) Sub(dir string) (fs.FS, error) {
	sub, err := fs.Sub(f.FS, dir)
	return first{sub}, err
}

// Glob implements fs.GlobFS.
func (f first) Glob(pattern string) ([]string, error) {
	all, err := fs.Glob(f.FS, pattern)
	var out []string
	for _, name := range all {
		if strings.Contains(name, "00001") {
			out = append(out, name)
		}
	}
	return out, err
}

// TestDeliveriesFromBeforeAreReplayed quarantines under the first schema, and
// replays after the migrations.
func TestDeliveriesFromBeforeAreReplayed(t *testing.T) {
	storetest.Each(t, first{Migrations()}, func(t *testing.T, db *sqlstore.DB) {
		ctx := context.Background()
		push := pushOf(pushed("a", "2026-03-02T08:00:00Z"))
		err := db.Tx(ctx, func(tx *sql.Tx) error {
			for _, row := range []struct {
				source, kind, delivery string
				size                   int
			}{{"github", "push", "d-1", len(push)}, {"github", "push", "d-2", 100_000}} {
				if _, err := tx.ExecContext(ctx, `INSERT INTO quarantine (received_at, source, project, kind, delivery, field, detail, size, body)
					VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`, 1, row.source, "shop", row.kind, row.delivery, "commits", "once", row.size, []byte(push)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Migrate(ctx, Migrations()); err != nil {
			t.Fatal(err)
		}
		s := serve(t, db, NewStore(db))
		l := s.inQuarantine("status=open")
		if l.Total != 2 || !l.Items[0].Truncated || l.Items[1].Truncated {
			t.Fatalf("%+v", l)
		}
		if got := s.replay(200, l.Items[1].ID, ""); got.Stored != 1 || got.Kind != "push" {
			t.Errorf("%+v", got)
		}
		s.replay(409, l.Items[0].ID, "")
		// Its space is counted, so that room can be made.
		if _, dropped, err := s.store.Quarantine(ctx, Quarantined{Source: "github", Room: "new", Body: []byte{}}, Space{Total: 2 * keptRow, Share: 2 * keptRow}); err != nil || dropped != 2 {
			t.Errorf("%d dropped, %v", dropped, err)
		}
	})
}
