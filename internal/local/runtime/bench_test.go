package runtime

import (
	"net/http"
	"syscall"
	"testing"
	"time"
)

// BenchmarkKillToServing measures the time from kill -9 of the only instance until a request is answered.
func BenchmarkKillToServing(b *testing.B) {
	w := newWorld(b, func(o *Options) { o.BackOff = time.Nanosecond }) // each kill counts as the first
	w.apply("hello", "r1", manifests("hello", w.image("v1", true), 1, "", readyz))
	w.healthy("hello")
	service := w.service("hello")
	for b.Loop() {
		before := w.only("hello")
		if err := syscall.Kill(before.PID, syscall.SIGKILL); err != nil {
			b.Fatal(err)
		}
		for w.only("hello").Restarts == before.Restarts {
			<-time.After(time.Millisecond)
		}
		if status, text := w.get(service); status != http.StatusOK {
			b.Fatalf("%d %s", status, text)
		}
		w.healthy("hello")
	}
}

// BenchmarkRequest measures what the way through the balancer adds to a request.
func BenchmarkRequest(b *testing.B) {
	w := newWorld(b)
	w.apply("hello", "r1", manifests("hello", w.image("v1", true), 2, "", readyz))
	w.healthy("hello")
	for name, at := range map[string]string{
		"direct": "http://" + loopback(w.Instances("hello")[0].Port), "balanced": w.service("hello"), "ingress": w.URL("hello"),
	} {
		b.Run(name, func(b *testing.B) {
			c := client(true)
			for b.Loop() {
				if status, text, err := fetch(c, at); err != nil || status != http.StatusOK {
					b.Fatal(status, text, err)
				}
			}
		})
	}
}
