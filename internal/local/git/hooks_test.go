package git_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func (p *platform) hook(name, url, events string) {
	p.t.Helper()
	p.want(200, p.admin, "PUT", "/hooks/"+name, fmt.Sprintf(`{"url":%q,"secret":"s3cret","events":[%s]}`, url, events))
}

func TestAPushIsToldToHooksAsGitHubDoes(t *testing.T) {
	p := start(t)
	h := receive(t, nil)
	p.hook("ci", h.URL, `"push","create","delete"`)
	dir := p.work("shop/api")
	first := p.git(dir, "rev-parse", "HEAD")
	p.git(dir, "push", "--quiet", "origin", "main")
	got := h.wait(t, 2)
	if got[0].event != "push" || got[1].event != "create" {
		t.Fatalf("the events are %s and %s, want push and create", got[0].event, got[1].event)
	}
	mac := hmac.New(sha256.New, []byte("s3cret"))
	mac.Write(got[0].raw)
	if want := "sha256=" + hex.EncodeToString(mac.Sum(nil)); got[0].signature != want {
		t.Fatalf("the signature is %q, want %q", got[0].signature, want)
	}
	push := got[0].body
	if push["ref"] != "refs/heads/main" || push["before"] != strings.Repeat("0", 40) || push["after"] != first || push["created"] != true || push["forced"] != false {
		t.Fatalf("the push says %v", push)
	}
	commit := push["commits"].([]any)[0].(map[string]any)
	author, committer := commit["author"].(map[string]any), commit["committer"].(map[string]any)
	if commit["id"] != first || commit["message"] != "Begin" || commit["distinct"] != true ||
		author["name"] != "Ada" || author["date"] != "2026-03-01T10:00:00+01:00" || committer["email"] != "bob@example.org" || committer["date"] != "2026-03-02T11:30:00+01:00" ||
		commit["timestamp"] != author["date"] || fmt.Sprint(commit["added"]) != "[README.md]" || fmt.Sprint(commit["removed"]) != "[]" {
		t.Fatalf("the commit is told as %v", commit)
	}
	repository := push["repository"].(map[string]any)
	if repository["full_name"] != "shop/api" || repository["clone_url"] != p.url+"/git/shop/api.git" || repository["html_url"] != p.url+"/git/shop/api" || repository["default_branch"] != "main" {
		t.Fatalf("the repository is told as %v", repository)
	}
	if push["pusher"].(map[string]any)["name"] != "Ada" || push["sender"].(map[string]any)["login"] != "Ada" {
		t.Fatalf("the pusher is told as %v", push["pusher"])
	}

	// Changed and removed files, several commits in order, a tag, a branch on a known commit, and its end.
	p.commit(dir, "a.txt", "1", "Add a")
	p.git(dir, "rm", "--quiet", "README.md")
	last := p.commit(dir, "a.txt", "2", "Change a, drop the readme")
	p.git(dir, "push", "--quiet", "origin", "main")
	push = h.wait(t, 3)[2].body
	commits := push["commits"].([]any)
	if len(commits) != 2 || push["before"] != first || push["after"] != last || push["created"] != false {
		t.Fatalf("the second push says %v", push)
	}
	end := commits[1].(map[string]any)
	if end["id"] != last || fmt.Sprint(end["modified"], end["removed"]) != "[a.txt] [README.md]" || push["head_commit"].(map[string]any)["id"] != last {
		t.Fatalf("the last commit is told as %v", end)
	}
	p.git(dir, "tag", "-a", "-m", "One", "v1")
	p.git(dir, "push", "--quiet", "origin", "v1", "main:topic")
	got = h.wait(t, 7)[3:]
	told := map[string]map[string]any{}
	for _, d := range got {
		told[d.event+" "+d.body["ref"].(string)] = d.body
	}
	tag := told["push refs/tags/v1"]
	if tag == nil || len(tag["commits"].([]any)) != 0 || tag["head_commit"].(map[string]any)["id"] != last || tag["after"] == last || told["create v1"]["ref_type"] != "tag" {
		t.Fatalf("the tag is told as %v and %v", tag, told["create v1"])
	}
	if topic := told["push refs/heads/topic"]; topic == nil || len(topic["commits"].([]any)) != 0 || topic["base_ref"] != "refs/heads/main" || told["create topic"]["ref_type"] != "branch" {
		t.Fatalf("the branch is told as %v", topic)
	}
	p.git(dir, "push", "--quiet", "origin", ":topic")
	got = h.wait(t, 9)[7:]
	if got[0].body["deleted"] != true || got[0].body["head_commit"] != nil || got[1].event != "delete" || got[1].body["ref"] != "topic" {
		t.Fatalf("the end of the branch is told as %v and %v", got[0].body, got[1].body)
	}
}

func TestAForcedPushSaysSo(t *testing.T) {
	p := start(t)
	h := receive(t, nil)
	p.hook("ci", h.URL, `"push"`)
	dir := p.work("shop/api")
	p.git(dir, "push", "--quiet", "origin", "main", "main:topic")
	p.git(dir, "commit", "--quiet", "--amend", "-m", "Begin again")
	p.git(dir, "push", "--quiet", "--force", "origin", "main:topic")
	forced := h.wait(t, 3)[2].body
	if forced["forced"] != true || len(forced["commits"].([]any)) != 1 {
		t.Fatalf("the forced push says %v", forced)
	}
}

// The references are the truth: whatever moved them while nobody could tell is told at the next start, once.
func TestAPushThatACrashLeftUnannouncedIsToldAtTheNextStart(t *testing.T) {
	p := start(t)
	h := receive(t, nil)
	p.hook("ci", h.URL, `"push"`)
	dir := p.work("shop/api")
	p.git(dir, "push", "--quiet", "origin", "main")
	h.wait(t, 1)
	p.stop()
	lost := p.commit(dir, "lost.txt", "x", "Pushed just before the crash")
	p.git(dir, "push", "--quiet", p.bare("shop/api"), "main") // as git http-backend does, and nobody is left to tell
	p.begin(true)
	got := h.wait(t, 2)
	if got[1].body["after"] != lost || len(got[1].body["commits"].([]any)) != 1 {
		t.Fatalf("after the start the hook is told %v", got[1].body)
	}
	p.stop()
	p.begin(true)
	dir2 := p.work("shop/other")
	p.git(dir2, "push", "--quiet", "origin", "main")
	eventually(t, "the push is told", func() bool { return len(h.told()) >= 3 })
	// A delivery that the stop cut off is sent once more, under the same id.
	got = h.told()
	if full := got[2].body["repository"].(map[string]any)["full_name"]; len(got) != 3 || full != "shop/other" {
		t.Fatalf("a further start told something again: %d deliveries, the third about %v", len(got), full)
	}
}

func TestDeliveriesKeepTheirOrderAndAreTriedAgain(t *testing.T) {
	p := start(t)
	h := receive(t, func(n int, _ received) int {
		if n < 2 {
			return http.StatusServiceUnavailable
		}
		return http.StatusAccepted
	})
	p.hook("ci", h.URL, `"push"`)
	dir := p.work("shop/api")
	var want []string
	for i := range 3 {
		want = append(want, p.commit(dir, "a.txt", fmt.Sprint(i), fmt.Sprint("Change ", i)))
		p.git(dir, "push", "--quiet", "origin", "main")
	}
	got := h.wait(t, 5)
	if got[0].id != got[1].id || got[1].id != got[2].id {
		t.Fatal("a delivery that is tried again has another id")
	}
	for i, d := range got[2:] {
		if d.body["after"] != want[i] {
			t.Fatalf("delivery %d is of %v, want %s", i, d.body["after"], want[i])
		}
	}
	eventually(t, "all are noted as delivered", func() bool {
		return len(items(p.want(200, p.read, "GET", "/deliveries?state=delivered", ""))) == 3
	})
	list := items(p.want(200, p.read, "GET", "/deliveries?hook=ci", ""))
	if first := list[2]; first["attempts"] != 3.0 || first["status"] != 202.0 || first["event"] != "push" || first["repository"] != "shop/api" {
		t.Fatalf("the first delivery is listed as %v", first)
	}
}

func TestADeadDeliveryIsDeliveredAgainWithTheSameID(t *testing.T) {
	p := start(t)
	h := receive(t, func(n int, _ received) int {
		if n == 0 {
			return http.StatusUnauthorized
		}
		return http.StatusOK
	})
	p.hook("ci", h.URL, `"push"`)
	dir := p.work("shop/api")
	p.git(dir, "push", "--quiet", "origin", "main")
	var dead map[string]any
	eventually(t, "it is dead", func() bool {
		list := items(p.want(200, p.read, "GET", "/deliveries?state=dead", ""))
		if len(list) == 1 {
			dead = list[0]
		}
		return dead != nil
	})
	if dead["status"] != 401.0 || !strings.Contains(dead["error"].(string), "401") {
		t.Fatalf("the dead delivery is listed as %v", dead)
	}
	p.want(403, p.read, "POST", "/deliveries/"+dead["id"].(string)+"/redeliver", "")
	p.want(202, p.write, "POST", "/deliveries/"+dead["id"].(string)+"/redeliver", "")
	got := h.wait(t, 2)
	if got[0].id != got[1].id || got[1].id != dead["guid"] {
		t.Fatalf("delivered again with the id %s, want %s", got[1].id, got[0].id)
	}
	p.want(404, p.write, "POST", "/deliveries/999999/redeliver", "")
	shown := p.want(200, p.read, "GET", "/deliveries/"+dead["id"].(string), "")
	if shown["payload"].(map[string]any)["ref"] != "refs/heads/main" {
		t.Fatalf("the delivery is shown as %v", shown)
	}
}

func TestASecretIsNeverShown(t *testing.T) {
	p := start(t)
	p.hook("ci", "http://127.0.0.1:1/", `"push"`)
	shown := fmt.Sprint(p.want(200, p.read, "GET", "/hooks", ""))
	if strings.Contains(shown, "s3cret") || !strings.Contains(shown, "signed:true") {
		t.Fatalf("hooks are listed as %s", shown)
	}
	for _, body := range []string{`{"url":"file:///etc/passwd"}`, `{"url":"http://u:p@h/"}`, `{"url":"http://h/","events":["ping"]}`, `{"url":"http://h/","repository":"../x"}`} {
		p.want(422, p.admin, "PUT", "/hooks/other", body)
	}
	p.want(403, p.write, "PUT", "/hooks/other", `{"url":"http://h/"}`)
}
