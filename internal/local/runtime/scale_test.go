package runtime

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestManyApplicationsTakeLittleMemory(t *testing.T) {
	w := newWorld(t)
	ref := w.image("v1", true)
	apps := 15
	if os.Getenv("FAWKES_SOAK") != "" {
		apps = 50
	}
	began := time.Now()
	for i := range apps {
		name := fmt.Sprintf("app-%02d", i)
		w.apply(name, "r1", manifests(name, ref, 1, "progressDeadlineSeconds: 300", readyz))
	}
	w.until("all are healthy", 2*time.Minute, func() (bool, any) {
		n := 0
		for _, name := range w.Apps() {
			if w.Health(name).Status == Healthy {
				n++
			}
		}
		return n == apps, n
	})
	took := time.Since(began)
	for i := range apps {
		name := fmt.Sprintf("app-%02d", i)
		if status, text := w.get(w.service(name)); status != 200 || !strings.Contains(text, name) {
			t.Errorf("%s answers %d %q", name, status, text)
		}
	}
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	t.Logf("%d applications healthy in %s; heap %d KiB, %d goroutines", apps, took, m.HeapAlloc>>10, runtime.NumGoroutine())
	if m.HeapAlloc > 64<<20 {
		t.Errorf("the heap is %d MiB, want at most 64", m.HeapAlloc>>20)
	}
	if n := kept(t, w.folder); n != apps {
		t.Errorf("%d programs run, want %d", n, apps)
	}
	w.stop()
	if n := kept(t, w.folder); n != 0 {
		t.Errorf("%d programs run after the stop", n)
	}
}
