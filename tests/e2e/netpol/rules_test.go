package netpol

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"
)

var update = flag.Bool("update", false, "write the golden files again")

// The cluster of the tests: three pods in shop, one in data, one that is a node's own, one that has ended.
const (
	clusterPods = `
items:
  - {metadata: {name: web, namespace: shop, labels: {app: web, tier: front}}, spec: {nodeName: node1, containers: [{ports: [{name: http, containerPort: 8080}]}]}, status: {podIP: 10.244.0.2, phase: Running}}
  - {metadata: {name: api, namespace: shop, labels: {app: api}}, spec: {nodeName: node1, containers: [{ports: [{name: http, containerPort: 9090, protocol: TCP}]}]}, status: {podIP: 10.244.0.10, phase: Running}}
  - {metadata: {name: job, namespace: shop, labels: {app: job}}, spec: {nodeName: node2, containers: [{}]}, status: {podIP: 10.244.1.2, phase: Running}}
  - {metadata: {name: db, namespace: data, labels: {app: db}}, spec: {nodeName: node2, containers: [{ports: [{name: sql, containerPort: 5432}]}]}, status: {podIP: 10.244.1.3, phase: Running}}
  - {metadata: {name: agent, namespace: shop, labels: {app: web}}, spec: {nodeName: node1, hostNetwork: true}, status: {podIP: 198.51.100.10, phase: Running}}
  - {metadata: {name: done, namespace: shop, labels: {app: web}}, spec: {nodeName: node1}, status: {podIP: 10.244.0.9, phase: Succeeded}}
  - {metadata: {name: waits, namespace: shop, labels: {app: web}}, spec: {nodeName: node1}, status: {phase: Pending}}
`
	clusterNamespaces = `
items:
  - {metadata: {name: shop, labels: {kubernetes.io/metadata.name: shop}}}
  - {metadata: {name: data, labels: {kubernetes.io/metadata.name: data, kind: stores}}}
`
)

// state is the cluster with policies, which are given as their specs by name, in shop.
func state(t *testing.T, specs string) State {
	t.Helper()
	var byName map[string]any
	if err := yaml.Unmarshal([]byte(specs), &byName); err != nil {
		t.Fatal(err)
	}
	items := []any{}
	for name, spec := range byName {
		items = append(items, map[string]any{"metadata": map[string]any{"name": name, "namespace": "shop"}, "spec": spec})
	}
	policies, err := json.Marshal(map[string]any{"items": items})
	if err != nil {
		t.Fatal(err)
	}
	s, err := Decode(policies, asJSON(t, clusterPods), asJSON(t, clusterNamespaces))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func asJSON(t *testing.T, text string) []byte {
	t.Helper()
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestTheWholeTable is read by eye once; that nftables takes it and what it does is seen on the cluster.
func TestTheWholeTable(t *testing.T) {
	s := state(t, `
default-deny: {podSelector: {}, policyTypes: [Ingress, Egress]}
web:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Ingress, Egress]
  ingress:
    - {from: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8, 169.254.0.0/16]}}], ports: [{protocol: TCP, port: http}]}
  egress:
    - {to: [{podSelector: {matchLabels: {app: api}}}], ports: [{port: http}]}
    - {to: [{namespaceSelector: {matchLabels: {kind: stores}}, podSelector: {matchLabels: {app: db}}}], ports: [{protocol: TCP, port: 5432}]}
api:
  podSelector: {matchExpressions: [{key: app, operator: In, values: [api]}]}
  ingress:
    - {from: [{podSelector: {}}], ports: [{protocol: TCP, port: 9000, endPort: 9100}, {protocol: UDP, port: 53}]}
`)
	for _, node := range []string{"node1", "node2"} {
		got, err := Rules(s, node)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join("testdata", node+".nft")
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", node, diff)
		}
	}
}

// TestEachRule looks at what one policy of web or of all pods becomes on node1: the rules that let something through,
// with the addresses in place of the sets that hold them.
func TestEachRule(t *testing.T) {
	for name, c := range map[string]struct {
		spec string
		want []string
	}{
		"nothing is allowed":                         {"{podSelector: {}, policyTypes: [Egress]}", nil},
		"an empty rule allows all":                   {"{podSelector: {}, policyTypes: [Ingress], ingress: [{}]}", []string{"ip daddr {10.244.0.2, 10.244.0.10} return"}},
		"without types ingress is meant":             {"{podSelector: {matchLabels: {app: web}}, ingress: [{}]}", []string{"ip daddr {10.244.0.2} return"}},
		"without types egress is meant with rules":   {"{podSelector: {matchLabels: {app: web}}, egress: [{}]}", []string{"ip saddr {10.244.0.2} return"}},
		"a rule of a type that is not named is none": {"{podSelector: {}, policyTypes: [Egress], ingress: [{}]}", nil},
		"pods of the own namespace": {
			"{podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {}}]}]}",
			[]string{"ip daddr {10.244.0.2} ip saddr {10.244.0.2, 10.244.0.10, 10.244.1.2} return"},
		},
		"all pods of a namespace": {
			"{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {matchLabels: {kind: stores}}}]}]}",
			[]string{"ip saddr {10.244.0.2} ip daddr {10.244.1.3} return"},
		},
		"both selectors in one peer are both wanted": {
			"{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {matchLabels: {kind: stores}}, podSelector: {matchLabels: {app: api}}}]}]}",
			nil,
		},
		"two peers are either": {
			"{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {matchLabels: {kind: stores}}}, {podSelector: {matchLabels: {app: api}}}]}]}",
			[]string{"ip saddr {10.244.0.2} ip daddr {10.244.0.10, 10.244.1.3} return"},
		},
		"all namespaces": {
			"{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {}, podSelector: {matchExpressions: [{key: app, operator: NotIn, values: [web, job]}]}}]}]}",
			[]string{"ip saddr {10.244.0.2} ip daddr {10.244.0.10, 10.244.1.3} return"},
		},
		"a label that is there, and one that is not": {
			"{podSelector: {matchExpressions: [{key: tier, operator: Exists}, {key: gone, operator: DoesNotExist}]}, policyTypes: [Ingress], ingress: [{}]}",
			[]string{"ip daddr {10.244.0.2} return"},
		},
		"a block means no pods": {
			"{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}], ports: [{protocol: TCP, port: 443}]}]}",
			[]string{"ip saddr {10.244.0.2} ip daddr 10.0.0.0/8 ip daddr != {10.244.0.2, 10.244.0.10, 10.244.1.2, 10.244.1.3} ip daddr != {10.1.0.0/16} tcp dport 443 return"},
		},
		"a block of IPv6 is nobody's": {
			"{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: '::/0'}}]}]}", nil,
		},
		"a named port is the receiver's, each with its own number": {
			"{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{to: [{podSelector: {}}], ports: [{port: http}]}]}",
			[]string{
				"ip saddr {10.244.0.2} ip daddr {10.244.0.2, 10.244.0.10, 10.244.1.2} ip daddr {10.244.0.2} tcp dport 8080 return",
				"ip saddr {10.244.0.2} ip daddr {10.244.0.2, 10.244.0.10, 10.244.1.2} ip daddr {10.244.0.10} tcp dport 9090 return",
			},
		},
		"a named port that nobody has": {
			"{podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress], ingress: [{ports: [{port: metrics}]}]}", nil,
		},
		"a protocol without a port": {
			"{podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress], ingress: [{ports: [{protocol: UDP}]}]}",
			[]string{"ip daddr {10.244.0.2} meta l4proto udp return"},
		},
		"a range, and SCTP": {
			"{podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress], ingress: [{ports: [{port: 8000, endPort: 8100}, {protocol: SCTP, port: 7}]}]}",
			[]string{"ip daddr {10.244.0.2} tcp dport 8000-8100 return", "ip daddr {10.244.0.2} sctp dport 7 return"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Rules(state(t, "it: "+c.spec), "node1")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, allowing(got)); diff != "" {
				t.Errorf("(-want +got):\n%s\n%s", diff, got)
			}
			if strings.Count(got, "reject") != 2 {
				t.Errorf("the rest is not rejected in both directions:\n%s", got)
			}
		})
	}
}

// allowing lists the rules that policies made, with the elements of each set in its place.
func allowing(table string) []string {
	sets := map[string]string{}
	name := ""
	var out []string
	for line := range strings.Lines(table) {
		line = strings.TrimSpace(line)
		if rest, ok := strings.CutPrefix(line, "set "); ok {
			name = strings.TrimSuffix(rest, " {")
		}
		if rest, ok := strings.CutPrefix(line, "elements = { "); ok {
			sets[name] = "{" + strings.TrimSuffix(rest, " }") + "}"
		}
		rule, _, ok := strings.Cut(line, ` comment "shop/it"`)
		if !ok || !strings.HasPrefix(rule, "ip ") {
			continue
		}
		words := strings.Fields(rule)
		for i, w := range words {
			if set, ok := strings.CutPrefix(w, "@"); ok {
				words[i] = sets[set]
			}
		}
		out = append(out, strings.Join(words, " "))
	}
	return out
}

func TestWhatCannotBeEnforcedIsAnError(t *testing.T) {
	for spec, want := range map[string]string{
		"{podSelector: {}, ingress: [{ports: [{protocol: ICMP, port: 1}]}]}":     `"ICMP"`,
		"{podSelector: {}, egress: [{to: [{ipBlock: {cidr: 10.0.0.0}}]}]}":       `"10.0.0.0"`,
		"{podSelector: {}, ingress: [{ports: [{protocol: TCP, port: [1, 2]}]}]}": "[1,2]",
	} {
		if _, err := Rules(state(t, "it: "+spec), "node1"); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "shop/it") {
			t.Errorf("%s: %v; want that it names shop/it and %s", spec, err, want)
		}
	}
	six := strings.Replace(clusterPods, "podIP: 10.244.0.2,", "podIP: '2001:db8::2',", 1)
	if _, err := Decode([]byte("{}"), asJSON(t, six), []byte("{}")); err == nil || !strings.Contains(err.Error(), "shop/web") {
		t.Errorf("a pod with an address of IPv6: %v; want that it is named", err)
	}
}
