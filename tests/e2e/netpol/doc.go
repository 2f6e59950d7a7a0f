// Package netpol enforces NetworkPolicies on the test's own cluster, whose network plugin (the reference "bridge")
// knows none. It is the test's, named as such: on a real cluster the network plugin does it.
//
// [Rules] turns what the API server says into one nftables table for a node, and [Enforce] keeps each node's table up
// to date. A node's table decides over the pods of that node only, after the addresses of services were replaced by
// those of pods: over what they send where it is forwarded or comes to the node itself, and over what is forwarded to
// them. What the node itself sends to its pods is not looked at, so that the kubelet's probes pass, as with any plugin.
// What is not allowed is answered with "network administratively prohibited", which a caller sees as ENETUNREACH, so that
// it can tell it from a closed port and from a pod that is not there.
//
// Blocks of addresses never mean pods: those are known by their labels. Some plugins take an address of a pod that is
// within a block for a match; the standard leaves it open.
package netpol
