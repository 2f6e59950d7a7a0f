//go:build linux

package cluster

import "fmt"

// The networks of a cluster exist in its nodes only. The nodes' is of the shared address space (RFC 6598),
// which policies count as private, as they do the networks of real nodes.
const (
	nodeNetwork    = "100.64.100.0/24"
	podNetwork     = "10.244.0.0/16"
	serviceNetwork = "10.96.0.0/16"
	dnsAddress     = "10.96.0.10"
	serverURL      = "https://100.64.100.10:6443"

	// RegistryAddress is where containerd on every node pulls from without TLS: port 5000 of the first node. A test
	// that wants to be the registry listens there with [Node.Listen].
	RegistryAddress = "100.64.100.10:5000"
)

// mostNodes is bounded by memory and not by addresses.
const mostNodes = 9

func nodeName(i int) string  { return fmt.Sprintf("node%d", i) }
func addressOf(i int) string { return fmt.Sprintf("100.64.100.%d", 9+i) }
func podsOf(i int) string    { return fmt.Sprintf("10.244.%d.0/24", i-1) }
