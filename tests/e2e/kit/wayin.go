//go:build linux

package kit

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/tests/e2e/cluster"
)

// wayInAddress is where programs in the network of the first node, the forge among them, reach the services.
const wayInAddress = "127.0.0.1:8090"

// WayIn stands for the ingress controller, which the kit has not: it takes a request to the Service that its path names. From
// there on everything is the cluster's own, the choice of the pod too.
type WayIn struct {
	// URL is how programs of this machine reach it.
	URL string

	handler http.Handler
	servers []*http.Server
}

// openWayIn finds the services and listens, on this machine and in the network of the first node.
func openWayIn(ctx context.Context, c *cluster.Cluster, services []string) (*WayIn, error) {
	backends := map[string]*httputil.ReverseProxy{}
	for _, name := range services {
		address, err := c.Kubectl(ctx, "--namespace", servicesNamespace, "get", "service", name, "-o", "jsonpath={.spec.clusterIP}")
		if err != nil {
			return nil, err
		}
		proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: net.JoinHostPort(address, "80")})
		// Each request is a connection of its own, so that each is a new choice of a pod, and none waits for one that is gone.
		proxy.Transport = &http.Transport{DialContext: c.Nodes[0].DialContext, DisableKeepAlives: true, ResponseHeaderTimeout: 30 * time.Second}
		proxy.ErrorLog = log.New(io.Discard, "", 0) // who asked is told
		backends[name] = proxy
	}
	w := &WayIn{handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		proxy := backends[serviceOf(r.URL.Path)]
		if proxy == nil {
			http.Error(rw, fmt.Sprintf("no service takes %s", r.URL.Path), http.StatusNotFound)
			return
		}
		proxy.ServeHTTP(rw, r)
	})}
	inside, err := c.Nodes[0].Listen(ctx, "tcp", wayInAddress)
	if err != nil {
		return nil, err
	}
	w.serve(inside)
	var l net.ListenConfig
	outside, err := l.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		w.Close()
		return nil, err
	}
	w.serve(outside)
	w.URL = "http://" + outside.Addr().String()
	return w, nil
}

func (w *WayIn) serve(l net.Listener) {
	server := &http.Server{Handler: w.handler, ReadHeaderTimeout: 10 * time.Second}
	w.servers = append(w.servers, server)
	go func() { _ = server.Serve(l) }() // until Close
}

// Close takes no more requests.
func (w *WayIn) Close() {
	for _, s := range w.servers {
		_ = s.Close() // its listener goes with it
	}
}

// serviceOf is the service that answers a path: /api/NAME/…, /webhooks/NAME/….
func serviceOf(path string) string {
	parts := strings.SplitN(strings.TrimPrefix(path, "/"), "/", 3)
	if len(parts) < 2 || (parts[0] != "api" && parts[0] != "webhooks") {
		return ""
	}
	return parts[1]
}
