package netpol

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
)

// Policy is a NetworkPolicy of networking.k8s.io/v1, as the API server writes it.
type Policy struct {
	Metadata Metadata `json:"metadata"`
	Spec     struct {
		PodSelector Selector `json:"podSelector"`
		PolicyTypes []string `json:"policyTypes"`
		Ingress     []Rule   `json:"ingress"`
		Egress      []Rule   `json:"egress"`
	} `json:"spec"`
}

// Metadata is what is read of any object's.
type Metadata struct {
	Name      string            `json:"name"`
	Namespace string            `json:"namespace"`
	Labels    map[string]string `json:"labels"`
}

// Rule is one rule of either direction; From is of ingress, To of egress. No peers mean everybody, no ports all.
type Rule struct {
	From  []Peer `json:"from"`
	To    []Peer `json:"to"`
	Ports []Port `json:"ports"`
}

// Peer is the other end of a rule: pods by their labels, or addresses.
type Peer struct {
	PodSelector       *Selector `json:"podSelector"`
	NamespaceSelector *Selector `json:"namespaceSelector"`
	IPBlock           *struct {
		CIDR   string   `json:"cidr"`
		Except []string `json:"except"`
	} `json:"ipBlock"`
}

// Port is a port by number or by name, or with EndPort a range; without Port it is all of a protocol.
type Port struct {
	Protocol string          `json:"protocol"`
	Port     json.RawMessage `json:"port"`
	EndPort  int             `json:"endPort"`
}

// number is the port as a number or else as a name; 0 and "": all.
func (p Port) number() (int, string, error) {
	if len(p.Port) == 0 || string(p.Port) == "null" {
		return 0, "", nil
	}
	var n int
	if json.Unmarshal(p.Port, &n) == nil {
		return n, "", nil
	}
	var name string
	if err := json.Unmarshal(p.Port, &name); err != nil {
		return 0, "", fmt.Errorf("the port %s is neither a number nor a name", p.Port)
	}
	return 0, name, nil
}

// Selector selects by labels; an empty one selects all.
type Selector struct {
	MatchLabels      map[string]string `json:"matchLabels"`
	MatchExpressions []struct {
		Key      string   `json:"key"`
		Operator string   `json:"operator"`
		Values   []string `json:"values"`
	} `json:"matchExpressions"`
}

func (s Selector) matches(labels map[string]string) bool {
	for k, v := range s.MatchLabels {
		if has, ok := labels[k]; !ok || has != v {
			return false
		}
	}
	for _, e := range s.MatchExpressions {
		value, there := labels[e.Key]
		ok := false
		switch e.Operator {
		case "In":
			ok = there && slices.Contains(e.Values, value)
		case "NotIn":
			ok = !there || !slices.Contains(e.Values, value)
		case "Exists":
			ok = there
		case "DoesNotExist":
			ok = !there
		}
		if !ok {
			return false
		}
	}
	return true
}

// Namespace is a namespace with its labels.
type Namespace struct {
	Metadata Metadata `json:"metadata"`
}

// Pod is a pod, as far as policies look at it.
type Pod struct {
	Metadata Metadata `json:"metadata"`
	Spec     struct {
		NodeName       string      `json:"nodeName"`
		HostNetwork    bool        `json:"hostNetwork"`
		Containers     []Container `json:"containers"`
		InitContainers []Container `json:"initContainers"`
	} `json:"spec"`
	Status struct {
		Phase string `json:"phase"`
		PodIP string `json:"podIP"`
	} `json:"status"`
}

// Container names its ports.
type Container struct {
	Ports []struct {
		Name          string `json:"name"`
		ContainerPort int    `json:"containerPort"`
		Protocol      string `json:"protocol"`
	} `json:"ports"`
}

// connected says whether policies are about the pod: it has an address of its own and has not ended.
func (p Pod) connected() bool {
	return !p.Spec.HostNetwork && p.Status.PodIP != "" && p.Status.Phase != "Succeeded" && p.Status.Phase != "Failed"
}

// port is the number of a port that the pod names; 0: it names none so.
func (p Pod) port(name, protocol string) int {
	for _, c := range slices.Concat(p.Spec.Containers, p.Spec.InitContainers) {
		for _, port := range c.Ports {
			if port.Name == name && (port.Protocol == protocol || port.Protocol == "" && protocol == "TCP") {
				return port.ContainerPort
			}
		}
	}
	return 0
}

// State is what the API server says at one moment.
type State struct {
	Policies   []Policy
	Pods       []Pod
	Namespaces []Namespace
}

// Decode reads the lists of policies, pods and namespaces, as the API server writes them.
func Decode(policies, pods, namespaces []byte) (State, error) {
	var s State
	for what, read := range map[string]func() error{
		"policies":   func() (err error) { s.Policies, err = items[Policy](policies); return err },
		"pods":       func() (err error) { s.Pods, err = items[Pod](pods); return err },
		"namespaces": func() (err error) { s.Namespaces, err = items[Namespace](namespaces); return err },
	} {
		if err := read(); err != nil {
			return State{}, fmt.Errorf("read the cluster's %s: %w", what, err)
		}
	}
	for _, p := range s.Pods {
		if !p.connected() {
			continue
		}
		if addr, err := netip.ParseAddr(p.Status.PodIP); err != nil || !addr.Is4() {
			return State{}, fmt.Errorf("the pod %s/%s has the address %q; only IPv4 is enforced", p.Metadata.Namespace, p.Metadata.Name, p.Status.PodIP)
		}
	}
	return s, nil
}

func items[T any](text []byte) ([]T, error) {
	var list struct {
		Items []T `json:"items"`
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, err
	}
	return list.Items, nil
}
