package runner_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestSecretsAreWrittenAndNeverRead(t *testing.T) {
	p := start(t, setup{program: script(t), idle: true, still: true})
	body := map[string]any{
		"git": map[string]string{"url": "http://git.example/git", "token": "SECRET-1"}, "registry": map[string]string{"host": "registry.test", "token": "SECRET-2"},
		"environments": map[string]string{"url": "http://git.example/git/fawkes/environments.git", "branch": "main", "token": "SECRET-3"},
		"events":       map[string]string{"url": "http://dora.example", "token": "SECRET-4"}, "signing": map[string]string{"key_file": "/keys/cosign.key", "password": "SECRET-5"},
		"webhook_secret": "SECRET-6",
	}
	status, text := p.call("PUT", api+"/connections", body)
	if status != 200 || strings.Contains(text, "SECRET") || strings.Count(text, `"set":true`) != 6 {
		t.Fatalf("%d %s", status, text)
	}
	// What is left out of the secrets stays; the rest is replaced.
	status, text = p.call("PUT", api+"/connections", map[string]any{"git": map[string]string{"url": "http://other.example"}})
	if status != 200 || strings.Count(text, `"set":true`) != 6 || strings.Contains(text, "registry.test") || !strings.Contains(text, "other.example") {
		t.Fatalf("%d %s", status, text)
	}
	for field, bad := range map[string]any{
		"git.url":             map[string]any{"git": map[string]string{"url": "http://user:pw@git.example"}},
		"events.url":          map[string]any{"events": map[string]string{"url": "file:///etc/passwd"}},
		"signing.key_file":    map[string]any{"signing": map[string]string{"key_file": "key"}},
		"environments.branch": map[string]any{"environments": map[string]string{"branch": "--x"}},
		"colour":              map[string]any{"colour": "red"},
	} {
		if status, text := p.call("PUT", api+"/connections", bad); status != 422 || !strings.Contains(text, field) {
			t.Errorf("%s: %d %s", field, status, text)
		}
	}
}

func TestWhoMayDoWhat(t *testing.T) {
	p := start(t, setup{program: script(t), still: true})
	for _, path := range []string{"/runs", "/runs/run-x", "/queue", "/isolation", "/connections", "/stream", "/runs/run-x/stream", "/runs/run-x/log"} {
		res, err := http.Get(p.server.URL + api + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != 401 {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
	}
}

func TestAManualRun(t *testing.T) {
	p := start(t, setup{program: script(t)})
	sha := p.repository("fawkes/hello", map[string]string{"pipeline.sh": good})
	for _, ref := range []string{"", "main", "refs/heads/main", sha} {
		status, text := p.call("POST", api+"/runs", map[string]string{"repository": "fawkes/hello", "ref": ref})
		var r run
		if err := json.Unmarshal([]byte(text), &r); err != nil || status != 201 {
			t.Fatalf("%q: %d %s", ref, status, text)
		}
		r = p.ended(r.ID)
		if r.Status != "succeeded" || r.SHA != sha || r.Branch != "main" || r.Trigger != "manual" || r.Subject != "The first commit" || r.Author != "Ada" {
			t.Fatalf("%+v %v", r, r.Reason)
		}
	}
	for ref, want := range map[string]int{"nosuch": 404, "--upload-pack=x": 422} {
		if status, text := p.call("POST", api+"/runs", map[string]string{"repository": "fawkes/hello", "ref": ref}); status != want {
			t.Errorf("%q: %d %s", ref, status, text)
		}
	}
}

func TestWhatARunMadeIsNoWayOut(t *testing.T) {
	p := start(t, setup{program: script(t)})
	sha := p.repository("fawkes/hello", map[string]string{"pipeline.sh": `
ln -s /etc/passwd $artifacts/passwd; mkdir $artifacts/folder; echo '<script>alert(1)</script>' > $artifacts/page.html
ln -s page.html $artifacts/inside.html; mkfifo $artifacts/fifo; echo x > $artifacts/-rf; result succeeded "" 0`})
	r := p.ended(p.pushed("d-1", "fawkes/hello", "main", sha))
	var list struct{ Items []struct{ Name string } }
	p.get("/runs/"+r.ID+"/artifacts", &list)
	if len(list.Items) != 1 || list.Items[0].Name != "page.html" {
		t.Fatalf("%+v", list)
	}
	for _, name := range []string{"passwd", "folder", "..%2f..%2frunner.db", "nosuch"} {
		if status, text := p.call("GET", api+"/runs/"+r.ID+"/artifacts/"+name, nil); status != 404 && status != 422 {
			t.Errorf("%s: %d %s", name, status, text)
		}
	}
	req, _ := http.NewRequest("GET", p.server.URL+api+"/runs/"+r.ID+"/artifacts/page.html", nil)
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if h := res.Header; res.StatusCode != 200 || !strings.HasPrefix(h.Get("Content-Disposition"), "attachment") || h.Get("X-Content-Type-Options") != "nosniff" {
		t.Fatalf("%d %v", res.StatusCode, h)
	}
}

// Whoever pushed reads what to do about it where the run says why it failed, and in its log.
func TestAFailedRunSaysWhatToDo(t *testing.T) {
	p := start(t, setup{program: script(t)})
	sha := p.repository("fawkes/hello", map[string]string{"pipeline.sh": `
stage checkout failed "no go.mod"
say '{"event":"result","status":"failed","reason":"no go.mod","mend":"say language in fawkes.yaml","exit":2}'
say '{"event":"error","error":"checkout: no go.mod","mend":"say language in fawkes.yaml","exit":2}' >&2
exit 2`})
	r := p.ended(p.pushed("d-1", "fawkes/hello", "main", sha))
	if r.Status != "failed" || *r.Reason != "no go.mod; mend: say language in fawkes.yaml" {
		t.Fatalf("%+v %s", r, *r.Reason)
	}
	if log := p.log(r.ID, "checkout"); !strings.Contains(log, "error: checkout: no go.mod\n  mend: say language in fawkes.yaml\n") || strings.Contains(log, "{") {
		t.Errorf("the log says\n%s", log)
	}
}

func TestHostileOutputHurtsNobody(t *testing.T) {
	p := start(t, setup{program: script(t), settings: map[string]string{"runner.log_mib": "1"}})
	sha := p.repository("fawkes/hello", map[string]string{"pipeline.sh": `
stage build running
head -c 3000000 /dev/zero; echo
head -c 100000 /dev/urandom >&2
say '{"event":"stage","stage":"../../../etc","status":"running"}'
say '{"event":"log","stage":"../x","text":"y"}'
say '{"event":"log","text":{"a":1}}'
say '{"event":"result"}'
printf '{"event":"log","stage":"build","text":"'; head -c 400000 /dev/zero | tr '\0' z; printf '"}\n'
stage build failed "<script>" "\u0000"
result failed "the tests failed" 1`})
	r := p.ended(p.pushed("d-1", "fawkes/hello", "main", sha))
	if r.Status != "failed" || *r.Reason != "the tests failed" || *r.stage("build").Reason != "<script>" {
		t.Fatalf("%+v %s", r, *r.Reason)
	}
	log := p.log(r.ID, "build")
	if len(log) > 3<<20 || !strings.Contains(log, "too long") {
		t.Fatalf("%d bytes", len(log))
	}
	files, err := filepath.Glob(filepath.Join(p.folder, "runner", "runs", r.ID, "logs", "*"))
	if err != nil || len(files) > 3 {
		t.Fatalf("%v %v", files, err)
	}
}

func TestEndsOfAPipeline(t *testing.T) {
	p := start(t, setup{program: script(t), settings: map[string]string{"runner.concurrency": "4", "runner.memory_mib": "200", "runner.processes": "60"}})
	for _, c := range []struct{ name, script, status, says string }{
		{"no-result", "exit 0", "failed", "without a result"},
		{"config", "exit 2", "failed", "configuration"},
		{"killed", "kill -9 $$", "failed", "SIGKILL"},
		{"lies", `say '{"event":"result","status":"succeeded"}'; exit 3`, "failed", "status 3"},
		{"gate", `stage secrets failed "a key"; result failed "" 3`, "failed", "quality gate"},
		{"aborts", `result aborted "of its own" 130`, "failed", "of its own"},
		{"memory", `x=$(head -c 300000000 /dev/zero | tr '\0' x); sleep 10`, "failed", "200 MiB"},
		{"processes", `for i in $(seq 200); do sleep 30 & done; wait`, "failed", "60"},
	} {
		sha := p.repository("fawkes/"+c.name, map[string]string{"pipeline.sh": c.script})
		r := p.ended(p.pushed("d-"+c.name, "fawkes/"+c.name, "main", sha))
		if r.Status != c.status || r.Reason == nil || !strings.Contains(*r.Reason, c.says) {
			t.Errorf("%s: %s %v", c.name, r.Status, *r.Reason)
		}
	}
	r := p.ended(p.pushed("d-none", "fawkes/none", "main", someSHA))
	if r.Status != "failed" || !strings.Contains(*r.Reason, "could not be fetched") || r.stage("checkout").Status != "failed" {
		t.Errorf("%+v %s", r, *r.Reason)
	}
	if _, text := p.call("GET", api+"/runs/"+r.ID, nil); strings.Contains(text, "git-token") || strings.Contains(p.log(r.ID, ""), "git-token") {
		t.Error("the token is shown")
	}
}

// follow reads a stream's events until the last.
func (p *platform) follow(path string, until func(event, data string) bool) []string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, "GET", p.server.URL+api+path, nil)
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 200 {
		p.t.Fatalf("%d", res.StatusCode)
	}
	var all []string
	in := bufio.NewScanner(res.Body)
	in.Buffer(nil, 1<<20)
	event := ""
	for in.Scan() {
		if v, ok := strings.CutPrefix(in.Text(), "event: "); ok {
			event = v
		}
		if v, ok := strings.CutPrefix(in.Text(), "data: "); ok {
			all = append(all, event+" "+v)
			if until(event, v) {
				return all
			}
		}
	}
	p.t.Fatalf("the stream ended: %v after %v", in.Err(), all)
	return nil
}

func TestARunIsFollowedToItsEnd(t *testing.T) {
	p := start(t, setup{program: script(t)})
	sha := p.repository("fawkes/hello", map[string]string{"pipeline.sh": `
for s in build unit-test; do stage $s running; for i in $(seq 200); do log $s "line $i of $s €"; done; stage $s passed; done
while [ ! -e $FAWKES_CACHE/go ]; do sleep 0.02; done
stage push running; log push last; stage push passed; result succeeded "" 0`})
	id := p.pushed("d-1", "fawkes/hello", "main", sha)
	logs := map[string]string{}
	stages := map[string][]string{}
	all := p.follow("/runs/"+id+"/stream", func(event, data string) bool {
		switch event {
		case "log":
			var l struct{ Stage, Text string }
			if err := json.Unmarshal([]byte(data), &l); err != nil {
				t.Fatal(err)
			}
			logs[l.Stage] += l.Text
			if strings.Contains(logs["unit-test"], "line 200") {
				if err := os.WriteFile(filepath.Join(p.folder, "runner", "cache", "fawkes", "hello", "go"), nil, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		case "stage":
			var s stage
			if err := json.Unmarshal([]byte(data), &s); err != nil {
				t.Fatal(err)
			}
			stages[s.Name] = append(stages[s.Name], s.Status)
		}
		return event == "end"
	})
	for _, s := range []string{"build", "unit-test", "push"} {
		if logs[s] != p.log(id, s) || logs[s] == "" {
			t.Errorf("the log of %s was told as %d bytes and is %d", s, len(logs[s]), len(p.log(id, s)))
		}
		if seen := stages[s]; seen[len(seen)-1] != "passed" {
			t.Errorf("%s: %v", s, seen)
		}
	}
	if last := all[len(all)-1]; !strings.Contains(last, `"succeeded"`) {
		t.Error(last)
	}
	// Who comes late is told the same.
	late := map[string]string{}
	p.follow("/runs/"+id+"/stream", func(event, data string) bool {
		if event == "log" {
			var l struct{ Stage, Text string }
			_ = json.Unmarshal([]byte(data), &l)
			late[l.Stage] += l.Text
		}
		return event == "end"
	})
	if late["build"] != logs["build"] || late["push"] != logs["push"] {
		t.Error("a late reader was told something else")
	}
}

func TestAllRunsAreFollowed(t *testing.T) {
	p := start(t, setup{program: script(t)})
	sha := p.repository("fawkes/hello", map[string]string{"pipeline.sh": held})
	first := p.pushed("d-1", "fawkes/hello", "main", sha)
	p.wait(first, "builds", func(r run) bool { return r.stage("build").Status == "running" })
	second := ""
	p.follow("/stream", func(event, data string) bool {
		var r run
		if err := json.Unmarshal([]byte(data), &r); err != nil || event != "run" {
			t.Fatalf("%s %s", event, data)
		}
		if r.ID == first && second == "" {
			second = p.pushed("d-2", "fawkes/hello", "other", sha)
			p.letGo()
		}
		return r.ID == second && r.Status == "succeeded"
	})
}
