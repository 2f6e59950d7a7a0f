package history_test

import (
	"crypto/sha1"
	"fmt"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history"
	"github.com/fawkes-idp/fawkes/services/dora/project"
)

// entry is an event as it stands in the log.
type entry struct {
	typ    event.Type
	at     event.Time
	packed []byte
}

// estate is a project of many repositories in the shape that real ones have:
// ten commits a pull request, half of them merged and half squashed, one
// review each, and a deployment of each of two services now and then.
type estate struct {
	b       testing.TB
	entries []entry
	now     event.Time
	tips    []string
	count   int
}

func newEstate(b testing.TB, repos, commits, deployments int) *estate {
	e := &estate{b: b, now: event.Micros(time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC)), tips: make([]string, repos)}
	pulls, every := commits/10, commits/10/max(deployments, 1)
	for n := range pulls {
		r := n % repos
		e.pull(r, n/repos+1)
		if every > 0 && n%every == every-1 {
			e.deploy(r, fmt.Sprint("service-", r, "-", n/repos%2), n)
		}
	}
	return e
}

func (e *estate) add(b event.Body) entry {
	packed, err := event.Pack(b)
	if err != nil {
		e.b.Fatal(err)
	}
	x := entry{b.Type(), e.now, packed}
	e.entries = append(e.entries, x)
	return x
}

func estateRepo(r int) string { return fmt.Sprintf("https://git.example/acme/repo-%d.git", r) }

func (e *estate) commit(r int, parents ...string) string {
	e.count++
	e.now += 60_000_000
	sha := fmt.Sprintf("%x", sha1.Sum([]byte(strconv.Itoa(e.count))))
	e.add(&event.Commit{Repo: estateRepo(r), SHA: sha, Parents: event.Some(parents), Author: event.Some(fmt.Sprint("author-", e.count%200)),
		AuthoredAt: event.Some(e.now), CommittedAt: event.Some(e.now)})
	return sha
}

// pull makes eight commits on a branch, one on main and the merge or squash.
func (e *estate) pull(r, number int) {
	var base []string
	if e.tips[r] != "" {
		base = []string{e.tips[r]}
	}
	created := e.now
	main := e.commit(r, base...)
	tip, branch := main, make([]string, 8)
	for i := range branch {
		tip = e.commit(r, tip)
		branch[i] = tip
	}
	e.add(&event.Review{Repo: estateRepo(r), Number: strconv.Itoa(number), Author: "reviewer", Kind: event.ReviewApproval, SubmittedAt: event.Some(e.now)})
	var merge string
	if number%2 == 0 {
		merge = e.commit(r, main, tip)
	} else {
		merge = e.commit(r, main)
	}
	e.tips[r] = merge
	e.add(&event.PullRequest{Repo: estateRepo(r), Number: strconv.Itoa(number), Author: event.Some("author"), CreatedAt: event.Some(created),
		MergedAt: event.Some(e.now), ClosedAt: event.Some(e.now), MergeSHA: event.Some(merge), HeadSHA: event.Some(tip), Base: event.Some("main"),
		Title: event.Some("A change"), Commits: event.Some(branch)})
}

func (e *estate) deploy(r int, service string, n int) entry {
	return e.add(&event.Deployment{ID: strconv.Itoa(n), Service: event.Some(service), Environment: event.Some("production"), Repo: event.Some(estateRepo(r)),
		SHA: event.Some(e.tips[r]), Outcome: event.Some(event.OutcomeSuccess), StartedAt: event.Some(e.now), FinishedAt: event.Some(e.now + 1)})
}

func applyEntries(b testing.TB, l *history.Ledger, entries ...entry) {
	for _, x := range entries {
		if err := l.ApplyPacked(x.typ, "ci", x.at, x.packed); err != nil {
			b.Fatal(err)
		}
	}
}

// cpuTime is what the process has used of all processors, collector included:
// steadier than the clock on a shared machine.
func cpuTime(b testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func liveMiB() float64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / (1 << 20)
}

var estates = []struct {
	name                        string
	repos, commits, deployments int
}{
	{"50Repositories1MCommits", 50, 1_000_000, 20_000},
	{"OneRepository200kCommits", 1, 200_000, 4_000},
}

// BenchmarkRebuild is the whole log, applied and settled.
func BenchmarkRebuild(b *testing.B) {
	for _, size := range estates {
		b.Run(size.name, func(b *testing.B) {
			e := newEstate(b, size.repos, size.commits, size.deployments)
			before := liveMiB()
			var l *history.Ledger
			var applied, all time.Duration
			for b.Loop() {
				l = history.NewLedger(project.Spec{Project: "acme"}, []byte("salt"))
				start := cpuTime(b)
				applyEntries(b, l, e.entries...)
				applied += cpuTime(b) - start
				l.Settle()
				all += cpuTime(b) - start
			}
			b.ReportMetric(applied.Seconds()*1000/float64(b.N), "apply-cpu-ms/op")
			b.ReportMetric(all.Seconds()*1000/float64(b.N), "cpu-ms/op")
			b.ReportMetric(liveMiB()-before, "live-MiB")
			runtime.KeepAlive(l)
			runtime.KeepAlive(e)
		})
	}
}

// BenchmarkOneMore is one more event on top of all that.
func BenchmarkOneMore(b *testing.B) {
	for _, size := range estates {
		e := newEstate(b, size.repos, size.commits, size.deployments)
		l := history.NewLedger(project.Spec{Project: "acme"}, []byte("salt"))
		applyEntries(b, l, e.entries...)
		l.Settle()
		n := 1_000_000
		for _, more := range []struct {
			name string
			make func() []entry
		}{
			{"Deployment", func() []entry {
				n++
				e.now++
				return []entry{e.deploy(n%size.repos, fmt.Sprint("service-", n%size.repos, "-0"), n)}
			}},
			{"Commit", func() []entry {
				e.tips[0] = e.commit(0, e.tips[0])
				return e.entries[len(e.entries)-1:]
			}},
			{"PullRequest", func() []entry {
				n++
				return []entry{e.add(&event.PullRequest{Repo: estateRepo(0), Number: strconv.Itoa(n), CreatedAt: event.Some(e.now), MergedAt: event.Some(e.now),
					MergeSHA: event.Some(e.tips[0])})}
			}},
			{"Review", func() []entry {
				n++
				return []entry{e.add(&event.Review{Repo: estateRepo(0), Number: strconv.Itoa(n % 100), Author: "b", Kind: event.ReviewComment, SubmittedAt: event.Some(e.now + event.Time(n))})}
			}},
			{"Incident", func() []entry {
				n++
				return []entry{e.add(&event.Incident{ID: strconv.Itoa(n), Service: event.Some("service-0-0"), OpenedAt: event.Some(e.now)})}
			}},
		} {
			b.Run(size.name+"/"+more.name, func(b *testing.B) {
				for b.Loop() {
					applyEntries(b, l, more.make()...)
					l.Settle()
				}
			})
		}
	}
}
