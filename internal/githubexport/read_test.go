package githubexport

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/text/encoding/unicode"
)

const (
	sha  = "3f2ab1c0000000000000000000000000000000aa"
	api  = "https://api.github.example/repos/shop/api"
	page = "https://github.example/shop/api"
)

// told is what the objects of a text are told as: their lines, "-" for one that
// says nothing, "?" for one that is not known, and faults.
func told(t *testing.T, o Options, text string) []string {
	t.Helper()
	var out []string
	err := read("f.json", strings.NewReader(text), o, func(i Item) error {
		switch {
		case i.Fault != nil:
			out = append(out, i.Place+" "+i.Fault.Error())
		case i.Kind == "":
			out = append(out, "?")
		case len(i.Lines) == 0:
			out = append(out, "- "+i.Kind)
		}
		for _, l := range i.Lines {
			out = append(out, string(l))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestWhatEachObjectIsToldAs(t *testing.T) {
	const head = `","source":"github",`
	for _, c := range []struct{ name, object, want string }{
		{"an open pull request", `{"number":12,"title":"A\nbasket","user":{"login":"ada"},"created_at":"2026-03-02T10:00:00Z","updated_at":"2026-03-02T11:00:00Z","merged_at":null,"closed_at":null,"merge_commit_sha":"` + sha + `","head":{"sha":"` + sha + `"},"base":{"ref":"main","repo":{"html_url":"` + page + `"}},"html_url":"` + page + `/pull/12"}`,
			`{"type":"pull_request` + head + `"at":"2026-03-02T11:00:00Z","repo":"` + page + `","number":"12","author":"ada","created_at":"2026-03-02T10:00:00Z","head_sha":"` + sha + `","base":"main","title":"A basket","url":"` + page + `/pull/12"}`},
		{"a merged one, by its address alone", `{"number":12,"created_at":"2026-03-02T10:00:00Z","merged_at":"2026-03-02T12:00:00Z","closed_at":"2026-03-02T12:00:00Z","merge_commit_sha":"` + sha + `","head":{},"base":{},"url":"` + api + `/pulls/12"}`,
			`{"type":"pull_request` + head + `"repo":"` + page + `","number":"12","created_at":"2026-03-02T10:00:00Z","merged_at":"2026-03-02T12:00:00Z","closed_at":"2026-03-02T12:00:00Z","merge_sha":"` + sha + `"}`},
		{"a review", `{"id":1,"user":{"login":"bo"},"state":"APPROVED","submitted_at":"2026-03-02T11:00:00Z","pull_request_url":"` + api + `/pulls/12","commit_id":"` + sha + `"}`,
			`{"type":"review` + head + `"at":"2026-03-02T11:00:00Z","repo":"` + page + `","number":"12","author":"bo","kind":"approval","submitted_at":"2026-03-02T11:00:00Z"}`},
		{"a review that nobody has given yet", `{"id":1,"state":"PENDING","pull_request_url":"` + api + `/pulls/12","commit_id":"` + sha + `"}`, "- review"},
		{"a review comment of nobody", `{"id":2,"user":null,"pull_request_review_id":1,"diff_hunk":"@@","created_at":"2026-03-02T11:00:00Z","pull_request_url":"` + api + `/pulls/12"}`,
			`{"type":"review` + head + `"at":"2026-03-02T11:00:00Z","repo":"` + page + `","number":"12","author":"","kind":"comment","submitted_at":"2026-03-02T11:00:00Z"}`},
		{"a comment on a pull request", `{"id":3,"user":{"login":"cy"},"created_at":"2026-03-02T11:00:00Z","issue_url":"` + api + `/issues/12","html_url":"` + page + `/pull/12#issuecomment-3"}`,
			`{"type":"review` + head + `"at":"2026-03-02T11:00:00Z","repo":"` + page + `","number":"12","author":"cy","kind":"comment","submitted_at":"2026-03-02T11:00:00Z"}`},
		{"a comment on an issue", `{"id":3,"created_at":"2026-03-02T11:00:00Z","issue_url":"` + api + `/issues/13","html_url":"` + page + `/issues/13#issuecomment-3"}`, "- issue comment"},
		{"a commit", `{"sha":"` + sha + `","commit":{"author":{"name":"Ada","email":"ada@x.example","date":"2026-03-02T09:00:00Z"},"committer":{"date":"2026-03-02T09:30:00Z"}},"author":{"login":"ada"},"parents":[{"sha":"` + sha + `"}],"url":"` + api + `/commits/x","html_url":"` + page + `/commit/x","files":[{"filename":"b.go","previous_filename":"a.go"}]}`,
			`{"type":"commit` + head + `"repo":"` + page + `","sha":"` + sha + `","parents":["` + sha + `"],"author":"ada","authored_at":"2026-03-02T09:00:00Z","committed_at":"2026-03-02T09:30:00Z","paths":["b.go","a.go"]}`},
		{"a first commit of somebody without an account", `{"sha":"` + sha + `","commit":{"author":{"name":"Ada","email":"ada@x.example","date":"2026-03-02T09:00:00Z"}},"author":null,"parents":[],"html_url":"` + page + `/commit/x"}`,
			`{"type":"commit` + head + `"repo":"` + page + `","sha":"` + sha + `","parents":[],"author":"ada@x.example","authored_at":"2026-03-02T09:00:00Z"}`},
		{"a deployment", `{"id":7,"sha":"` + sha + `","environment":"production","description":"v1","created_at":"2026-03-02T12:00:00Z","payload":{"service":"api","image":"cr/api@sha256:` + strings.Repeat("a", 64) + `","unplanned":true},"statuses_url":"` + api + `/deployments/7/statuses","repository_url":"` + api + `"}`,
			`{"type":"deployment` + head + `"at":"2026-03-02T12:00:00Z","id":"7","environment":"production","repo":"` + page + `","sha":"` + sha + `","started_at":"2026-03-02T12:00:00Z","title":"v1","service":"api","digest":"sha256:` + strings.Repeat("a", 64) + `","unplanned":true}`},
		{"its status", `{"id":70,"state":"error","environment":"production","created_at":"2026-03-02T12:05:00Z","log_url":"https://ci.example/7","deployment_url":"` + api + `/deployments/7","repository_url":"` + api + `"}`,
			`{"type":"deployment` + head + `"at":"2026-03-02T12:05:00Z","id":"7","environment":"production","repo":"` + page + `","outcome":"failure","finished_at":"2026-03-02T12:05:00Z","url":"https://ci.example/7"}`},
		{"a status that ends nothing", `{"state":"inactive","created_at":"2026-03-02T12:05:00Z","deployment_url":"` + api + `/deployments/7"}`, "- deployment status"},
		{"a workflow run", `{"id":9,"workflow_id":1,"head_sha":"` + sha + `","head_branch":"main","status":"completed","conclusion":"timed_out","run_attempt":2,"created_at":"2026-03-02T09:00:00Z","run_started_at":"2026-03-02T09:10:00Z","updated_at":"2026-03-02T09:20:00Z","repository":{"html_url":"` + page + `"},"html_url":"` + page + `/actions/runs/9"}`,
			`{"type":"build` + head + `"at":"2026-03-02T09:20:00Z","repo":"` + page + `","sha":"` + sha + `","id":"9","branch":"main","started_at":"2026-03-02T09:10:00Z","attempt":2,"outcome":"failure","finished_at":"2026-03-02T09:20:00Z","url":"` + page + `/actions/runs/9"}`},
		{"one that runs", `{"id":9,"workflow_id":1,"head_sha":"` + sha + `","status":"in_progress","conclusion":null,"created_at":"2026-03-02T09:00:00Z","updated_at":"2026-03-02T09:20:00Z","repository":{"html_url":"` + page + `"}}`,
			`{"type":"build` + head + `"at":"2026-03-02T09:20:00Z","repo":"` + page + `","sha":"` + sha + `","id":"9","started_at":"2026-03-02T09:00:00Z","attempt":1}`},
		{"an incident that is open", `{"number":13,"title":"down","labels":[{"name":"Incident"},{"name":"service: api"},{"name":"env:production"},"severity:high"],"created_at":"2026-03-02T13:00:00Z","updated_at":"2026-03-02T14:00:00Z","closed_at":null,"repository_url":"` + api + `","html_url":"` + page + `/issues/13"}`,
			`{"type":"incident` + head + `"at":"2026-03-02T14:00:00Z","id":"shop/api#13","repo":"` + page + `","opened_at":"2026-03-02T13:00:00Z","resolved_at":null,"title":"down","url":"` + page + `/issues/13","service":"api","environment":"production","severity":"high"}`},
		{"one that is over, on a server of one's own", `{"number":13,"title":"down","labels":[{"name":"incident"}],"created_at":"2026-03-02T13:00:00Z","closed_at":"2026-03-02T15:00:00Z","repository_url":"https://git.example/api/v3/repos/shop/api"}`,
			`{"type":"incident` + head + `"id":"shop/api#13","repo":"https://git.example/shop/api","opened_at":"2026-03-02T13:00:00Z","resolved_at":"2026-03-02T15:00:00Z","title":"down"}`},
		{"an issue", `{"number":13,"title":"t","labels":[{"name":"bug"}]}`, "- issue"},
		{"an issue that is a pull request", `{"number":12,"title":"t","labels":[{"name":"incident"}],"pull_request":{"url":"x"}}`, "- issue"},
		{"a release", `{"tag_name":"v1","draft":false,"published_at":"2026-03-02T13:00:00Z"}`, "- release"},
		{"something else", `{"a":1}`, "?"},
	} {
		if got := told(t, Options{}, c.object); len(got) != 1 || got[0] != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, strings.Join(got, "\n     "), c.want)
		}
	}
}

func TestARepositoryAndLabelsMayBeGiven(t *testing.T) {
	o := Options{Repo: "https://other.example/r", IncidentLabels: []string{"outage"}}
	got := told(t, o, `{"number":1,"title":"t","labels":[{"name":"OUTAGE"}],"created_at":"2026-03-02T13:00:00Z"}`)
	if len(got) != 1 || !strings.Contains(got[0], `"id":"other.example/r#1","repo":"https://other.example/r"`) {
		t.Errorf("%q", got)
	}
}

func release(n int) string { return fmt.Sprintf(`{"tag_name":"v%d","draft":false}`, n) }

// TestFilesAreReadAsPeopleSaveThem has the same three objects in every form.
func TestFilesAreReadAsPeopleSaveThem(t *testing.T) {
	a, b, c := release(1), release(2), release(3)
	for name, text := range map[string]string{
		"an array":                     `[` + a + `,` + b + `,` + c + `]`,
		"with space between":           " [\n  " + a + " ,\n\n" + b + "\n, " + c + " ] \n",
		"arrays one after another":     `[` + a + `,` + b + `][` + c + `]`,
		"with line feeds":              `[` + a + "]\n[]\n[" + b + `,` + c + "]\n",
		"arrays of pages":              `[[` + a + `],[` + b + `,` + c + `],[]]`,
		"one a line":                   a + "\n" + b + "\n\n" + c,
		"one after another":            a + b + c,
		"pages with a list":            `{"total_count":3,"workflow_runs":[` + a + `,` + b + `]}{"total_count":3,"workflow_runs":[` + c + `]}`,
		"pages in an array":            `[{"total_count":3,"items":[` + a + `]},{"total_count":3,"items":[` + b + `,` + c + `]}]`,
		"a list alone":                 `{"workflow_runs":[` + a + `,` + b + `,` + c + `]}`,
		"with a mark of its encoding":  "\xef\xbb\xbf[" + a + `,` + b + `,` + c + `]`,
		"in UTF-16, as a shell may do": utf16(t, `[`+a+`,`+b+`,`+c+`]`),
	} {
		path := filepath.Join(t.TempDir(), "f.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var places []string
		if err := ReadFile(path, Options{}, func(i Item) error {
			if i.Fault != nil || i.Kind != KindRelease {
				t.Errorf("%s: %+v", name, i)
			}
			places = append(places, strings.TrimPrefix(i.Place, path))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(places, []string{"[0]", "[1]", "[2]"}) {
			t.Errorf("%s: objects %v", name, places)
		}
		if strings.HasPrefix(text, "\xff\xfe") {
			continue
		}
		n := 0
		if err := read("f", iotest.OneByteReader(strings.NewReader(strings.TrimPrefix(text, "\xef\xbb\xbf"))), Options{}, func(Item) error { n++; return nil }); err != nil || n != 3 {
			t.Errorf("%s, as it trickles in: %d objects, %v", name, n, err)
		}
	}
}

func utf16(t *testing.T, s string) string {
	t.Helper()
	out, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().String(s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestFaultsNameFileAndField(t *testing.T) {
	pull := `{"number":12,"created_at":"2026-03-02T10:00:00Z","head":{},"base":{},"url":"` + api + `/pulls/12"}`
	for _, c := range []struct{ text, want string }{
		{`[` + release(1) + `,` + strings.Replace(pull, "2026-03-02T10:00:00Z", "yesterday", 1) + `]`, `f.json[1] created_at: want a time`},
		{strings.Replace(pull, `12,"cr`, `"12","cr`, 1), `f.json[0] number: want a whole number, got string`},
		{strings.Replace(pull, api, "x", 1), `f.json[0] repository_url: the object names no repository; give it with --repo`},
		{strings.Replace(pull, `:12`, `:0`, 1), `f.json[0] number: is required`},
		{`{"workflow_id":1,"id":1,"head_sha":"zz","repository":{"html_url":"` + page + `"}}`, `f.json[0] head_sha: "zz" is not a commit's hash`},
		{`{"deployment_url":"x","state":"success"}`, `f.json[0] deployment_url: "x" names no deployment`},
		{`{"deployment_url":"https://github.example/api/v3/repos/shop/api/deployments/7","state":"paused","created_at":"2026-03-02T12:05:00Z"}`, `f.json[0] state: "paused" is not a state of a deployment that is known`},
		{`{"pull_request_url":"` + api + `/pulls/1","state":"ODD","submitted_at":"x"}`, `f.json[0] state: "ODD" is not one of`},
		{`{"statuses_url":"x","id":1,"sha":"` + sha + `","environment":"e","created_at":"2026-03-02T10:00:00Z","payload":{"service":1},"repository_url":"` + api + `"}`, `f.json[0] payload.service: want a string`},
		{`{"message":"Not Found","documentation_url":"x","status":"404"}`, `f.json[0] message: GitHub's answer is an error: Not Found`},
		{`{"total_count":1,"items":7}`, `f.json[0] items: want a list`},
		{`[` + release(1) + `,{"a`, `f.json[1] : the file is not whole`},
		{`[` + release(1), `f.json[1] : the file is not whole`},
		{release(1) + `]`, `f.json[1] : the file is not JSON`},
		{`<html>`, `f.json[0] : the file is not JSON: invalid character '<'`},
		{`"text"`, `f.json[0] : the file holds something else than objects`},
		{strings.Repeat("[", 9), `f.json[0] : the file holds something else than objects and lists of them: lists within lists`},
	} {
		got := told(t, Options{}, c.text)
		if len(got) == 0 || !strings.HasPrefix(got[len(got)-1], c.want) {
			t.Errorf("%.150s:\ngot  %q\nwant %q", c.text, got, c.want)
		}
	}
	if got := told(t, Options{}, ""); len(got) != 0 {
		t.Errorf("an empty file: %q", got)
	}
}

func TestFilesAreFoundAndUnpacked(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, text []byte) string {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write([]byte(release(1))); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	one := write("pulls.json", []byte(release(1)))
	two := write("deep/runs.jsonl.gz", packed.Bytes())
	other := write("notes.txt", []byte(release(1)))
	if got, err := Files([]string{dir, one}); err != nil || !slices.Equal(got, []string{two, one}) {
		t.Errorf("%v %v", got, err)
	}
	if got, err := Files([]string{other}); err != nil || !slices.Equal(got, []string{other}) {
		t.Errorf("a file by its name: %v %v", got, err)
	}
	if _, err := Files([]string{filepath.Join(dir, "none")}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	empty := filepath.Dir(write("empty/readme.md", nil))
	if _, err := Files([]string{empty}); err == nil || !strings.Contains(err.Error(), "holds no .json") {
		t.Errorf("%v", err)
	}
	n := 0
	if err := ReadFile(two, Options{}, func(Item) error { n++; return nil }); err != nil || n != 1 {
		t.Errorf("%d objects of a packed file, %v", n, err)
	}
	broken := write("broken.json.gz", packed.Bytes()[:packed.Len()-6])
	if err := ReadFile(broken, Options{}, func(Item) error { return nil }); err != nil {
		t.Errorf("a packed file that breaks off is a fault of its own: %v", err)
	}
	if err := ReadFile(write("no.json.gz", []byte("x")), Options{}, nil); err == nil {
		t.Error("what is not packed was unpacked")
	}
	stop := errors.New("stop")
	if err := ReadFile(one, Options{}, func(Item) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("%v, want that of the taker", err)
	}
}

// FuzzRead wants of every file that it ends, and that what it tells is one line.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`[` + release(1) + `][{"number":12,"created_at":"2026-03-02T10:00:00Z","head":{},"base":{},"url":"` + api + `/pulls/12"}]`))
	f.Add([]byte(`{"total_count":1,"workflow_runs":[{"id":9,"workflow_id":1,"head_sha":"` + sha + `","status":"completed","conclusion":"success","run_started_at":"2026-03-02T09:10:00Z","updated_at":"2026-03-02T09:20:00Z","repository":{"html_url":"` + page + `"}}]}`))
	f.Add([]byte(`{"number":13,"title":"t","labels":["incident","service:a"],"created_at":"2026-03-02T13:00:00Z","repository_url":"` + api + `"}`))
	f.Add([]byte(`[[[[[`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := read("f", bytes.NewReader(data), Options{}, func(i Item) error {
			for _, l := range i.Lines {
				if !bytes.HasPrefix(l, []byte(`{"type":"`)) || bytes.ContainsAny(l, "\r\n") {
					t.Fatalf("%q was told as %q", data, l)
				}
			}
			if i.Fault != nil && i.Fault.Detail == "" {
				t.Fatalf("%q: a fault without a word", data)
			}
			return nil
		}); err != nil {
			t.Fatalf("%q: %v", data, err)
		}
	})
}
