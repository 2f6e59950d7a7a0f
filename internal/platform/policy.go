package platform

import (
	"cmp"
	"slices"
)

// policyName is the name of a workload's policy: the workload's, below that of its component where they differ.
func policyName(s Set) string {
	if s.Component == s.Name {
		return s.Name
	}
	return s.Component + "-" + s.Name
}

// policies are the NetworkPolicies of a namespace: nothing in, nothing out; then name look-ups for all; then for each
// workload exactly its flows, on both ends.
func (p Profile) policies(namespace string) []object {
	dns := p.inv.Wiring.DNS
	out := []object{
		networkPolicy("default-deny", namespace, nil, nil, nil),
		networkPolicy("name-look-ups", namespace, nil, nil, []object{{
			"to":    []object{podPeer(dns.Namespace, namespace, dns.Labels)},
			"ports": []object{{"protocol": "UDP", "port": dns.Port}, {"protocol": "TCP", "port": dns.Port}},
		}}),
	}
	flows := p.Flows()
	for _, s := range p.Sets {
		if s.Namespace != namespace {
			continue
		}
		in := rules(flows, "from", namespace, func(f Flow) (End, bool) { return f.From, f.To.Name == s.ID() })
		to := rules(flows, "to", namespace, func(f Flow) (End, bool) { return f.To, f.From.Name == s.ID() })
		if len(in)+len(to) > 0 {
			out = append(out, networkPolicy(policyName(s), namespace, s.Labels, in, to))
		}
	}
	return out
}

// rules makes one rule for each other end of the flows, with all its ports.
func rules(flows []Flow, side, namespace string, other func(Flow) (End, bool)) []object {
	type rule struct {
		end   End
		ports []int
	}
	var found []rule
	for _, f := range flows {
		end, ok := other(f)
		if !ok {
			continue
		}
		i := slices.IndexFunc(found, func(r rule) bool { return r.end.Name == end.Name })
		if i < 0 {
			found = append(found, rule{end: end})
			i = len(found) - 1
		}
		if !slices.Contains(found[i].ports, f.Port) {
			found[i].ports = append(found[i].ports, f.Port)
		}
	}
	slices.SortFunc(found, func(a, b rule) int { return cmp.Compare(a.end.Name, b.end.Name) })
	var out []object
	for _, r := range found {
		slices.Sort(r.ports)
		ports := make([]object, len(r.ports))
		for i, port := range r.ports {
			ports[i] = object{"protocol": "TCP", "port": port}
		}
		out = append(out, object{side: peers(r.end, namespace), "ports": ports})
	}
	return out
}

// peers are the pods or the addresses of an end, as seen from a namespace.
func peers(e End, namespace string) []object {
	if e.Set != nil {
		return []object{podPeer(e.Set.Namespace, namespace, e.Set.Labels)}
	}
	private4 := []string{"10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16"}
	const private6, link4, link6 = "fc00::/7", "169.254.0.0/16", "fe80::/10"
	block := func(cidr string, except ...string) object {
		b := object{"cidr": cidr}
		if len(except) > 0 {
			b["except"] = except
		}
		return object{"ipBlock": b}
	}
	switch e.Networks {
	case "public":
		return []object{block("0.0.0.0/0", append(private4, link4)...), block("::/0", private6, link6)}
	case "private":
		var out []object
		for _, cidr := range private4 {
			out = append(out, block(cidr))
		}
		return append(out, block(private6))
	}
	// Addresses of the link are left out: a cloud's metadata, with the node's credentials, answers there.
	return []object{block("0.0.0.0/0", link4), block("::/0", link6)}
}

// podPeer selects pods by their labels, in their namespace by its name.
func podPeer(of, from string, labels map[string]string) object {
	peer := object{"podSelector": object{"matchLabels": labels}}
	if of != from {
		peer["namespaceSelector"] = object{"matchLabels": object{"kubernetes.io/metadata.name": of}}
	}
	return peer
}

// networkPolicy closes both directions for the pods that it selects (all of the namespace when labels is nil), but for
// its rules.
func networkPolicy(name, namespace string, labels map[string]string, in, to []object) object {
	selector := object{}
	if labels != nil {
		selector["matchLabels"] = labels
	}
	spec := object{"podSelector": selector, "policyTypes": []string{"Ingress", "Egress"}}
	if len(in) > 0 {
		spec["ingress"] = in
	}
	if len(to) > 0 {
		spec["egress"] = to
	}
	return object{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata(name, namespace, partOf(), nil), "spec": spec}
}
