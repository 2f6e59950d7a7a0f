//go:build linux

package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// requirements says by name what this machine lacks, and returns the folder of the network plugins.
func requirements() (plugins string, err error) {
	var missing []string
	if os.Geteuid() != 0 {
		missing = append(missing, "root (nodes are namespaces with mounts of their own)")
	}
	for program, pkg := range map[string]string{
		"containerd": "containerd", "ctr": "containerd", "runc": "runc", "iptables": "iptables", "nft": "nftables",
		"conntrack": "conntrack", "ip": "iproute2", "nsenter": "util-linux",
	} {
		if !installed(program) {
			missing = append(missing, fmt.Sprintf("%s (Debian's package %s)", program, pkg))
		}
	}
	for _, dir := range []string{"/usr/lib/cni", "/opt/cni/bin"} {
		if _, err := os.Stat(filepath.Join(dir, "bridge")); err == nil {
			plugins = dir
			break
		}
	}
	if plugins == "" {
		missing = append(missing, "the network plugin bridge (Debian's package containernetworking-plugins)")
	}
	filesystems, err := os.ReadFile("/proc/filesystems")
	if err != nil {
		return "", fmt.Errorf("ask for the kernel's file systems: %w", err)
	}
	if !strings.Contains(string(filesystems), "\toverlay\n") {
		missing = append(missing, "overlayfs in the kernel (modprobe overlay)")
	}
	if _, err := os.Stat("/proc/sys/net/bridge"); err != nil {
		missing = append(missing, "filtering of bridges in the kernel (modprobe br_netfilter)")
	}
	if len(missing) > 0 {
		return "", fmt.Errorf("a cluster needs, and this machine has not: %s; scripts/prereqs.sh e2e installs what is a package",
			strings.Join(missing, ", "))
	}
	return plugins, nil
}

// installed looks on the PATH and where the administrator's programs are.
func installed(program string) bool {
	if _, err := exec.LookPath(program); err == nil {
		return true
	}
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/local/sbin"} {
		if info, err := os.Stat(filepath.Join(dir, program)); err == nil && info.Mode().Perm()&0o111 != 0 {
			return true
		}
	}
	return false
}

// root is the folder of this module.
func root(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	return filepath.Dir(strings.TrimSpace(string(out))), nil
}

// SourceFolder is a folder of this module's source, by its path in it.
func SourceFolder(path string) (string, error) {
	dir, err := root(context.Background())
	return filepath.Join(dir, filepath.FromSlash(path)), err
}

// Program is one of the programs that scripts/cluster.sh builds.
func (c *Cluster) Program(name string) string { return filepath.Join(c.programs, name) }

// built is the folder of what scripts/cluster.sh builds, Kubernetes above all. They are built when they are not there yet, which takes long the first
// time, so that the script's progress goes where the test's errors go.
func built(ctx context.Context) (string, error) {
	dir, err := root(ctx)
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(dir, "scripts", "cluster.sh"))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("build the programs of the cluster: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// buildOwn builds the programs of this package, which nodes need, into a folder.
func buildOwn(ctx context.Context, into string) error {
	return Build(ctx, into, "./tests/e2e/cluster/machined", "./tests/e2e/cluster/pause")
}

// Build builds programs of this module, linked statically as images need them, into a folder.
func Build(ctx context.Context, into string, packages ...string) error {
	dir, err := root(ctx)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(into, 0o755); err != nil {
		return err
	}
	args := append([]string{"build", "-trimpath", "-ldflags", "-s -w", "-o", into + "/"}, packages...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	var text bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, &text
	if err := cmd.Run(); err != nil {
		return errors.Join(fmt.Errorf("build %s: %w", strings.Join(packages, " "), err), errors.New(strings.TrimSpace(text.String())))
	}
	return nil
}
