package runner_test

import (
	"strings"
	"testing"
)

const good = `
stage checkout passed
for s in build unit-test push; do stage $s running; log $s "doing $s"; echo plain text of $s; stage $s passed "" "$s is good"; done
echo '<testsuite/>' > $artifacts/junit.xml
say '{"event":"artifact","name":"junit.xml","kind":"junit","size_bytes":13}'
say '{"event":"gate","passed":true,"rules":[{"name":"min_tests","passed":true,"detail":"3 of 1"}]}'
say '{"event":"image","image":"127.0.0.1:8080/hello","digest":"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}'
stage promote running
say '{"event":"promoted","environments":["production"],"revision":"abc"}'
stage promote passed
env | sort > $artifacts/environment.txt
result succeeded "" 0
`

func TestAPushIsRun(t *testing.T) {
	p := start(t, setup{program: script(t)})
	sha := p.repository("fawkes/hello", map[string]string{"pipeline.sh": good})
	r := p.ended(p.pushed("d-1", "fawkes/hello", "main", sha))
	if r.Status != "succeeded" || r.Reason != nil {
		t.Fatalf("%+v %v\n%s", r, *r.Reason, p.log(r.ID, ""))
	}
	for _, s := range r.Stages {
		if s.Status != "passed" {
			t.Errorf("stage %+v", s)
		}
	}
	if r.Subject != "The first commit" || r.Author != "Ada" || r.Trigger != "push" || *r.Digest == "" || r.PromotedTo[0] != "production" {
		t.Errorf("%+v", r)
	}
	if got := p.log(r.ID, "build"); got != "doing build\nplain text of build\n" {
		t.Errorf("the log of build is %q", got)
	}
	if got := p.log(r.ID, ""); !strings.Contains(got, "doing build\nplain text of build\ndoing unit-test\n") {
		t.Errorf("the log is %q", got)
	}
	_, env := p.call("GET", api+"/runs/"+r.ID+"/artifacts/environment.txt", nil)
	for _, want := range []string{"FAWKES_SHA=" + sha, "FAWKES_DEFAULT_BRANCH=main", "FAWKES_REPOSITORY=http://127.0.0.1:8080/git/fawkes/hello.git", "FAWKES_RUN_ID=" + r.ID, "FAWKES_RUN_ATTEMPT=1"} {
		if !strings.Contains(env, want+"\n") {
			t.Errorf("the environment lacks %s:\n%s", want, env)
		}
	}
	for _, not := range []string{"git-token", secret, "RUNNER_TEST", "HOME=/root"} {
		if strings.Contains(env, not) {
			t.Errorf("the environment has %s:\n%s", not, env)
		}
	}
	var list struct{ Items []struct{ Name, Kind string } }
	p.get("/runs/"+r.ID+"/artifacts", &list)
	if len(list.Items) != 2 || list.Items[1].Kind != "junit" {
		t.Errorf("%+v", list)
	}
	if r.Usage.CPU <= 0 || r.Isolation == nil {
		t.Errorf("%+v %+v", r.Usage, r.Isolation)
	}
}
