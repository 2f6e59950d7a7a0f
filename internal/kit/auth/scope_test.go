package auth

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestCovers(t *testing.T) {
	for _, c := range []struct {
		granted, wanted string
		want            bool
	}{
		{"*", "dora:admin", true},
		{"*", "console", true},
		{"*", "", false},
		{"", "", false},
		{"*:read", "dora:read", true},
		{"*:read", "*:read", true},
		{"*:read", "dora:write", false},
		{"*:read", "console", false},
		{"*:read", "*", false},
		{"dora:read", "dora:read", true},
		{"dora:read", "*:read", false},
		{"dora:read", "dora:reads", false},
		{"dora", "dora:read", false},
		{"dora:read", "vsm:read", false},
	} {
		if got := Covers(c.granted, c.wanted); got != c.want {
			t.Errorf("Covers(%q, %q) = %v, want %v", c.granted, c.wanted, got, c.want)
		}
	}
}

// A token can do exactly what both its own scopes and its owner's role allow.
func TestMeetGrantsWhatBothGrant(t *testing.T) {
	scopes := rapid.SliceOf(rapid.SampledFrom([]string{"*", "*:read", "*:write", "dora:read", "dora:write", "vsm:read", "console"}))
	concrete := []string{"dora:read", "dora:write", "vsm:read", "vsm:write", "identity:admin", "console"}
	rapid.Check(t, func(t *rapid.T) {
		a, b := Principal{Scopes: scopes.Draw(t, "a")}, Principal{Scopes: scopes.Draw(t, "b")}
		both := Principal{Scopes: Meet(a.Scopes, b.Scopes)}
		for _, s := range concrete {
			if got, want := both.Can(s), a.Can(s) && b.Can(s); got != want {
				t.Fatalf("Meet(%v, %v) = %v: Can(%s) = %v, want %v", a.Scopes, b.Scopes, both.Scopes, s, got, want)
			}
		}
		if !slices.Equal(both.Scopes, Meet(b.Scopes, a.Scopes)) {
			t.Fatalf("Meet depends on the order of its arguments")
		}
	})
}

func TestValidScope(t *testing.T) {
	for s, want := range map[string]bool{
		"*": true, "*:read": true, "dora:read": true, "console": true,
		"": false, ":": false, "dora:": false, ":read": false, "dora:*": false, "Dora:read": false, "dora:read extra": false,
		"dora:read\n": false, "a:b:c": false, "9:read": false, "**": false,
	} {
		if got := ValidScope(s); got != want {
			t.Errorf("ValidScope(%q) = %v, want %v", s, got, want)
		}
	}
}

func TestSecretsAreWellFormedAndUnequal(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		s := NewToken()
		if !WellFormed(TokenPrefix, s) || seen[s] {
			t.Fatalf("NewToken() = %q: malformed or seen before", s)
		}
		seen[s] = true
	}
	for _, bad := range []string{"", "fwk_", NewToken()[1:], NewToken() + "0", "fwk_" + "é" + NewToken()[6:], NewSecret(SessionPrefix)} {
		if WellFormed(TokenPrefix, bad) {
			t.Errorf("WellFormed(%q) = true", bad)
		}
	}
}

func TestCacheIsBoundedAndKeepsTheBusy(t *testing.T) {
	c := newCache[int](100)
	now := time.Unix(0, 0)
	c.put("busy", 1, now.Add(time.Hour))
	for i := range 10_000 {
		c.put("stranger "+strconv.Itoa(i), i, now.Add(time.Hour))
		if got, ok := c.get("busy", now); !ok || got != 1 {
			t.Fatalf("the busy entry was pushed out by stranger %d", i)
		}
		if n := c.len(); n > 100 {
			t.Fatalf("the cache holds %d entries, want at most 100", n)
		}
	}
	if _, ok := c.get("busy", now.Add(time.Hour)); ok {
		t.Fatal("an entry was given out at its expiry")
	}
}

func BenchmarkRecall(b *testing.B) {
	v, err := NewVerifier(Options{Audience: "dora"})
	if err != nil {
		b.Fatal(err)
	}
	secret := NewToken()
	v.remember(TypeAPIToken+" "+Hash(secret), Principal{Subject: "owner", Expires: time.Now().Add(time.Hour)})
	for b.Loop() {
		if _, err := v.judge(b.Context(), Credential{TypeAPIToken, secret}); err != nil {
			b.Fatal(err)
		}
	}
}
