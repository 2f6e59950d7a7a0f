//go:build e2e && linux

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/oci"
	"github.com/fawkes-idp/fawkes/tests/e2e/cluster"
	"github.com/fawkes-idp/fawkes/tests/e2e/cluster/machine"
)

// service stands before dora, so that the address of a service is tried as well.
const (
	serviceAddress  = "10.96.1.1:80"
	serviceManifest = `
apiVersion: v1
kind: Service
metadata: {name: dora, namespace: fawkes-apps}
spec:
  clusterIP: 10.96.1.1
  selector: {app.kubernetes.io/name: dora, app.kubernetes.io/part-of: fawkes}
  ports: [{port: 80, targetPort: 8080}]
`
)

// connections tries connections between the pods of a cluster.
type connections struct {
	whole   *testing.T // whose end ends what is outside
	c       *cluster.Cluster
	table   table
	pods    []standIn
	names   string // the address of the name server's pod
	outside []int  // ports at which the places outside take connections
}

// populate makes namespaces, policies and pods, and the places outside.
func (n *connections) populate(t *testing.T) {
	ctx := t.Context()
	img, err := oci.Pack(pack(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := n.c.Load(ctx, loaded, img); err != nil {
		t.Fatal(err)
	}
	// For what is tried from outside.
	if err := cluster.Build(ctx, n.c.Dir()+"/outside", "./tests/e2e/probe"); err != nil {
		t.Fatal(err)
	}
	if err := n.c.Apply(ctx, gather(t, foundations)); err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, s := range n.pods {
		all.WriteString(s.manifest())
	}
	all.WriteString("\n---" + serviceManifest)
	// A namespace has its service account, without which it takes no pod, a moment after it is made.
	eventually(t, time.Minute, "the pods are taken", func() error { return n.c.Apply(ctx, all.String()) })
	n.ready(t)
	at := n.addresses(t)
	for i, s := range n.pods {
		n.pods[i].address = at[s.Namespace+"/"+s.pod()]
	}
	for name, address := range at {
		if strings.HasPrefix(name, "kube-system/coredns-") {
			n.names = address
		}
	}
	n.beOutside(t)
}

func (n *connections) ready(t *testing.T) {
	t.Helper()
	if out, err := n.c.Kubectl(t.Context(), "wait", "--all-namespaces", "--for=condition=Ready", "pods", "--all", "--timeout=180s"); err != nil {
		pods, _ := n.c.Kubectl(t.Context(), "get", "pods", "--all-namespaces", "-o", "wide")
		t.Fatalf("%v\n%s\n%s", err, out, pods)
	}
}

// addresses are those of all pods, by namespace/name.
func (n *connections) addresses(t *testing.T) map[string]string {
	t.Helper()
	out, err := n.c.Kubectl(t.Context(), "get", "pods", "--all-namespaces", "-o",
		`jsonpath={range .items[*]}{.metadata.namespace}/{.metadata.name} {.status.podIP}{"\n"}{end}`)
	if err != nil {
		t.Fatal(err)
	}
	at := map[string]string{}
	for line := range strings.Lines(out) {
		name, address, _ := strings.Cut(strings.TrimSpace(line), " ")
		at[name] = address
	}
	return at
}

// beOutside gives node1 the addresses of the places outside, and takes connections there.
func (n *connections) beOutside(t *testing.T) {
	ctx := t.Context()
	ports := map[int]bool{22: true}
	for _, f := range n.table {
		if f.To.Set == nil {
			ports[f.Port] = true
		}
	}
	n.outside = slices.Sorted(maps.Keys(ports))
	for _, place := range slices.Sorted(maps.Keys(outsides())) {
		address := outsides()[place]
		if _, err := n.c.Nodes[0].Exec(ctx, "ip", "addr", "add", address+"/32", "dev", "lo"); err != nil {
			t.Fatal(err)
		}
		if _, err := n.c.Nodes[1].Exec(ctx, "ip", "route", "add", address+"/32", "via", n.c.Nodes[0].Address); err != nil {
			t.Fatal(err)
		}
		for _, port := range n.outside {
			if port == 6443 || port == 10250 {
				continue // the API server and the kubelet take connections at every address of node1
			}
			listener, err := n.c.Nodes[0].Listen(ctx, "tcp", fmt.Sprintf("%s:%d", address, port))
			if err != nil {
				t.Fatal(err)
			}
			n.whole.Cleanup(func() { listener.Close() })
			go func() {
				for {
					conn, err := listener.Accept()
					if err != nil {
						return // the test has ended and closed it
					}
					conn.Close()
				}
			}()
		}
	}
}

func (n *connections) find(t *testing.T, id string) standIn {
	t.Helper()
	i := slices.IndexFunc(n.pods, func(s standIn) bool { return s.ID() == id })
	if i < 0 {
		t.Fatalf("there is no workload %s", id)
	}
	return n.pods[i]
}

// attempts are all connections there can be: from every workload to every port of every other, to the name server, the
// Kubernetes API, the address of a service, and places outside; from these to every port on node2. What node1 itself
// sends to its own pods is no policy's concern, and the places are addresses of node1.
func (n *connections) attempts() []attempt {
	var out []attempt
	for _, from := range n.pods {
		add := func(to, address string, allowed, sameNode bool) {
			out = append(out, attempt{from.ID(), to, address, allowed, sameNode})
		}
		first := from.node == "node1"
		for _, to := range n.pods {
			for _, port := range to.ports() {
				if to.ID() != from.ID() {
					add(fmt.Sprintf("%s:%d", to.ID(), port), fmt.Sprintf("%s:%d", to.address, port), n.table.pods(from.ID(), to.ID(), port), from.node == to.node)
				}
			}
			if to.ID() == "fawkes/dora" && from.ID() != to.ID() {
				add("fawkes/dora:service", serviceAddress, n.table.pods(from.ID(), to.ID(), 8080), from.node == to.node)
			}
		}
		add("name server:53", n.names+":53", true, first)
		add("name server:service", "10.96.0.10:53", true, first)
		add("name server:8181", n.names+":8181", false, first)
		add("kubernetes:service", "10.96.0.1:443", n.table.out(from.ID(), "public", 6443), first)
		for _, place := range slices.Sorted(maps.Keys(outsides())) {
			for _, port := range n.outside {
				add(fmt.Sprintf("%s:%d", place, port), fmt.Sprintf("%s:%d", outsides()[place], port), n.table.out(from.ID(), place, port), first)
			}
		}
	}
	for _, place := range slices.Sorted(maps.Keys(outsides())) {
		for _, to := range n.pods {
			for _, port := range to.ports() {
				if to.node == "node2" {
					out = append(out, attempt{place, fmt.Sprintf("%s:%d", to.ID(), port), fmt.Sprintf("%s:%d", to.address, port), n.table.in(place, to.ID(), port), false})
				}
			}
		}
	}
	return out
}

// compare tries connections and says which differ from the call table, and how many there were.
func (n *connections) compare(t *testing.T, all []attempt) (differ []string, counts string) {
	t.Helper()
	by := map[string][]attempt{}
	for _, a := range all {
		by[a.from] = append(by[a.from], a)
	}
	began := time.Now()
	froms := slices.Sorted(maps.Keys(by))
	var tally struct{ allowed, forbidden, same, other int }
	for _, from := range froms { // one after the other, see the probe's dial
		results, err := n.dial(t.Context(), from, by[from])
		if err != nil {
			t.Fatalf("let %s try its connections: %v", from, err)
		}
		for i, a := range by[from] {
			switch result := results[i]; {
			case a.allowed && result != "connected":
				differ = append(differ, fmt.Sprintf("%s: the call table allows it, and it is %s", a, result))
			case !a.allowed && result != "prohibited":
				differ = append(differ, fmt.Sprintf("%s: the call table forbids it, and it is %s", a, result))
			}
			count(&tally.allowed, &tally.forbidden, a.allowed)
			count(&tally.same, &tally.other, a.sameNode)
		}
	}
	slices.Sort(differ)
	return differ, fmt.Sprintf("%d connections tried in %.1f s (%d within a node, %d between nodes): the call table allows %d and forbids %d; %d differ",
		len(all), time.Since(began).Seconds(), tally.same, tally.other, tally.allowed, tally.forbidden, len(differ))
}

func count(yes, no *int, which bool) {
	if which {
		*yes++
	} else {
		*no++
	}
}

// dial lets one source try its connections.
func (n *connections) dial(ctx context.Context, from string, attempts []attempt) ([]string, error) {
	var cmd *exec.Cmd
	if address, outside := outsides()[from]; outside {
		cmd = n.c.Nodes[0].Command(ctx, machine.ClusterDir+"/outside/probe", "dial", address)
	} else {
		i := slices.IndexFunc(n.pods, func(s standIn) bool { return s.ID() == from })
		s := n.pods[i]
		cmd = n.c.KubectlCommand(ctx, "--namespace", s.Namespace, "exec", "--stdin", s.pod(), "--", "/probe", "dial", "any")
	}
	addresses := make([]string, len(attempts))
	for i, a := range attempts {
		addresses[i] = a.address
	}
	in, err := json.Marshal(addresses)
	if err != nil {
		return nil, err
	}
	var said strings.Builder
	cmd.Stdin, cmd.Stderr = strings.NewReader(string(in)), &said
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, said.String())
	}
	var answers []struct{ Address, Result string }
	if err := json.Unmarshal(text, &answers); err != nil {
		return nil, err
	}
	if len(answers) != len(attempts) {
		return nil, fmt.Errorf("%d connections were tried; %d were asked for", len(answers), len(attempts))
	}
	out := make([]string, len(answers))
	for i, a := range answers {
		out[i] = a.Result
	}
	return out, nil
}
