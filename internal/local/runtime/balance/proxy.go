package balance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"mime"
	"net"
	"net/http"
	"net/http/httputil"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// attempts is how many instances a request is sent to at most.
	attempts = 4
	// replayed is the longest body in bytes that is kept so that it can be sent again.
	replayed = 64 << 10
	// dialTimeout is long for a connection within one machine.
	dialTimeout = 2 * time.Second
)

func dial(ctx context.Context, network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	return (&net.Dialer{}).DialContext(ctx, network, addr)
}

// Handler is the pool as a reverse proxy. Host and path stay as they are.
func (p *Pool) Handler() http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = "http", "instance"
			r.Out.Host = r.In.Host
			r.SetXForwarded()
		},
		Transport:     p,
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0), // what went wrong is said in the answer
		ErrorHandler:  refuse,
	}
}

func refuse(w http.ResponseWriter, r *http.Request, err error) {
	status, text := http.StatusBadGateway, "the instance did not answer: "+err.Error()
	if errors.Is(err, ErrNone) {
		status, text = http.StatusServiceUnavailable, ErrNone.Error()
		w.Header().Set("Retry-After", "1")
	}
	if r.Context().Err() != nil {
		return // nobody is there to read it
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	fmt.Fprintln(w, text)
}

// RoundTrip sends a request to an instance. When none takes the connection, or one ends before it answers and
// the request may be sent twice, it goes to another.
func (p *Pool) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := keep(req)
	if err != nil {
		return nil, err
	}
	tried := map[*Backend]bool{}
	for n := 1; ; n++ {
		b, err := p.choose(req.Context(), tried)
		if err != nil && len(tried) > 0 { // all have failed once; one of them may be back
			clear(tried)
			b, err = p.choose(req.Context(), tried)
		}
		if err != nil {
			return nil, err
		}
		out := req.Clone(req.Context())
		out.URL.Host = b.addr
		body.on(out)
		resp, err := b.transport.RoundTrip(out)
		if err == nil {
			deliver(resp, b)
			return resp, nil
		}
		b.release()
		tried[b] = true
		if n == attempts || req.Context().Err() != nil || !again(req, body, err) {
			return nil, err
		}
	}
}

// again tells whether a failed request may be sent to another instance.
func again(req *http.Request, body *outgoing, err error) bool {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return body.whole()
	}
	switch req.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return body.whole()
	}
	return req.Header.Get("Idempotency-Key") != "" && body.whole()
}

// outgoing is a request's body: kept when it is short and its length was said, else passed on as it comes.
type outgoing struct {
	kept    []byte
	stream  io.ReadCloser
	touched atomic.Bool
}

func keep(req *http.Request) (*outgoing, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return &outgoing{}, nil
	}
	if req.ContentLength < 0 || req.ContentLength > replayed {
		return &outgoing{stream: req.Body}, nil
	}
	raw, err := io.ReadAll(io.LimitReader(req.Body, req.ContentLength))
	if err != nil {
		return nil, fmt.Errorf("read the request's body: %w", err)
	}
	return &outgoing{kept: raw}, req.Body.Close()
}

// whole tells whether all of the body can still be sent.
func (o *outgoing) whole() bool { return o.stream == nil || !o.touched.Load() }

func (o *outgoing) on(req *http.Request) {
	switch {
	case o.stream != nil:
		req.Body = untouched{o}
		req.GetBody = nil
	case len(o.kept) > 0:
		req.Body = io.NopCloser(bytes.NewReader(o.kept))
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(o.kept)), nil }
	default:
		req.Body = http.NoBody
		req.GetBody = func() (io.ReadCloser, error) { return http.NoBody, nil }
	}
}

// untouched notes that a body was read from. Closing it is left to the server, for it may be sent again.
type untouched struct{ *outgoing }

func (u untouched) Read(p []byte) (int, error) {
	u.touched.Store(true)
	return u.stream.Read(p)
}

func (untouched) Close() error { return nil }

// deliver makes the instance busy until the answer's body is closed.
func deliver(resp *http.Response, b *Backend) {
	if resp.StatusCode == http.StatusSwitchingProtocols {
		if rwc, ok := resp.Body.(io.ReadWriteCloser); ok {
			up := &upgraded{ReadWriteCloser: rwc, b: b}
			b.stream(up)
			resp.Body = up
			return
		}
	}
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind == "text/event-stream" {
		s := &events{ReadCloser: resp.Body, b: b}
		b.stream(s)
		resp.Body = s
		return
	}
	resp.Body = &answer{ReadCloser: resp.Body, b: b}
}

type answer struct {
	io.ReadCloser
	b    *Backend
	once sync.Once
}

func (a *answer) Close() error {
	err := a.ReadCloser.Close()
	a.once.Do(a.b.release)
	return err
}

type events struct {
	io.ReadCloser
	b *Backend
}

func (s *events) Close() error {
	s.b.endStream(s)
	return s.ReadCloser.Close()
}

type upgraded struct {
	io.ReadWriteCloser
	b *Backend
}

func (u *upgraded) Close() error {
	u.b.endStream(u)
	return u.ReadWriteCloser.Close()
}
