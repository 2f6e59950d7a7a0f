// Package policies evaluates NetworkPolicies as Kubernetes defines them, from their YAML alone, to say which pods may
// open connections to which. It shares nothing with what renders them: the tests hold the policies of every profile
// against what the inventory and the services say.
package policies

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"

	"gopkg.in/yaml.v3"
)

// Policy is a NetworkPolicy of networking.k8s.io/v1, as far as it is evaluated; a field beyond it is refused.
type Policy struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`
	Metadata   struct {
		Name, Namespace     string
		Labels, Annotations map[string]string
	} `yaml:"metadata"`
	Spec struct {
		PodSelector Selector `yaml:"podSelector"`
		PolicyTypes []string `yaml:"policyTypes"`
		Ingress     []Rule   `yaml:"ingress"`
		Egress      []Rule   `yaml:"egress"`
	} `yaml:"spec"`
}

// Rule is one rule of either direction; From is of ingress, To of egress. No peers mean everybody, no ports all.
type Rule struct {
	From  []Peer `yaml:"from"`
	To    []Peer `yaml:"to"`
	Ports []struct {
		Protocol string `yaml:"protocol"`
		Port     int    `yaml:"port"`
	} `yaml:"ports"`
}

// Peer is the other end of a rule.
type Peer struct {
	PodSelector       *Selector `yaml:"podSelector"`
	NamespaceSelector *Selector `yaml:"namespaceSelector"`
	IPBlock           *struct {
		CIDR   string   `yaml:"cidr"`
		Except []string `yaml:"except"`
	} `yaml:"ipBlock"`
}

// Selector selects by labels; an empty one selects all.
type Selector struct {
	MatchLabels map[string]string `yaml:"matchLabels"`
}

func (s Selector) matches(labels map[string]string) bool {
	for k, v := range s.MatchLabels {
		if labels[k] != v {
			return false
		}
	}
	return true
}

// Endpoint is a pod, or, without a namespace, an address outside the cluster.
type Endpoint struct {
	Name      string
	Namespace string
	Labels    map[string]string
	Address   netip.Addr
}

// Parse reads the NetworkPolicies among the documents of YAML files.
func Parse(text []byte) ([]Policy, error) {
	var out []Policy
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var node yaml.Node
		if err := decoder.Decode(&node); errors.Is(err, io.EOF) {
			return out, nil
		} else if err != nil {
			return nil, err
		}
		var head struct {
			Kind string `yaml:"kind"`
		}
		if err := node.Decode(&head); err != nil {
			return nil, err
		}
		if head.Kind != "NetworkPolicy" {
			continue
		}
		one, err := yaml.Marshal(&node)
		if err != nil {
			return nil, err
		}
		strict := yaml.NewDecoder(bytes.NewReader(one))
		strict.KnownFields(true)
		var p Policy
		if err := strict.Decode(&p); err != nil {
			return nil, fmt.Errorf("a policy with a field that is not evaluated: %w", err)
		}
		out = append(out, p)
	}
}

// Allows says whether from may open a connection to a port of to: the policies that select from for egress, where
// there are any, must let it out, and those that select to for ingress must let it in.
func Allows(policies []Policy, from, to Endpoint, protocol string, port int) bool {
	return passes(policies, "Egress", from, to, protocol, port) && passes(policies, "Ingress", to, from, protocol, port)
}

// Selecting lists the policies that select a pod, which alone decide over it.
func Selecting(policies []Policy, pod Endpoint) []Policy {
	var out []Policy
	for _, p := range policies {
		if p.selects(pod) {
			out = append(out, p)
		}
	}
	return out
}

func (p Policy) selects(pod Endpoint) bool {
	return p.Metadata.Namespace == pod.Namespace && p.Spec.PodSelector.matches(pod.Labels)
}

// passes evaluates one direction at the pod whose policies decide. What is outside the cluster has no policies, and a
// pod that no policy selects is open.
func passes(policies []Policy, direction string, pod, other Endpoint, protocol string, port int) bool {
	if pod.Namespace == "" {
		return true
	}
	selected := false
	for _, p := range policies {
		if !p.selects(pod) || !slices.Contains(p.Spec.PolicyTypes, direction) {
			continue
		}
		selected = true
		rules := p.Spec.Egress
		if direction == "Ingress" {
			rules = p.Spec.Ingress
		}
		for _, r := range rules {
			peers := r.To
			if direction == "Ingress" {
				peers = r.From
			}
			if onPort(r, protocol, port) && (len(peers) == 0 || slices.ContainsFunc(peers, func(peer Peer) bool { return is(peer, p.Metadata.Namespace, other) })) {
				return true
			}
		}
	}
	return !selected
}

func onPort(r Rule, protocol string, port int) bool {
	if len(r.Ports) == 0 {
		return true
	}
	for _, p := range r.Ports {
		if p.Protocol == protocol && p.Port == port {
			return true
		}
	}
	return false
}

// is says whether an endpoint is a peer, as seen from the namespace of the policy.
func is(p Peer, namespace string, e Endpoint) bool {
	if p.IPBlock != nil {
		if e.Namespace != "" {
			return false // blocks are for addresses outside; a pod is known by its labels
		}
		inside := func(cidr string) bool {
			prefix, err := netip.ParsePrefix(cidr)
			return err == nil && prefix.Contains(e.Address)
		}
		return inside(p.IPBlock.CIDR) && !slices.ContainsFunc(p.IPBlock.Except, inside)
	}
	if e.Namespace == "" {
		return false
	}
	switch {
	case p.NamespaceSelector != nil:
		if !p.NamespaceSelector.matches(map[string]string{"kubernetes.io/metadata.name": e.Namespace}) {
			return false
		}
	case e.Namespace != namespace:
		return false
	}
	return p.PodSelector == nil || p.PodSelector.matches(e.Labels)
}
