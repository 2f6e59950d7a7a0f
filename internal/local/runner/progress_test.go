package runner

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func TestWhatIsALineOfProgress(t *testing.T) {
	for _, c := range []struct {
		line string
		ok   bool
	}{
		{`{"event":"stage","stage":"build","status":"running"}`, true},
		{`  {"event":"stage","stage":"build","status":"running","more":[1,{}]}  `, true},
		{`{"event":"log","stage":"build","text":"x"}`, true},
		{`{"event":"log","text":"x"}`, true},
		{`{"event":"artifact","name":"junit.xml","kind":"junit"}`, true},
		{`{"event":"gate","passed":false,"rules":[]}`, true},
		{`{"event":"result","status":"aborted","exit":130}`, true},
		{`{"event":"image","image":"x","digest":"sha256:` + strings.Repeat("0a", 32) + `"}`, true},
		{``, false}, {`{`, false}, {`{}`, false}, {`[]`, false}, {`null`, false}, {"ok  	pkg", false}, {`{"event":7}`, false},
		{`{"event":"stage","stage":"../x","status":"running"}`, false},
		{`{"event":"stage","stage":"","status":"running"}`, false},
		{`{"event":"stage","stage":"build","status":"great"}`, false},
		{`{"event":"stage","stage":["build"],"status":"running"}`, false},
		{`{"event":"log","stage":"../../x","text":"x"}`, false},
		{`{"event":"artifact","name":"../secret"}`, false},
		{`{"event":"artifact","name":".hidden"}`, false},
		{`{"event":"gate","passed":"yes"}`, false},
		{`{"event":"image","image":"x","digest":"latest"}`, false},
		{`{"event":"result","status":"great"}`, false},
		{`{"event":"unknown"}`, false},
		{"\x00\x01\xff\xfe", false},
	} {
		if _, ok := parseProgress([]byte(c.line)); ok != c.ok {
			t.Errorf("%s: %t, want %t", c.line, ok, c.ok)
		}
	}
}

// A person reads the log: no line of it is one of the machine's.
func TestWhatThePipelineTellsAPersonIsALineOfTheLog(t *testing.T) {
	for line, want := range map[string]string{
		`{"event":"note","text":"SonarQube is not configured"}`:                                "note: SonarQube is not configured",
		`{"event":"error","error":"checkout: no go.mod","mend":"say language in it","exit":2}`: "error: checkout: no go.mod\n  mend: say language in it",
		`{"event":"error","error":"it was aborted","exit":130}`:                                "error: it was aborted",
	} {
		if p, ok := parseProgress([]byte(line)); !ok || p.Event != "log" || p.Text != want {
			t.Errorf("%s: %+v, %t", line, p, ok)
		}
	}
}

func TestWhatIsTakenIsBounded(t *testing.T) {
	var rules, stages, environments []string
	for i := range 10_000 {
		rules = append(rules, `{"name":"`+strings.Repeat("n", 1000)+`","detail":"`+strings.Repeat("d", 10)+`"}`)
		stages = append(stages, fmt.Sprintf(`"stage-%d"`, i))
		environments = append(environments, `"`+strings.Repeat("e", 500)+`"`)
	}
	d := Detail{}
	take := func(line string) {
		t.Helper()
		p, ok := parseProgress([]byte(line))
		if !ok {
			t.Fatalf("%.100s", line)
		}
		d.apply(p, noon)
	}
	take(`{"event":"run","stages":[` + strings.Join(stages, ",") + `]}`)
	take(`{"event":"gate","passed":true,"rules":[` + strings.Join(rules, ",") + `]}`)
	take(`{"event":"promoted","environments":[` + strings.Join(environments, ",") + `]}`)
	for i := range 10_000 {
		take(`{"event":"stage","stage":"s` + fmt.Sprint(i) + `","status":"running","reason":"` + strings.Repeat("é", 5000) + `"}`)
		take(`{"event":"artifact","name":"a` + fmt.Sprint(i) + `","kind":"` + strings.Repeat("k", 100) + `"}`)
	}
	text, err := json.Marshal(d)
	if err != nil || len(text) > 512<<10 || len(d.Stages) > mostStages || len(d.Artifacts) > mostArtifacts || len(d.Gate.Rules) > mostRules {
		t.Fatalf("%v: %d bytes, %d stages, %d artifacts, %d rules", err, len(text), len(d.Stages), len(d.Artifacts), len(d.Gate.Rules))
	}
}

func TestLongLinesAreCutAndNothingIsHeld(t *testing.T) {
	in := strings.Repeat("x", 10<<20) + "\nshort\r\n\n" + strings.Repeat("y", 99)
	var got []string
	var cuts []bool
	if err := readLines(strings.NewReader(in), 100, func(line []byte, cut bool) {
		got, cuts = append(got, string(line)), append(cuts, cut)
	}); err != nil {
		t.Fatal(err)
	}
	want := []string{strings.Repeat("x", 100), "short", "", strings.Repeat("y", 99)}
	if len(got) != 4 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] || got[3] != want[3] || !cuts[0] || cuts[1] || cuts[3] {
		t.Fatalf("%d lines, cut %v", len(got), cuts)
	}
}

func TestAStageThatEndsAndTheRestOfTheRun(t *testing.T) {
	d := Detail{}
	d.plan(standardStages())
	for _, line := range []string{
		`{"event":"run","stages":["checkout","build","deploy"]}`,
		`{"event":"stage","stage":"checkout","status":"running"}`,
		`{"event":"stage","stage":"checkout","status":"passed","summary":"12 files"}`,
		`{"event":"stage","stage":"build","status":"running"}`,
	} {
		p, _ := parseProgress([]byte(line))
		d.apply(p, noon)
	}
	d.close(Canceled, "canceled by Ada", noon.Add(time.Second))
	var got []string
	for _, s := range d.Stages {
		got = append(got, s.Name+" "+s.Status)
	}
	if want := "checkout passed, build canceled, deploy skipped"; strings.Join(got, ", ") != want {
		t.Fatalf("%v, want %s", got, want)
	}
}

func FuzzProgress(f *testing.F) {
	f.Add([]byte(`{"event":"run","stages":["a","b"]}` + "\n" + `{"event":"stage","stage":"a","status":"failed","reason":"x"}`))
	f.Add([]byte(`{"event":"log","text":"` + "\xff" + `"}`))
	f.Add([]byte(`{"event":"gate","passed":true,"rules":[{"name":"x"}]}`))
	f.Add([]byte("\x00\n{\n}\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		d := Detail{}
		d.plan(standardStages())
		if err := readLines(bytes.NewReader(in), 4096, func(line []byte, _ bool) {
			p, ok := parseProgress(line)
			if !ok {
				return
			}
			if !utf8.ValidString(p.Text) || !utf8.ValidString(p.Reason) || len(p.Reason) > mostReason || p.Stage != "" && !stageForm.MatchString(p.Stage) {
				t.Fatalf("%+v", p)
			}
			d.apply(p, noon)
		}); err != nil {
			t.Fatal(err)
		}
		d.close(Failed, "x", noon)
		for _, s := range d.Stages {
			if s.Status == "running" || s.Status == "pending" || !stageForm.MatchString(s.Name) {
				t.Fatalf("%+v", s)
			}
		}
		if text, err := json.Marshal(d); err != nil || !utf8.Valid(text) {
			t.Fatalf("%v %q", err, text)
		}
	})
}

func FuzzPush(f *testing.F) {
	f.Add([]byte(`{"ref":"refs/heads/main","after":"` + strings.Repeat("ab", 20) + `","repository":{"full_name":"a/b","clone_url":"http://x/a/b.git"},"head_commit":{"id":"` + strings.Repeat("ab", 20) + `","message":"m\nx"}}`))
	f.Add([]byte(`{"ref":"refs/tags/x"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, ignored, err := readPush(body, noon)
		if err != nil || ignored != "" {
			return
		}
		switch {
		case !validBranch(r.Branch) || strings.HasPrefix(r.Branch, "-") || strings.Contains(r.Branch, ".."):
			t.Fatalf("the branch %q", r.Branch)
		case !shaForm.MatchString(r.SHA), !repositoryForm.MatchString(r.Repository) || strings.Contains(r.Repository, ".."+"/"):
			t.Fatalf("%q %q", r.SHA, r.Repository)
		case !utf8.ValidString(r.Subject) || len(r.Subject) > mostSubject || strings.ContainsAny(r.Subject, "\n\x00"):
			t.Fatalf("the subject %q", r.Subject)
		case strings.ContainsAny(r.CloneURL, "\n\x00"):
			t.Fatalf("the address %q", r.CloneURL)
		}
	})
}

func TestLogsAreCutAtTheirMostAndReadInWholeCharacters(t *testing.T) {
	dir := t.TempDir()
	l, err := openLogs(dir, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		if err := l.add("build", "äöü€🙂"); err != nil {
			t.Fatal(err)
		}
	}
	l.close()
	whole, next, err := readLog(dir, "build", 0, 1<<20)
	if err != nil || next > 1100 || !strings.HasSuffix(whole, "[the log is cut here, at 1000 bytes]\n") || strings.ContainsRune(whole, utf8.RuneError) {
		t.Fatalf("%v %d %q", err, next, whole)
	}
	for limit := 4; limit < 20; limit++ {
		var parts strings.Builder
		for at := int64(0); ; {
			text, next, err := readLog(dir, "build", at, limit)
			if err != nil {
				t.Fatal(err)
			}
			if text == "" {
				break
			}
			parts.WriteString(text)
			at = next
		}
		if parts.String() != whole {
			t.Fatalf("in parts of %d bytes: %q", limit, parts.String())
		}
	}
}

func TestLogsOfStagesReadAsOne(t *testing.T) {
	dir := t.TempDir()
	l, err := openLogs(dir, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	for _, s := range []string{"a", "c", "d"} {
		if err := l.add(s, strings.Repeat(s, 10)); err != nil {
			t.Fatal(err)
		}
	}
	stages := []Stage{{Name: "a"}, {Name: "b"}, {Name: "c"}, {Name: "d"}}
	want := strings.Repeat("a", 10) + "\n" + strings.Repeat("c", 10) + "\n" + strings.Repeat("d", 10) + "\n"
	for limit := 1; limit < 40; limit++ {
		var got strings.Builder
		for at := int64(0); ; {
			text, next, err := readAllLogs(dir, stages, at, limit)
			if err != nil {
				t.Fatal(err)
			}
			if text == "" {
				break
			}
			got.WriteString(text)
			at = next
		}
		if got.String() != want {
			t.Fatalf("in parts of %d bytes: %q", limit, got.String())
		}
	}
}
