package events

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Sender posts events to one address.
type Sender struct {
	URL    string
	Token  string            // of the header Authorization: Bearer
	Client *http.Client      // nil: one with a limit of 10 s a request
	Bound  time.Duration     // how long one event is tried; 0: 30 s
	Pause  time.Duration     // before the second try; doubles up to 4 s. 0: 200 ms
	Notify func(error)       // told of every try that failed; may be nil
	Header map[string]string // further headers
}

// RefusedError is an answer that another try cannot change.
type RefusedError struct {
	Status int
	Detail string // the beginning of the answer
}

func (e *RefusedError) Error() string {
	text := fmt.Sprintf("the receiver refused it with status %d", e.Status)
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	return text
}

// Send posts one event, given as its line, and tries again within the bound while the receiver cannot
// be reached or asks for patience. The error is the last one; a *RefusedError was not tried again.
func (s Sender) Send(ctx context.Context, line []byte) error {
	bound, pause := s.Bound, s.Pause
	if bound <= 0 {
		bound = 30 * time.Second
	}
	if pause <= 0 {
		pause = 200 * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	for {
		wait, err := s.post(ctx, line)
		var refused *RefusedError
		if err == nil || errors.As(err, &refused) {
			return err
		}
		if s.Notify != nil {
			s.Notify(err)
		}
		rest := time.NewTimer(max(wait, pause/2+rand.N(pause)))
		select {
		case <-ctx.Done():
			rest.Stop()
			return err
		case <-rest.C:
		}
		pause = min(2*pause, 4*time.Second)
	}
}

// post makes one try; wait is how long the receiver asks to wait before the next.
func (s Sender) post(ctx context.Context, line []byte) (wait time.Duration, err error) {
	client := s.Client
	if client == nil {
		client = &http.Client{Timeout: 10 * time.Second}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, bytes.NewReader(line))
	if err != nil {
		return 0, &RefusedError{Detail: "the address of the receiver cannot be used: " + plainError(err)}
	}
	req.Header.Set("Content-Type", MediaType)
	if s.Token != "" {
		req.Header.Set("Authorization", "Bearer "+s.Token)
	}
	for name, value := range s.Header {
		req.Header.Set(name, value)
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("send event: %s", plainError(err))
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 2048))
	if err != nil {
		return 0, fmt.Errorf("send event: read the answer: %w", err)
	}
	detail := strings.Join(strings.Fields(strings.ToValidUTF8(string(answer), "?")), " ")
	detail = detail[:min(len(detail), 400)]
	switch {
	case resp.StatusCode/100 == 2:
		return 0, nil
	case resp.StatusCode >= 500, resp.StatusCode == http.StatusRequestTimeout, resp.StatusCode == http.StatusTooEarly, resp.StatusCode == http.StatusTooManyRequests:
		if n, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && n > 0 {
			wait = time.Duration(min(n, 60)) * time.Second
		}
		return wait, fmt.Errorf("send event: status %d: %s", resp.StatusCode, detail)
	}
	return 0, &RefusedError{Status: resp.StatusCode, Detail: detail}
}

// plainError is the error without the address, which may hold what is nobody's business.
func plainError(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err.Error()
	}
	return err.Error()
}

// The bounds of a file of events.
const (
	mostLine  = 1 << 20
	mostLines = 100_000
)

// ReadLines gives every event of a file of lines to use, with its number from 1. It checks only that a
// line is no longer than 1 MiB.
func ReadLines(r io.Reader, use func(n int, line []byte) error) error {
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 0, 64<<10), mostLine)
	n := 0
	for in.Scan() {
		if n++; n > mostLines {
			return fmt.Errorf("read events: more than %d lines", mostLines)
		}
		line := bytes.TrimSpace(in.Bytes())
		if len(line) == 0 {
			continue
		}
		if err := use(n, line); err != nil {
			return err
		}
	}
	if err := in.Err(); err != nil {
		return fmt.Errorf("read events: line %d: %w", n+1, err)
	}
	return nil
}
