package platform

import (
	"cmp"
	"slices"
	"strings"
)

// Flow is one allowed connection: pods or addresses that may open a TCP connection to a port of others.
type Flow struct {
	From, To End
	Port     int
	Why      string
}

// End is one end of a connection: a workload, or addresses outside the cluster.
type End struct {
	Name     string // component/workload, or the name of what is outside
	Set      *Set   // nil: outside
	Networks string // of what is outside: public, private or any
}

// apiServer is the name of the Kubernetes API as an end of a connection.
const apiServer = "kubernetes-api"

// Flows derives every connection that is allowed in the profile, name look-ups aside: the calls of workloads and
// services, the Kubernetes API, reading metrics, traces, people through the ingress controller. A call of something
// that the profile has not goes to what stands for it outside, or is not there.
func (p Profile) Flows() []Flow {
	var out []Flow
	add := func(from, to End, port int, why string) { out = append(out, Flow{from, to, port, why}) }
	scraper, scrapes := p.set(p.inv.Wiring.Scraper)
	entry, enters := p.set(p.inv.Wiring.Ingress)
	api := End{Name: apiServer, Networks: "any"}
	for i := range p.Sets {
		s := p.Sets[i]
		here := End{Name: s.ID(), Set: &s}
		for _, call := range s.Calls {
			for _, to := range p.callees(call) {
				add(here, to.End, to.Port, "call")
			}
		}
		if s.Traces {
			for _, to := range p.callees(p.inv.Wiring.Collector) {
				add(here, to.End, to.Port, "traces")
			}
		}
		if s.APIServer {
			for _, port := range p.inv.Wiring.APIServer.Ports {
				add(here, api, port, "Kubernetes API")
			}
		}
		for _, port := range s.Admission {
			add(api, here, s.Ports[port], "admission")
		}
		for _, port := range s.Open {
			add(End{Name: "anywhere", Networks: "any"}, here, s.Ports[port], "from outside")
		}
		if scrapes && s.ID() != scraper.ID() { // a scraper reads its own metrics without the network
			for _, port := range s.Metrics {
				add(End{Name: scraper.ID(), Set: &scraper}, here, s.Ports[port], "metrics")
			}
		}
		if enters && s.External != "" {
			add(End{Name: entry.ID(), Set: &entry}, here, s.Ports[s.External], "people")
		}
	}
	key := func(f Flow) []any { return []any{f.From.Name, f.To.Name, f.Port} }
	slices.SortStableFunc(out, func(a, b Flow) int {
		return cmp.Or(cmp.Compare(a.From.Name, b.From.Name), cmp.Compare(a.To.Name, b.To.Name), cmp.Compare(a.Port, b.Port))
	})
	return slices.CompactFunc(out, func(a, b Flow) bool { return slices.Equal(key(a), key(b)) })
}

// callee is where a call goes.
type callee struct {
	End
	Port int
}

// callees says where a call goes in this profile: the port of a workload, or the ports of something outside.
func (p Profile) callees(call string) []callee {
	id, port, toPods := strings.Cut(call, ":")
	if !toPods {
		for _, o := range p.Outside {
			if o.Name == call {
				return ports(o)
			}
		}
		return nil
	}
	if s, ok := p.set(id); ok {
		return []callee{{End{Name: s.ID(), Set: &s}, s.Ports[port]}}
	}
	name, _, _ := strings.Cut(id, "/")
	for _, o := range p.Outside {
		if o.StandsFor == name {
			return ports(o)
		}
	}
	return nil
}

func ports(o Outside) []callee {
	out := make([]callee, len(o.Ports))
	for i, port := range o.Ports {
		out[i] = callee{End{Name: o.Name, Networks: o.Networks}, port}
	}
	return out
}
