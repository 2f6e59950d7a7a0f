//go:build linux

package cluster

import (
	"context"
	"fmt"
	"strings"
)

// Volumes gives the cluster a default StorageClass "standard" with some volumes of a size ("5Gi"), each a folder on the disk of a node:
// nothing provisions volumes here. What is written to one outlives the pod, not the node.
func (n *Node) Volumes(ctx context.Context, count int, size string) error {
	var manifests strings.Builder
	manifests.WriteString(`apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata:
  name: standard
  annotations: {storageclass.kubernetes.io/is-default-class: "true"}
provisioner: kubernetes.io/no-provisioner
volumeBindingMode: WaitForFirstConsumer
`)
	for i := 1; i <= count; i++ {
		folder := fmt.Sprintf("/var/lib/volumes/%d", i)
		if _, err := n.Exec(ctx, "mkdir", "-p", folder); err != nil {
			return err
		}
		fmt.Fprintf(&manifests, `---
apiVersion: v1
kind: PersistentVolume
metadata:
  name: %[1]s-%[2]d
spec:
  capacity: {storage: %[3]s}
  accessModes: [ReadWriteOnce]
  persistentVolumeReclaimPolicy: Retain
  storageClassName: standard
  local: {path: %[4]s}
  nodeAffinity:
    required:
      nodeSelectorTerms:
        - matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [%[1]s]}]
`, n.Name, i, size, folder)
	}
	return n.cluster.Apply(ctx, manifests.String())
}
