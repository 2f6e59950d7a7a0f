package git

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore/storetest"
	"github.com/fawkes-idp/fawkes/internal/kit/webhook"
	"github.com/fawkes-idp/fawkes/internal/local/git/migrations"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func TestStore(t *testing.T) {
	storetest.Each(t, migrations.FS, func(t *testing.T, db *sqlstore.DB) {
		ctx, s := t.Context(), store{db}
		if _, err := s.repository(ctx, "a/b"); !errors.Is(err, ErrNotFound) {
			t.Fatalf("a repository that is not there: %v", err)
		}
		want := Repository{Name: "a/b_c", Description: "it's", DefaultBranch: "main", Protected: []Rule{{Branch: "main", AllowForce: true}}, Created: noon}
		for _, name := range []string{"a/b_c", "a/bxc", "z/1"} {
			r := want
			r.Name = name
			if err := s.put(ctx, r); err != nil {
				t.Fatal(err)
			}
		}
		got, err := s.repository(ctx, "a/b_c")
		if d := cmp.Diff(want, got); err != nil || d != "" {
			t.Fatalf("it is not as it was stored (%v):\n%s", err, d)
		}
		want.Description, want.Protected = "", []Rule{}
		want.Created = noon.Add(time.Hour) // what is there keeps its time
		if err := s.put(ctx, want); err != nil {
			t.Fatal(err)
		}
		if got, err = s.repository(ctx, "a/b_c"); err != nil || got.Description != "" || len(got.Protected) != 0 || !got.Created.Equal(noon) {
			t.Fatalf("after a change it is %+v (%v)", got, err)
		}
		names := func(after, part string) string {
			all, err := s.repositories(ctx, after, part, 2)
			if err != nil {
				t.Fatal(err)
			}
			text := ""
			for _, r := range all {
				text += r.Name + " "
			}
			return text
		}
		for _, c := range [][3]string{{"", "", "a/b_c a/bxc "}, {"a/bxc", "", "z/1 "}, {"", "b_", "a/b_c "}, {"", "%", ""}, {"", `\`, ""}} {
			if got := names(c[0], c[1]); got != c[2] {
				t.Errorf("after %q, with %q: %q, want %q", c[0], c[1], got, c[2])
			}
		}
		var seqs []int64
		err = db.Tx(ctx, func(tx *sql.Tx) error {
			for _, sha := range []string{"1", "2", ""} {
				if err := errors.Join(setAnnounced(ctx, tx, "a/b_c", "refs/heads/x", sha), setAnnounced(ctx, tx, "a/b_c", "refs/heads/y", "7")); err != nil {
					return err
				}
				seq, err := nextSeq(ctx, tx, noon)
				if err != nil {
					return err
				}
				seqs = append(seqs, seq)
			}
			return setPushed(ctx, tx, "a/b_c", 42, noon)
		})
		if err != nil || fmt.Sprint(seqs) != "[1 2 3]" {
			t.Fatalf("announced as %v (%v)", seqs, err)
		}
		known, err := s.announced(ctx, "a/b_c")
		if d := cmp.Diff(map[string]string{"refs/heads/y": "7"}, known); err != nil || d != "" {
			t.Fatalf("announced (%v):\n%s", err, d)
		}
		if err := s.remove(ctx, "a/b_c"); err != nil {
			t.Fatal(err)
		}
		if known, err = s.announced(ctx, "a/b_c"); err != nil || len(known) != 0 {
			t.Fatalf("of a removed repository is announced %v (%v)", known, err)
		}

		h := Hook{Name: "ci", URL: "http://h/", Secret: "s", Events: []string{"create", "push"}, Repository: "*", Active: true, Created: noon}
		if err := s.putHook(ctx, h); err != nil {
			t.Fatal(err)
		}
		if got, err := s.hook(ctx, "ci"); err != nil || cmp.Diff(h, got) != "" {
			t.Fatalf("the hook is %+v (%v)", got, err)
		}
		for _, c := range []struct {
			h          Hook
			event      string
			repository string
			hears      bool
		}{
			{h, "push", "a/b", true}, {h, "delete", "a/b", false},
			{Hook{Events: []string{"push"}, Repository: "a/b", Active: true}, "push", "a/c", false},
			{Hook{Events: []string{"push"}, Repository: "*"}, "push", "a/c", false},
		} {
			if got := c.h.hears(c.repository, c.event); got != c.hears {
				t.Errorf("%+v hears of %s of %s: %t", c.h, c.event, c.repository, got)
			}
		}
		if err := s.removeHook(ctx, "ci"); err != nil {
			t.Fatal(err)
		}
		if err := s.removeHook(ctx, "ci"); !errors.Is(err, ErrNotFound) {
			t.Fatalf("removing it again: %v", err)
		}
	})
}

func TestTheMigrationHasTheOutboxOfTheKit(t *testing.T) {
	for _, e := range []sqlstore.Engine{sqlstore.SQLite, sqlstore.Postgres} {
		text, err := fs.ReadFile(migrations.FS, string(e)+"/00001_git.sql")
		if err != nil || !strings.Contains(string(text), webhook.Schema(e)) {
			t.Errorf("the migration of %s (%v) has another table than webhook.Schema", e, err)
		}
	}
}
