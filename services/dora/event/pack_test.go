package event

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// Generators of valid bodies.
var (
	anySHA = rapid.Custom(func(t *rapid.T) string {
		n := rapid.SampledFrom([]int{40, 64, 4, 7, 39, 63}).Draw(t, "digits")
		return rapid.StringOfN(rapid.RuneFrom([]rune("0123456789abcdef")), n, n, -1).Draw(t, "sha")
	})
	anyText = rapid.SampledFrom([]string{"a", "Žofia", "x <y> & \"z\"", `back\slash`, "tab\there", "🚀", "line\u2028sep", "mira@example.org"})
	anyTime = rapid.Custom(func(t *rapid.T) Time {
		return Time(rapid.Int64Range(int64(earliest), int64(farthest)).Draw(t, "time"))
	})
	anyRepo = rapid.SampledFrom([]string{repA, "git@git.example:shop/checkout", "/srv/git/ünïcode"})
)

// maybe is absent, null or a value.
func maybe[T any](g *rapid.Generator[T]) *rapid.Generator[Opt[T]] {
	return rapid.Custom(func(t *rapid.T) Opt[T] {
		switch rapid.IntRange(0, 3).Draw(t, "presence") {
		case 0:
			return Opt[T]{}
		case 1:
			return Null[T]()
		}
		return Some(g.Draw(t, "value"))
	})
}

// notBefore is absent, null or a time from another on.
func notBefore(from Time) *rapid.Generator[Opt[Time]] {
	return maybe(rapid.Custom(func(t *rapid.T) Time {
		return Time(rapid.Int64Range(int64(from), int64(farthest)).Draw(t, "time"))
	}))
}

var anyCommit = rapid.Custom(func(t *rapid.T) *Commit {
	return &Commit{
		Repo: anyRepo.Draw(t, "repo"), SHA: anySHA.Draw(t, "sha"), Parents: maybe(rapid.SliceOfN(anySHA, 0, 4)).Draw(t, "parents"),
		Author: maybe(anyText).Draw(t, "author"), AuthoredAt: Some(anyTime.Draw(t, "authored")), CommittedAt: maybe(anyTime).Draw(t, "committed"),
		Paths: maybe(rapid.SliceOfN(anyText, 0, 4)).Draw(t, "paths"),
	}
})

var anyBody = rapid.Custom(func(t *rapid.T) Body {
	when := maybe(anyTime)
	opt := maybe(anyText)
	switch rapid.IntRange(0, 6).Draw(t, "type") {
	case 0:
		return anyCommit.Draw(t, "commit")
	case 1:
		return &PullRequest{Repo: anyRepo.Draw(t, "repo"), Number: "12", Author: opt.Draw(t, "author"), CreatedAt: Some(anyTime.Draw(t, "created")),
			MergedAt: when.Draw(t, "merged"), ClosedAt: when.Draw(t, "closed"), MergeSHA: maybe(anySHA).Draw(t, "merge"), HeadSHA: maybe(anySHA).Draw(t, "head"),
			Base: opt.Draw(t, "base"), Title: opt.Draw(t, "title"), Commits: maybe(rapid.SliceOfN(anySHA, 0, 3)).Draw(t, "commits"), URL: opt.Draw(t, "url")}
	case 2:
		return &Review{Repo: anyRepo.Draw(t, "repo"), Number: "12", Author: anyText.Draw(t, "author"), Kind: rapid.SampledFrom(reviewKinds).Draw(t, "kind"),
			SubmittedAt: Some(anyTime.Draw(t, "submitted"))}
	case 3:
		began := anyTime.Draw(t, "started")
		return &Build{Repo: anyRepo.Draw(t, "repo"), SHA: anySHA.Draw(t, "sha"), ID: "7", Branch: opt.Draw(t, "branch"), Outcome: maybe(rapid.SampledFrom(buildOutcomes)).Draw(t, "outcome"),
			StartedAt: Some(began), FinishedAt: notBefore(began).Draw(t, "finished"), Attempt: maybe(rapid.IntRange(1, 9)).Draw(t, "attempt"), URL: opt.Draw(t, "url")}
	case 4:
		return &Artifact{Digest: "sha256:9c00", Repo: anyRepo.Draw(t, "repo"), SHA: anySHA.Draw(t, "sha"), MadeAt: when.Draw(t, "made")}
	case 5:
		return &Deployment{ID: "d", Service: Some(anyText.Draw(t, "service")), Environment: opt.Draw(t, "environment"), Repo: maybe(anyRepo).Draw(t, "repo"), SHA: maybe(anySHA).Draw(t, "sha"),
			Digest: maybe(rapid.Just("sha256:9c00")).Draw(t, "digest"), Outcome: maybe(rapid.SampledFrom(deploymentOutcomes)).Draw(t, "outcome"), StartedAt: Some(anyTime.Draw(t, "started")),
			Unplanned: maybe(rapid.Bool()).Draw(t, "unplanned"), Title: opt.Draw(t, "title"), URL: opt.Draw(t, "url"), ManifestRepos: maybe(rapid.SliceOfN(anyRepo, 0, 2)).Draw(t, "manifests")}
	}
	opened := anyTime.Draw(t, "opened")
	return &Incident{ID: "i", Service: opt.Draw(t, "service"), Environment: opt.Draw(t, "environment"), Repo: maybe(anyRepo).Draw(t, "repo"), OpenedAt: Some(opened), ResolvedAt: notBefore(opened).Draw(t, "resolved"),
		Severity: opt.Draw(t, "severity"), CausedByDeployment: opt.Draw(t, "cause"), Digest: maybe(rapid.Just("sha256:9c00")).Draw(t, "digest"), SHA: maybe(anySHA).Draw(t, "sha"),
		Title: opt.Draw(t, "title"), URL: opt.Draw(t, "url")}
})

func TestWhatMarshalLineWritesParseLineReads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := New("src", rapid.SampledFrom([]string{"", "prj"}).Draw(t, "project"), anyBody.Draw(t, "body"))
		if rapid.Bool().Draw(t, "own at") {
			e.At = anyTime.Draw(t, "at")
		}
		line, err := MarshalLine(e)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseLine(line, "another", e.Project)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if diff := cmp.Diff(e, got); diff != "" {
			t.Fatalf("%s: want -, got +\n%s", line, diff)
		}
	})
}

// MarshalLine writes commits by hand; encoding/json is the measure.
func TestMarshalLineWritesCommitsAsJSONDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := New(rapid.SampledFrom([]string{"", "git"}).Draw(t, "source"), rapid.SampledFrom([]string{"", "a<b"}).Draw(t, "project"), anyCommit.Draw(t, "commit"))
		got, err := MarshalLine(e)
		if err != nil {
			t.Fatal(err)
		}
		want, err := json.Marshal(struct {
			Header
			*Commit
		}{Header{TypeCommit, e.Project, e.Source, e.At}, e.Body.(*Commit)})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("got  %s\nwant %s", got, want)
		}
	})
}

func TestWhatPackWritesUnpackReads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		body := anyBody.Draw(t, "body")
		packed, err := Pack(body)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Unpack(body.Type(), packed)
		if err != nil {
			t.Fatal(err)
		}
		want := body
		if c, ok := body.(*Commit); ok { // a commit's null author or time is as good as absent
			w := *c
			if !w.Author.Known {
				w.Author = Opt[string]{}
			}
			if !w.CommittedAt.Known {
				w.CommittedAt = Opt[Time]{}
			}
			want = &w
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal("want -, got +\n" + diff)
		}
		again, err := Pack(got)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(packed, again) {
			t.Fatalf("packed again it is % x, was % x", again, packed)
		}
	})
}

func TestPackedCommitIsSmall(t *testing.T) {
	c := &Commit{Repo: "r", SHA: shaA, Parents: Some([]string{shaB}), Author: Some("mira"), AuthoredAt: Some(at("2026-03-04T09:00:00Z")), CommittedAt: Some(at("2026-03-04T09:01:00Z"))}
	packed, err := Pack(c)
	if err != nil {
		t.Fatal(err)
	}
	if len(packed) > 70 {
		t.Errorf("a commit takes %d bytes, want at most 70", len(packed))
	}
}

func TestPackFoldsHashesToLowerCase(t *testing.T) {
	upper, err := Pack(&Commit{Repo: "r", SHA: strings.ToUpper(shaA), AuthoredAt: Some(at("2026-03-04T09:00:00Z"))})
	if err != nil {
		t.Fatal(err)
	}
	lower, err := Pack(&Commit{Repo: "r", SHA: shaA, AuthoredAt: Some(at("2026-03-04T09:00:00Z"))})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(upper, lower) {
		t.Error("one hash in two cases of letters packs to two texts")
	}
}

func TestPackRefusesACommitThatWasNotValidated(t *testing.T) {
	for _, c := range []*Commit{
		{Repo: "r", SHA: "not hex"},
		{Repo: "r", SHA: strings.Repeat("a", 300)},
		{Repo: "r", SHA: shaA, Parents: Some([]string{"zzzz"})},
	} {
		if got, err := Pack(c); err == nil {
			t.Errorf("Pack(%+v) = % x, want an error", c, got)
		}
	}
}

func TestUnpackRefusesBytesThatAreCutOrLeftOver(t *testing.T) {
	packed, err := Pack(&Commit{Repo: repA, SHA: shaA, Parents: Some([]string{shaB}), Author: Some("a"), AuthoredAt: Some(at("2026-03-04T09:00:00Z")),
		CommittedAt: Some(at("2026-03-04T09:00:00Z")), Paths: Some([]string{"a.go"})})
	if err != nil {
		t.Fatal(err)
	}
	for n := range packed {
		if _, err := Unpack(TypeCommit, packed[:n]); err == nil {
			t.Errorf("the first %d of %d bytes were taken", n, len(packed))
		}
	}
	if _, err := Unpack(TypeCommit, append(packed, 0)); err == nil {
		t.Error("a byte left over was taken")
	}
	if _, err := Unpack("nonsense", packed); err == nil {
		t.Error("an unknown type was taken")
	}
	if _, err := Unpack(TypeReview, []byte("{")); err == nil {
		t.Error("half an object was taken")
	}
}

func TestPackedCommitSaysWhatItKnows(t *testing.T) {
	var p PackedCommit
	for _, c := range []struct {
		commit                  Commit
		parents, paths, authors bool
	}{
		{Commit{Repo: "r", SHA: shaA, AuthoredAt: Some(Time(5))}, false, false, true},
		{Commit{Repo: "r", SHA: shaA, Parents: Some([]string{}), Paths: Some([]string{})}, true, true, false},
		{Commit{Repo: "r", SHA: shaA, Parents: Null[[]string](), Paths: Null[[]string]()}, false, false, false},
	} {
		packed, err := Pack(&c.commit)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Unpack(packed); err != nil {
			t.Fatal(err)
		}
		if p.KnowsParents() != c.parents || p.KnowsPaths() != c.paths || p.KnowsAuthored() != c.authors {
			t.Errorf("%+v: knows parents %v, paths %v, authored %v", c.commit, p.KnowsParents(), p.KnowsPaths(), p.KnowsAuthored())
		}
		if p.SHA.String() != shaA {
			t.Errorf("the hash reads %s, want %s", p.SHA, shaA)
		}
	}
}

func TestKeyOfIsOneForOneReportAndAnotherForAnother(t *testing.T) {
	commit := func(author string) *Commit {
		return &Commit{Repo: repA, SHA: shaA, Author: Some(author), AuthoredAt: Some(at("2026-03-04T09:00:00Z"))}
	}
	base := New("git", "shop", commit("a"))
	delivered := base
	delivered.Source, delivered.Delivery = "github", "d-1"
	type report struct {
		what string
		e    Event
		n    int
	}
	vary := func(e Event, change func(*Event)) Event { change(&e); return e }
	reports := []report{
		{"a report", base, 0},
		{"another project", vary(base, func(e *Event) { e.Project = "store" }), 0},
		{"another source", vary(base, func(e *Event) { e.Source = "events" }), 0},
		{"another time", vary(base, func(e *Event) { e.At++ }), 0},
		{"another body", vary(base, func(e *Event) { e.Body = commit("b") }), 0},
		{"text moved from source to project", vary(base, func(e *Event) { e.Source, e.Project = "gits", "hop" }), 0},
		{"a delivery", delivered, 0},
		{"its second event", delivered, 1},
		{"another delivery", vary(delivered, func(e *Event) { e.Delivery = "d-2" }), 0},
		{"the delivery of another source", vary(delivered, func(e *Event) { e.Source = "gitea" }), 0},
		{"a delivery whose id ends in a digit", vary(delivered, func(e *Event) { e.Delivery = "d-11" }), 0},
	}
	key := func(r report) Key {
		packed, err := Pack(r.e.Body)
		if err != nil {
			t.Fatal(err)
		}
		return KeyOf(r.e, r.n, packed)
	}
	seen := map[Key]string{}
	for _, r := range reports {
		k := key(r)
		if other, ok := seen[k]; ok {
			t.Errorf("%s has the key of %s", r.what, other)
		}
		seen[k] = r.what
		if key(r) != k {
			t.Errorf("%s has two keys", r.what)
		}
	}
	// What a believed source repeats is one report, whatever came with it.
	if a, b := key(report{e: delivered}), key(report{e: vary(delivered, func(e *Event) { e.At += 5; e.Project = "other"; e.Body = commit("z") })}); a != b {
		t.Error("a redelivery has another key")
	}
	// Without a delivery, the place in the body tells nothing apart.
	if a, b := key(report{e: base}), key(report{e: base, n: 3}); a != b {
		t.Error("one content has two keys")
	}
	// Keys are stored: they must never change.
	if got, want := key(report{e: delivered}), "543512cb895c44b895fb96b3d9cd806e"; hexKey(got) != want {
		t.Errorf("the key of a delivery is %s, was %s", hexKey(got), want)
	}
	if got, want := key(report{e: base}), "d0f6490e08912d65ca40868ccd1f0965"; hexKey(got) != want {
		t.Errorf("the key of a content is %s, was %s", hexKey(got), want)
	}
}
