package road

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/clock"
	"github.com/fawkes-idp/fawkes/internal/kit/peer"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

const (
	// answerLimit is the longest answer that is read; a page of rows is a small part of it.
	answerLimit = 32 << 20
	// patience is how long one question may take.
	patience = 20 * time.Second
)

// NewHTTP makes the four readers over the peer network; it makes no call yet.
func NewHTTP(peers peer.Network, c clock.Clock) (Reader, error) {
	gone := newAbsence(c)
	runs, err := newRuns(peers, gone)
	if err != nil {
		return Reader{}, err
	}
	images, err := newRegistry(peers, gone)
	if err != nil {
		return Reader{}, err
	}
	repositories, err := newGit(peers, gone)
	if err != nil {
		return Reader{}, err
	}
	apps, err := newApps(peers, gone)
	if err != nil {
		return Reader{}, err
	}
	return Reader{Runs: runs, Apps: apps, Registry: images, Git: repositories}, nil
}

// line is the way to one part.
type line struct {
	part, name string // of the module, and for people
	gone       *absence
}

// ask sends one question and reads its answer. An answer that is a problem becomes the error as the part said it; a
// part that does not answer is unavailable, by name; one that is not there is ErrAbsent.
func ask[T any](ctx context.Context, l line, what string, send func(context.Context) (*http.Response, error)) (out T, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	answer, err := l.reach(ctx, send)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	body, err := io.ReadAll(io.LimitReader(answer.Body, answerLimit))
	if err != nil {
		return out, fmt.Errorf("read the answer of %s about %s: %w", l.part, what, err)
	}
	if answer.StatusCode/100 != 2 {
		return out, refusal(l, what, answer, body)
	}
	if len(body) == 0 {
		return out, nil
	}
	if err := json.Unmarshal(body, &out); err != nil {
		return out, fmt.Errorf("understand the answer of %s about %s: %w", l.part, what, err)
	}
	return out, nil
}

// do asks for something to be done, whose answer beyond its success is of no use here.
func do(ctx context.Context, l line, what string, send func(context.Context) (*http.Response, error)) error {
	_, err := ask[json.RawMessage](ctx, l, what, send)
	return err
}

// reach sends a question to the part. A part whose name leads nowhere is not run by this platform.
func (l line) reach(ctx context.Context, send func(context.Context) (*http.Response, error)) (*http.Response, error) {
	if l.gone.known(l.part) {
		return nil, ErrAbsent
	}
	answer, err := send(ctx)
	var name *net.DNSError
	switch {
	case err == nil:
		return answer, nil
	case errors.As(err, &name):
		l.gone.note(l.part)
		return nil, fmt.Errorf("%w: %w", ErrAbsent, err)
	case errors.Is(err, context.Canceled):
		return nil, err
	}
	return nil, problem.New(problem.Unavailable, "the %s does not answer", l.name).
		WithMend("load the page again in a moment; `fawkes status` says which service is down").WithCause(err)
}

// refusal turns an answer that is no success into an error.
func refusal(l line, what string, answer *http.Response, body []byte) error {
	if strings.HasPrefix(answer.Header.Get("Content-Type"), problem.ContentType) {
		var p problem.Problem
		if err := json.Unmarshal(body, &p); err == nil && p.Status == answer.StatusCode {
			p.Field = strings.TrimPrefix(strings.TrimPrefix(p.Field, "query."), "path.")
			return &p
		}
	}
	return fmt.Errorf("%s answers about %s with %s", l.part, what, answer.Status)
}

// given is a parameter that was given; what is empty is left to the part's default.
func given[S ~string](s string) *S {
	if s == "" {
		return nil
	}
	v := S(s)
	return &v
}

func (p Page) limit() *int64 {
	if p.Limit == 0 {
		return nil
	}
	n := int64(p.Limit)
	return &n
}

// each turns the items of an answer.
func each[W, T any](items []W, turn func(W) T) []T {
	out := make([]T, 0, len(items))
	for _, w := range items {
		out = append(out, turn(w))
	}
	return out
}

func value[S ~string](s *S) string {
	if s == nil {
		return ""
	}
	return string(*s)
}
