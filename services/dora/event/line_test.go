package event

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	shaA = "9fceb02d0ae598e95dc970b74767f19372d61af8"
	shaB = "1f7a7a472abf3dd9643fd615f6da379c4acb3e3a"
	sha2 = "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b" // SHA-256
	repA = "https://git.example/shop/checkout.git"
)

func at(s string) Time {
	t, err := ParseTime(s)
	if err != nil {
		panic(err)
	}
	return t
}

// full is one line of every type with every field of the documents.
var full = []struct {
	line string
	want Event
}{
	{`{"type":"commit","project":"p","source":"s","at":"2026-03-04T10:00:00Z","repo":"` + repA + `","sha":"` + shaA + `","parents":["` + shaB + `"],"author":"a",` +
		`"authored_at":"2026-03-04T09:00:00+01:00","committed_at":"2026-03-04T09:30:00Z","paths":["svc/a/x.go"]}`,
		Event{Source: "s", Project: "p", At: at("2026-03-04T10:00:00Z"), Body: &Commit{Repo: repA, SHA: shaA, Parents: Some([]string{shaB}), Author: Some("a"),
			AuthoredAt: Some(at("2026-03-04T08:00:00Z")), CommittedAt: Some(at("2026-03-04T09:30:00Z")), Paths: Some([]string{"svc/a/x.go"})}}},
	{`{"type":"pull_request","repo":"` + repA + `","number":"12","author":"a","created_at":"2026-03-04T09:00:00Z","merged_at":null,"closed_at":null,"merge_sha":null,` +
		`"head_sha":"` + shaA + `","base":"main","title":"T","commits":["` + shaA + `"],"url":"https://git.example/12"}`,
		Event{Source: "src", Project: "prj", At: at("2026-03-04T09:00:00Z"), Body: &PullRequest{Repo: repA, Number: "12", Author: Some("a"), CreatedAt: Some(at("2026-03-04T09:00:00Z")),
			MergedAt: Null[Time](), ClosedAt: Null[Time](), MergeSHA: Null[string](), HeadSHA: Some(shaA), Base: Some("main"), Title: Some("T"),
			Commits: Some([]string{shaA}), URL: Some("https://git.example/12")}}},
	{`{"type":"review","repo":"` + repA + `","number":"12","author":"b","kind":"approval","submitted_at":"2026-03-04T09:00:00Z"}`,
		Event{Source: "src", Project: "prj", At: at("2026-03-04T09:00:00Z"), Body: &Review{Repo: repA, Number: "12", Author: "b", Kind: ReviewApproval, SubmittedAt: Some(at("2026-03-04T09:00:00Z"))}}},
	{`{"type":"build","repo":"` + repA + `","sha":"` + shaA + `","id":"77","branch":"main","outcome":"unstable","started_at":"2026-03-04T09:00:00Z","finished_at":"2026-03-04T09:10:00Z","attempt":2,"url":"u"}`,
		Event{Source: "src", Project: "prj", At: at("2026-03-04T09:10:00Z"), Body: &Build{Repo: repA, SHA: shaA, ID: "77", Branch: Some("main"), Outcome: Some(OutcomeUnstable),
			StartedAt: Some(at("2026-03-04T09:00:00Z")), FinishedAt: Some(at("2026-03-04T09:10:00Z")), Attempt: Some(2), URL: Some("u")}}},
	{`{"type":"artifact","digest":"sha256:9c00","repo":"` + repA + `","sha":"` + shaA + `","made_at":"2026-03-04T09:00:00Z"}`,
		Event{Source: "src", Project: "prj", At: at("2026-03-04T09:00:00Z"), Body: &Artifact{Digest: "sha256:9c00", Repo: repA, SHA: shaA, MadeAt: Some(at("2026-03-04T09:00:00Z"))}}},
	{`{"type":"deployment","id":"d1","service":"api","environment":"production","repo":"` + repA + `","sha":"` + shaA + `","digest":null,"outcome":"success",` +
		`"started_at":"2026-03-04T09:00:00Z","finished_at":"2026-03-04T09:05:00Z","unplanned":true,"title":"T","url":"u"}`,
		Event{Source: "src", Project: "prj", At: at("2026-03-04T09:05:00Z"), Body: &Deployment{ID: "d1", Service: Some("api"), Environment: Some("production"), Repo: Some(repA), SHA: Some(shaA),
			Digest: Null[string](), Outcome: Some(OutcomeSuccess), StartedAt: Some(at("2026-03-04T09:00:00Z")), FinishedAt: Some(at("2026-03-04T09:05:00Z")),
			Unplanned: Some(true), Title: Some("T"), URL: Some("u")}}},
	{`{"type":"incident","id":"i1","service":"api","environment":"production","opened_at":"2026-03-04T09:00:00Z","resolved_at":null,"severity":"critical","repo":"` + repA + `",` +
		`"caused_by_deployment":"d1","digest":"sha256:9c00","sha":"` + shaA + `","title":"T","url":"u"}`,
		Event{Source: "src", Project: "prj", At: at("2026-03-04T09:00:00Z"), Body: &Incident{ID: "i1", Service: Some("api"), Environment: Some("production"), Repo: Some(repA), OpenedAt: Some(at("2026-03-04T09:00:00Z")),
			ResolvedAt: Null[Time](), Severity: Some("critical"), CausedByDeployment: Some("d1"), Digest: Some("sha256:9c00"), SHA: Some(shaA), Title: Some("T"), URL: Some("u")}}},
}

// short is one line of every type with what is required of it and no more.
var short = map[Type]string{
	TypeCommit:      `{"type":"commit","repo":"` + repA + `","sha":"` + shaA + `","authored_at":"2026-03-04T09:00:00Z"}`,
	TypePullRequest: `{"type":"pull_request","repo":"` + repA + `","number":"12","created_at":"2026-03-04T09:00:00Z"}`,
	TypeReview:      `{"type":"review","repo":"` + repA + `","number":"12","author":"b","kind":"comment","submitted_at":"2026-03-04T09:00:00Z"}`,
	TypeBuild:       `{"type":"build","repo":"` + repA + `","sha":"` + shaA + `","id":"77","started_at":"2026-03-04T09:00:00Z"}`,
	TypeArtifact:    `{"type":"artifact","digest":"sha256:9c00","repo":"` + repA + `","sha":"` + shaA + `"}`,
	TypeDeployment:  `{"type":"deployment","id":"d1","service":"api","started_at":"2026-03-04T09:00:00Z"}`,
	TypeIncident:    `{"type":"incident","id":"i1","opened_at":"2026-03-04T09:00:00Z"}`,
}

func TestParseLineReadsEveryFieldOfEveryType(t *testing.T) {
	for _, c := range full {
		t.Run(string(c.want.Body.Type()), func(t *testing.T) {
			got, err := ParseLine([]byte(c.line), "src", "prj")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error("want -, got +\n" + diff)
			}
		})
	}
}

func TestParseLineNeedsNoMoreThanIsRequired(t *testing.T) {
	for typ, line := range short {
		e, err := ParseLine([]byte(line), "src", "")
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		if e.Body.Type() != typ || e.Source != "src" || e.Project != "" {
			t.Errorf("%s: got %+v", line, e)
		}
	}
}

func TestParseLineRefusesAMissingRequiredField(t *testing.T) {
	// The fields that stand in no line of short are optional; each that does is required.
	alias := map[string]string{"deployment.service": "service", "deployment.started_at": "finished_at", "build.started_at": "started_at"}
	for typ, line := range short {
		inner := strings.TrimSuffix(strings.TrimPrefix(line, "{"), "}")
		fields := strings.Split(inner, `,"`)
		for i := 1; i < len(fields); i++ {
			name, _, _ := strings.Cut(fields[i], `"`)
			if typ == TypeReview && name == "author" {
				continue // a deleted account has no name
			}
			without := append(append([]string{}, fields[:i]...), fields[i+1:]...)
			want := name
			if a, ok := alias[string(typ)+"."+name]; ok {
				want = a
			}
			refused(t, "{"+strings.Join(without, `,"`)+"}", want, "is required")
		}
	}
	refused(t, `{"repo":"`+repA+`"}`, "type", "is required: one of commit, ")
	refused(t, `{}`, "type", "is required")
	refused(t, `{"type":"deployment","id":"d1","service":"api","finished_at":"2026-03-04T09:00:00Z"}`, "outcome", "is required of a finished deployment")
}

// refused wants the line refused, with that field and those words.
func refused(t *testing.T, line, field, detail string) {
	t.Helper()
	_, err := ParseLine([]byte(line), "src", "")
	var fault *FieldError
	switch {
	case err == nil:
		t.Errorf("%s was taken, want %s at fault: %s", line, field, detail)
	case !errors.As(err, &fault):
		t.Errorf("%s: got %T %v, want a *FieldError", line, err, err)
	case fault.Field != field || !strings.Contains(fault.Detail, detail):
		t.Errorf("%s: got %q at fault: %s; want %q: %s", line, fault.Field, fault.Detail, field, detail)
	}
}

// with is the short line of a type with one more field.
func with(typ Type, field string) string {
	return strings.TrimSuffix(short[typ], "}") + "," + field + "}"
}

// instead is the short line of a type with one text replaced.
func instead(typ Type, old, new string) string {
	if !strings.Contains(short[typ], old) {
		panic(old + " is not in " + short[typ])
	}
	return strings.Replace(short[typ], old, new, 1)
}

func TestParseLineRefusesUnknownFieldsByName(t *testing.T) {
	for typ := range short {
		refused(t, with(typ, `"nope":1`), "nope", UnknownField)
		refused(t, with(typ, `"nope":{"deep":[1,2]}`), "nope", UnknownField)
	}
	refused(t, with(TypeCommit, `"outcome":"success"`), "outcome", UnknownField)
	refused(t, with(TypeCommit, `"Author":"a"`), "Author", UnknownField)
	refused(t, with(TypeCommit, `"":"a"`), "", UnknownField)
	refused(t, with(TypeCommit, `"delivery":"a"`), "delivery", UnknownField)
	refused(t, with(TypeCommit, `"AuthoredAt":"2026-03-04T09:00:00Z"`), "AuthoredAt", UnknownField)
}

func TestParseLineNamesTheFieldOfAWrongType(t *testing.T) {
	for _, c := range []struct{ line, field, detail string }{
		{instead(TypeCommit, `"`+shaA+`"`, `5`), "sha", "want a string, got a number"},
		{instead(TypeCommit, `"`+repA+`"`, `["x"]`), "repo", "want a string, got a list"},
		{instead(TypeCommit, `"2026-03-04T09:00:00Z"`, `1772614800`), "authored_at", `want a time such as "2026-01-31T09:30:00Z", got a number`},
		{instead(TypeCommit, `"2026-03-04T09:00:00Z"`, `true`), "authored_at", "got true or false"},
		{with(TypeCommit, `"author":{"name":"a"}`), "author", "want a string, got an object"},
		{with(TypeCommit, `"parents":"`+shaB+`"`), "parents", "want a list of strings, got a string"},
		{with(TypeCommit, `"parents":["`+shaB+`",7]`), "parents[1]", "want a string, got a number"},
		{with(TypeCommit, `"paths":["a",null]`), "paths[1]", "want a string, got null"},
		{with(TypeCommit, `"at":7`), "at", "want a time"},
		{with(TypeCommit, `"project":7`), "project", "want a string, got a number"},
		{with(TypeCommit, `"source":false`), "source", "want a string, got true or false"},
		{with(TypeBuild, `"attempt":"2"`), "attempt", "want a whole number, got a string"},
		{with(TypeBuild, `"attempt":1.5`), "attempt", "want a whole number, got 1.5"},
		{with(TypeBuild, `"attempt":1e3`), "attempt", "want a whole number, got 1e3"},
		{with(TypeBuild, `"attempt":99999999999999999999`), "attempt", "want a whole number"},
		{with(TypeBuild, `"attempt":-01`), "attempt", "want a whole number, got -01"},
		{with(TypeBuild, `"attempt":-`), "attempt", "want a whole number, got -"},
		{with(TypeBuild, `"attempt":01`), "attempt", "want a whole number, got 01"},
		{with(TypeDeployment, `"unplanned":"yes"`), "unplanned", "want true or false, got a string"},
		{with(TypeDeployment, `"unplanned":0`), "unplanned", "want true or false, got a number"},
		{`{"type":7}`, "type", "got a number"},
		{`{"type":null}`, "type", "got null"},
		{`{"repo":"x","type":7}`, "type", "got a number"},
		{`{"type":"commits"}`, "type", `"commits" is not one of commit, `},
		{`{"type":"other","id":"x","kind":"y"}`, "type", `"other" is not one of`},
		{`{"type":""}`, "type", `"" is not one of`},
	} {
		refused(t, c.line, c.field, c.detail)
	}
}

func TestParseLineRefusesWhatIsNotOneJSONObject(t *testing.T) {
	for _, c := range []struct{ line, detail string }{
		{``, "it ends too early"},
		{`   `, "it ends too early"},
		{`{`, "it ends too early"},
		{`{"type":"commit"`, "it ends too early"},
		{`{"type":"commit","repo":"x`, "it ends too early"},
		{`{"type":"commit","repo":`, "it ends too early"},
		{`{"type":"commit","paths":["a"`, "it ends too early"},
		{`{"sha":"a"`, "it ends too early"},
		{`[` + short[TypeCommit] + `]`, "want one JSON object"},
		{`5`, "want one JSON object, got 5"},
		{`null`, "want one JSON object, got null"},
		{`commit,` + shaA, "want one JSON object, got commit,"},
		{short[TypeCommit] + ` {}`, "more than one JSON value"},
		{short[TypeCommit] + short[TypeCommit], "more than one JSON value"},
		{short[TypeCommit] + `,`, "more than one JSON value"},
		{`{"type":"commit",}`, "want a field's name in quotes"},
		{`{"type":"commit" "repo":"x"}`, "want a comma or }"},
		{`{"type" "commit"}`, "want a colon"},
		{`{type:"commit"}`, "not JSON"},
		{`{'type':'commit'}`, "not JSON"},
		{`{"type":"commit","paths":["a" "b"]}`, "want a comma or ]"},
		{`{"type":"commit","author":nul}`, "not JSON: want a string, got 'n'"},
	} {
		refused(t, c.line, "", c.detail)
	}
	refused(t, with(TypeCommit, `"author":"\x"`), "author", "not JSON")
}

func TestParseLineRefusesAFieldThatStandsTwice(t *testing.T) {
	refused(t, with(TypeCommit, `"sha":"`+shaB+`"`), "sha", "stands twice")
	refused(t, with(TypeCommit, `"sha":"`+shaA+`"`), "sha", "stands twice")
	refused(t, with(TypeCommit, `"type":"commit"`), "type", "stands twice")
	refused(t, with(TypeCommit, `"author":null,"author":"a"`), "author", "stands twice")
	refused(t, with(TypeCommit, `"project":"p","project":""`), "project", "stands twice")
	refused(t, with(TypeCommit, `"s\u0068a":"`+shaB+`"`), "sha", "stands twice")
}

func TestParseLineTakesTheTypeAnywhereAndAnySpacing(t *testing.T) {
	for _, line := range []string{
		`{"repo":"` + repA + `","paths":["a",{"x":[]}],"type":"commit","nope":1}`,
	} {
		refused(t, line, "paths[1]", "want a string, got an object")
	}
	want, err := ParseLine([]byte(short[TypeCommit]), "src", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		` {"type":"commit","repo":"` + repA + `","sha":"` + shaA + `","authored_at":"2026-03-04T09:00:00Z"}` + "\r\n",
		"{ \"type\" : \"commit\" ,\t\"repo\" :\"" + repA + "\", \"sha\": \"" + shaA + "\" , \"authored_at\" : \"2026-03-04T09:00:00Z\" }",
		`{"repo":"` + repA + `","authored_at":"2026-03-04T09:00:00Z","type" : "commit","sha":"` + shaA + `"}`,
		`{"ty\u0070e":"c\u006fmmit","repo":"` + strings.ReplaceAll(repA, "/", `\/`) + `","sha":"` + shaA + `","authored_at":"2026-03-04T10:00:00+01:00"}`,
	} {
		got, err := ParseLine([]byte(line), "src", "")
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: want -, got +\n%s", line, diff)
		}
	}
}

func TestParseLineTellsNullFromAbsent(t *testing.T) {
	parse := func(line string) *PullRequest {
		t.Helper()
		e, err := ParseLine([]byte(line), "src", "")
		if err != nil {
			t.Fatal(err)
		}
		return e.Body.(*PullRequest)
	}
	absent := parse(short[TypePullRequest])
	null := parse(with(TypePullRequest, `"merged_at":null,"commits":null,"title": null `))
	empty := parse(with(TypePullRequest, `"commits":[],"title":""`))
	for _, c := range []struct {
		what                        string
		present, known              bool
		wantPresent, wantKnown      bool
		presentList, knownList      bool
		wantListPresent, wantListOK bool
	}{
		{"absent", absent.Title.Present, absent.Title.Known, false, false, absent.Commits.Present, absent.Commits.Known, false, false},
		{"null", null.Title.Present, null.Title.Known, true, false, null.Commits.Present, null.Commits.Known, true, false},
		{"empty", empty.Title.Present, empty.Title.Known, true, true, empty.Commits.Present, empty.Commits.Known, true, true},
	} {
		if c.present != c.wantPresent || c.known != c.wantKnown || c.presentList != c.wantListPresent || c.knownList != c.wantListOK {
			t.Errorf("%s: got %+v", c.what, c)
		}
	}
	if !null.MergedAt.Present || null.MergedAt.Known {
		t.Errorf("a null merged_at is %+v, want present and not known", null.MergedAt)
	}
	refused(t, instead(TypePullRequest, `"12"`, `null`), "number", "is required")
	refused(t, instead(TypeCommit, `"2026-03-04T09:00:00Z"`, `null`), "authored_at", "is required")
	if e, err := ParseLine([]byte(with(TypeCommit, `"at":null,"project":null,"source":null`)), "src", "prj"); err != nil || e.Source != "src" || e.Project != "prj" || e.At == 0 {
		t.Errorf("a header of nulls gives %+v, %v; want the defaults", e, err)
	}
}

func TestParseLineRefusesAbsurdTimes(t *testing.T) {
	for _, c := range []struct{ time, detail string }{
		{"1969-12-31T23:59:59Z", "outside 1970 to 2200"},
		{"1970-01-01T00:00:00Z", "outside 1970 to 2200"},
		{"0001-01-01T00:00:00Z", "outside 1970 to 2200"},
		{"2200-01-01T00:00:01Z", "outside 1970 to 2200"},
		{"9999-12-31T23:59:59Z", "outside 1970 to 2200"},
		{"2026-02-30T00:00:00Z", "want a time"},
		{"2026-03-04T25:00:00Z", "want a time"},
		{"2026-03-04T09:00:00", "want a time"},
		{"2026-03-04 09:00:00Z", "want a time"},
		{"2026-03-04", "want a time"},
		{"09:00", "want a time"},
		{"1772614800", "want a time"},
		{"", "want a time"},
		{strings.Repeat("2026", 100), "…"},
	} {
		refused(t, instead(TypeCommit, "2026-03-04T09:00:00Z", c.time), "authored_at", c.detail)
		refused(t, with(TypeCommit, `"at":"`+c.time+`"`), "at", c.detail)
		refused(t, with(TypeCommit, `"committed_at":"`+c.time+`"`), "committed_at", c.detail)
	}
	for _, c := range []struct {
		time string
		want time.Time
	}{
		{"1970-01-01T00:00:01Z", time.Unix(1, 0)},
		{"2199-12-31T23:59:59Z", time.Date(2199, 12, 31, 23, 59, 59, 0, time.UTC)},
		{"2026-03-04T09:00:00.123456Z", time.Date(2026, 3, 4, 9, 0, 0, 123456000, time.UTC)},
		{"2026-03-04T09:00:00.123456789Z", time.Date(2026, 3, 4, 9, 0, 0, 123456000, time.UTC)},
		{"2026-03-04T09:00:00-08:00", time.Date(2026, 3, 4, 17, 0, 0, 0, time.UTC)},
		{"2026-03-04T09:00:00+05:45", time.Date(2026, 3, 4, 3, 15, 0, 0, time.UTC)},
	} {
		e, err := ParseLine([]byte(instead(TypeCommit, "2026-03-04T09:00:00Z", c.time)), "src", "")
		if err != nil {
			t.Errorf("%s: %v", c.time, err)
		} else if got := e.Body.(*Commit).AuthoredAt.V.Std(); !got.Equal(c.want) {
			t.Errorf("%s was read as %s, want %s", c.time, got, c.want)
		}
	}
}

func TestParseLineRefusesValuesAtFault(t *testing.T) {
	long := strings.Repeat("x", 600)
	for _, c := range []struct{ line, field, detail string }{
		{instead(TypeCommit, shaA, ""), "sha", "is required"},
		{instead(TypeCommit, shaA, "abc"), "sha", "want 4 to 64 hexadecimal digits"},
		{instead(TypeCommit, shaA, "main"), "sha", `"main" is not a commit's hash`},
		{instead(TypeCommit, shaA, sha2+"0"), "sha", "want 4 to 64"},
		{with(TypeCommit, `"parents":["`+shaB+`","xyz!"]`), "parents[1]", "is not a commit's hash"},
		{with(TypeCommit, `"parents":[""]`), "parents[0]", "is required"},
		{instead(TypeCommit, repA, " "), "repo", "is required"},
		{instead(TypeCommit, repA, "https:///"), "repo", "names no repository"},
		{with(TypeCommit, `"author":"`+long+`"`), "author", "is 600 bytes long, at most 512"},
		{with(TypeCommit, `"author":"a\u0007b"`), "author", "control character"},
		{with(TypeCommit, "\"author\":\"a\x07b\""), "author", "control character"},
		{with(TypeCommit, `"author":"a\u0085b"`), "author", "control character"},
		{with(TypeCommit, "\"author\":\"a\xffb\""), "author", "not valid UTF-8"},
		{with(TypeCommit, "\"paths\":[\"a\",\"b\xff\"]"), "paths[1]", "not valid UTF-8"},
		{with(TypeCommit, `"paths":["`+strings.Repeat("p", 5000)+`"]`), "paths[0]", "at most 4096"},
		{with(TypeCommit, `"paths":[`+list(10_001, `"a"`)+`]`), "paths", "holds 10001 entries, at most 10000"},
		{with(TypeCommit, `"parents":[`+list(257, `"`+shaA+`"`)+`]`), "parents", "holds 257 entries, at most 256"},
		{with(TypeCommit, `"project":"`+long+`"`), "project", "at most 512"},
		{with(TypePullRequest, `"commits":[`+list(10_001, `"`+shaA+`"`)+`]`), "commits", "holds 10001 entries"},
		{with(TypePullRequest, `"merge_sha":"nothex!"`), "merge_sha", "is not a commit's hash"},
		{with(TypePullRequest, `"head_sha":""`), "head_sha", "is required"},
		{with(TypePullRequest, `"url":"`+strings.Repeat("u", 3000)+`"`), "url", "at most 2048"},
		{with(TypePullRequest, `"title":"a\nb"`), "title", "control character"},
		{instead(TypePullRequest, `"12"`, `" "`), "number", "is required"},
		{instead(TypeReview, "comment", "lgtm"), "kind", `"lgtm" is not one of comment, approval, changes_requested`},
		{with(TypeBuild, `"outcome":"passed"`), "outcome", `"passed" is not one of success, failure, aborted, unstable`},
		{instead(TypeArtifact, "sha256:9c00", "9c00"), "digest", "is not a digest"},
		{instead(TypeArtifact, "sha256:9c00", "sha256:9"), "digest", "is not a digest"},
		{with(TypeDeployment, `"outcome":"unstable"`), "outcome", `"unstable" is not one of success, failure, aborted`},
		{with(TypeDeployment, `"outcome":""`), "outcome", "is required: one of success"},
		{with(TypeDeployment, `"outcome":"success","finished_at":"2026-03-04T08:00:00Z"`), "finished_at", "lies before started_at"},
		{with(TypeBuild, `"finished_at":"2026-03-04T08:00:00Z"`), "finished_at", "lies before started_at"},
		{with(TypeBuild, `"attempt":0`), "attempt", "0 is below 1"},
		{with(TypeBuild, `"attempt":-1`), "attempt", "-1 is below 1"},
		{with(TypeIncident, `"resolved_at":"2026-03-04T08:00:00Z"`), "resolved_at", "lies before opened_at"},
		{with(TypeDeployment, `"manifest_repos":["https://git.example/env.git",""]`), "manifest_repos[1]", "is required"},
		{with(TypeDeployment, `"digest":"latest"`), "digest", "is not a digest"},
		{with(TypeDeployment, `"repo":""`), "repo", "is required"},
		{with(TypeIncident, `"sha":"zz"`), "sha", "is not a commit's hash"},
		{instead(TypeIncident, "i1", strings.Repeat("i", 513)), "id", "at most 512"},
	} {
		refused(t, c.line, c.field, c.detail)
	}
}

func list(n int, item string) string { return strings.TrimSuffix(strings.Repeat(item+",", n), ",") }

func TestParseLineTakesUnusualButRightValues(t *testing.T) {
	for _, line := range []string{
		instead(TypeCommit, shaA, sha2),
		instead(TypeCommit, shaA, "ABCD"),
		instead(TypeCommit, shaA, "abcde"), // an odd number of digits
		instead(TypeCommit, repA, "/srv/git/checkout.git"),
		with(TypeCommit, `"parents":[]`),
		with(TypeCommit, `"paths":["with space","täglich/файл.go","tab\tbed","line\nfeed"]`),
		with(TypeCommit, `"author":"Žofia \ud83d\ude80"`),
		with(TypeCommit, `"parents":[`+list(256, `"`+shaA+`"`)+`]`),
		with(TypeCommit, `"paths":[`+list(10_000, `"a"`)+`]`),
		with(TypePullRequest, `"merged_at":"2026-03-04T08:00:00Z"`), // by a clock that is wrong: the span is unknown
		with(TypeDeployment, `"finished_at":null,"outcome":null`),
		`{"type":"deployment","id":"d1","repo":"` + repA + `","outcome":"aborted","finished_at":"2026-03-04T09:00:00Z"}`,
		`{"type":"review","repo":"` + repA + `","number":"12","author":"","kind":"comment","submitted_at":"2026-03-04T09:00:00Z"}`,
	} {
		if _, err := ParseLine([]byte(line), "src", ""); err != nil {
			t.Errorf("%.200s: %v", line, err)
		}
	}
}

func TestParseLineUsesTheGreatestTimeWhereAtIsMissing(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{with(TypeCommit, `"committed_at":"2026-03-05T09:00:00Z"`), "2026-03-05T09:00:00Z"},
		{with(TypeCommit, `"committed_at":"2026-03-01T09:00:00Z"`), "2026-03-04T09:00:00Z"},
		{with(TypePullRequest, `"merged_at":"2026-03-06T09:00:00Z","closed_at":"2026-03-05T09:00:00Z"`), "2026-03-06T09:00:00Z"},
		{with(TypeIncident, `"resolved_at":"2026-03-06T09:00:00Z"`), "2026-03-06T09:00:00Z"},
		{with(TypeIncident, `"at":"2026-03-01T00:00:00Z","resolved_at":"2026-03-06T09:00:00Z"`), "2026-03-01T00:00:00Z"},
	} {
		e, err := ParseLine([]byte(c.line), "src", "")
		if err != nil {
			t.Errorf("%s: %v", c.line, err)
		} else if e.At != at(c.want) {
			t.Errorf("%s: at %s, want %s", c.line, e.At.Std(), c.want)
		}
	}
}

func TestParseLineNeedsASource(t *testing.T) {
	_, err := ParseLine([]byte(short[TypeCommit]), "", "")
	var fault *FieldError
	if !errors.As(err, &fault) || fault.Field != "source" {
		t.Errorf("got %v, want source at fault", err)
	}
}

// The names that are read are those that json writes.
func TestEveryFieldHasItsSlot(t *testing.T) {
	for _, body := range []line{new(Commit), new(PullRequest), new(Review), new(Build), new(Artifact), new(Deployment), new(Incident)} {
		v := reflect.ValueOf(body).Elem()
		for i := range v.NumField() {
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
			if got, want := body.slot([]byte(name)), v.Field(i).Addr().Interface(); got != want {
				t.Errorf("%s: the slot of %s is not its field", body.Type(), name)
			}
		}
	}
}
