package history_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history"
	"github.com/fawkes-idp/fawkes/services/dora/project"
)

// A story is a small history written by hand. Commits have one-letter names,
// times are minutes after midnight.
type story struct {
	t      *testing.T
	spec   project.Spec
	events []event.Event
}

var midnight = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

func at(minutes int) event.Time {
	return event.Micros(midnight.Add(time.Duration(minutes) * time.Minute))
}

func sha(name string) string { return fmt.Sprintf("%040x", name) }

const repo = "https://git.example/shop.git"

func (s *story) add(source string, b event.Body) {
	s.events = append(s.events, event.New(source, "shop", b))
}

func (s *story) commit(name string, authored, committed int, parents ...string) {
	hashes := make([]string, len(parents))
	for i, p := range parents {
		hashes[i] = sha(p)
	}
	s.add("git", &event.Commit{Repo: repo, SHA: sha(name), Parents: event.Some(hashes), Author: event.Some("ada"),
		AuthoredAt: event.Some(at(authored)), CommittedAt: event.Some(at(committed))})
}

func (s *story) deploy(id, commit string, finished int, change ...func(*event.Deployment)) {
	d := &event.Deployment{ID: id, Service: event.Some("api"), Environment: event.Some("production"), Repo: event.Some(repo),
		SHA: event.Some(sha(commit)), Outcome: event.Some(event.OutcomeSuccess), StartedAt: event.Some(at(finished - 1)), FinishedAt: event.Some(at(finished))}
	for _, c := range change {
		c(d)
	}
	s.add("ci", d)
}

// settle applies the events and reads the projection back from its blocks, as
// a server does.
func (s *story) settle() *history.Projection {
	s.t.Helper()
	l := history.NewLedger(s.spec, []byte("salt"))
	for _, e := range s.events {
		if err := l.Apply(e); err != nil {
			s.t.Fatal(err)
		}
	}
	return read(s.t, l.Settle())
}

func read(t *testing.T, deltas ...history.Delta) *history.Projection {
	t.Helper()
	r := history.NewReplica("shop")
	for _, d := range deltas {
		for key, block := range d.Changed {
			if err := r.Put(key, block); err != nil {
				t.Fatal(err)
			}
		}
		for _, key := range d.Deleted {
			r.Delete(key)
		}
	}
	return r.Projection()
}

func deployment(t *testing.T, p *history.Projection, id string) *history.Deployment {
	t.Helper()
	for _, ln := range p.Lanes {
		for _, d := range ln.Deployments {
			if d.ID == id {
				return d
			}
		}
	}
	t.Fatalf("no deployment %q", id)
	return nil
}

func names(d *history.Deployment) string {
	out := ""
	for _, c := range d.Changes {
		for _, n := range "abcdefghijklmnopqrstuvwxyz" {
			if history.ParseSHA(sha(string(n))) == c.SHA {
				out += string(n)
			}
		}
	}
	return out
}

// service, outcome, by … change a deployment of a story.
func service(name string) func(*event.Deployment) {
	return func(d *event.Deployment) { d.Service = event.Some(name) }
}

func outcome(o string) func(*event.Deployment) {
	return func(d *event.Deployment) { d.Outcome = event.Some(o) }
}

func byDigest(digest string) func(*event.Deployment) {
	return func(d *event.Deployment) { d.Digest = event.Some(digest) }
}

func (s *story) incident(id string, opened, resolved int, change ...func(*event.Incident)) {
	i := &event.Incident{ID: id, Service: event.Some("api"), OpenedAt: event.Some(at(opened))}
	if resolved > 0 {
		i.ResolvedAt = event.Some(at(resolved))
	}
	for _, c := range change {
		c(i)
	}
	s.add("pager", i)
}

func (s *story) pull(number, merge string, created, merged int, commits ...string) {
	hashes := make([]string, len(commits))
	for i, c := range commits {
		hashes[i] = sha(c)
	}
	s.add("github", &event.PullRequest{Repo: repo, Number: number, Author: event.Some("ada"), CreatedAt: event.Some(at(created)),
		MergedAt: event.Some(at(merged)), MergeSHA: event.Some(sha(merge)), Commits: event.Some(hashes)})
}

func change(t *testing.T, d *history.Deployment, commit string) history.Change {
	t.Helper()
	i := slices.IndexFunc(d.Changes, func(c history.Change) bool { return c.SHA == history.ParseSHA(sha(commit)) })
	if i < 0 {
		t.Fatalf("deployment %s did not bring %q", d.ID, commit)
	}
	return d.Changes[i]
}

func pullRequest(t *testing.T, p *history.Projection, number string) *history.PullRequest {
	t.Helper()
	for _, r := range p.PullRequests {
		if r.Number == number {
			return r
		}
	}
	t.Fatalf("no pull request %s", number)
	return nil
}

func incident(t *testing.T, p *history.Projection, id string) *history.Incident {
	t.Helper()
	for _, i := range p.Incidents {
		if i.ID == id {
			return i
		}
	}
	t.Fatalf("no incident %s", id)
	return nil
}

// brought tells what each deployment should have brought.
func brought(t *testing.T, p *history.Projection, want map[string]string) {
	t.Helper()
	for id, names_ := range want {
		if got := names(deployment(t, p, id)); got != names_ {
			t.Errorf("deployment %s brought %q, want %q", id, got, names_)
		}
	}
}
