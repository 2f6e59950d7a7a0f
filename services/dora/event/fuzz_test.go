package event

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func hexKey(k Key) string { return hex.EncodeToString(k[:]) }

// FuzzParseLine wants of every line either a *FieldError, or an event that is
// JSON to encoding/json too, valid, and the same after being written and read.
func FuzzParseLine(f *testing.F) {
	for _, c := range full {
		f.Add([]byte(c.line))
	}
	for _, line := range short {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := ParseLine(data, "src", "prj")
		if err != nil {
			var fault *FieldError
			if !errors.As(err, &fault) || fault.Detail == "" {
				t.Fatalf("%q: got %T %v, want a *FieldError with a detail", data, err, err)
			}
			return
		}
		if !json.Valid(data) {
			t.Fatalf("%q was taken and is not JSON", data)
		}
		if err := e.Validate(); err != nil {
			t.Fatalf("%q was taken and is not valid: %v", data, err)
		}
		line, err := MarshalLine(e)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseLine(line, "", "")
		if err != nil {
			t.Fatalf("%q was written as %s: %v", data, line, err)
		}
		if diff := cmp.Diff(e, again); diff != "" {
			t.Fatalf("%q was written as %s: want -, got +\n%s", data, line, diff)
		}
		if _, err := Pack(e.Body); err != nil {
			t.Fatalf("%q was taken and cannot be packed: %v", data, err)
		}
	})
}

// FuzzUnpackCommit wants no panic from any bytes, and of those that are taken
// that the commit packs to what unpacks to the same commit.
func FuzzUnpackCommit(f *testing.F) {
	for _, c := range []*Commit{
		{Repo: "r", SHA: shaA, AuthoredAt: Some(Time(1))},
		{Repo: repA, SHA: sha2, Parents: Some([]string{shaA, "abcde"}), Author: Some("a"), AuthoredAt: Some(Time(7)), CommittedAt: Some(Time(3)), Paths: Some([]string{"a", "b/c"})},
		{Repo: repA, SHA: "abcd", Parents: Null[[]string](), Paths: Null[[]string]()},
	} {
		packed, err := Pack(c)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var p PackedCommit
		if p.Unpack(data) != nil {
			return
		}
		c := p.Commit()
		packed, err := Pack(c)
		if err != nil {
			return // bytes that Pack never wrote: a hash of three digits, say
		}
		var q PackedCommit
		if err := q.Unpack(packed); err != nil {
			t.Fatalf("% x: packed again to % x: %v", data, packed, err)
		}
		if diff := cmp.Diff(c, q.Commit()); diff != "" {
			t.Fatalf("% x: want -, got +\n%s", data, diff)
		}
		if !bytes.Equal(p.Repo, q.Repo) {
			t.Fatalf("% x: the repository reads %q, then %q", data, p.Repo, q.Repo)
		}
	})
}

// FuzzUnpack wants no panic from any bytes of any type, and of those that are
// taken that the body packs to what unpacks to the same body.
func FuzzUnpack(f *testing.F) {
	for _, body := range []Body{
		&Deployment{ID: "1", Service: Some("s"), FinishedAt: Some(Time(1_000_000)), Unplanned: Some(true), Title: Some("<é>")},
		&Incident{ID: "i", OpenedAt: Some(Time(2)), ResolvedAt: Null[Time](), Severity: Some("")},
		&PullRequest{Repo: "r", Number: "1", CreatedAt: Some(Time(3)), Commits: Some([]string{shaA})},
		&Build{ID: "b", Attempt: Some(2)}, &Artifact{Digest: "sha256:x"}, &Review{Repo: "r", Number: "1"}, &Other{ID: "o", Kind: "k"},
	} {
		packed, err := Pack(body)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(body.Type()), packed)
	}
	f.Fuzz(func(t *testing.T, typ string, data []byte) {
		body, err := Unpack(Type(typ), data)
		if err != nil {
			return
		}
		packed, err := Pack(body)
		if err != nil {
			return // what only a damaged log can hold
		}
		again, err := Unpack(Type(typ), packed)
		if err != nil {
			t.Fatalf("%s %q was packed as %q: %v", typ, data, packed, err)
		}
		if diff := cmp.Diff(body, again); diff != "" {
			t.Fatalf("%s %q was packed as %q: want -, got +\n%s", typ, data, packed, diff)
		}
		if twice, err := Pack(again); err != nil || !bytes.Equal(packed, twice) {
			t.Fatalf("%s %q packs as %q and then as %q, %v", typ, data, packed, twice, err)
		}
	})
}
