package jenkins

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/intake"
)

var received = event.Micros(time.Date(2026, 3, 2, 13, 0, 0, 0, time.UTC))

func request(t *testing.T, query, body string) intake.Request {
	t.Helper()
	q, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	return intake.Request{Query: q, Body: []byte(body), Received: received}
}

func sample(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// lines writes events as the bulk format does, with their time.
func lines(t *testing.T, events []event.Event) (out []string) {
	t.Helper()
	for _, e := range events {
		text, err := json.Marshal(e.Body)
		if err != nil {
			t.Fatal(err)
		}
		if e.Source != Source {
			t.Errorf("the source is %q", e.Source)
		}
		if e.Body.Type() == event.TypeOther {
			text = []byte("as it came")
		}
		out = append(out, fmt.Sprintf("%s at %s %s", e.Body.Type(), e.At.Std().Format("15:04:05.000"), text))
	}
	return out
}

func TestSamples(t *testing.T) {
	const (
		build = `{"repo":"https://git.example/shop.git","sha":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","id":"https://ci.example.com/job/shop/job/api-deploy/7","branch":"main",`
		place = `{"id":"https://ci.example.com/job/shop/job/api-deploy/7","service":"api","environment":"production","repo":"https://git.example/shop.git","sha":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",`
		rest  = `"url":"https://ci.example.com/job/shop/job/api-deploy/7/"}`
		title = `"title":"shop/api-deploy #7",`
		ended = `"outcome":"success","started_at":"2026-03-02T09:58:00Z","finished_at":"2026-03-02T10:00:00Z",`
		late  = `"outcome":"success","started_at":"2026-03-02T09:58:04.25Z","finished_at":"2026-03-02T10:00:04.25Z",`
	)
	for _, c := range []struct {
		name, query string
		want        []string
		ignored     string
	}{
		{"freestyle_queued", "", nil, "queued"},
		{"freestyle_started", "", []string{
			"build at 09:58:00.000 " + build + `"started_at":"2026-03-02T09:58:00Z",` + rest,
			"deployment at 09:58:00.000 " + place + `"started_at":"2026-03-02T09:58:00Z",` + title + rest}, ""},
		{"freestyle_completed", "", []string{"build at 10:00:00.000 " + build + ended + rest, "deployment at 10:00:00.000 " + place + ended + title + rest}, ""},
		{"freestyle_completed", "deployments=false", []string{"build at 10:00:00.000 " + build + ended + rest}, ""},
		{"freestyle_finalized", "", []string{"build at 08:58:04.250 " + build + late + rest, "deployment at 08:58:04.250 " + place + late + title + rest}, ""},
		{"freestyle_completed", "environment=staging&service=web", []string{"build at 10:00:00.000 " + build + ended + rest,
			"deployment at 10:00:00.000 " + strings.NewReplacer("production", "staging", `"api"`, `"web"`).Replace(place) + ended + title + rest}, ""},
		{"pipeline_started", "", nil, "no commit"},
		{"pipeline_unstable", "", []string{`build at 08:40:00.000 {"repo":"https://git.example/shop.git","sha":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","id":"https://ci.example.com/job/shop/job/api/31","branch":"main","outcome":"unstable","started_at":"2026-03-02T08:30:00Z","finished_at":"2026-03-02T08:40:00Z","url":"https://ci.example.com/job/shop/job/api/31/"}`}, ""},
		{"pipeline_unstable", "environment=testing", []string{
			`build at 08:40:00.000 {"repo":"https://git.example/shop.git","sha":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","id":"https://ci.example.com/job/shop/job/api/31","branch":"main","outcome":"unstable","started_at":"2026-03-02T08:30:00Z","finished_at":"2026-03-02T08:40:00Z","url":"https://ci.example.com/job/shop/job/api/31/"}`,
			`deployment at 08:40:00.000 {"id":"https://ci.example.com/job/shop/job/api/31","environment":"testing","repo":"https://git.example/shop.git","sha":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","outcome":"failure","started_at":"2026-03-02T08:30:00Z","finished_at":"2026-03-02T08:40:00Z","title":"shop/api #31","url":"https://ci.example.com/job/shop/job/api/31/"}`}, ""},
		{"aborted", "", []string{
			`build at 09:59:30.000 {"repo":"https://git.example/shop.git","sha":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","id":"https://ci.example.com/job/shop/job/api-deploy/8","branch":"main","outcome":"aborted","started_at":"2026-03-02T10:59:30Z","finished_at":"2026-03-02T11:00:00Z","url":"https://ci.example.com/job/shop/job/api-deploy/8/"}`,
			`deployment at 09:59:30.000 {"id":"https://ci.example.com/job/shop/job/api-deploy/8","service":"api","environment":"production","repo":"https://git.example/shop.git","sha":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","outcome":"aborted","started_at":"2026-03-02T10:59:30Z","finished_at":"2026-03-02T11:00:00Z","unplanned":true,"title":"shop/api-deploy #8","url":"https://ci.example.com/job/shop/job/api-deploy/8/"}`}, ""},
		{"image", "", []string{`deployment at 12:00:00.000 {"id":"https://ci.example.com/job/shop/job/api-deploy/9","service":"web","environment":"staging","digest":"sha256:` + strings.Repeat("9c", 32) + `","outcome":"success","started_at":"2026-03-02T11:59:00Z","finished_at":"2026-03-02T12:00:00Z","title":"shop/api-deploy #9","url":"https://ci.example.com/job/shop/job/api-deploy/9/"}`}, ""},
		{"version_1_4", "", []string{`deployment at 12:00:00.000 {"id":"https://ci.example.com/job/nightly/5","service":"nightly","environment":"testing","outcome":"failure","finished_at":"2026-03-02T13:00:00Z","title":"nightly #5"}`}, ""},
		{"no_commit", "", []string{"other at 00:00:00.000 as it came"}, ""},
	} {
		res, err := Read(request(t, c.query, sample(t, c.name)))
		if err != nil {
			t.Errorf("%s?%s: %v", c.name, c.query, err)
			continue
		}
		got := lines(t, res.Events)
		if strings.Join(got, "\n") != strings.Join(c.want, "\n") || !strings.Contains(res.Ignored, c.ignored) || (res.Ignored == "") != (c.ignored == "") {
			t.Errorf("%s?%s: %q\n%s\nwant %q\n%s", c.name, c.query, res.Ignored, strings.Join(got, "\n"), c.ignored, strings.Join(c.want, "\n"))
		}
	}
}

// TestParametersMayBeOfAnyPlainType has what writes them in place of the plugin.
func TestParametersMayBeOfAnyPlainType(t *testing.T) {
	body := strings.Replace(sample(t, "freestyle_completed"), `"SERVICE": "api"`, `"SERVICE": "api", "UNPLANNED": true, "TRIES": 3, "NOTE": null`, 1)
	res, err := Read(request(t, "", body))
	if err != nil || len(res.Events) != 2 || !res.Events[1].Body.(*event.Deployment).Unplanned.V {
		t.Errorf("%+v %v", res, err)
	}
}

func TestNamesOfBranchesAndURLs(t *testing.T) {
	for in, want := range map[string]string{"origin/main": "main", "refs/heads/main": "main", "refs/remotes/origin/feature/x": "feature/x", "main": "main", "feature/origin/x": "feature/origin/x", "PR-12": "PR-12", "": ""} {
		if got := branch(in); got != want {
			t.Errorf("the branch %q is %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{
		"https://ada:secret@git.example/shop.git": "https://git.example/shop.git", "http://git.example": "http://git.example",
		"git@git.example:shop.git": "git@git.example:shop.git", "ssh://git@git.example/shop": "ssh://git@git.example/shop", "https://git.example/@x/y": "https://git.example/@x/y",
	} {
		if got := withoutUser(in); got != want {
			t.Errorf("%q is stored as %q, want %q", in, got, want)
		}
	}
	job := message{Name: "api", URL: "job/shop/job/api/", Build: &build{Number: 4}}
	if got := job.id(); got != "shop/api#4" {
		t.Errorf("without a root URL the build is %q", got)
	}
}

func TestFaultsNameTheField(t *testing.T) {
	good := sample(t, "freestyle_completed")
	for _, c := range []struct{ from, to, query, field string }{
		{`"build"`, `"built"`, "", "build"},
		{`"COMPLETED"`, `""`, "", "build.phase"},
		{`"SUCCESS"`, `"GREAT"`, "", "build.status"},
		{`"SUCCESS"`, `""`, "", "build.status"},
		{`"number": 7`, `"number": "seven"`, "", "build.number"},
		{`"duration": 120000`, `"duration": -1`, "", "build.duration"},
		{`"duration": 120000`, `"duration": 9000000000000`, "", "build.duration"},
		{`"timestamp": 17`, `"timestamp": 1717`, "", "build.timestamp"},
		{strings.Repeat("a", 40), "HEAD^", "", "build.scm.commit"},
		{`"https://git.example/shop.git"`, `"/"`, "", "build.scm.url"},
		{`"parameters": {`, `"parameters": {"COMMIT": "latest",`, "", "build.parameters.COMMIT"},
		{`"parameters": {`, `"parameters": {"Hotfix": "maybe",`, "", "build.parameters.Hotfix"},
		{`"parameters": {`, `"parameters": {"image_digest": "latest",`, "", "build.parameters.image_digest"},
		{`"api"`, `["api"]`, "", "build.parameters"},
		{"{", "[", "", "body"},
		{`"build": {`, `"build": null, "x": {`, "", "build"},
		{`"build": {`, `"build": [], "x": {`, "", "build"},
		{`"COMPLETED"`, `"ODD"`, "", "build.phase"},
		{`"COMPLETED"`, `7`, "", "build.phase"},
		{`"SUCCESS"`, `null`, "", "build.status"},
		{`"SUCCESS"`, `[]`, "", "build.status"},
		{`"number": 7`, `"number": -7`, "", "build.number"},
		{`"duration": 120000`, `"duration": "2 min"`, "", "build.duration"},
		{`"timestamp": 17`, `"timestamp": -17`, "", "build.timestamp"},
		{`"scm": {`, `"scm": "git", "x": {`, "", "build.scm"},
		{`"scm": {`, `"scm": [], "x": {`, "", "build.scm"},
		{`"parameters": {`, `"parameters": [], "x": {`, "", "build.parameters"},
		{`"parameters": {`, `"parameters": {"unplanned": 7,`, "", "build.parameters.unplanned"},
		{"", "", "deployments=perhaps", "query.deployments"},
		{"", "", "environment=" + strings.Repeat("e", 600), "query.environment"},
	} {
		body := strings.Replace(good, c.from, c.to, 1)
		_, err := Read(request(t, c.query, body))
		var fault *event.FieldError
		if !errors.As(err, &fault) || fault.Field != c.field {
			t.Errorf("%q in place of %q: %v, want a fault of %s", c.to, c.from, err, c.field)
		}
	}
}

// TestAnOldVersionIsReadTheSameEachTime has no timestamp, so what is stored must
// not depend on when a delivery is repeated.
func TestAnOldVersionsRepetitionIsTheSameDelivery(t *testing.T) {
	r := request(t, "", sample(t, "version_1_4"))
	one, err := Read(r)
	if err != nil {
		t.Fatal(err)
	}
	r.Received += 5_000_000
	two, err := Read(r)
	if err != nil {
		t.Fatal(err)
	}
	if one.Events[0].Delivery == "" || one.Events[0].Delivery != two.Events[0].Delivery {
		t.Errorf("%q and %q", one.Events[0].Delivery, two.Events[0].Delivery)
	}
}

func FuzzJenkins(f *testing.F) {
	names, err := os.ReadDir("testdata")
	if err != nil {
		f.Fatal(err)
	}
	for _, n := range names {
		if strings.HasSuffix(n.Name(), ".json") {
			text, err := os.ReadFile("testdata/" + n.Name())
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(text), "environment=production&service=api")
			f.Add(string(text), "")
		}
	}
	f.Fuzz(func(t *testing.T, body, query string) {
		q, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		res, err := Read(intake.Request{Body: []byte(body), Query: q, Received: received})
		var fault *event.FieldError
		switch {
		case err != nil && !errors.As(err, &fault):
			t.Fatalf("%T %v", err, err)
		case err == nil && len(res.Events) == 0 && res.Ignored == "":
			t.Fatal("nothing, and no reason")
		}
		for _, e := range res.Events {
			if err := e.Validate(); err != nil {
				t.Fatal(err)
			}
			packed, err := event.Pack(e.Body)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := event.Unpack(e.Body.Type(), packed); err != nil {
				t.Fatal(err)
			}
		}
	})
}
