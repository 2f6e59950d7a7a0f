//go:build e2e && linux

package e2e

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/tests/e2e/cluster"
)

// TestNothingIsLeft ends clusters in every way in which one can end, and looks for what is left of each: processes,
// network namespaces, cgroups, mounts, files, network devices, settings of the kernel.
func TestNothingIsLeft(t *testing.T) {
	dir := t.TempDir()
	if err := cluster.Build(t.Context(), dir, "./tests/e2e/hold"); err != nil {
		t.Fatal(err)
	}
	before := machineNow(t)
	for _, end := range []struct {
		name   string
		signal syscall.Signal
		early  bool // in the middle of coming up
	}{
		{"Ctrl-C", syscall.SIGINT, false},
		{"kill -9", syscall.SIGKILL, false},
		{"kill -9 on the way up", syscall.SIGKILL, true},
		{"Ctrl-C on the way up", syscall.SIGINT, true},
	} {
		t.Run(end.name, func(t *testing.T) {
			h := held(t, filepath.Join(dir, "hold"))
			for line := range h.lines {
				if strings.HasPrefix(line, "Ctrl-C ends it") || end.early && strings.Contains(line, "API server ready") {
					break
				}
			}
			seen := traces(t, h.id(t))
			if seen.cgroups == 0 || len(seen.processes) == 0 || len(seen.networks) != 2 || !seen.files {
				t.Fatalf("the cluster that is up has these traces: %+v; the search is blind", seen)
			}
			began := time.Now()
			if err := h.cmd.Process.Signal(end.signal); err != nil {
				t.Fatal(err)
			}
			<-h.exited
			eventually(t, 40*time.Second, "nothing is left", func() error {
				if left := traces(t, h.id(t)); left.any() {
					return fmt.Errorf("left: %+v", left)
				}
				if still := networksInUse(t); slices.ContainsFunc(seen.networks, func(n string) bool { return still[n] }) {
					return errors.New("left: a network namespace of a node")
				}
				return nil
			})
			t.Logf("nothing is left after %.2f s", time.Since(began).Seconds())
			if after := machineNow(t); after != before {
				t.Errorf("the machine was\n%s\nand is\n%s", before, after)
			}
		})
	}
}

// holder is a process that has a cluster.
type holder struct {
	cmd    *exec.Cmd
	lines  chan string
	exited chan struct{}
	runs   map[string]bool // folders of other clusters
	at     string
}

func held(t *testing.T, program string) *holder {
	t.Helper()
	h := &holder{lines: make(chan string, 100), exited: make(chan struct{}), runs: map[string]bool{}}
	for _, dir := range runs(t) {
		h.runs[dir] = true
	}
	h.cmd = exec.Command(program)
	var stderr bytes.Buffer
	h.cmd.Stderr = &stderr
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			h.lines <- lines.Text()
		}
		close(h.lines)
		_ = h.cmd.Wait() // it is killed; what matters is what is left
		close(h.exited)
	}()
	t.Cleanup(func() {
		_ = h.cmd.Process.Kill() // gone already, unless the test failed
		<-h.exited
		if t.Failed() {
			t.Log(stderr.String())
		}
	})
	return h
}

// id is the name of the holder's cluster: that of the folder which is new.
func (h *holder) id(t *testing.T) string {
	t.Helper()
	if h.at == "" {
		for _, dir := range runs(t) {
			if !h.runs[dir] {
				h.at = filepath.Base(dir)
			}
		}
	}
	if h.at == "" {
		t.Fatal("the cluster has no folder")
	}
	return h.at
}

func runs(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(cluster.RunsFolder(), "*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// trace is what there is of one cluster on the machine.
type trace struct {
	processes []string // their command lines
	networks  []string // network namespaces of processes in the nodes' cgroups
	cgroups   int
	mounts    int
	files     bool
}

func (s trace) any() bool {
	return len(s.processes) > 0 || len(s.networks) > 0 || s.cgroups > 0 || s.mounts > 0 || s.files
}

// traces looks for a cluster by its name, which is in the command lines, cgroups and folders of all that is its own.
func traces(t *testing.T, id string) trace {
	t.Helper()
	var out trace
	for _, pid := range processes(t) {
		command, _ := os.ReadFile(filepath.Join(pid, "cmdline")) // a process may be gone at any moment
		groups, _ := os.ReadFile(filepath.Join(pid, "cgroup"))
		ofNode := bytes.Contains(groups, []byte("fawkes-e2e-"+id))
		if ofNode || bytes.Contains(command, []byte(id)) {
			out.processes = append(out.processes, string(bytes.ReplaceAll(command, []byte{0}, []byte{' '})))
		}
		if !ofNode || !bytes.Contains(command, []byte("machined\x00init")) {
			continue
		}
		if network, err := os.Readlink(filepath.Join(pid, "ns", "net")); err == nil {
			out.networks = append(out.networks, network)
		}
	}
	for _, pattern := range []string{"/sys/fs/cgroup/fawkes-e2e-" + id + "-*", "/sys/fs/cgroup/*/fawkes-e2e-" + id + "-*"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		out.cgroups += len(found)
	}
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	out.mounts = strings.Count(string(text), id)
	_, err = os.Stat(filepath.Join(cluster.RunsFolder(), id))
	out.files = err == nil
	return out
}

func processes(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// networksInUse are the network namespaces that processes of this machine are in.
func networksInUse(t *testing.T) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	for _, pid := range processes(t) {
		if network, err := os.Readlink(filepath.Join(pid, "ns", "net")); err == nil {
			out[network] = true
		}
	}
	return out
}

// machineNow is what clusters must leave as it was, in words that can be compared.
func machineNow(t *testing.T) string {
	t.Helper()
	var out strings.Builder
	for _, setting := range []string{
		"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops", "kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes",
		"net/ipv4/ip_forward", "net/bridge/bridge-nf-call-iptables",
	} {
		value, err := os.ReadFile("/proc/sys/" + setting)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "%s = %s", setting, value)
	}
	devices, err := filepath.Glob("/sys/class/net/*")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(&out, "network devices:", devices)
	for _, dir := range []string{"/var/lib/kubelet", "/var/lib/cni", "/var/lib/etcd", "/run/containerd", "/opt/containerd"} {
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			fmt.Fprintln(&out, dir, "is there")
		}
	}
	return out.String()
}
