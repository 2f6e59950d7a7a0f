package policies

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"

	"github.com/fawkes-idp/fawkes/internal/app"
	"github.com/fawkes-idp/fawkes/internal/kit/module"
)

const root = "../.."

// list is what of the inventory the expectation is made from, read here anew.
type list struct {
	Wiring struct {
		Scraper, Collector, Ingress string
		APIServer                   struct{ Ports []int } `yaml:"apiServer"`
	}
	Outside []struct {
		Name, Networks string
		StandsFor      string `yaml:"standsFor"`
		Ports          []int
		Profiles       []string
	}
	Components []struct {
		Name, Tier, Namespace string
		Profiles              []string
		Workloads             []workload
		EveryService          *workload `yaml:"everyService"`
	}
}

type workload struct {
	Name, External, Database string
	Labels, Outbound         map[string]string
	Ports                    map[string]int
	Metrics, Open, Calls     []string
	Admission                []string
	APIServer                bool `yaml:"apiServer"`
	Traces                   bool
	component, namespace, id string
}

func inventory(t *testing.T) list {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "platform", "inventory.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var l list
	if err := yaml.Unmarshal(text, &l); err != nil {
		t.Fatal(err)
	}
	return l
}

func (l list) workloads(profile string, modules []module.Module) []workload {
	byTier := map[string][]string{"1": {"tier1", "tier2", "extensions"}, "2": {"tier2", "extensions"}, "extension": {"extensions"}}
	var out []workload
	for _, c := range l.Components {
		where := c.Profiles
		if where == nil {
			where = byTier[c.Tier]
		}
		if !slices.Contains(where, profile) {
			continue
		}
		all := c.Workloads
		if c.EveryService != nil {
			for _, m := range modules {
				w := *c.EveryService
				w.Name = m.Name
				w.Labels = map[string]string{"app.kubernetes.io/name": m.Name, "app.kubernetes.io/part-of": "fawkes"}
				w.Calls = nil
				for _, callee := range m.Calls {
					w.Calls = append(w.Calls, "fawkes/"+callee+":http")
				}
				for _, name := range m.Outbound {
					w.Calls = append(w.Calls, w.Outbound[name])
				}
				if m.Migrations != nil {
					w.Calls = append(w.Calls, w.Database)
				}
				all = append(all, w)
			}
		}
		for _, w := range all {
			w.component, w.namespace, w.id = c.Name, c.Namespace, c.Name+"/"+w.Name
			out = append(out, w)
		}
	}
	return out
}

// addresses are places outside the cluster that stand for their networks.
func addresses() []Endpoint {
	return []Endpoint{
		{Name: "public", Address: netip.MustParseAddr("203.0.113.7")},
		{Name: "public6", Address: netip.MustParseAddr("2001:db8::7")},
		{Name: "private", Address: netip.MustParseAddr("10.20.30.40")},
		{Name: "metadata", Address: netip.MustParseAddr("169.254.169.254")},
	}
}

// within lists those of them that are of the networks an entry names.
func within(networks string) []string {
	switch networks {
	case "public":
		return []string{"public", "public6"}
	case "private":
		return []string{"private"}
	}
	return []string{"public", "public6", "private"}
}

// expected are the connections that the call table and the inventory allow, as "from > to:port".
func expected(l list, profile string, modules []module.Module) []string {
	here := l.workloads(profile, modules)
	find := func(id string) *workload {
		for i := range here {
			if here[i].id == id {
				return &here[i]
			}
		}
		return nil
	}
	seen := map[string]bool{}
	allow := func(from, to string, port int) { seen[fmt.Sprintf("%s > %s:%d", from, to, port)] = true }
	out := func(from string, networks string, ports []int) {
		for _, to := range within(networks) {
			for _, port := range ports {
				allow(from, to, port)
			}
		}
	}
	call := func(from, target string) {
		id, port, pods := strings.Cut(target, ":")
		if pods {
			if w := find(id); w != nil {
				allow(from, id, w.Ports[port])
				return
			}
		}
		component, _, _ := strings.Cut(id, "/")
		for _, o := range l.Outside {
			if (o.Profiles == nil || slices.Contains(o.Profiles, profile)) && (!pods && o.Name == target || pods && o.StandsFor == component) {
				out(from, o.Networks, o.Ports)
			}
		}
	}
	for _, w := range here {
		for _, c := range w.Calls {
			call(w.id, c)
		}
		if w.Traces {
			call(w.id, l.Wiring.Collector)
		}
		if w.APIServer {
			out(w.id, "any", l.Wiring.APIServer.Ports)
		}
		for _, port := range append(append([]string{}, w.Admission...), w.Open...) {
			for _, from := range within("any") {
				allow(from, w.id, w.Ports[port])
			}
		}
		for _, port := range w.Metrics {
			if find(l.Wiring.Scraper) != nil && w.id != l.Wiring.Scraper {
				allow(l.Wiring.Scraper, w.id, w.Ports[port])
			}
		}
		if w.External != "" && find(l.Wiring.Ingress) != nil {
			allow(l.Wiring.Ingress, w.id, w.Ports[w.External])
		}
		for _, protocol := range []string{"udp", "tcp"} {
			seen[w.id+" > name server:53/"+protocol] = true
		}
	}
	return sortedKeys(seen)
}

// allowed are the connections that policies allow, tried for all pairs of workloads, all addresses outside, and all
// ports that anything has.
func allowed(l list, profile string, modules []module.Module, policies []Policy) []string {
	here := l.workloads(profile, modules)
	ends := addresses()
	numbers := map[int]bool{22: true, 80: true, 53: true}
	for _, w := range here {
		ends = append(ends, Endpoint{Name: w.id, Namespace: w.namespace, Labels: w.Labels})
		for _, port := range w.Ports {
			numbers[port] = true
		}
	}
	for _, o := range l.Outside {
		for _, port := range o.Ports {
			numbers[port] = true
		}
	}
	for _, port := range l.Wiring.APIServer.Ports {
		numbers[port] = true
	}
	seen := map[string]bool{}
	names := Endpoint{Name: "name server", Namespace: "kube-system", Labels: map[string]string{"k8s-app": "kube-dns"}}
	other := Endpoint{Name: "another pod of kube-system", Namespace: "kube-system", Labels: map[string]string{"app": "other"}}
	deciding := map[string][]Policy{} // few policies decide over a pod; only those are asked, for speed
	for _, e := range ends {
		deciding[e.Name] = Selecting(policies, e)
	}
	for _, from := range ends {
		for _, to := range ends {
			if from.Namespace == "" && to.Namespace == "" {
				continue
			}
			policies := slices.Concat(deciding[from.Name], deciding[to.Name])
			for port := range numbers {
				if Allows(policies, from, to, "TCP", port) {
					seen[fmt.Sprintf("%s > %s:%d", from.Name, to.Name, port)] = true
				}
				if Allows(policies, from, to, "UDP", port) {
					seen[fmt.Sprintf("%s > %s:%d/udp", from.Name, to.Name, port)] = true
				}
			}
		}
		if from.Namespace == "" {
			continue
		}
		for _, system := range []Endpoint{names, other} {
			for port := range numbers {
				for _, protocol := range []string{"UDP", "TCP"} {
					if Allows(deciding[from.Name], from, system, protocol, port) {
						seen[fmt.Sprintf("%s > %s:%d/%s", from.Name, system.Name, port, strings.ToLower(protocol))] = true
					}
				}
			}
		}
	}
	return sortedKeys(seen)
}

func sortedKeys(set map[string]bool) []string {
	out := make([]string, 0, len(set))
	for k := range set {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

func rendered(t *testing.T, profile string) []Policy {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "platform", "profiles", profile, "foundation", "*", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no policies of the profile %s: %v", profile, err)
	}
	var out []Policy
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		policies, err := Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		out = append(out, policies...)
	}
	return out
}

func profiles() []string { return []string{"kit", "tier1", "tier2", "extensions"} }

func TestThePoliciesAllowWhatTheCallTableSaysAndNothingElse(t *testing.T) {
	l := inventory(t)
	for _, profile := range profiles() {
		t.Run(profile, func(t *testing.T) {
			want, got := expected(l, profile, app.Modules()), allowed(l, profile, app.Modules(), rendered(t, profile))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the policies allow something else (-table +policies):\n%s", diff)
			}
		})
	}
}

// TestEveryPolicyIsNeeded takes each policy of the test cluster's profile away in turn: what is allowed then must be
// something else than the table. Only default-deny changes nothing for workloads that have policies of their own; it is
// for pods that nobody knows, below.
func TestEveryPolicyIsNeeded(t *testing.T) {
	l := inventory(t)
	all := rendered(t, "kit")
	want := expected(l, "kit", app.Modules())
	for i, p := range all {
		if p.Metadata.Name == "default-deny" {
			continue
		}
		less := slices.Delete(slices.Clone(all), i, i+1)
		if cmp.Equal(want, allowed(l, "kit", app.Modules(), less)) {
			t.Errorf("without %s/%s the same is allowed", p.Metadata.Namespace, p.Metadata.Name)
		}
	}
}

func TestEveryNamespaceIsClosedToPodsThatNobodyKnows(t *testing.T) {
	for _, profile := range profiles() {
		all := rendered(t, profile)
		closed := map[string]bool{}
		for _, p := range all {
			if p.Metadata.Name == "default-deny" {
				closed[p.Metadata.Namespace] = len(p.Spec.PodSelector.MatchLabels) == 0 && len(p.Spec.PolicyTypes) == 2 && p.Spec.Ingress == nil && p.Spec.Egress == nil
			}
		}
		for _, p := range all {
			if !closed[p.Metadata.Namespace] {
				t.Errorf("%s: %s has no policy that closes it", profile, p.Metadata.Namespace)
			}
			stranger := Endpoint{Name: "stranger", Namespace: p.Metadata.Namespace, Labels: map[string]string{"app": "stranger"}}
			for _, e := range addresses() {
				if Allows(all, stranger, e, "TCP", 443) || Allows(all, e, stranger, "TCP", 443) {
					t.Errorf("%s: a pod that nobody knows in %s is connected with %s", profile, p.Metadata.Namespace, e.Name)
				}
			}
		}
	}
}

func TestAPolicyTooMuchIsFound(t *testing.T) {
	l := inventory(t)
	want := expected(l, "kit", app.Modules())
	for name, text := range map[string]string{
		"between two workloads": "  podSelector: {matchLabels: {app.kubernetes.io/name: postgresql}}\n  policyTypes: [Ingress]\n  ingress: [{from: [{podSelector: {}, namespaceSelector: {}}], ports: [{protocol: TCP, port: 5432}]}]\n",
		"out to everywhere":     "  podSelector: {}\n  policyTypes: [Egress]\n  egress: [{}]\n",
	} {
		namespace := "fawkes-platform"
		extra, err := Parse([]byte("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: extra, namespace: " + namespace + "}\nspec:\n" + text))
		if err != nil {
			t.Fatal(err)
		}
		all := append(rendered(t, "kit"), extra...)
		if name == "between two workloads" { // the other end is open already where a workload may call what it likes
			more, err := Parse([]byte("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: extra, namespace: fawkes-apps}\nspec:\n  podSelector: {}\n  policyTypes: [Egress]\n  egress: [{to: [{namespaceSelector: {}}], ports: [{protocol: TCP, port: 5432}]}]\n"))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, more...)
		}
		if cmp.Equal(want, allowed(l, "kit", app.Modules(), all)) {
			t.Errorf("a policy %s changes nothing", name)
		}
	}
}
