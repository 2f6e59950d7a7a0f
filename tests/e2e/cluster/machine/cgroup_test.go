//go:build linux

package machine

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// A machine of the usual kind of version 1 with systemd's own hierarchy beside it, as /proc/self/mountinfo says it.
const mountinfo = `24 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 24 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
32 30 0:28 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
33 30 0:28 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
34 30 0:29 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
35 24 0:28 / /elsewhere/memory rw,relatime - cgroup cgroup rw,memory
`

func TestEveryHierarchyIsFoundOnce(t *testing.T) {
	got := separate(mountinfo, "/sys/fs/cgroup")
	want := []string{"/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/unified"}
	if !slices.Equal(got, want) {
		t.Errorf("hierarchies are %v, want %v", got, want)
	}
}

func TestAGroupIsReadyToHoldProcesses(t *testing.T) {
	t.Run("version 1: the processors and the memory are the machine's", func(t *testing.T) {
		root := t.TempDir()
		write(t, filepath.Join(root, "cpuset.cpus"), "0-1\n")
		write(t, filepath.Join(root, "cpuset.mems"), "0\n")
		if err := (Cgroup{Hierarchies: []string{root}, Name: "node"}).Create(); err != nil {
			t.Fatal(err)
		}
		for file, want := range map[string]string{
			"node/cpuset.cpus": "0-1\n", "node/cpuset.mems": "0\n", "node/system/cpuset.cpus": "0-1\n", "node/system/cpuset.mems": "0\n",
		} {
			if got := read(t, filepath.Join(root, file)); got != want {
				t.Errorf("%s is %q, want %q", file, got, want)
			}
		}
	})
	t.Run("no hierarchy is an error", func(t *testing.T) {
		if err := (Cgroup{Name: "node"}).Create(); err == nil {
			t.Error("a group in no hierarchy is made")
		}
	})
	t.Run("unified: groups below have the controllers", func(t *testing.T) {
		root := t.TempDir()
		write(t, filepath.Join(root, "cgroup.controllers"), "memory\n")
		if err := os.Mkdir(filepath.Join(root, "node"), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(root, "node", "cgroup.controllers"), "memory\n")
		if err := (Cgroup{Hierarchies: []string{root}, Name: "node"}).Create(); err != nil {
			t.Fatal(err)
		}
		for _, file := range []string{"cgroup.subtree_control", "node/cgroup.subtree_control"} {
			if got := read(t, filepath.Join(root, file)); got != "+memory" {
				t.Errorf("%s was told %q, want +memory", file, got)
			}
		}
	})
}

func TestAClustersGroupsAreFoundByItsFolderAndNoOthers(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{CgroupOf("/runs/c1", "node1"), CgroupOf("/runs/c1", "node2"), CgroupOf("/runs/c12", "node1"), "docker"} {
		if err := os.Mkdir(filepath.Join(root, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	got := groupsOf([]string{root, root}, "/runs/c1")
	want := []string{"fawkes-e2e-c1-node1", "fawkes-e2e-c1-node2"}
	if !slices.Equal(got, want) {
		t.Errorf("groups are %v, want %v", got, want)
	}
}

func TestASpecArrivesAsItWasSent(t *testing.T) {
	sent := Spec{Name: "node1", Cgroup: "g", Disk: "/d", Cluster: "/c", Programs: "/p", Self: "/s", Switch: "100.64.100.10/24"}
	text, err := sent.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Decode(text); err != nil || got != sent {
		t.Errorf("%+v arrives, %v; want %+v", got, err, sent)
	}
	if _, err := Decode("node1"); err == nil {
		t.Error("what is no description is taken")
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
