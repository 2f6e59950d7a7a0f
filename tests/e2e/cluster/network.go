//go:build linux

package cluster

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// DialContext opens a connection from the node, as a program on it would: to addresses of pods, services and nodes. It
// is for net/http's Transport. The host must be an address, because names are known in pods only.
func (n *Node) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return within(n, func() (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, address)
	})
}

// Listen takes connections at an address of the node, so that the cluster reaches the test.
func (n *Node) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	return within(n, func() (net.Listener, error) {
		var l net.ListenConfig
		return l.Listen(ctx, network, address)
	})
}

// within calls f on a thread that is in the node's network. A socket stays in the network in which it was made.
func within[T any](n *Node, f func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	answers := make(chan answer, 1)
	go func() {
		// Never unlocked: the thread ends with this goroutine and is of no use to another.
		runtime.LockOSThread()
		var a answer
		if a.err = enter(n.PID()); a.err == nil {
			a.value, a.err = f()
		}
		answers <- a
	}()
	a := <-answers
	if a.err != nil {
		return a.value, fmt.Errorf("in the network of %s: %w", n.Name, a.err)
	}
	return a.value, nil
}

func enter(pid int) error {
	namespace, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil {
		return err
	}
	defer namespace.Close()
	return unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNET)
}

// cable lays a cable from every other node to the switch of the first, and tells each which pods are where. The ends of
// a cable go with the node that goes first.
func (c *Cluster) cable(ctx context.Context) error {
	first := c.Nodes[0]
	for _, n := range c.Nodes {
		var orders []string
		if n != first {
			port := "port" + strconv.Itoa(n.number)
			if err := first.ip(ctx,
				// Made where they belong: the machine's own network never has them.
				fmt.Sprintf("link add name %s type veth peer name node0 netns %d", port, n.PID()),
				fmt.Sprintf("link set %s master node0 up", port),
			); err != nil {
				return err
			}
			orders = append(orders, "addr add "+n.Address+"/24 dev node0", "link set node0 up")
		}
		for _, other := range c.Nodes {
			if other != n {
				orders = append(orders, "route add "+podsOf(other.number)+" via "+other.Address)
			}
		}
		// Nobody answers there; but without a way out the kernel finds none to the addresses of services either.
		orders = append(orders, "route add default via 100.64.100.1 dev node0")
		if err := n.ip(ctx, orders...); err != nil {
			return err
		}
	}
	return nil
}

// ip gives orders of the ip program in the node's network, with processes numbered as on this machine.
func (n *Node) ip(ctx context.Context, orders ...string) error {
	cmd := exec.CommandContext(ctx, "nsenter", "--target", strconv.Itoa(n.PID()), "--net", "--", "ip", "-batch", "-")
	cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
	cmd.Stdin = strings.NewReader(strings.Join(orders, "\n") + "\n")
	_, err := output(cmd, "set up the network of "+n.Name)
	return err
}
