package identity

import (
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

func TestSessionIsAliveUntilItsEndAndWhileItIsUsed(t *testing.T) {
	const idle = 24 * time.Hour
	for _, c := range []struct {
		name          string
		seen, expires time.Duration // from noon
		now           time.Duration
		want          bool
	}{
		{"just started", 0, 72 * time.Hour, 0, true},
		{"the last moment of idleness", 0, 72 * time.Hour, idle - 1, true},
		{"idle for the whole time", 0, 72 * time.Hour, idle, false},
		{"used meanwhile", idle - 1, 72 * time.Hour, idle, true},
		{"the last moment of all", 71 * time.Hour, 72 * time.Hour, 72*time.Hour - 1, true},
		{"the end, though just used", 72*time.Hour - 1, 72 * time.Hour, 72 * time.Hour, false},
	} {
		s := Session{Created: noon, Seen: noon.Add(c.seen), Expires: noon.Add(c.expires)}
		if got := s.Alive(noon.Add(c.now), idle); got != c.want {
			t.Errorf("%s: alive is %v, want %v", c.name, got, c.want)
		}
	}
}

func TestTokenIsAliveUntilItExpiresOrIsRevoked(t *testing.T) {
	for _, c := range []struct {
		name    string
		revoked time.Time
		now     time.Duration
		want    bool
	}{
		{"new", time.Time{}, 0, true},
		{"its last moment", time.Time{}, time.Hour - 1, true},
		{"its end", time.Time{}, time.Hour, false},
		{"revoked", noon, time.Minute, false},
	} {
		token := Token{Created: noon, Expires: noon.Add(time.Hour), Revoked: c.revoked}
		if got := token.Alive(noon.Add(c.now)); got != c.want {
			t.Errorf("%s: alive is %v, want %v", c.name, got, c.want)
		}
	}
}

// What each role may do, as the platform documents it.
func TestRoles(t *testing.T) {
	scopes := []string{"dora:read", "dora:write", "dora:admin", "vsm:read", "identity:read", "identity:admin", "console", "git:write", "gitops:write", "git:admin"}
	for role, want := range map[Role][]bool{
		Viewer:    {true, false, false, true, true, false, true, false, false, false},
		Developer: {true, true, false, true, true, false, true, true, true, false},
		Admin:     {true, true, true, true, true, true, true, true, true, true},
		"root":    {false, false, false, false, false, false, false, false, false, false},
	} {
		p := auth.Principal{Scopes: role.Scopes()}
		for i, scope := range scopes {
			if got := p.Can(scope); got != want[i] {
				t.Errorf("a %s may %s: %v, want %v", role, scope, got, want[i])
			}
		}
	}
}

func TestCursorComesBackAsItWas(t *testing.T) {
	l := listing{Limit: 1}
	at := Position{At: 1_772_452_800_000_001, ID: "tok-4f2a"}
	_, cursor := paged(l, []Position{at, {}}, func(p Position) Position { return p })
	got, err := parseCursor(cursor)
	if err != nil || got != at {
		t.Fatalf("cursor %q is read as %+v (%v), want %+v", cursor, got, err, at)
	}
	for _, bad := range []string{"!", "AAAA", "MTIz", "IA", "MTIzIAA", "MTIzIP8"} { // "123", " ", "123 \x00", "123 \xff"
		if _, err := parseCursor(bad); err == nil || problem.From(err).Code != problem.InvalidCursor {
			t.Errorf("cursor %q: error %v, want invalid_cursor", bad, err)
		}
	}
}
