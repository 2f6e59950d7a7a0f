package runtime

import (
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/clock"
)

// slowly is time that is moved by hand where waiting is long; what is shorter than a second passes by itself.
type slowly struct {
	*clock.Manual
	mu      sync.Mutex
	waiting map[*time.Time]chan time.Time
}

func newSlowly() *slowly {
	return &slowly{Manual: clock.NewManual(time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)), waiting: map[*time.Time]chan time.Time{}}
}

func (s *slowly) timer(d time.Duration) (<-chan time.Time, func()) {
	if d < time.Second {
		return machineTimer(d)
	}
	at := s.Now().Add(d)
	c := make(chan time.Time, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting[&at] = c
	return c, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.waiting, &at)
	}
}

// waits tells whether somebody waits for just so long from now.
func (s *slowly) waits(d time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for at := range s.waiting {
		if at.Equal(s.Now().Add(d)) {
			return true
		}
	}
	return false
}

func (s *slowly) pass(d time.Duration) {
	s.Advance(d)
	s.mu.Lock()
	defer s.mu.Unlock()
	for at, c := range s.waiting {
		if !at.After(s.Now()) {
			c <- s.Now()
			delete(s.waiting, at)
		}
	}
}

// only is the one instance of an application.
func (w *world) only(name string) Instance {
	w.t.Helper()
	all := w.Instances(name)
	if len(all) != 1 {
		w.t.Fatalf("%s has %d instances, want 1", name, len(all))
	}
	return all[0]
}

func TestACrashingProgramIsStartedAgainAfterPausesThatGrow(t *testing.T) {
	s := newSlowly()
	w := newWorld(t, func(o *Options) {
		o.Clock, o.BackOff = s, 0
	}, func(o *Options) { o.Log = nil })
	w.timer = s.timer
	w.apply("hello", "r1", manifests("hello", w.image("v1", true), 1, "progressDeadlineSeconds: 600", "env: [{name: CRASH, value: x}]"))
	for i, pause := range []string{"10s", "20s", "40s", "1m20s", "2m40s", "5m0s", "5m0s"} {
		d, err := time.ParseDuration(pause)
		if err != nil {
			t.Fatal(err)
		}
		w.until("the program waits "+pause, 10*time.Second, func() (bool, any) {
			in := w.only("hello")
			return in.Restarts == i+2 && in.State == StateCrashLoop && strings.Contains(in.Message, "back-off "+pause) && s.waits(d), in
		})
		s.pass(d - time.Second)
		if in := w.only("hello"); in.Restarts != i+2 {
			t.Errorf("a second before the pause of %s is over the program was started again", pause)
		}
		s.pass(time.Second)
	}
	in := w.only("hello")
	if in.LastExit == nil || in.LastExit.Code != 3 || in.LastExit.Reason != "Error" {
		t.Errorf("the last exit is %+v, want status 3", in.LastExit)
	}
	text, err := w.Logs("hello", in.Name, 3)
	if err != nil || !strings.Contains(text, "crashing\n") || !strings.Contains(text, "[fawkes] the program ended with status 3") {
		t.Errorf("the log ends %q, %v", text, err)
	}
	s.pass(10 * time.Minute)
	w.until("the roll-out is given up", 5*time.Second, func() (bool, any) {
		h := w.Health("hello")
		return h.Status == Degraded && strings.Contains(h.Message, "ended with status 3"), h
	})
}

func TestAProgramThatTakesTooMuchMemoryIsKilledAndStartedAgain(t *testing.T) {
	w := newWorld(t)
	w.apply("hello", "r1", manifests("hello", w.image("v1", true), 1, "", "resources: {limits: {memory: 96Mi}}\n"+readyz))
	w.healthy("hello")
	_, _, _ = fetch(client(false), w.service("hello")+"/eat") // fails, or is answered by the next one
	w.until("it was killed for its memory", 10*time.Second, func() (bool, any) {
		in := w.only("hello")
		return in.LastExit != nil && in.LastExit.Reason == "OOMKilled", in
	})
	w.until("it is ready again", 10*time.Second, func() (bool, any) { return w.only("hello").Ready, w.only("hello") })
}

func TestAKilledProgramServesAgainAtOnce(t *testing.T) {
	w := newWorld(t)
	w.apply("hello", "r1", manifests("hello", w.image("v1", true), 1, "", readyz))
	w.healthy("hello")
	before := w.only("hello")
	began := time.Now()
	if err := syscall.Kill(before.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for {
		in := w.only("hello")
		if in.PID != before.PID && in.PID != 0 || time.Since(began) > 5*time.Second {
			break
		}
		<-time.After(time.Millisecond)
	}
	status, text := w.get(w.service("hello")) // held until it is ready
	t.Logf("from kill -9 to the next answer: %s", time.Since(began))
	if status != 200 || !strings.Contains(text, before.Name) {
		t.Errorf("after the kill the answer is %d %q, want the same instance again", status, text)
	}
	after := w.only("hello")
	if after.Restarts != 1 || after.Port != before.Port || after.LastExit.Signal != "SIGKILL" {
		t.Errorf("after the kill it is %+v, want one restart on port %d", after, before.Port)
	}
	w.healthy("hello")
}

func TestNoRequestFailsWhileInstancesAreKilled(t *testing.T) {
	w := newWorld(t)
	w.apply("hello", "r1", manifests("hello", w.image("v1", true), 3, "", readyz))
	w.healthy("hello")
	l := pester(w.service("hello"))
	for range 4 {
		victim := w.Instances("hello")[0]
		if err := syscall.Kill(victim.PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		w.until("three are ready again", 10*time.Second, func() (bool, any) {
			_, ready := w.Replicas("hello")
			in := w.Instances("hello")[0]
			return ready == 3 && in.PID != victim.PID && in.Restarts > victim.Restarts, in
		})
	}
	l.end(t)
}

func TestProbesDecide(t *testing.T) {
	w := newWorld(t)
	w.apply("hello", "r1", manifests("hello", w.image("v1", true), 1, "", `
readinessProbe: {exec: {command: [/app/server, check, /app/server]}, periodSeconds: 1, timeoutSeconds: 30}
startupProbe: {tcpSocket: {port: http}, periodSeconds: 1}
livenessProbe: {httpGet: {path: /readyz, port: http}, periodSeconds: 1, failureThreshold: 2}`))
	w.healthy("hello")
	w.get(w.service("hello") + "/sick")
	w.until("the liveness probe has it started again", 15*time.Second, func() (bool, any) {
		in := w.only("hello")
		return in.Restarts == 1 && in.Ready && in.LastExit.Reason == "Unhealthy" && strings.Contains(in.LastExit.Message, "liveness probe failed: GET /readyz answered 503"), in
	})

	w.apply("exec", "r1", manifests("exec", w.image("v1", true), 1, "progressDeadlineSeconds: 1", `
readinessProbe: {exec: {command: [/app/server, check, /nowhere]}, periodSeconds: 1, timeoutSeconds: 30}`))
	w.until("the exec probe fails with what it said", 15*time.Second, func() (bool, any) {
		h := w.Health("exec")
		return h.Status == Degraded && strings.Contains(h.Message, "ended with status 1: no /nowhere"), h
	})
}

func TestAnInstanceThatIsNotReadyAnyMoreGetsNoRequests(t *testing.T) {
	w := newWorld(t)
	w.apply("hello", "r1", manifests("hello", w.image("v1", true), 2, "", strings.Replace(readyz, "periodSeconds: 1", "periodSeconds: 1, failureThreshold: 1", 1)))
	w.healthy("hello")
	w.get("http://" + loopback(w.Instances("hello")[0].Port) + "/sick")
	w.until("one is not ready", 10*time.Second, func() (bool, any) {
		_, ready := w.Replicas("hello")
		return ready == 1, ready
	})
	if h := w.Health("hello"); h.Status != Progressing || !strings.Contains(h.Message, "1 of 2") {
		t.Errorf("health is %v, want Progressing with 1 of 2", h)
	}
	sickName := ""
	for _, in := range w.Instances("hello") {
		if !in.Ready {
			sickName = in.Name
		}
	}
	for range 10 {
		if _, text := w.get(w.service("hello")); strings.Contains(text, sickName) {
			t.Fatalf("the instance that is not ready answered")
		}
	}
}
