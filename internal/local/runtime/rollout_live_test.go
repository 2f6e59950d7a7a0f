package runtime

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestAnApplicationIsReachedByItsServiceAndItsIngress(t *testing.T) {
	w := newWorld(t)
	w.apply("hello", "r1", manifests("hello", w.image("v1", true), 2, "", readyz))
	w.healthy("hello")
	if status, text := w.get(w.service("hello")); status != 200 || !strings.HasPrefix(text, "v1 hello-") {
		t.Errorf("the Service answered %d %q", status, text)
	}
	status, text := w.get(w.URL("hello"))
	if status != 200 || !strings.HasPrefix(text, "v1 hello-") {
		t.Errorf("the Ingress answered %d %q", status, text)
	}
	if desired, ready := w.Replicas("hello"); desired != 2 || ready != 2 {
		t.Errorf("replicas are %d of %d, want 2 of 2", ready, desired)
	}
	seen := map[string]bool{}
	for range 20 {
		_, text := w.get(w.service("hello"))
		seen[text] = true
	}
	if len(seen) != 2 {
		t.Errorf("%d instances took turns, want 2", len(seen))
	}
	for _, in := range w.Instances("hello") {
		text, err := w.Logs("hello", in.Name, 1)
		if err != nil || text != "hello from v1\n" {
			t.Errorf("the log of %s ends %q, %v", in.Name, text, err)
		}
		t.Logf("%+v", in)
	}
}

// load asks without pause, on connections that are kept and on new ones, until stop; it returns what went wrong
// and which versions answered.
type load struct {
	stop   chan struct{}
	work   sync.WaitGroup
	asked  atomic.Int64
	mu     sync.Mutex
	faults []string
	seen   map[string]int
}

func pester(url string) *load {
	l := &load{stop: make(chan struct{}), seen: map[string]int{}}
	for i := range 6 {
		c := client(i%2 == 0)
		l.work.Go(func() {
			for {
				select {
				case <-l.stop:
					return
				case <-time.After(time.Millisecond):
				}
				at := url
				if i == 5 {
					at += "/slow?for=50ms"
				}
				status, text, err := fetch(c, at)
				l.asked.Add(1)
				l.mu.Lock()
				if err != nil || status != 200 {
					l.faults = append(l.faults, fmt.Sprint(status, text, err))
				} else {
					l.seen[strings.Fields(text)[0]]++
				}
				l.mu.Unlock()
			}
		})
	}
	return l
}

func (l *load) end(t *testing.T) {
	t.Helper()
	close(l.stop)
	l.work.Wait()
	t.Logf("%d requests, answered by %v", l.asked.Load(), l.seen)
	if len(l.faults) > 0 {
		t.Errorf("%d requests failed; the first: %s", len(l.faults), l.faults[0])
	}
}

func TestNoRequestFailsDuringARollOut(t *testing.T) {
	w := newWorld(t)
	v1, v2 := w.image("v1", true), w.image("v2", true)
	w.apply("hello", "r1", manifests("hello", v1, 3, "", readyz))
	w.healthy("hello")
	l := pester(w.service("hello"))
	for i, image := range []string{v2, v1, v2} {
		w.apply("hello", fmt.Sprint("r", i+2), manifests("hello", image, 3, "", readyz))
		if h := w.Health("hello"); h.Status != Progressing {
			t.Errorf("health after Apply is %v, want Progressing", h)
		}
		w.healthy("hello")
	}
	w.until("only v2 is left", 5*time.Second, func() (bool, any) {
		all := w.Instances("hello")
		return len(all) == 3, all
	})
	l.end(t)
	if l.seen["v1"] == 0 || l.seen["v2"] == 0 {
		t.Errorf("answers came from %v, want both versions", l.seen)
	}
	if _, text := w.get(w.service("hello")); !strings.HasPrefix(text, "v2 ") {
		t.Errorf("after the roll-out %q answers, want v2", text)
	}
}

func TestAVersionThatIsNeverReadyLeavesTheOldOneAnswering(t *testing.T) {
	w := newWorld(t)
	v1, v2 := w.image("v1", true), w.image("v2", true)
	w.apply("hello", "r1", manifests("hello", v1, 2, "", readyz))
	w.healthy("hello")
	l := pester(w.service("hello"))
	w.apply("hello", "r2", manifests("hello", v2, 2, "progressDeadlineSeconds: 4", "env: [{name: READY, value: never}]\n"+readyz))
	w.until("the roll-out is given up, and it is said why", 30*time.Second, func() (bool, any) {
		h := w.Health("hello")
		said := h.Status == Degraded
		for _, want := range []string{"within 4s", "readiness probe", "503", "the database is away"} {
			said = said && strings.Contains(h.Message, want)
		}
		return said, h
	})
	w.apply("hello", "r3", manifests("hello", v1, 2, "", readyz)) // back by a revert
	w.healthy("hello")
	l.end(t)
	if l.seen["v2"] != 0 {
		t.Errorf("v2 answered %d times, though it was never ready", l.seen["v2"])
	}
}
