package devlake

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	longest     = time.Minute // a request; DevLake asks the tools meanwhile
	mostAnswer  = 8 << 20     // bytes of an answer
	mostMessage = 500         // bytes of what is shown of a refusal
)

// refusal is an answer that is no success.
type refusal struct {
	status  int
	message string
}

func (r *refusal) Error() string {
	return fmt.Sprintf("%d %s: %s", r.status, http.StatusText(r.status), r.message)
}

// refused says whether err is a refusal with one of some statuses.
func refused(err error, statuses ...int) bool {
	var r *refusal
	if !errors.As(err, &r) {
		return false
	}
	for _, s := range statuses {
		if r.status == s {
			return true
		}
	}
	return false
}

// api is a JSON API at one address.
type api struct {
	http   *http.Client
	base   string
	header http.Header
}

func newAPI(base string, header http.Header) *api {
	return &api{
		base: strings.TrimRight(base, "/"), header: header,
		http: &http.Client{Timeout: longest, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
}

// do sends body, unless it is nil, and decodes the answer into out, unless that is nil.
func (a *api) do(ctx context.Context, method, path string, body, out any) error {
	var in io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("write the request: %w", err)
		}
		in = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, a.base+path, in)
	if err != nil {
		return fmt.Errorf("ask %s: %w", a.base, err)
	}
	r.Header = a.header.Clone()
	if r.Header == nil {
		r.Header = http.Header{}
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := a.http.Do(r)
	if err != nil {
		return fmt.Errorf("ask %s: %w", a.base, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, mostAnswer))
	if err != nil {
		return fmt.Errorf("read the answer of %s: %w", a.base, err)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return &refusal{resp.StatusCode, strings.TrimSpace(string(text[:min(len(text), mostMessage)]))}
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("understand the answer of %s: %w", a.base, err)
	}
	return nil
}
