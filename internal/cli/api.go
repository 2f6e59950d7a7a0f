package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

// api is the platform over HTTP.
type api struct {
	base     string
	token    string
	agent    string
	http     *http.Client
	pause    func(ctx context.Context, d time.Duration) error
	patience int // how often a request that may be sent again is sent again
}

// connect finds the platform: FAWKES_API and FAWKES_TOKEN, else the running local one.
func (g *globals) connect() (*api, error) {
	base, token := g.Env("FAWKES_API"), g.Env("FAWKES_TOKEN")
	if base == "" {
		state, err := g.stateFolder()
		if err != nil {
			return nil, err
		}
		r, alive, err := readRunFile(state)
		if err != nil {
			return nil, &fault{code: exitUnreachable, err: err, mend: "see that you may read the state folder, or set FAWKES_API and FAWKES_TOKEN"}
		}
		if !alive {
			return nil, &fault{code: exitUnreachable, err: fmt.Errorf("no platform is running with the state %s", state),
				mend: "start one with `fawkes up`, or set FAWKES_API and FAWKES_TOKEN"}
		}
		base = r.API
		if token == "" {
			token = r.Token
		}
	}
	return g.dial(base, token)
}

func (g *globals) dial(base, token string) (*api, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, usagef("give a URL such as https://fawkes.example", "FAWKES_API: %q is not a URL", base)
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		MaxIdleConnsPerHost: 8, IdleConnTimeout: 30 * time.Second, TLSHandshakeTimeout: 10 * time.Second, ForceAttemptHTTP2: true}
	return &api{base: strings.TrimRight(base, "/"), token: token, agent: "fawkes/" + g.version, http: &http.Client{Transport: transport}, pause: wait, patience: 6}, nil
}

// loopback says that the platform is on this machine, where compressing costs more than sending.
func (a *api) loopback() bool {
	u, err := url.Parse(a.base)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// request is one exchange with the platform.
type request struct {
	method string
	path   string
	query  url.Values
	body   []byte
	header map[string]string
	again  bool          // may be sent again when the platform was not there, or busy
	limit  time.Duration // the time one attempt may take; zero means a minute
}

// get asks for a JSON answer.
func (a *api) get(ctx context.Context, path string, query url.Values, into any) error {
	return a.do(ctx, request{method: http.MethodGet, path: path, query: query, again: true}, into)
}

// send sends a JSON body; into may be nil.
func (a *api) send(ctx context.Context, method, path string, query url.Values, body, into any) error {
	r := request{method: method, path: path, query: query, again: method == http.MethodPut || method == http.MethodDelete}
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("%s %s: %w", method, path, err)
		}
		r.body, r.header = text, map[string]string{"Content-Type": "application/json"}
	}
	return a.do(ctx, r, into)
}

// do sends the request, several times if it may be, and decodes the answer. A refusal comes back as
// a *problem.Problem, a platform that cannot be reached as a fault.
func (a *api) do(ctx context.Context, r request, into any) error {
	for attempt := 1; ; attempt++ {
		retry, after, err := a.once(ctx, r, into)
		if err == nil || ctx.Err() != nil || !r.again || !retry || attempt >= a.patience {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return err
		}
		if after == 0 {
			after = time.Duration(attempt*attempt) * 100 * time.Millisecond
		}
		after += rand.N(after/4 + 1)
		if err := a.pause(ctx, min(after, 30*time.Second)); err != nil {
			return err
		}
	}
}

func (a *api) once(ctx context.Context, r request, into any) (retry bool, after time.Duration, err error) {
	limit := r.limit
	if limit == 0 {
		limit = time.Minute
	}
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	address := a.base + r.path
	if len(r.query) > 0 {
		address += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(limited, r.method, address, bytes.NewReader(r.body))
	if err != nil {
		return false, 0, fmt.Errorf("%s %s: %w", r.method, r.path, err)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", a.agent)
	if a.token != "" {
		req.Header.Set("Authorization", "Bearer "+a.token)
	}
	for k, v := range r.header {
		req.Header.Set(k, v)
	}
	resp, err := a.http.Do(req)
	if err != nil {
		return true, 0, a.unreachable(err)
	}
	defer func() { _ = resp.Body.Close() }() // read to its end, or given up
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return true, 0, a.unreachable(err)
	}
	if resp.StatusCode >= 300 {
		again := resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable || resp.StatusCode == http.StatusBadGateway || resp.StatusCode == http.StatusGatewayTimeout
		return again, retryAfter(resp), a.refusal(r, resp, text)
	}
	if into == nil || len(text) == 0 {
		return false, 0, nil
	}
	if raw, ok := into.(*[]byte); ok {
		*raw = text
		return false, 0, nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return false, 0, failf("see that FAWKES_API names a Fawkes platform of this version", "%s answered %s with something that is not the expected JSON: %v", a.base, r.path, err)
	}
	return false, 0, nil
}

func (a *api) unreachable(err error) error {
	cause := err
	var op *url.Error
	if errors.As(err, &op) {
		cause = op.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		cause = errors.New("no answer in time")
	}
	return &fault{code: exitUnreachable, err: fmt.Errorf("%s cannot be reached: %w", a.base, cause), mend: "see that it runs (`fawkes status`) and that FAWKES_API is right"}
}

// refusal reads the problem of an answer; something that is not a problem, from a proxy perhaps, is
// told with its status.
func (a *api) refusal(r request, resp *http.Response, text []byte) error {
	p := &problem.Problem{}
	if err := json.Unmarshal(text, p); err != nil || p.Code == "" && p.Title == "" && p.Detail == "" {
		p = problem.New(problem.ForStatus(resp.StatusCode), "%s %s answered %s", r.method, r.path, resp.Status)
		p.Status = resp.StatusCode
	}
	if p.Status == 0 {
		p.Status = resp.StatusCode
	}
	if p.Status == http.StatusUnauthorized && p.Mend == "" {
		p.Mend = "set FAWKES_TOKEN to a token made by `fawkes token create`"
	}
	return p
}

func retryAfter(resp *http.Response) time.Duration {
	n, err := strconv.Atoi(resp.Header.Get("Retry-After"))
	if err != nil || n < 0 || n > 600 {
		return 0
	}
	return time.Duration(n) * time.Second
}

// page is one page of a list.
type page struct {
	Items      []json.RawMessage `json:"items"`
	NextCursor *string           `json:"next_cursor"`
}

// pageSize is how many items one request asks for.
const pageSize = 500

// list follows a list's cursors and gives each item to yield, at most limit of them (0 means all).
// It says whether more items were there.
func (a *api) list(ctx context.Context, path string, query url.Values, limit int, yield func(json.RawMessage) error) (more bool, err error) {
	q := url.Values{}
	for k, v := range query {
		q[k] = v
	}
	given := 0
	for {
		size := pageSize
		if limit > 0 {
			size = min(size, limit-given)
		}
		q.Set("limit", strconv.Itoa(size))
		var p page
		if err := a.get(ctx, path, q, &p); err != nil {
			return false, err
		}
		for _, item := range p.Items {
			if err := yield(item); err != nil {
				return false, err
			}
			given++
		}
		next := ""
		if p.NextCursor != nil {
			next = *p.NextCursor
		}
		if next == "" {
			return false, nil
		}
		if limit > 0 && given >= limit {
			return true, nil
		}
		if next == q.Get("cursor") {
			return false, failf("report this with the server's version", "%s: the list's cursor does not move on", path)
		}
		q.Set("cursor", next)
	}
}
