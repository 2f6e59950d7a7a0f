package git_test

import (
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A repository of 200 MB goes in and out as a stream: neither this process nor git holds it.
func TestALargeRepositoryTakesLittleMemory(t *testing.T) {
	p := start(t)
	dir := p.work("shop/large")
	p.git(dir, "config", "core.compression", "0")
	p.git(dir, "config", "core.bigFileThreshold", "1m")
	text := noise(50 << 20)
	for i := range 4 {
		if err := os.WriteFile(filepath.Join(dir, strconv.Itoa(i)+".bin"), []byte(strconv.Itoa(i)+text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p.git(dir, "add", "--all")
	p.git(dir, "commit", "--quiet", "-m", "Large files")
	runtime.GC()

	stop := watch(p.state)
	p.git(dir, "push", "--quiet", "origin", "main")
	copied := t.TempDir()
	p.git(copied, "-c", "core.compression=0", "clone", "--quiet", "--bare", p.remote(p.read, "shop/large"), "c")
	heap, kib := stop()
	if a, b := p.git(dir, "rev-parse", "HEAD"), p.git(copied+"/c", "rev-parse", "main"); a != b {
		t.Fatalf("the clone is at %s, want %s", b, a)
	}
	if r := p.want(200, p.read, "GET", "/repositories/shop/large", ""); r["size_bytes"].(float64) < 200<<20 {
		t.Fatalf("the repository is said to take %v bytes", r["size_bytes"])
	}
	t.Logf("this process held at most %d MiB, a git at most %d MiB", heap>>20, kib>>10)
	if heap > 48<<20 {
		t.Errorf("this process held %d MiB, want at most 48", heap>>20)
	}
	if kib == 0 || kib > 128<<10 {
		t.Errorf("git took %d MiB, want at most 128", kib>>10)
	}
}

// watch samples the heap of this process, and the memory of its own that each git of the server takes, in KiB.
func watch(folder string) (stop func() (heap uint64, kib int)) {
	done, gone := make(chan struct{}), make(chan struct{})
	heap, kib := uint64(0), 0
	go func() {
		defer close(gone)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				heap = max(heap, m.HeapInuse)
				kib = max(kib, ownMemory(folder))
			}
		}
	}()
	return func() (uint64, int) {
		close(done)
		<-gone
		return heap, kib
	}
}

var anonymous = regexp.MustCompile(`RssAnon:\s+(\d+) kB`)

// ownMemory is the most that a process which works in the folder holds, its view of files left out.
func ownMemory(folder string) (most int) {
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return 0
	}
	for _, dir := range all {
		if cwd, err := os.Readlink(dir + "/cwd"); err != nil || !strings.HasPrefix(cwd, folder) {
			continue
		}
		text, err := os.ReadFile(dir + "/status")
		if err != nil {
			continue
		}
		if m := anonymous.FindSubmatch(text); m != nil {
			if n, err := strconv.Atoi(string(m[1])); err == nil {
				most = max(most, n)
			}
		}
	}
	return most
}
