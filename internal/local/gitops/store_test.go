package gitops

import (
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore/storetest"
	"github.com/fawkes-idp/fawkes/internal/local/gitops/migrations"
)

// TestStore runs on both engines.
func TestStore(t *testing.T) {
	storetest.Each(t, migrations.FS, func(t *testing.T, db *sqlstore.DB) {
		ctx, s := t.Context(), NewStore(db)
		noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
		do := func(fn func(*sql.Tx) error) error { return s.Tx(ctx, fn) }
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		same := func(what string, want, got any) {
			t.Helper()
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s (-want +got):\n%s", what, d)
			}
		}
		a := Application{Name: "a-dev", UID: "u", Service: "a", Environment: "dev", Present: true, Tree: "t", Revision: "r", Sync: Synced, Conditions: []Condition{{SyncError, "x"}},
			Health: Health{"Healthy", "", noon}, LastStarted: noon, Updated: noon}
		must(do(func(tx *sql.Tx) error { return s.PutApplication(ctx, tx, a) }))
		a.Applied = true
		must(do(func(tx *sql.Tx) error { return s.PutApplication(ctx, tx, a) }))
		got, err := s.Application(ctx, "a-dev")
		must(err)
		same("an application", a, got)

		o := Operation{App: "a-dev", Kind: KindSync, Revision: "r", Tree: "t", Automated: true, Detail: Detail{Images: []string{"i"}}, Phase: running, Started: noon}
		must(do(func(tx *sql.Tx) (err error) { o.ID, err = s.Begin(ctx, tx, o); return err }))
		for _, second := range []Operation{o, {App: "a-dev", Kind: KindHeal, Revision: "other", Phase: running, Started: noon}} {
			if err := do(func(tx *sql.Tx) error { _, err := s.Begin(ctx, tx, second); return err }); !errors.Is(err, ErrBegun) {
				t.Errorf("a second operation beside one that runs: %v", err)
			}
		}
		o.Phase, o.Finished = succeeded, noon.Add(time.Second)
		must(do(func(tx *sql.Tx) error { return s.SetOperation(ctx, tx, o) }))
		if err := do(func(tx *sql.Tx) error { return s.SetOperation(ctx, tx, o) }); !errors.Is(err, ErrNotFound) {
			t.Errorf("an operation ended twice: %v", err)
		}
		if err := do(func(tx *sql.Tx) error { _, err := s.Begin(ctx, tx, o); return err }); !errors.Is(err, ErrBegun) {
			t.Errorf("a second operation of a commit: %v", err)
		}
		back, err := s.LastOperation(ctx, "a-dev")
		must(err)
		same("an operation", o, back)
		good, err := s.Good(ctx, "a-dev", 0)
		must(err)
		same("the last good one", o.ID, good.ID)
		if _, err := s.Good(ctx, "a-dev", o.ID); !errors.Is(err, ErrNotFound) {
			t.Errorf("before the first: %v", err)
		}

		for i, key := range []string{"one", "two", "two"} {
			p := Promotion{Key: key, Service: "a", From: "dev", To: "staging", State: WaitingApproval, Requested: noon}
			must(do(func(tx *sql.Tx) error {
				_, added, err := s.AddPromotion(ctx, tx, p)
				if added != (i < 2) {
					t.Errorf("%s added: %v", key, added)
				}
				return err
			}))
		}
		all, err := s.Promotions(ctx, "", "", 0, 10)
		must(err)
		if len(all) != 2 || all[0].State != WaitingApproval || all[1].State != Superseded {
			t.Errorf("%+v", all)
		}
		must(do(func(tx *sql.Tx) error {
			return s.MovePromotion(ctx, tx, all[0].ID, []string{WaitingApproval}, Promoting, "", "", noon, "ada")
		}))
		must(do(func(tx *sql.Tx) error {
			return s.MovePromotion(ctx, tx, all[0].ID, []string{Promoting}, Done, "", "c", noon.Add(time.Hour), "")
		}))
		p, err := s.Promotion(ctx, all[0].ID)
		must(err)
		if p.State != Done || p.DecidedBy != "ada" || !p.Decided.Equal(noon) || p.Commit != "c" {
			t.Errorf("%+v", p)
		}

		c := Change{Key: "k", App: "a-dev", Body: ChangeBody{Rollback: &RollbackChange{Of: 1, To: 2}}, Created: noon}
		for range 2 {
			must(do(func(tx *sql.Tx) error { return s.AddChange(ctx, tx, c) }))
		}
		pending, err := s.Pending(ctx, 10)
		must(err)
		if len(pending) != 1 || pending[0].Body.Rollback.To != 2 {
			t.Fatalf("%+v", pending)
		}
		must(do(func(tx *sql.Tx) error { return s.SetChange(ctx, tx, pending[0].ID, ChangeDone, "c", "", noon) }))
		if pending, err = s.Pending(ctx, 10); err != nil || len(pending) != 0 {
			t.Errorf("%+v %v", pending, err)
		}
		must(do(func(tx *sql.Tx) error { return s.PutConnections(ctx, tx, "{}") }))
		must(do(func(tx *sql.Tx) error { return s.PutConnections(ctx, tx, `{"public_key":"x"}`) }))
		conns, err := s.loadConnections(ctx)
		must(err)
		same("connections", "x", conns.PublicKey)
	})
}
