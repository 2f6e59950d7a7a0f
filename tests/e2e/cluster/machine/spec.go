//go:build linux

// Package machine is what happens inside of a node of the test cluster, and what is done when a cluster is over.
//
// A node is a process in namespaces of its own: network, mounts, host name, IPC and process ids. [Init] is the first
// of its processes. It gives the node its disk, its network and its cgroup, says that it is ready, and then does two
// things: it reaps orphans, and it waits for the end of a pipe, the lifeline, whose writing end only the test has. When
// the test is gone, for whatever reason, the pipe ends, Init returns, and the kernel ends all processes of the node in
// one step. Its mounts and its network go with them.
//
// [Sweep] waits for the end of the same pipe from outside of the nodes, and then takes away what namespaces do not:
// cgroups and files. It is the only way in which a cluster goes, so that the way after a kill is the one that every test
// takes.
package machine

import (
	"encoding/json"
	"fmt"
)

// The places of a node, the same in every node.
const (
	ClusterDir  = "/run/fawkes/cluster"  // the files of the cluster: certificates, configuration, images, logs
	ProgramsDir = "/run/fawkes/programs" // Kubernetes
	SelfDir     = "/run/fawkes/machine"  // the program that runs Init
)

// Spec is one node, as Init makes it.
type Spec struct {
	Name     string // its host name
	Cgroup   string // relative to the root of each hierarchy
	Disk     string // a folder of this machine that becomes its /var
	Cluster  string // the folder that becomes ClusterDir
	Programs string // the folder that becomes ProgramsDir, read-only
	Self     string // the folder that becomes SelfDir, read-only
	// Switch, when set, is the address of this node on the switch that it has for the others ("100.64.100.10/24"). A
	// node without one is cabled from outside.
	Switch string
}

// Encode is the text that Decode reads.
func (s Spec) Encode() (string, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return "", fmt.Errorf("describe node %s: %w", s.Name, err)
	}
	return string(text), nil
}

// Decode reads what Encode wrote.
func Decode(text string) (Spec, error) {
	var s Spec
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return Spec{}, fmt.Errorf("read the description of a node: %w", err)
	}
	return s, nil
}
