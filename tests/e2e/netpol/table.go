package netpol

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// tableName is the one table that is ours on a node.
const tableName = "fawkes"

// table joins what was collected. It is removed and made anew in one transaction.
func (w *writer) table() string {
	return "add table inet " + tableName + "\ndelete table inet " + tableName + "\ntable inet " + tableName + " {\n" +
		w.sets.String() + w.chains.String() +
		// Services' addresses have been replaced in prerouting.
		`	chain forward {
		type filter hook forward priority filter; policy accept;
		ct state established,related accept
		ip saddr . ip daddr @self accept
		jump egress
		jump ingress
	}
	chain input {
		type filter hook input priority filter; policy accept;
		ct state established,related accept
		jump egress
	}
}
`
}

// set writes a named set of addresses; the table may have empty ones.
func (w *writer) set(name, comment string, addresses []string) {
	w.elements(name, "type ipv4_addr", comment, addresses)
}

func (w *writer) pairs(name, comment string, pairs []string) {
	w.elements(name, "type ipv4_addr . ipv4_addr", comment, pairs)
}

// blocks writes a named set of networks, which may overlap.
func (w *writer) blocks(name, comment string, cidrs []string) {
	w.elements(name, "type ipv4_addr; flags interval; auto-merge", comment, cidrs)
}

func (w *writer) elements(name, kind, comment string, elements []string) {
	fmt.Fprintf(&w.sets, "\tset %s {\n\t\t%s;\n", name, kind)
	if comment != "" {
		fmt.Fprintf(&w.sets, "\t\tcomment %q;\n", comment)
	}
	if len(elements) > 0 {
		fmt.Fprintf(&w.sets, "\t\telements = { %s }\n", strings.Join(elements, ", "))
	}
	w.sets.WriteString("\t}\n")
}

// addresses are those of pods, each once, in order.
func addresses(pods []Pod) []string {
	var out []string
	for _, p := range pods {
		out = append(out, p.Status.PodIP)
	}
	slices.SortFunc(out, byAddress)
	return slices.Compact(out)
}

// byAddress orders addresses that [Decode] has looked at.
func byAddress(a, b string) int {
	left, _ := netip.ParseAddr(a)
	right, _ := netip.ParseAddr(b)
	return left.Compare(right)
}

func sortedKeys(m map[int][]Pod) []int { return slices.Sorted(maps.Keys(m)) }
