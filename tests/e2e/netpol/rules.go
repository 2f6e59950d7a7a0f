package netpol

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Rules writes the nftables table of a node, which replaces the one before it as a whole.
func Rules(s State, node string) (string, error) {
	w := &writer{state: s}
	for _, p := range s.Pods {
		if p.connected() {
			w.pods = append(w.pods, p)
			if p.Spec.NodeName == node {
				w.local = append(w.local, p)
			}
		}
	}
	w.set("pods", "every pod of the cluster", addresses(w.pods))
	var self []string
	for _, a := range addresses(w.local) {
		self = append(self, a+" . "+a)
	}
	w.pairs("self", "a pod and itself", self)
	policies := slices.SortedFunc(slices.Values(s.Policies), func(a, b Policy) int {
		return cmp.Or(cmp.Compare(a.Metadata.Namespace, b.Metadata.Namespace), cmp.Compare(a.Metadata.Name, b.Metadata.Name))
	})
	for _, d := range []*direction{&egress, &ingress} {
		if err := w.direction(d, policies); err != nil {
			return "", err
		}
	}
	return w.table(), nil
}

// direction is what differs between the two.
type direction struct {
	name       string // as policyTypes has it
	prefix     string // of sets
	pod, other string // the fields of a packet that hold the address of the pod that is decided over, and of the peer
	rules      func(Policy) []Rule
	peers      func(Rule) []Peer
}

var (
	egress = direction{
		name: "Egress", prefix: "out", pod: "saddr", other: "daddr",
		rules: func(p Policy) []Rule { return p.Spec.Egress }, peers: func(r Rule) []Peer { return r.To },
	}
	ingress = direction{
		name: "Ingress", prefix: "in", pod: "daddr", other: "saddr",
		rules: func(p Policy) []Rule { return p.Spec.Ingress }, peers: func(r Rule) []Peer { return r.From },
	}
)

// applies says whether a policy is about a direction. Without policyTypes it is about ingress, and about egress when it
// has such rules.
func (d *direction) applies(p Policy) bool {
	if len(p.Spec.PolicyTypes) == 0 {
		return d.name == "Ingress" || len(p.Spec.Egress) > 0
	}
	return slices.Contains(p.Spec.PolicyTypes, d.name)
}

// writer collects the sets and the chains of a table.
type writer struct {
	state  State
	pods   []Pod // that policies are about
	local  []Pod // those of the node
	sets   strings.Builder
	chains strings.Builder
}

// direction writes the chain of a direction: pods that no policy selects go through; of the others, what a policy
// allows returns, and the rest is rejected.
func (w *writer) direction(d *direction, policies []Policy) error {
	closed := map[string]bool{}
	var rules strings.Builder
	for i, p := range policies {
		if !d.applies(p) {
			continue
		}
		selected := choose(w.local, func(pod Pod) bool {
			return pod.Metadata.Namespace == p.Metadata.Namespace && p.Spec.PodSelector.matches(pod.Metadata.Labels)
		})
		if len(selected) == 0 {
			continue
		}
		for _, a := range addresses(selected) {
			closed[a] = true
		}
		about := p.Metadata.Namespace + "/" + p.Metadata.Name
		name := fmt.Sprintf("%s%d", d.prefix, i)
		if len(d.rules(p)) > 0 {
			w.set(name, "pods of "+about, addresses(selected))
		}
		for j, r := range d.rules(p) {
			lines, err := w.rule(d, p, r, fmt.Sprintf("%s_%d", name, j), selected)
			if err != nil {
				return fmt.Errorf("the policy %s: %w", about, err)
			}
			for _, line := range lines {
				fmt.Fprintf(&rules, "\t\tip %s @%s %sreturn comment %q\n", d.pod, name, line, about)
			}
		}
	}
	list := make([]string, 0, len(closed))
	for a := range closed {
		list = append(list, a)
	}
	slices.SortFunc(list, byAddress)
	set := d.prefix + "_closed"
	w.set(set, "pods that a policy selects for "+strings.ToLower(d.name), list)
	fmt.Fprintf(&w.chains, "\tchain %s {\n\t\tip %s != @%s return\n%s\t\treject with icmp type net-prohibited\n\t}\n", strings.ToLower(d.name), d.pod, set, rules.String())
	return nil
}

// rule gives the conditions of a rule beside the selected pods, each as the text before its verdict: any of the peers
// and any of the ports.
func (w *writer) rule(d *direction, p Policy, r Rule, name string, selected []Pod) ([]string, error) {
	peers, err := w.peers(d, p, d.peers(r), name)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, peer := range peers {
		if len(r.Ports) == 0 {
			out = append(out, peer.text)
			continue
		}
		for k, port := range r.Ports {
			// The port is the receiver's: the selected pod's for ingress, the peer's for egress.
			receivers, field := selected, d.pod
			if d.name == "Egress" {
				receivers, field = peer.pods, d.other
			}
			lines, err := w.port(port, receivers, field, fmt.Sprintf("%s_%d", peer.name, k))
			if err != nil {
				return nil, err
			}
			for _, line := range lines {
				out = append(out, peer.text+line)
			}
		}
	}
	return out, nil
}

// end is a peer as a condition, and the pods that it is, for the names of their ports.
type end struct {
	name, text string
	pods       []Pod
}

// peers gives the conditions of peers: one for all that are pods, one for each block.
func (w *writer) peers(d *direction, p Policy, peers []Peer, name string) ([]end, error) {
	if len(peers) == 0 {
		return []end{{name: name, pods: w.pods}}, nil
	}
	var out []end
	var pods []Pod
	for i, peer := range peers {
		if peer.IPBlock == nil {
			pods = append(pods, choose(w.pods, func(pod Pod) bool { return w.is(peer, p.Metadata.Namespace, pod) })...)
			continue
		}
		cidr, err := netip.ParsePrefix(peer.IPBlock.CIDR)
		if err != nil {
			return nil, fmt.Errorf("the block %q: %w", peer.IPBlock.CIDR, err)
		}
		if !cidr.Addr().Is4() {
			continue // no pod has an address of IPv6, so that none talks with one
		}
		text := fmt.Sprintf("ip %s %s ip %s != @pods ", d.other, cidr.Masked(), d.other)
		if len(peer.IPBlock.Except) > 0 {
			set := fmt.Sprintf("%s_but%d", name, i)
			w.blocks(set, "outside of "+peer.IPBlock.CIDR, peer.IPBlock.Except)
			text += fmt.Sprintf("ip %s != @%s ", d.other, set)
		}
		out = append(out, end{name: fmt.Sprintf("%s_%d", name, i), text: text})
	}
	if len(pods) > 0 {
		set := name + "_peers"
		w.set(set, "", addresses(pods))
		out = append([]end{{name: name, text: fmt.Sprintf("ip %s @%s ", d.other, set), pods: pods}}, out...)
	}
	return out, nil
}

// is says whether a pod is a peer, as seen from the namespace of the policy.
func (w *writer) is(peer Peer, namespace string, pod Pod) bool {
	if peer.NamespaceSelector == nil {
		if pod.Metadata.Namespace != namespace {
			return false
		}
	} else if !slices.ContainsFunc(w.state.Namespaces, func(n Namespace) bool {
		return n.Metadata.Name == pod.Metadata.Namespace && peer.NamespaceSelector.matches(n.Metadata.Labels)
	}) {
		return false
	}
	return peer.PodSelector == nil || peer.PodSelector.matches(pod.Metadata.Labels)
}

// port gives the conditions of a port. A name is another number for each pod that has it, so that each number comes
// with the receivers that mean it.
func (w *writer) port(p Port, receivers []Pod, field, name string) ([]string, error) {
	protocol := cmp.Or(p.Protocol, "TCP")
	if !slices.Contains([]string{"TCP", "UDP", "SCTP"}, protocol) {
		return nil, fmt.Errorf("there is no protocol %q", protocol)
	}
	key := strings.ToLower(protocol)
	number, word, err := p.number()
	switch {
	case err != nil:
		return nil, err
	case word == "" && number == 0:
		return []string{"meta l4proto " + key + " "}, nil
	case word == "" && p.EndPort > number:
		return []string{fmt.Sprintf("%s dport %d-%d ", key, number, p.EndPort)}, nil
	case word == "":
		return []string{fmt.Sprintf("%s dport %d ", key, number)}, nil
	}
	by := map[int][]Pod{}
	for _, pod := range receivers {
		if n := pod.port(word, protocol); n != 0 {
			by[n] = append(by[n], pod)
		}
	}
	var out []string
	for _, n := range sortedKeys(by) {
		set := fmt.Sprintf("%s_%d", name, n)
		w.set(set, "where "+word+" is "+fmt.Sprint(n), addresses(by[n]))
		out = append(out, fmt.Sprintf("ip %s @%s %s dport %d ", field, set, key, n))
	}
	return out, nil
}

func choose(pods []Pod, is func(Pod) bool) []Pod {
	var out []Pod
	for _, p := range pods {
		if is(p) {
			out = append(out, p)
		}
	}
	return out
}
