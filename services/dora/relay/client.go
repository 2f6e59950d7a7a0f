package relay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	mostAnswer  = 8 << 20 // bytes of an answer that is read: a list of connections may be long
	mostMessage = 500     // bytes of DevLake's message that are kept
)

// client speaks to one DevLake, and to no other host.
type client struct {
	http  *http.Client
	cfg   Config
	roots []string // where its API may be, the likeliest first

	mu   sync.Mutex
	root string // where it is, "" while unknown
}

func newClient(cfg Config) *client {
	transport := cfg.Transport
	if transport == nil {
		transport = &http.Transport{
			MaxIdleConns: 2 * parallel, MaxIdleConnsPerHost: 2 * parallel, IdleConnTimeout: time.Minute,
			TLSHandshakeTimeout: cfg.Timeout, ForceAttemptHTTP2: true, MaxResponseHeaderBytes: 64 << 10,
		}
	}
	return &client{
		cfg: cfg, roots: roots(cfg),
		http: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// roots are the places where the API of a DevLake may be. With a key it is the
// open API: /rest at DevLake itself, /api/rest behind the proxy of its user
// interface. With a user it is what the interface itself calls.
func roots(cfg Config) []string {
	base := strings.TrimRight(strings.TrimSpace(cfg.URL), "/")
	u, err := url.Parse(base)
	if err != nil {
		return nil
	}
	suffix := ""
	if cfg.Token != "" {
		suffix = "/rest"
	}
	switch {
	case suffix != "" && strings.HasSuffix(u.Path, suffix):
		return []string{base}
	case strings.HasSuffix(u.Path, "/api"):
		return []string{base + suffix}
	case suffix == "":
		return []string{base + "/api", base}
	}
	return []string{base + "/api" + suffix, base + suffix}
}

// refusal is an answer of DevLake, or of what stands before it, that is no
// success; or none at all (status 0).
type refusal struct {
	status  int
	message string
	after   time.Duration // Retry-After, 0 for none
	cause   error
}

func (r *refusal) Error() string {
	if r.status == 0 {
		return r.message
	}
	return fmt.Sprintf("%d %s: %s", r.status, http.StatusText(r.status), r.message)
}

func (r *refusal) Unwrap() error { return r.cause }

// denied says that the credential is at fault, and so every request.
func (r *refusal) denied() bool {
	return r.status == http.StatusUnauthorized || r.status == http.StatusForbidden
}

// misdirected says that it is no DevLake that answers, and so to every request.
func (r *refusal) misdirected() bool {
	return r.status >= 300 && r.status < 400 || r.status == notDevLake
}

// unready says that DevLake takes nothing before somebody confirms, or has
// waited for, the migration of its database.
func (r *refusal) unready() bool { return r.status == http.StatusPreconditionRequired }

// held says that the refusal is about every request, and none is at fault.
func (r *refusal) held() bool { return r.denied() || r.misdirected() || r.unready() }

// final says that the same request will be refused again.
func (r *refusal) final() bool {
	return r.status >= 400 && r.status < 500 && r.status != http.StatusRequestTimeout && r.status != http.StatusTooManyRequests && !r.unready()
}

// notDevLake is the status of a refusal when a page came where JSON was due.
const notDevLake = -1

// do sends one request below the API's root, and decodes the answer into out
// unless that is nil. Every error is a *refusal.
func (c *client) do(ctx context.Context, method, path string, body []byte, out any) error {
	root, err := c.locate(ctx)
	if err != nil {
		return err
	}
	return c.send(ctx, root, method, path, body, out)
}

// locate finds where the API is: the first place that answers as one.
func (c *client) locate(ctx context.Context) (string, error) {
	c.mu.Lock()
	root := c.root
	c.mu.Unlock()
	if root != "" {
		return root, nil
	}
	var first error
	for _, r := range c.roots {
		err := c.send(ctx, r, http.MethodGet, "/plugins/webhook/connections", nil, &[]connection{})
		var no *refusal
		if err == nil {
			c.mu.Lock()
			c.root = r
			c.mu.Unlock()
			return r, nil
		}
		if !errors.As(err, &no) || no.status != http.StatusNotFound && !no.misdirected() {
			return "", err // it is there, and something else is wrong
		}
		if first == nil {
			first = err
		}
	}
	if first == nil {
		return "", &refusal{message: "dora.devlake_url is no address"}
	}
	return "", &refusal{status: notDevLake, message: "no DevLake answers at " + c.cfg.URL + " (" + first.Error() + "): check dora.devlake_url"}
}

func (c *client) send(ctx context.Context, root, method, path string, body []byte, out any) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, root+path, bytes.NewReader(body))
	if err != nil {
		return &refusal{message: "make the request: " + err.Error(), cause: err}
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "fawkes-dora-relay")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.cfg.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.cfg.Token)
	} else {
		req.SetBasicAuth(c.cfg.User, c.cfg.Password)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return &refusal{message: plain(err), cause: err}
	}
	defer resp.Body.Close() //nolint:errcheck // read as far as it is of use
	text, err := io.ReadAll(io.LimitReader(resp.Body, mostAnswer+1))
	if err != nil {
		return &refusal{message: "the answer broke off: " + plain(err), cause: err}
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return c.refused(resp, text)
	}
	if len(text) > mostAnswer {
		return &refusal{message: fmt.Sprintf("the answer to %s %s is longer than %d bytes", method, path, mostAnswer)}
	}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") || bytes.HasPrefix(bytes.TrimSpace(text), []byte("<")) {
		return &refusal{status: notDevLake, message: "a web page came where DevLake's API would answer JSON: check dora.devlake_url"}
	}
	if out == nil {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(out); err != nil {
		return &refusal{status: notDevLake, message: fmt.Sprintf("the answer to %s %s is not what DevLake's API answers: %s", method, path, err), cause: err}
	}
	return nil
}

func (c *client) refused(resp *http.Response, text []byte) *refusal {
	r := &refusal{status: resp.StatusCode, after: retryAfter(resp.Header.Get("Retry-After")), message: message(text)}
	if r.misdirected() {
		to := "elsewhere"
		if u, err := url.Parse(resp.Header.Get("Location")); err == nil && u.Host != "" {
			to = "to " + u.Host
		}
		r.message = "the request was redirected " + to + ", which is not followed: give the address itself in dora.devlake_url"
	}
	if r.denied() {
		r.message += ": check dora.devlake_token (an API key of DevLake that is allowed for all paths, .*)"
	}
	return r
}

// message is what DevLake says is wrong: {"success":false,"message":"…"}, or a
// JSON text; of anything else its beginning.
func message(body []byte) string {
	var answer struct {
		Message string   `json:"message"`
		Causes  []string `json:"causes"`
	}
	var text string
	switch {
	case json.Unmarshal(body, &answer) == nil && answer.Message != "":
		text = answer.Message
	case json.Unmarshal(body, &text) == nil:
	default:
		text = string(body)
	}
	return cut(text)
}

// cut makes a text fit to store and show.
func cut(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	if text = strings.TrimSpace(text); len(text) > mostMessage {
		text = strings.ToValidUTF8(text[:mostMessage], "") + "…"
	}
	if text == "" {
		return "(no message)"
	}
	return text
}

// plain is an error of the network without the address that it is about.
func plain(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		if u.Timeout() {
			return "no answer within the time that dora.devlake_timeout allows"
		}
		err = u.Err
	}
	return cut(err.Error())
}

func retryAfter(v string) time.Duration {
	if v = strings.TrimSpace(v); v == "" {
		return 0
	}
	if n, err := strconv.Atoi(v); err == nil {
		return max(time.Duration(min(n, 1<<30))*time.Second, 0)
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(time.Until(t), 0)
	}
	return 0
}
