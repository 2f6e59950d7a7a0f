// Package peer is how one service reaches another: by name, over HTTP, whether
// the other runs in the same process or across the network.
//
// In one process the client dials an in-memory listener of the same http.Server,
// so that middleware, limits and errors are those of the network. In a cluster
// the name is the host. The caller cannot tell which it is, and does not ask.
package peer

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

// Network finds the other services.
type Network interface {
	// Client returns the base URL of the service, without a slash at its end, and
	// the client to use with it. The client sets no limit on a whole exchange, so
	// that streams work: give each request a context that ends.
	Client(service string) (baseURL string, c *http.Client)
}

// Options says where the services are.
type Options struct {
	// Local names the services of this process, which are reached through Listener.
	Local []string
	// Listener is the in-memory listener that this process serves.
	Listener *Listener
	// URLs holds the addresses of services elsewhere; a service without one is
	// looked for at http://<service>, as in a cluster.
	URLs map[string]string
}

// New makes the network.
func New(opts Options) (Network, error) {
	n := &network{local: map[string]bool{}, urls: map[string]string{}, outside: client(dialer().DialContext)}
	for _, name := range opts.Local {
		n.local[name] = true
	}
	if len(opts.Local) > 0 {
		if opts.Listener == nil {
			return nil, fmt.Errorf("peers: services run in this process, but it has no listener for them")
		}
		n.inside = client(opts.Listener.DialContext)
	}
	for name, address := range opts.URLs {
		u, err := url.Parse(address)
		if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			return nil, fmt.Errorf("peers: the address %q of %s is not a URL; use http://host:port", address, name)
		}
		n.urls[name] = strings.TrimRight(address, "/")
	}
	return n, nil
}

// FromEnv reads the addresses of peers, FAWKES_PEER_<SVC>_URL, out of the
// environment; an underscore in the variable stands for a hyphen in the name.
func FromEnv(env []string) map[string]string {
	urls := map[string]string{}
	for _, kv := range env {
		key, value, _ := strings.Cut(kv, "=")
		name, ok := strings.CutPrefix(key, "FAWKES_PEER_")
		if name, ok2 := strings.CutSuffix(name, "_URL"); ok && ok2 && name != "" && value != "" {
			urls[strings.ReplaceAll(strings.ToLower(name), "_", "-")] = value
		}
	}
	return urls
}

type network struct {
	local           map[string]bool
	urls            map[string]string
	inside, outside *http.Client
}

func (n *network) Client(service string) (string, *http.Client) {
	if n.local[service] {
		return "http://" + service, n.inside
	}
	if u, ok := n.urls[service]; ok {
		return u, n.outside
	}
	return "http://" + service, n.outside
}

func dialer() *net.Dialer { return &net.Dialer{Timeout: 3 * time.Second, KeepAlive: 30 * time.Second} }

func client(dial func(ctx context.Context, network, address string) (net.Conn, error)) *http.Client {
	return &http.Client{
		Transport: &requestIDs{&http.Transport{
			DialContext:            dial,
			TLSHandshakeTimeout:    5 * time.Second,
			ResponseHeaderTimeout:  30 * time.Second,
			ExpectContinueTimeout:  time.Second,
			MaxIdleConns:           64,
			MaxIdleConnsPerHost:    16,
			MaxConnsPerHost:        128,
			IdleConnTimeout:        60 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
		}},
		// A service answers where it was asked; a redirect is handed to the caller.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// requestIDs hands the id of the request at hand on to the next service, so that
// one id leads through every log.
type requestIDs struct{ next http.RoundTripper }

func (t *requestIDs) RoundTrip(r *http.Request) (*http.Response, error) {
	id := problem.RequestID(r.Context())
	if id == "" || r.Header.Get("X-Request-Id") != "" {
		return t.next.RoundTrip(r)
	}
	r = r.Clone(r.Context())
	r.Header.Set("X-Request-Id", id)
	return t.next.RoundTrip(r)
}

// CloseIdleConnections lets http.Client.CloseIdleConnections through.
func (t *requestIDs) CloseIdleConnections() {
	if c, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
