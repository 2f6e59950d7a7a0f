// Package cluster brings a real Kubernetes up for a test, of as many nodes as wished, on one machine, without a
// container engine of the machine's own, and takes it away again.
//
//	c := cluster.Up(t, cluster.Options{Nodes: 2})
//	c.Load(ctx, "fawkes.test/shop:1", image)      // the image is on every node
//	c.Apply(ctx, manifests)
//	c.Nodes[1].Kill()                             // as if somebody pulled its plug
//
// Kubernetes, etcd and CoreDNS are built from their Go modules by scripts/cluster.sh, once, into the user's cache folder;
// containerd and runc are the system's. A node is a set of namespaces with a first process of its own, see the package
// machine: its processes, mounts and network are there as long as that process, which is there no longer than the test.
// The network, the settings of the kernel and the folders of the machine stay as they are.
//
// The test reaches into the cluster with [Node.DialContext], which dials as a program on the node would, and lets the
// cluster reach it with [Node.Listen].
//
// It needs root and a Linux with overlayfs.
package cluster
