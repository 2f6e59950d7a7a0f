package identity

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore/storetest"
	"github.com/fawkes-idp/fawkes/services/identity/migrations"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// onBoth runs a behaviour of the store on SQLite and on PostgreSQL, each with the owner in it.
func onBoth(t *testing.T, run func(t *testing.T, ctx context.Context, s Store)) {
	t.Helper()
	storetest.Each(t, migrations.FS, func(t *testing.T, db *sqlstore.DB) {
		ctx := t.Context()
		s := NewStore(db)
		if err := s.EnsureOwner(ctx, Person{ID: OwnerID, Name: "local owner", Role: Admin, Created: noon}); err != nil {
			t.Fatal(err)
		}
		run(t, ctx, s)
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
}

func same(t *testing.T, what string, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("%s (-want +got):\n%s", what, d)
	}
}

func entry(action, target string) Entry {
	return Entry{At: noon, Actor: OwnerID, Via: "ses-1", Action: action, Target: target, Detail: "detail"}
}

func actions(t *testing.T, ctx context.Context, s Store) []string {
	t.Helper()
	entries, err := s.Audit(ctx, Page{Limit: 100})
	must(t, err)
	return each(entries, func(e Entry) string { return e.Action + " " + e.Target })
}

func TestStorePeople(t *testing.T) {
	onBoth(t, func(t *testing.T, ctx context.Context, s Store) {
		must(t, s.EnsureOwner(ctx, Person{ID: OwnerID, Name: "someone else", Role: Viewer, Created: noon.Add(time.Hour)}))
		owner, err := s.Person(ctx, OwnerID)
		must(t, err)
		same(t, "the owner after a second start", Person{ID: OwnerID, Name: "local owner", Role: Admin, Created: noon}, owner)

		ada := Person{ID: "per-ada", Name: "Ada ’); DROP TABLE people;--", Role: Developer, Teams: []string{"core", "web"}, Created: noon.Add(time.Microsecond)}
		must(t, s.AddPerson(ctx, ada, entry(ActionPersonAdded, ada.ID)))
		got, err := s.Person(ctx, ada.ID)
		must(t, err)
		same(t, "a person read back", ada, got)

		first, err := s.People(ctx, Page{Limit: 1})
		must(t, err)
		same(t, "the first page", []Person{ada}, first)
		second, err := s.People(ctx, Page{Limit: 10, After: Position{sqlstore.Micros(ada.Created), ada.ID}})
		must(t, err)
		same(t, "the second page", []Person{owner}, second)

		_, err = s.Person(ctx, "per-nobody")
		wantErr(t, err, ErrNotFound)
		_, err = s.ChangePerson(ctx, "per-nobody", func(*Person) error { return nil }, entry(ActionPersonChanged, ""))
		wantErr(t, err, ErrNotFound)
	})
}

func TestStoreKeepsOneAdmin(t *testing.T) {
	onBoth(t, func(t *testing.T, ctx context.Context, s Store) {
		must(t, s.AddPerson(ctx, Person{ID: "per-2", Name: "second", Role: Admin, Created: noon}, entry(ActionPersonAdded, "per-2")))
		before := len(actions(t, ctx, s))
		// Both admins are demoted at the same moment; one of the two must be refused.
		var refused atomic.Int64
		var group sync.WaitGroup
		for _, id := range []string{OwnerID, "per-2"} {
			group.Go(func() {
				_, err := s.ChangePerson(ctx, id, func(p *Person) error { p.Role = Viewer; return nil }, entry(ActionPersonChanged, id))
				if errors.Is(err, ErrLastAdmin) {
					refused.Add(1)
				} else if err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if got := refused.Load(); got != 1 {
			t.Fatalf("%d of two demotions were refused, want 1", got)
		}
		if got := len(actions(t, ctx, s)); got != before+1 {
			t.Fatalf("the audit log has %d new entries, want 1: a refused change leaves no trace", got-before)
		}
		_, err := s.ChangePerson(ctx, OwnerID, func(p *Person) error { p.Role, p.Disabled = Admin, noon; return nil }, entry(ActionPersonChanged, OwnerID))
		if _, err2 := s.ChangePerson(ctx, "per-2", func(p *Person) error { p.Disabled = noon; return nil }, entry(ActionPersonChanged, "per-2")); err == nil && err2 == nil {
			t.Fatal("every admin could be disabled")
		}
	})
}

func TestStoreSignInUsesACodeOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, ctx context.Context, s Store) {
		code := Code{Hash: auth.Hash("code"), PersonID: OwnerID, Created: noon, Expires: noon.Add(codeLife)}
		must(t, s.AddCode(ctx, code, entry(ActionLinkMade, OwnerID)))
		var won atomic.Int64
		var group sync.WaitGroup
		for i := range 8 {
			group.Go(func() {
				id := newID("ses")
				at := noon.Add(time.Duration(i) * time.Second)
				_, err := s.SignIn(ctx, code.Hash, Session{ID: id, Hash: auth.Hash(id), Created: at, Seen: at, Expires: at.Add(time.Hour)})
				if err == nil {
					won.Add(1)
				} else if !errors.Is(err, ErrCode) {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if got := won.Load(); got != 1 {
			t.Fatalf("one code started %d sessions, want 1", got)
		}
		sessions, err := s.Sessions(ctx, "", Page{Limit: 10})
		must(t, err)
		if len(sessions) != 1 {
			t.Fatalf("%d sessions are stored, want 1", len(sessions))
		}
	})
}

func TestStoreSignInRefuses(t *testing.T) {
	onBoth(t, func(t *testing.T, ctx context.Context, s Store) {
		gone := Person{ID: "per-gone", Name: "gone", Role: Viewer, Created: noon, Disabled: noon}
		must(t, s.AddPerson(ctx, gone, entry(ActionPersonAdded, gone.ID)))
		must(t, s.AddCode(ctx, Code{Hash: "h-expired", PersonID: OwnerID, Created: noon, Expires: noon.Add(codeLife)}, entry(ActionLinkMade, OwnerID)))
		must(t, s.AddCode(ctx, Code{Hash: "h-disabled", PersonID: gone.ID, Created: noon, Expires: noon.Add(codeLife)}, entry(ActionLinkMade, gone.ID)))
		for hash, at := range map[string]time.Time{"h-expired": noon.Add(codeLife), "h-disabled": noon, "h-unknown": noon} {
			_, err := s.SignIn(ctx, hash, Session{ID: newID("ses"), Hash: newID("h"), Created: at, Seen: at, Expires: at.Add(time.Hour)})
			if !errors.Is(err, ErrCode) {
				t.Errorf("%s: error %v, want %v", hash, err, ErrCode)
			}
		}
		sessions, err := s.Sessions(ctx, "", Page{Limit: 10})
		must(t, err)
		same(t, "sessions after refusals", 0, len(sessions))
	})
}

func TestStoreSessions(t *testing.T) {
	onBoth(t, func(t *testing.T, ctx context.Context, s Store) {
		must(t, s.AddCode(ctx, Code{Hash: "h-code", PersonID: OwnerID, Created: noon, Expires: noon.Add(codeLife)}, entry(ActionLinkMade, OwnerID)))
		want := Session{ID: "ses-1", Hash: "h-session", PersonID: OwnerID, Agent: "Browser", Created: noon, Seen: noon, Expires: noon.Add(time.Hour)}
		person, err := s.SignIn(ctx, "h-code", want)
		must(t, err)
		same(t, "who signed in", OwnerID, person.ID)
		must(t, s.SessionSeen(ctx, want.ID, noon.Add(time.Minute)))
		want.Seen = noon.Add(time.Minute)
		got, who, err := s.Session(ctx, want.Hash)
		must(t, err)
		same(t, "the session", want, got)
		same(t, "its person", "local owner", who.Name)
		mine, err := s.Sessions(ctx, "per-other", Page{Limit: 10})
		must(t, err)
		same(t, "another's sessions", 0, len(mine))

		wantErr(t, s.EndSession(ctx, want.ID, "per-other", entry(ActionSignedOut, want.ID)), ErrNotFound)
		must(t, s.EndSession(ctx, want.ID, OwnerID, entry(ActionSignedOut, want.ID)))
		_, _, err = s.Session(ctx, want.Hash)
		wantErr(t, err, ErrNotFound)
		wantErr(t, s.SessionSeen(ctx, want.ID, noon), ErrNotFound)
		same(t, "the audit log", []string{
			"session.ended ses-1", "session.started ses-1", "signin_link.made owner", "person.added owner",
		}, actions(t, ctx, s))
	})
}

func TestStoreTokens(t *testing.T) {
	onBoth(t, func(t *testing.T, ctx context.Context, s Store) {
		want := Token{
			ID: "tok-1", Hash: "h-token", PersonID: OwnerID, Name: "ci", Scopes: []string{"dora:read", "dora:write"},
			Projects: []string{"shop", "the other shop"}, Created: noon, Expires: noon.Add(time.Hour),
		}
		must(t, s.AddToken(ctx, want, entry(ActionTokenMade, want.ID)))
		must(t, s.TokenUsed(ctx, want.ID, noon.Add(time.Second)))
		want.Used = noon.Add(time.Second)
		got, who, err := s.Token(ctx, want.Hash)
		must(t, err)
		same(t, "the token", want, got)
		same(t, "its owner", OwnerID, who.ID)

		wantErr(t, s.RevokeToken(ctx, want.ID, "per-other", entry(ActionTokenRevoked, want.ID)), ErrNotFound)
		wantErr(t, s.RevokeToken(ctx, "tok-none", "", entry(ActionTokenRevoked, "tok-none")), ErrNotFound)
		must(t, s.RevokeToken(ctx, want.ID, OwnerID, entry(ActionTokenRevoked, want.ID)))
		later := entry(ActionTokenRevoked, want.ID)
		later.At = noon.Add(time.Hour)
		must(t, s.RevokeToken(ctx, want.ID, "", later)) // again: nothing changes
		want.Revoked = noon
		all, err := s.Tokens(ctx, "", Page{Limit: 10})
		must(t, err)
		same(t, "the list", []Token{want}, all)
		same(t, "the audit log", []string{"token.revoked tok-1", "token.made tok-1", "person.added owner"}, actions(t, ctx, s))

		err = s.AddToken(ctx, Token{ID: "tok-2", Hash: want.Hash, PersonID: OwnerID, Name: "twin", Scopes: []string{"*"}, Created: noon, Expires: noon}, entry(ActionTokenMade, "tok-2"))
		if err == nil {
			t.Fatal("two tokens with one hash were stored")
		}
	})
}

func TestStoreKeysAndPurge(t *testing.T) {
	onBoth(t, func(t *testing.T, ctx context.Context, s Store) {
		one, err := newKey(1, noon)
		must(t, err)
		two, err := newKey(2, noon.Add(time.Hour))
		must(t, err)
		twin, err := newKey(2, noon.Add(time.Hour))
		must(t, err)
		must(t, s.AddKey(ctx, one, entry(ActionKeyRotated, one.ID)))
		must(t, s.AddKey(ctx, two, entry(ActionKeyRotated, two.ID)))
		wantErr(t, s.AddKey(ctx, twin, entry(ActionKeyRotated, twin.ID)), ErrTaken)
		got, err := s.Keys(ctx)
		must(t, err)
		same(t, "the keys, newest first", []Key{two, one}, got)
		must(t, s.DeleteKey(ctx, one.ID))
		must(t, s.DeleteKey(ctx, one.ID)) // another replica was first
		got, err = s.Keys(ctx)
		must(t, err)
		same(t, "the keys that stay", []Key{two}, got)

		for i, hash := range []string{"h-old", "h-new"} {
			at := noon.Add(time.Duration(i) * 24 * time.Hour)
			must(t, s.AddCode(ctx, Code{Hash: hash, PersonID: OwnerID, Created: at, Expires: at.Add(codeLife)}, entry(ActionLinkMade, OwnerID)))
			_, err := s.SignIn(ctx, hash, Session{ID: "ses-" + hash, Hash: hash, Created: at, Seen: at, Expires: at.Add(100 * 24 * time.Hour)})
			must(t, err)
		}
		n, err := s.Purge(ctx, noon.Add(12*time.Hour), noon, noon.Add(12*time.Hour))
		must(t, err)
		same(t, "rows forgotten: one code, one session left idle", int64(2), n)
		sessions, err := s.Sessions(ctx, "", Page{Limit: 10})
		must(t, err)
		same(t, "sessions that stay", []string{"ses-h-new"}, each(sessions, func(s Session) string { return s.ID }))
	})
}
