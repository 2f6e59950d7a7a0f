package dora

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/githubexport"
)

// restAnd is an object as GitHub's API answers it: that of the webhook, with the
// addresses that a webhook tells by its repository.
func restAnd(o object, more object) object {
	out := maps.Clone(o)
	maps.Copy(out, more)
	return out
}

// TestASavedExportSaysTheSameAsTheWebhooksDid has one history of GitHub be received
// as webhooks by one project and imported from saved answers of GitHub's API by
// another, as `fawkes dora import github` sends it. Their numbers are the same.
func TestASavedExportSaysTheSameAsTheWebhooksDid(t *testing.T) {
	const page, api = "https://github.example/acme/shop", "https://github.example/api/v3/repos/acme/shop"
	type commit struct{ name, parent, at string }
	commits := []commit{
		{"a", "", "2026-03-02T08:00:00Z"}, {"b", "a", "2026-03-02T12:00:00Z"}, {"c", "b", "2026-03-03T08:00:00Z"},
		{"d", "c", "2026-03-04T08:00:00Z"}, {"e", "d", "2026-03-05T08:00:00Z"}, {"f", "e", "2026-03-06T08:00:00Z"},
	}
	var deliveries []delivery
	saved := map[string][]any{}
	send := func(event, id string, v object) { deliveries = append(deliveries, delivery{event, id, ofGitHub(v)}) }

	for i, c := range commits {
		before := hash("0")
		parents := []object{}
		if c.parent != "" {
			before, parents = hash(c.parent), []object{{"sha": hash(c.parent)}}
		}
		deliveries = append(deliveries, delivery{"push", "push-" + c.name, pushOnto(before, pushed(c.name, c.at))})
		saved["commits"] = append(saved["commits"], object{"sha": hash(c.name), "parents": parents, "html_url": page + "/commit/" + hash(c.name), "url": api + "/commits/" + hash(c.name),
			"author": object{"login": "ada"}, "commit": object{"author": object{"name": "Ada", "date": c.at}, "committer": object{"date": c.at}}, "files": []object{{"filename": "main.go"}}})

		id, created, ended := 100+i, after(c.at, 2*time.Hour), after(c.at, 2*time.Hour+5*time.Minute)
		state := "success"
		if c.name == "d" {
			state = "failure"
		}
		started, status := deployedOnGitHub(id, c.name, created, state, ended, object{"unplanned": c.name == "e"})
		deliveries = append(deliveries, delivery{"deployment", "dep-" + c.name, started}, delivery{"deployment_status", "status-" + c.name, status})
		of := func(text, part string) object {
			var whole map[string]json.RawMessage
			var o object
			if err := json.Unmarshal([]byte(text), &whole); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(whole[part], &o); err != nil {
				t.Fatal(err)
			}
			return o
		}
		saved["deployments"] = append(saved["deployments"], restAnd(of(started, "deployment"), object{"statuses_url": api + "/deployments/x/statuses", "repository_url": api}))
		saved["statuses"] = append(saved["statuses"], restAnd(of(status, "deployment_status"), object{"deployment_url": api + "/deployments/" + jsonText(t, id), "repository_url": api}))
	}
	for i, merged := range []string{"b", "c", "e"} {
		number, opened := 12+i, "2026-03-01T09:00:00Z"
		mergedAt := after(map[string]string{"b": "2026-03-02T12:00:00Z", "c": "2026-03-03T08:00:00Z", "e": "2026-03-05T08:00:00Z"}[merged], 30*time.Minute)
		reviewed := after(mergedAt, -15*time.Minute)
		pull := object{"number": number, "title": "Change " + merged, "user": object{"login": "ada"}, "created_at": opened, "updated_at": mergedAt, "merged_at": mergedAt, "closed_at": mergedAt,
			"merge_commit_sha": hash(merged), "head": object{"sha": hash(merged)}, "base": object{"ref": "main"}, "html_url": page + "/pull/" + jsonText(t, number)}
		review := object{"id": 500 + i, "user": object{"login": "bo"}, "state": "approved", "submitted_at": reviewed}
		send("pull_request", "pr-"+merged, object{"action": "closed", "pull_request": pull})
		send("pull_request_review", "review-"+merged, object{"action": "submitted", "review": review, "pull_request": pull})
		saved["pulls"] = append(saved["pulls"], restAnd(pull, object{"url": api + "/pulls/" + jsonText(t, number), "base": object{"ref": "main", "repo": object{"html_url": page}}}))
		saved["reviews"] = append(saved["reviews"], restAnd(review, object{"state": "APPROVED", "commit_id": hash(merged), "pull_request_url": api + "/pulls/" + jsonText(t, number)}))
	}
	issue := object{"number": 40, "title": "down", "labels": []object{{"name": "incident"}, {"name": "severity:high"}}, "created_at": "2026-03-03T11:00:00Z", "updated_at": "2026-03-03T13:00:00Z", "closed_at": "2026-03-03T13:00:00Z", "html_url": page + "/issues/40"}
	send("issues", "issue", object{"action": "closed", "issue": issue})
	saved["issues"] = append(saved["issues"], restAnd(issue, object{"repository_url": api}))

	dir := t.TempDir()
	for name, list := range saved {
		text, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name+".json"), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files, err := githubexport.Files([]string{dir})
	if err != nil {
		t.Fatal(err)
	}
	var body bytes.Buffer
	for _, file := range files {
		if err := githubexport.ReadFile(file, githubexport.Options{}, func(i githubexport.Item) error {
			if i.Fault != nil || len(i.Lines) == 0 {
				t.Errorf("%s %q: %v", i.Place, i.Kind, i.Fault)
			}
			for _, l := range i.Lines {
				body.Write(append(l, '\n'))
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	each(t, func(t *testing.T, s *server) {
		secret, _ := s.addSource("github", "hook", "hooks")
		for _, d := range deliveries {
			if code, answer := s.deliver(secret, d); code != 202 {
				t.Fatalf("%s: %d %s", d.id, code, answer)
			}
		}
		if code, answer := s.call("POST", batchPath+"?project=saved", body.String()); code != 200 {
			t.Fatalf("%d %s", code, answer)
		}
		report := func(project string) string {
			return s.want(200, "GET", "/api/dora/v1/metrics?from=2026-03-01T00:00:00Z&to=2026-04-01T00:00:00Z&project="+project, "", nil)
		}
		if want := report("hooks"); bytes.Contains([]byte(want), []byte(`"n":0`)) {
			t.Errorf("a metric of the webhooks' history has nothing to compare: %s", want)
		}
		s.sameNumbers("saved", "hooks", "shop")
	})
}

func jsonText(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
