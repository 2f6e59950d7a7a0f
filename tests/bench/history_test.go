package bench

import (
	"context"
	"crypto/sha1" //nolint:gosec // hashes of made-up commits
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/services/dora"
	"github.com/fawkes-idp/fawkes/services/dora/event"
)

// The size at which the product is measured.
const (
	repositories = 50
	commits      = 1_000_000
	requests     = 100_000
	deployments  = 20_000
)

const bigProject = "big"

func repoURL(r int) string { return fmt.Sprintf("https://git.example/acme/repo-%02d.git", r) }

func shaOf(r, n int) string {
	sum := sha1.Sum(fmt.Appendf(nil, "%d/%d", r, n)) //nolint:gosec // see above
	return hex.EncodeToString(sum[:])
}

var bigBegin = time.Date(2024, 11, 1, 0, 0, 0, 0, time.UTC)

// bigEvents yields the events of a made-up organisation over two years: per
// repository a main line whose every tenth commit is a merge of a pull request
// of nine, and a deployment of every fiftieth. One deployment in twelve fails,
// and one in thirty has an incident.
func bigEvents(yield func(event.Event)) {
	perRepo, perRequest, perDeployment := commits/repositories, commits/requests, commits/deployments
	step := 2 * 365 * 24 * time.Hour / time.Duration(perRepo)
	for r := range repositories {
		repo := repoURL(r)
		for n := range perRepo {
			at := event.Micros(bigBegin.Add(time.Duration(n) * step))
			var parents []string
			switch {
			case n == 0:
			case n%perRequest == 0: // a merge: of the last merge and of the branch
				parents = []string{shaOf(r, n-perRequest), shaOf(r, n-1)}
			case n%perRequest == 1:
				parents = []string{shaOf(r, n-1)}
			default:
				parents = []string{shaOf(r, n-1)}
			}
			yield(event.New("git", bigProject, &event.Commit{
				Repo: repo, SHA: shaOf(r, n), Parents: event.Some(parents), Author: event.Some(fmt.Sprintf("dev-%d@example.org", (r*7+n)%300)),
				AuthoredAt: event.Some(at), CommittedAt: event.Some(at),
			}))
			if n > 0 && n%perRequest == 0 {
				yield(event.New("github", bigProject, &event.PullRequest{
					Repo: repo, Number: fmt.Sprint(n / perRequest), Author: event.Some("dev"), Title: event.Some("Change"),
					CreatedAt: event.Some(event.Micros(bigBegin.Add(time.Duration(n-3) * step))), MergedAt: event.Some(at),
					MergeSHA: event.Some(shaOf(r, n)), Base: event.Some("main"),
				}))
			}
			if n > 0 && n%perDeployment == 0 {
				outcome := event.OutcomeSuccess
				if n/perDeployment%12 == 5 {
					outcome = event.OutcomeFailure
				}
				finished := event.Micros(bigBegin.Add(time.Duration(n)*step + time.Hour))
				yield(event.New("ci", bigProject, &event.Deployment{
					ID: fmt.Sprintf("%d-%d", r, n), Service: event.Some(fmt.Sprintf("service-%02d", r)), Environment: event.Some("production"),
					Repo: event.Some(repo), SHA: event.Some(shaOf(r, n)), Outcome: event.Some(outcome),
					StartedAt: event.Some(finished - 60_000_000), FinishedAt: event.Some(finished),
				}))
				if n/perDeployment%30 == 7 {
					yield(event.New("pager", bigProject, &event.Incident{
						ID: fmt.Sprintf("i%d-%d", r, n), Service: event.Some(fmt.Sprintf("service-%02d", r)),
						OpenedAt: event.Some(finished + 600_000_000), ResolvedAt: event.Some(finished + 4_200_000_000),
					}))
				}
			}
		}
	}
}

// fill stores the big history and returns how many events it holds.
func fill(b *testing.B, store dora.Store) int {
	b.Helper()
	ctx := context.Background()
	var chunk []dora.Record
	total := 0
	flush := func() {
		if _, err := store.Append(ctx, chunk); err != nil {
			b.Fatal(err)
		}
		total += len(chunk)
		chunk = chunk[:0]
	}
	bigEvents(func(e event.Event) {
		r, err := dora.NewRecord(e, 0, e.At)
		if err != nil {
			b.Fatal(err)
		}
		if chunk = append(chunk, r); len(chunk) == 1000 {
			flush()
		}
	})
	flush()
	return total
}
