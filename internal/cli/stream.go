package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

// told is one event of a stream.
type told struct {
	Event string          `json:"event"`
	ID    string          `json:"id"`
	Data  json.RawMessage `json:"data"`
}

// quiet is how long a stream may say nothing, not even that it is still there.
const quiet = 60 * time.Second

// stream follows server-sent events and gives each to yield, until ctx ends. When
// the connection breaks it comes again and goes on after the last event.
func (a *api) stream(ctx context.Context, path string, query url.Values, yield func(told) error) error {
	last, failures := "", 0
	for {
		began, err := a.streamOnce(ctx, path, query, &last, yield)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case began:
			failures = 0
		}
		var refused *problem.Problem
		var lost *fault
		if errors.As(err, &refused) && refused.Status != http.StatusServiceUnavailable && refused.Status != http.StatusTooManyRequests && refused.Status < 500 {
			return err
		}
		if err != nil && !errors.As(err, &refused) && !errors.As(err, &lost) && !errors.Is(err, io.EOF) {
			return err // what was told could not be written
		}
		if failures++; failures > a.patience {
			return err
		}
		if err := a.pause(ctx, min(time.Duration(failures*failures)*200*time.Millisecond, 10*time.Second)); err != nil {
			return err
		}
	}
}

// streamOnce reads one connection to its end; began says that it was accepted.
func (a *api) streamOnce(ctx context.Context, path string, query url.Values, last *string, yield func(told) error) (began bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	silent := time.AfterFunc(quiet, cancel)
	defer silent.Stop()
	address := a.base + path
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return false, fmt.Errorf("GET %s: %w", path, err)
	}
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("User-Agent", a.agent)
	if a.token != "" {
		req.Header.Set("Authorization", "Bearer "+a.token)
	}
	if *last != "" {
		req.Header.Set("Last-Event-ID", *last)
	}
	resp, err := a.http.Do(req)
	if err != nil {
		return false, a.unreachable(err)
	}
	defer func() { _ = resp.Body.Close() }() // read to its end, or given up
	if resp.StatusCode != http.StatusOK {
		text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
		if err != nil {
			return false, a.unreachable(err)
		}
		return false, a.refusal(request{method: http.MethodGet, path: path}, resp, text)
	}
	lines := bufio.NewReaderSize(resp.Body, 64<<10)
	var now told
	for {
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) {
			return true, io.EOF
		}
		if err != nil {
			return true, a.unreachable(err)
		}
		silent.Reset(quiet)
		key, value, _ := strings.Cut(strings.TrimRight(line, "\r\n"), ":")
		value = strings.TrimPrefix(value, " ")
		switch key {
		case "event":
			now.Event = value
		case "id":
			now.ID, *last = value, value
		case "data":
			now.Data = append(now.Data, value...)
		case "":
			if value == "" && len(now.Data) > 0 {
				if err := yield(now); err != nil {
					return true, err
				}
			}
			if value == "" {
				now = told{}
			}
		}
	}
}
