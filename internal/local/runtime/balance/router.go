package balance

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
)

// Rule sends requests for a host and a path to a pool.
type Rule struct {
	Host  string // lower case; "" is every host, "*.x" every host one label below x
	Path  string // begins with "/"
	Exact bool   // else the path and everything below it
	To    http.Handler
}

// Router serves the rules of Ingresses from one listener.
type Router struct {
	rules  atomic.Pointer[[]Rule]
	server *http.Server
	work   sync.WaitGroup
}

// NewRouter begins to serve a listener; there are no rules yet. The caller calls Close.
func NewRouter(l net.Listener) *Router {
	r := &Router{}
	r.rules.Store(&[]Rule{})
	r.server = server(r)
	r.work.Go(func() { _ = r.server.Serve(l) }) // ends with ErrServerClosed
	return r
}

// Set replaces all rules. The most specific counts: an exact host before a wildcard before every host, an exact
// path before a longer one before a shorter one.
func (r *Router) Set(rules []Rule) {
	sorted := append([]Rule(nil), rules...)
	sort.SliceStable(sorted, func(i, j int) bool {
		a, b := sorted[i], sorted[j]
		if x, y := rank(a.Host), rank(b.Host); x != y {
			return x < y
		}
		if len(a.Host) != len(b.Host) {
			return len(a.Host) > len(b.Host)
		}
		if a.Exact != b.Exact {
			return a.Exact
		}
		return len(a.Path) > len(b.Path)
	})
	r.rules.Store(&sorted)
}

func rank(host string) int {
	switch {
	case host == "":
		return 2
	case strings.HasPrefix(host, "*."):
		return 1
	}
	return 0
}

// ServeHTTP sends the request by the first rule that fits.
func (r *Router) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	host := strings.ToLower(req.Host)
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	for _, rule := range *r.rules.Load() {
		if rule.fits(host, req.URL.Path) {
			rule.To.ServeHTTP(w, req)
			return
		}
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusNotFound)
	fmt.Fprintf(w, "no Ingress has a rule for host %q and path %q\n", host, req.URL.Path)
}

func (r Rule) fits(host, path string) bool {
	switch {
	case r.Host == "" || r.Host == host:
	case strings.HasPrefix(r.Host, "*."):
		first, rest, ok := strings.Cut(host, ".")
		if !ok || first == "" || rest != r.Host[2:] {
			return false
		}
	default:
		return false
	}
	if r.Exact {
		return path == r.Path
	}
	prefix := strings.TrimSuffix(r.Path, "/")
	return path == prefix || strings.HasPrefix(path, prefix+"/")
}

// Close takes no more requests, waits for those at hand until ctx ends, and cuts the rest.
func (r *Router) Close(ctx context.Context) {
	if r.server.Shutdown(ctx) != nil {
		_ = r.server.Close()
	}
	r.work.Wait()
}
