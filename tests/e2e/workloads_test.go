//go:build e2e && linux

package e2e

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/fawkes-idp/fawkes/internal/app"
	"github.com/fawkes-idp/fawkes/internal/platform"
)

// unnamed is a port at which every workload listens, and which no policy names: the kubelet's probe goes there.
const unnamed = 9999

// standIn is a pod in the place of a workload: its namespace, its labels and its ports, with the probe in it.
type standIn struct {
	platform.Set
	node    string
	address string
}

func (s standIn) pod() string { return s.Component + "-" + s.Name }

// ports are those of the workload and the unnamed one.
func (s standIn) ports() []int {
	return slices.Compact(slices.Sorted(slices.Values(append(slices.Collect(maps.Values(s.Ports)), unnamed))))
}

// manifest is the pod. What the platform's namespaces want of a pod, it has.
func (s standIn) manifest() string {
	var labels, listen []string
	for _, k := range slices.Sorted(maps.Keys(s.Labels)) {
		labels = append(labels, fmt.Sprintf("%s: %q", k, s.Labels[k]))
	}
	for _, port := range s.ports() {
		if port != unnamed {
			listen = append(listen, fmt.Sprint(port))
		}
	}
	return strings.NewReplacer(
		"NAMESPACE", s.Namespace, "NAME", s.pod(), "ONNODE", s.node, "LABELS", strings.Join(labels, ", "), "PORTS", strings.Join(listen, ","),
		"UNNAMED", fmt.Sprint(unnamed), "IMAGE", loaded,
	).Replace(standInManifest)
}

const standInManifest = `
---
apiVersion: v1
kind: Pod
metadata: {name: NAME, namespace: NAMESPACE, labels: {LABELS}}
spec:
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: 1
  nodeSelector: {kubernetes.io/hostname: ONNODE}
  securityContext:
    runAsNonRoot: true
    seccompProfile: {type: RuntimeDefault}
    # Some workloads have ports such as 80, which only root may have elsewhere.
    sysctls: [{name: net.ipv4.ip_unprivileged_port_start, value: "1"}]
  containers:
    - name: probe
      image: IMAGE
      imagePullPolicy: Never
      args: [serve, ":UNNAMED"]
      env: [{name: LISTEN, value: "PORTS"}]
      readinessProbe: {httpGet: {path: /, port: UNNAMED}, periodSeconds: 1}
      resources:
        requests: {cpu: 1m, memory: 8Mi}
        limits: {memory: 64Mi}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL]}
`

// profile reads the inventory, with the calls that the services' modules declare.
func profile(t *testing.T, name string) platform.Profile {
	t.Helper()
	text, err := os.ReadFile("../../" + platform.File)
	if err != nil {
		t.Fatal(err)
	}
	var services []platform.Service
	for _, m := range app.Modules() {
		services = append(services, platform.Service{Name: m.Name, Calls: m.Calls, Outbound: m.Outbound, Database: m.Migrations != nil})
	}
	inv, err := platform.Read(text, services)
	if err != nil {
		t.Fatal(err)
	}
	return inv.Profile(name, services)
}

// standIns puts the workloads of a profile on two nodes by turns.
func standIns(p platform.Profile) []standIn {
	var out []standIn
	for i, s := range p.Sets {
		out = append(out, standIn{Set: s, node: fmt.Sprintf("node%d", 1+i%2)})
	}
	return out
}

// Places outside of the cluster, by what they stand for. They are addresses of node1, which takes connections there.
func outsides() map[string]string {
	return map[string]string{"public": "203.0.113.7", "private": "10.20.30.40", "metadata": "169.254.169.254"}
}

// covers says whether networks, as the inventory names them, have a place in them.
func covers(networks, place string) bool {
	return place != "metadata" && (networks == "any" || networks == place)
}

// attempt is a connection to try.
type attempt struct {
	from, to string // as the call table names them
	address  string
	allowed  bool // by the call table
	sameNode bool
}

func (a attempt) String() string { return a.from + " > " + a.to }

// table is what the call table says of connections.
type table []platform.Flow

// pods says whether one workload may call a port of another.
func (t table) pods(from, to string, port int) bool {
	return slices.ContainsFunc(t, func(f platform.Flow) bool { return f.From.Name == from && f.To.Name == to && f.Port == port })
}

// out says whether a workload may call a port of a place outside.
func (t table) out(from, place string, port int) bool {
	return slices.ContainsFunc(t, func(f platform.Flow) bool {
		return f.From.Name == from && f.To.Set == nil && covers(f.To.Networks, place) && f.Port == port
	})
}

// in says whether a place outside may call a port of a workload.
func (t table) in(place, to string, port int) bool {
	return slices.ContainsFunc(t, func(f platform.Flow) bool {
		return f.From.Set == nil && covers(f.From.Networks, place) && f.To.Name == to && f.Port == port
	})
}
