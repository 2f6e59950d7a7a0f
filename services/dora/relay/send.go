package relay

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
	"github.com/fawkes-idp/fawkes/services/dora/devlake"
)

// parallel is how many items are on their way at a time.
const parallel = 8

// prepareProject sets one project up in DevLake.
func (r *Relay) prepareProject(ctx context.Context, name string) error {
	repos, err := r.outbox.repos(ctx, name)
	if err != nil {
		return err
	}
	ids, err := r.client.setUp(ctx, devlake.ProjectFor(name), connectionNames(name, repos))
	if ctx.Err() != nil {
		return nil //nolint:nilerr // it is being stopped
	}
	if err == nil {
		r.ready[name] = true
		delete(r.setUpBad, name)
		if err := r.outbox.connected(ctx, r.lease, name, repos, ids, r.clock.Now(), r.leased()); err != nil {
			return err
		}
		return r.well(ctx)
	}
	r.meters.requests.WithLabelValues("set_up", "failed").Inc()
	r.setUpAt[name] = r.clock.Now().Add(backoff(r.cfg.Pace.Backoff, r.cfg.Pace.Most, r.setUpBad[name]))
	r.setUpBad[name]++
	if err := r.outbox.unconnected(ctx, r.lease, name, cut(err.Error()), r.leased()); err != nil {
		return err
	}
	var no *refusal
	if errors.As(err, &no) && no.final() && !no.denied() {
		r.log.WarnContext(ctx, "a project cannot be set up in DevLake", "project", name, "error", err)
		return nil // a matter of this project
	}
	return r.unwell(ctx, err)
}

// send claims items that are due and sends them. It reports whether there may be
// more.
func (r *Relay) send(ctx context.Context) (more bool, err error) {
	var projects []string
	for name := range r.ready {
		projects = append(projects, name)
	}
	now := r.clock.Now()
	r.claims++
	// Until a claim runs out its request has ended for long.
	items, err := r.outbox.claim(ctx, r.lease, r.lease.fence<<24|r.claims&(1<<24-1), projects, parallel, now.Add(-r.cfg.Pace.Confirm), now, now.Add(r.cfg.Timeout+r.cfg.Pace.Margin), r.leased())
	if err != nil || len(items) == 0 {
		return false, err
	}
	results := make([]error, len(items))
	var wg sync.WaitGroup
	for n, i := range items {
		wg.Go(func() {
			results[n] = r.client.post(ctx, i.connection, i.path, []byte(i.body))
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		r.interrupted(context.WithoutCancel(ctx), items, results)
		return false, nil //nolint:nilerr // it is being stopped; what became of the requests is noted
	}
	for n, i := range items {
		if err := r.settle(ctx, i, results[n]); err != nil {
			return false, err
		}
	}
	return len(items) == parallel && !r.breaker.open, nil
}

// interrupted notes what became of items when the process is asked to end. What
// was under way is tried again by whoever comes next; that it may have arrived
// was noted when it was claimed.
func (r *Relay) interrupted(ctx context.Context, items []item, results []error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	now := r.clock.Now()
	for n, i := range items {
		var err error
		if results[n] == nil {
			err = r.outbox.delivered(ctx, i, now, now.Add(r.cfg.Pace.Confirm))
		} else {
			err = r.outbox.failed(ctx, i, 0, "interrupted by the end of the process", false, false, now)
		}
		if err != nil {
			r.log.WarnContext(ctx, "an item of the relay has to wait until its claim runs out", "error", err)
			return
		}
	}
}

// settle notes what became of an item.
func (r *Relay) settle(ctx context.Context, i item, err error) error {
	now := r.clock.Now()
	if err == nil {
		r.meters.requests.WithLabelValues(i.kind, "accepted").Inc()
		r.meters.sentAt.Set(float64(now.Unix()))
		if err := r.outbox.delivered(ctx, i, now, now.Add(r.cfg.Pace.Confirm)); err != nil {
			return err
		}
		return r.well(ctx)
	}
	var no *refusal
	if !errors.As(err, &no) {
		no = &refusal{message: cut(err.Error())}
	}
	message, counts, dead := no.Error(), true, false
	next := now.Add(max(backoff(r.cfg.Pace.Backoff, r.cfg.Pace.Most, i.attempts-1), min(no.after, r.cfg.Pace.RetryMost)))
	result := "retried"
	switch {
	case no.held():
		// Not the item's fault: it waits until that is mended.
		counts, result = false, "held"
		next = now
	case no.status == http.StatusNotFound && i.lastStatus != http.StatusNotFound:
		// Somebody may have removed the connection: look, and try once more.
		delete(r.ready, i.project)
	case no.final():
		dead = true
	case now.Sub(sqlstore.FromMicros(i.changedAt)) > r.cfg.Pace.Age && i.attempts >= r.cfg.Pace.Attempts:
		dead = true
	}
	if dead {
		result = "dead"
		r.log.WarnContext(ctx, "DevLake is not told of something any more", "project", i.project, "kind", i.kind, "entity", i.entity, "error", message)
	}
	r.meters.requests.WithLabelValues(i.kind, result).Inc()
	if err := r.outbox.failed(ctx, i, max(no.status, 0), message, dead, counts, next); err != nil {
		return err
	}
	if no.final() && !no.denied() {
		return r.well(ctx) // it answers
	}
	return r.unwell(ctx, no)
}

// unwell notes that DevLake did not take a request, for a reason that other
// requests may share.
func (r *Relay) unwell(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // it is being stopped
	}
	var no *refusal
	atOnce, after := false, time.Duration(0)
	if errors.As(err, &no) {
		atOnce = no.held()
		after = min(no.after, r.cfg.Pace.RetryMost)
	}
	r.breaker.failure(r.clock.Now(), atOnce, after)
	text := cut(err.Error())
	if r.said != text {
		r.said = text
		r.log.WarnContext(ctx, "DevLake did not take a request", "error", text)
	}
	r.meters.up(false)
	// One failure among successes is an item's; several make DevLake unreachable.
	return r.note(ctx, r.proven && !r.breaker.open, text)
}

// well notes that DevLake took a request.
func (r *Relay) well(ctx context.Context) error {
	r.breaker.success()
	r.proven = true
	if r.said != "" {
		r.said = ""
		r.log.InfoContext(ctx, "DevLake takes requests again")
	}
	r.meters.up(true)
	return r.note(ctx, true, "")
}

// note writes how DevLake is where every process sees it, when that is news.
func (r *Relay) note(ctx context.Context, reachable bool, message string) error {
	now := r.clock.Now()
	what := message
	if reachable {
		what = "up " + message
	}
	if what == r.noted && now.Sub(r.notedAt) < 10*time.Second {
		return nil
	}
	if err := r.outbox.seen(ctx, r.lease, reachable, message, now, r.leased()); err != nil {
		return err
	}
	r.noted, r.notedAt = what, now
	return nil
}
