package runtime

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// platformFolder makes this program a platform that runs what is in the folder until it is killed.
const platformFolder = "FAWKES_TEST_RUNTIME_PLATFORM"

// platform is a process of its own with a runtime; it is started by a test and killed.
func platform(folder string) {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	r, err := New(Options{Folder: folder, IngressPort: 18081})
	if err == nil {
		err = r.Start(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	<-ctx.Done()
}

func names(all []Instance) []string {
	var out []string
	for _, in := range all {
		out = append(out, in.Name)
	}
	slices.Sort(out)
	return out
}

func alive(pid int) bool { return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

func TestWhatIsAppliedSurvivesAStopAndAKill(t *testing.T) {
	w := newWorld(t)
	w.apply("hello", "r1", manifests("hello", w.image("v1", true), 2, "", readyz))
	w.healthy("hello")
	service, url, before := w.service("hello"), w.URL("hello"), names(w.Instances("hello"))
	var pids []int
	for _, in := range w.Instances("hello") {
		pids = append(pids, in.PID)
	}
	w.stop()
	for _, pid := range pids {
		if alive(pid) {
			t.Errorf("the process %d is there after the stop", pid)
		}
	}
	state := filepath.Join(w.folder, "apps", "hello.json")
	saved, err := os.ReadFile(state)
	if err != nil {
		t.Fatal(err)
	}

	// Another process brings it back, and is killed.
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), platformFolder+"="+w.folder)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.until("the other platform serves it at the same address", 20*time.Second, func() (bool, any) {
		status, text, err := fetch(client(false), service)
		return err == nil && status == 200, fmt.Sprint(text, err)
	})
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	w.start()
	w.healthy("hello")
	if w.service("hello") != service || w.URL("hello") != url {
		t.Errorf("it is at %s and %s, want %s and %s", w.service("hello"), w.URL("hello"), service, url)
	}
	if after := names(w.Instances("hello")); !slices.Equal(before, after) {
		t.Errorf("the instances are %v, want %v", after, before)
	}
	if status, text := w.get(service); status != 200 || !strings.HasPrefix(text, "v1 ") {
		t.Errorf("it answers %d %q", status, text)
	}
	if w.Revision("hello") != "r1" {
		t.Errorf("the revision is %q, want r1", w.Revision("hello"))
	}
	again, err := os.ReadFile(state)
	if err != nil {
		t.Fatal(err)
	}
	if string(again) != string(saved) {
		t.Errorf("the state was\n%s\nand is\n%s", saved, again)
	}
	w.apply("hello", "r1", manifests("hello", w.image("v1", true), 2, "", readyz))
	if h := w.Health("hello"); h.Status != Healthy {
		t.Errorf("the same objects again make the health %v", h)
	}
	if n := kept(t, w.folder); n != 2 {
		t.Errorf("%d marked processes run, want the 2 instances", n)
	}
}

// kept counts the programs (not their keepers) that carry the mark of a state folder.
func kept(t *testing.T, folder string) int {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range entries {
		env, _ := os.ReadFile("/proc/" + e.Name() + "/environ")
		line, _ := os.ReadFile("/proc/" + e.Name() + "/cmdline")
		if strings.Contains(string(env), "FAWKES_KEPT="+folder+"|") && !strings.HasPrefix(string(line), "fawkes-keeper") {
			n++
		}
	}
	return n
}

func TestARollOutThatWasBrokenOffGoesOn(t *testing.T) {
	w := newWorld(t)
	v1, v2 := w.image("v1", true), w.image("v2", true)
	w.apply("hello", "r1", manifests("hello", v1, 2, "", readyz))
	w.healthy("hello")
	service := w.service("hello")
	w.apply("hello", "r2", manifests("hello", v2, 2, "", "env: [{name: READY, value: never}]\n"+readyz))
	w.until("v2 is being rolled out", 10*time.Second, func() (bool, any) {
		all := w.Instances("hello")
		return len(all) == 3, all
	})
	before := names(w.Instances("hello"))
	w.stop()
	w.start()
	w.until("v1 answers", 20*time.Second, func() (bool, any) {
		status, text, err := fetch(client(false), service)
		return err == nil && status == 200 && strings.HasPrefix(text, "v1 "), fmt.Sprint(status, text, err)
	})
	if after := names(w.Instances("hello")); !slices.Equal(before, after) {
		t.Errorf("the instances are %v, want %v", after, before)
	}
	w.apply("hello", "r3", manifests("hello", v2, 2, "", readyz))
	w.healthy("hello")
}

func TestAPortThatIsTakenMeanwhileIsReplaced(t *testing.T) {
	w := newWorld(t)
	w.apply("hello", "r1", manifests("hello", w.image("v1", true), 1, "", readyz))
	w.healthy("hello")
	before := w.Address("hello", "hello", 80)
	w.stop()
	l, err := net.Listen("tcp", before)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	w.start()
	w.healthy("hello")
	if w.Address("hello", "hello", 80) == before {
		t.Error("the application says that it is where another program listens")
	}
	if status, _ := w.get(w.service("hello")); status != 200 {
		t.Errorf("it answers %d", status)
	}
}

func TestDeleteLeavesNothing(t *testing.T) {
	w := newWorld(t)
	w.apply("hello", "r1", manifests("hello", w.image("v1", true), 2, "", readyz))
	w.healthy("hello")
	address := w.Address("hello", "hello", 80)
	if err := w.Delete(t.Context(), "hello"); err != nil {
		t.Fatal(err)
	}
	if _, err := net.Dial("tcp", address); err == nil {
		t.Error("its port still takes connections")
	}
	if n := kept(t, w.folder); n != 0 {
		t.Errorf("%d processes are left", n)
	}
	for _, folder := range []string{"apps", "instances/hello", "logs/hello", "images"} {
		entries, err := os.ReadDir(filepath.Join(w.folder, folder))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		if len(entries) > 0 {
			t.Errorf("%s still has %v", folder, entries)
		}
	}
	if err := w.Delete(t.Context(), "hello"); !errors.Is(err, ErrUnknown) {
		t.Errorf("deleting it again is %v, want ErrUnknown", err)
	}
	w.apply("hello", "r2", manifests("hello", w.image("v1", true), 1, "", readyz))
	w.healthy("hello")
}
