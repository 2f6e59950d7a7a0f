//go:build linux

package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
)

// network gives the node its loopback, its switch if it has one, and the settings that pods need. All of them are the
// node's own: they are kept for each network namespace.
func network(spec Spec) error {
	for setting, value := range map[string]string{
		"/proc/sys/net/ipv4/ip_forward":                "1",
		"/proc/sys/net/bridge/bridge-nf-call-iptables": "1",
		"/proc/sys/net/ipv6/conf/all/disable_ipv6":     "1",
		"/proc/sys/net/ipv4/conf/all/route_localnet":   "1",
	} {
		err := os.WriteFile(setting, []byte(value), 0)
		if errors.Is(err, fs.ErrNotExist) && strings.Contains(setting, "/bridge/") {
			return errors.New("the kernel's module br_netfilter is not loaded; run: modprobe br_netfilter")
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // a kernel without IPv6 has nothing to switch off
			return fmt.Errorf("set up the node's network: %w", err)
		}
	}
	orders := []string{"link set lo up"}
	if spec.Switch != "" {
		orders = append(orders, "link add node0 type bridge", "addr add "+spec.Switch+" dev node0", "link set node0 up")
	}
	path, err := lookPath("ip")
	if err != nil {
		return err
	}
	cmd := exec.Command(path, "-batch", "-")
	cmd.Stdin = strings.NewReader(strings.Join(orders, "\n") + "\n")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("set up the node's network: %w: %s", err, strings.TrimSpace(string(text)))
	}
	return nil
}
