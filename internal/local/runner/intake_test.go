package runner_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
)

const zeros = "0000000000000000000000000000000000000000"

var someSHA = strings.Repeat("ab", 20)

func TestWhatAWebhookMayBegin(t *testing.T) {
	p := start(t, setup{program: script(t), still: true})
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	body := func(old, new string) []byte {
		return bytes.Replace(push("fawkes/hello", "refs/heads/main", someSHA), []byte(old), []byte(new), 1)
	}
	for _, c := range []struct {
		name   string
		event  string
		body   []byte
		change func(*http.Request)
		status int
		says   string
	}{
		{"a push", "push", body("", ""), nil, 202, `"run":"run-`},
		{"another branch", "push", push("fawkes/hello", "refs/heads/feature/x", someSHA), nil, 202, `"run":"run-`},
		{"a tag", "push", push("fawkes/hello", "refs/tags/v1", someSHA), nil, 202, "only branches"},
		{"a deletion", "push", push("fawkes/hello", "refs/heads/main", zeros), nil, 202, "deleted"},
		{"a deletion that says so", "push", body(`"deleted":false`, `"deleted":true`), nil, 202, "deleted"},
		{"ping", "ping", []byte("{}"), nil, 202, "pong"},
		{"another event", "create", body("", ""), nil, 202, "starts nothing"},
		{"no signature", "push", body("", ""), header("X-Hub-Signature-256", ""), 401, "bad_signature"},
		{"a wrong signature", "push", body("", ""), header("X-Hub-Signature-256", "sha256="+strings.Repeat("00", 32)), 401, "bad_signature"},
		{"an odd signature", "push", body("", ""), header("X-Hub-Signature-256", "sha256=zz"), 401, "bad_signature"},
		{"no delivery id", "push", body("", ""), header("X-GitHub-Delivery", ""), 422, "X-GitHub-Delivery"},
		{"a long delivery id", "push", body("", ""), header("X-GitHub-Delivery", strings.Repeat("x", 200)), 422, "X-GitHub-Delivery"},
		{"a form", "push", body("", ""), header("Content-Type", "application/x-www-form-urlencoded"), 415, "application/json"},
		{"no JSON", "push", []byte("{"), nil, 400, "invalid_body"},
		{"a wrong type", "push", []byte(`{"ref":7}`), nil, 400, "invalid_body"},
		{"no ref", "push", []byte(`{}`), nil, 422, `"ref"`},
		{"an option for a branch", "push", push("fawkes/hello", "refs/heads/--upload-pack=x", someSHA), nil, 422, `"ref"`},
		{"a way out for a branch", "push", push("fawkes/hello", "refs/heads/../../x", someSHA), nil, 422, `"ref"`},
		{"a short commit", "push", push("fawkes/hello", "refs/heads/main", "abc"), nil, 422, `"after"`},
		{"a way out for a repository", "push", push("../x", "refs/heads/main", someSHA), nil, 422, "full_name"},
		{"three parts", "push", push("a/b/c", "refs/heads/main", someSHA), nil, 422, "full_name"},
		{"a program for an address", "push", body("http://127.0.0.1:8080/git/fawkes/hello.git", "ext::sh -c id"), nil, 422, "clone_url"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := len(p.runs())
			change := []func(*http.Request){}
			if c.change != nil {
				change = append(change, c.change)
			}
			status, text := p.deliver("d-"+strings.ReplaceAll(c.name, " ", "-"), c.event, c.body, change...)
			if status != c.status || !strings.Contains(text, c.says) {
				t.Fatalf("%d %s, want %d with %s", status, text, c.status, c.says)
			}
			if began := len(p.runs()) - before; began != strings.Count(text, `"run":`) {
				t.Fatalf("%d runs began", began)
			}
		})
	}
}

func TestADeliveryCountsOnce(t *testing.T) {
	p := start(t, setup{program: script(t), still: true, settings: map[string]string{"runner.keep_every_push": "true"}})
	body := push("fawkes/hello", "refs/heads/main", someSHA)
	done := make(chan string)
	for range 20 {
		go func() {
			_, text := p.deliver("the-same", "push", body)
			done <- text
		}()
	}
	began := 0
	for range 20 {
		text := <-done
		if strings.Contains(text, `"run":`) {
			began++
		} else if !strings.Contains(text, `"duplicate":true`) {
			t.Errorf("%s", text)
		}
	}
	if began != 1 || len(p.runs()) != 1 {
		t.Fatalf("%d began, there are %d", began, len(p.runs()))
	}
}

func TestARunnerThatIsNotConnectedIdles(t *testing.T) {
	p := start(t, setup{program: script(t), idle: true})
	if status, text := p.deliver("d-1", "push", push("fawkes/hello", "refs/heads/main", someSHA)); status != 503 || !strings.Contains(text, "webhook_secret") {
		t.Fatalf("%d %s", status, text)
	}
	if status, text := p.call("POST", api+"/runs", map[string]string{"repository": "fawkes/hello"}); status != 409 || !strings.Contains(text, "git.url") {
		t.Fatalf("%d %s", status, text)
	}
	var q struct{ Reason *string }
	p.get("/queue", &q)
	if q.Reason == nil || !strings.Contains(*q.Reason, "git.url") {
		t.Fatalf("%+v", q)
	}
}
