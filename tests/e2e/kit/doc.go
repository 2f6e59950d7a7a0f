// Package kit brings the inventory's profile "kit" up on a test cluster, from nothing, as a team would have it: a forge
// beside the cluster (git server, pipelines, registry), Argo CD in it, and everything else brought by Argo CD from the forge's
// git server, in waves.
//
// The forge is the whole of Fawkes on one machine, as `fawkes up` starts it. It is in the network of the cluster's first node, so
// that both reach each other by the same addresses, but no pod. It deploys nothing: what its pipelines promote to the
// environment repository is carried out by Argo CD, and reported to the services in the cluster.
package kit
