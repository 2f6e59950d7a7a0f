package peer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

// Feed is another service's log, which a service follows to learn what happened:
//
//	feed := peer.Feed{Network: deps.Peers, Service: "dora", Path: "/api/dora/v1/events",
//		Query: url.Values{"type": {"deployment"}}, After: stored, Authorize: authorize}
//	err := feed.Follow(ctx, func(ctx context.Context, items []json.RawMessage, next int64) error {
//		return store.Apply(ctx, items, next) // in one transaction: what was learned, and next
//	})
//
// A feed answers {"items": […], "next": n, "head": m}. Items come in the order of
// the log and at least once: whoever stores next together with what it made of the
// items has each exactly once.
type Feed struct {
	Network Network
	// Service and Path are where the feed is.
	Service, Path string
	// Query holds filters.
	Query url.Values
	// After is the next of the last page that was dealt with, 0 to begin with the
	// first event.
	After int64
	// Limit is how many items a page may have, Wait how many seconds the service
	// may keep an answer back until there is something; 0: 100 items, 20 seconds.
	Limit, Wait int
	// Authorize adds the caller's credential to a request.
	Authorize func(ctx context.Context, r *http.Request) error
	// Pause is how long to wait after a fault, at first and at most; 0: 250 ms and 15 s.
	Pause, MostPause time.Duration
	// Failed hears of faults that are tried again; it may be nil.
	Failed func(error)
}

// BeyondHeadError says that the log ends before the place that a follower has
// reached: it was restored from an older backup. What was learned of events after
// Head is of a log that is no more; a follower that has forgotten it goes on with
// After: Head.
type BeyondHeadError struct {
	Service     string
	After, Head int64
}

// Error implements error.
func (e *BeyondHeadError) Error() string {
	return fmt.Sprintf("follow %s: its log ends at %d, before %d: it was restored from an older backup", e.Service, e.Head, e.After)
}

// page is one answer of a feed.
type page struct {
	Items []json.RawMessage `json:"items"`
	Next  *int64            `json:"next"`
}

// mostPage bounds what one answer may be.
const mostPage = 256 << 20

// Follow gives each page that has items, or only moves next, to handle, until ctx
// ends or handle fails; it returns ctx's or handle's error. A service that does
// not answer, or refuses, is asked again after a pause; one whose log ends before
// f.After gives a [*BeyondHeadError].
func (f Feed) Follow(ctx context.Context, handle func(ctx context.Context, items []json.RawMessage, next int64) error) error {
	if f.Pause <= 0 {
		f.Pause = 250 * time.Millisecond
	}
	if f.MostPause <= 0 {
		f.MostPause = 15 * time.Second
	}
	for pause := f.Pause; ; {
		p, err := f.ask(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var beyond *BeyondHeadError
		if errors.As(err, &beyond) {
			return err
		}
		if err != nil {
			if f.Failed != nil {
				f.Failed(err)
			}
			if err := rest(ctx, pause); err != nil {
				return err
			}
			pause = min(2*pause, f.MostPause)
			continue
		}
		pause = f.Pause
		if *p.Next == f.After && len(p.Items) == 0 {
			continue // nothing came while the service waited
		}
		if err := handle(ctx, p.Items, *p.Next); err != nil {
			return err
		}
		f.After = *p.Next
	}
}

func rest(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ask gets the page after f.After.
func (f Feed) ask(ctx context.Context) (page, error) {
	wait, limit := f.Wait, f.Limit
	if wait <= 0 {
		wait = 20
	}
	if limit <= 0 {
		limit = 100
	}
	base, client := f.Network.Client(f.Service)
	q := url.Values{}
	for k, v := range f.Query {
		q[k] = v
	}
	q.Set("after", strconv.FormatInt(f.After, 10))
	q.Set("limit", strconv.Itoa(limit))
	q.Set("wait", strconv.Itoa(wait))
	ctx, cancel := context.WithTimeout(ctx, time.Duration(wait)*time.Second+30*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, base+f.Path+"?"+q.Encode(), nil)
	if err != nil {
		return page{}, fmt.Errorf("follow %s: %w", f.Service, err)
	}
	if f.Authorize != nil {
		if err := f.Authorize(ctx, r); err != nil {
			return page{}, fmt.Errorf("follow %s: %w", f.Service, err)
		}
	}
	resp, err := client.Do(r)
	if err != nil {
		return page{}, fmt.Errorf("follow %s: %w", f.Service, err)
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end, or given up
	body := io.LimitReader(resp.Body, mostPage)
	if resp.StatusCode != http.StatusOK {
		p := problem.New(problem.ForStatus(resp.StatusCode), "%s answered %s", f.Path, resp.Status)
		_ = json.NewDecoder(body).Decode(p) // what it says itself is better, when it says something
		if p.Code == problem.BeyondHead && p.Head != nil {
			return page{}, &BeyondHeadError{Service: f.Service, After: f.After, Head: *p.Head}
		}
		return page{}, fmt.Errorf("follow %s: %w", f.Service, p)
	}
	var p page
	if err := json.NewDecoder(body).Decode(&p); err != nil {
		return page{}, fmt.Errorf("follow %s: read its answer: %w", f.Service, err)
	}
	if p.Next == nil || *p.Next < f.After {
		return page{}, fmt.Errorf("follow %s: the answer has no place in the log after %d", f.Service, f.After)
	}
	return p, nil
}
