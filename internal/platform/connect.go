package platform

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// workloads checks the workloads of a component: what they are called, and that the ports and ends they name exist.
func (c *checker) workloads(at string, component Component) {
	external := false
	if component.EveryService != nil {
		external = component.EveryService.External != ""
		c.everyService(at+".everyService", component)
	}
	names := []string{}
	for i, w := range component.Workloads {
		field := at + ".workloads[" + w.Name + "]"
		if w.Name == "" {
			field = fmt.Sprintf("%s.workloads[%d]", at, i)
			c.add(field+".name", "add a name", "is missing")
		}
		if slices.Contains(names, w.Name) {
			c.add(field, "give one of them another name", "the workload %s is there twice", w.Name)
		}
		names = append(names, w.Name)
		if len(w.Labels) == 0 {
			c.add(field+".labels", "add the labels that its pods have", "are missing: no policy could select its pods")
		}
		external = external || w.External != ""
		c.ports(field, w)
		for _, call := range w.Calls {
			c.call(field+".calls", call)
		}
	}
	if wanted := component.Exposure == "external"; wanted != external {
		mend := "give the workload that people reach its external port"
		if external {
			mend = "make the exposure external, or take the workload's external port away"
		}
		c.add(at+".exposure", mend, "is %s, and the workloads say otherwise", component.Exposure)
	}
}

// everyService checks the form of the services' workloads, and that it has an answer for all that the code calls.
func (c *checker) everyService(at string, component Component) {
	w := *component.EveryService
	if len(component.Workloads) > 0 {
		c.add(at, "move the other workloads to a component of their own", "stands beside workloads")
	}
	if _, ok := w.Ports[servicePort]; !ok {
		c.add(at+".ports", "add "+servicePort, "have no %s, at which every service answers", servicePort)
	}
	c.ports(at, w)
	for _, call := range w.Calls {
		c.call(at+".calls", call)
	}
	if w.Database != "" {
		c.call(at+".database", w.Database)
	}
	for _, name := range slices.Sorted(maps.Keys(w.Outbound)) {
		c.call(at+".outbound."+name, w.Outbound[name])
	}
	var names []string
	for _, s := range c.services {
		names = append(names, s.Name)
	}
	for _, s := range c.services {
		if s.Database && w.Database == "" {
			c.add(at+".database", "name the database's workload and port", "is missing, and the service %s keeps data", s.Name)
		}
		for _, callee := range s.Calls {
			c.known(at, "service", callee, names)
		}
		for _, name := range s.Outbound {
			if _, ok := w.Outbound[name]; !ok {
				c.add(at+".outbound", "add "+name, "has no %s, which the service %s calls", name, s.Name)
			}
		}
	}
}

// ports sees that every port that a workload names is one of its own.
func (c *checker) ports(at string, w Workload) {
	for _, use := range []struct {
		field string
		names []string
	}{{"metrics", w.Metrics}, {"admission", w.Admission}, {"open", w.Open}} {
		for _, port := range use.names {
			c.known(at+"."+use.field, "port", port, slices.Sorted(maps.Keys(w.Ports)))
		}
	}
	if w.External != "" {
		c.known(at+".external", "port", w.External, slices.Sorted(maps.Keys(w.Ports)))
	}
	for _, name := range slices.Sorted(maps.Keys(w.Ports)) {
		if number := w.Ports[name]; number < 1 || number > 65535 {
			c.add(at+".ports."+name, "give the port of the container", "%d is no port", number)
		}
	}
}

// call sees that a call leads somewhere: to component/workload:port, or to something outside.
func (c *checker) call(at, call string) {
	id, port, toPods := strings.Cut(call, ":")
	if !toPods {
		c.known(at, "component/workload:port, nor anything outside, named", call, c.outside)
		return
	}
	if w, ok := c.workload(at, id); ok {
		c.known(at, "port of "+id, port, slices.Sorted(maps.Keys(w.Ports)))
	}
}

// workload finds component/workload.
func (c *checker) workload(at, id string) (Workload, bool) {
	name, workload, ok := strings.Cut(id, "/")
	if !ok {
		c.add(at, "write component/workload", "%q names no workload", id)
		return Workload{}, false
	}
	if !c.known(at, "component", name, c.components) {
		return Workload{}, false
	}
	var names []string
	for _, w := range c.inv.Components[slices.Index(c.components, name)].workloads(c.services) {
		if w.Name == workload {
			return w, true
		}
		names = append(names, w.Name)
	}
	c.known(at, "workload of "+name, workload, names)
	return Workload{}, false
}

// ends checks the wiring.
func (c *checker) ends() {
	w := c.inv.Wiring
	c.workload("wiring.scraper", w.Scraper)
	c.workload("wiring.ingress", w.Ingress)
	c.call("wiring.collector", w.Collector)
	if len(w.DNS.Labels) == 0 {
		c.add("wiring.dns.labels", "add the labels of the name server's pods", "are missing")
	}
}

// selectors sees that the labels of a workload select its own pods only: what selects the pods of two workloads
// would give one the connections of the other.
func (c *checker) selectors() {
	for _, name := range Profiles() {
		p := c.inv.Profile(name, c.services)
		policies := map[string]string{}
		for _, a := range p.Sets {
			if other, taken := policies[a.Namespace+"/"+policyName(a)]; taken {
				c.add("components["+a.Component+"].workloads", "give one of them another name", "the policies of %s and %s have the same name", other, a.ID())
			}
			policies[a.Namespace+"/"+policyName(a)] = a.ID()
			for _, b := range p.Sets {
				if a.ID() != b.ID() && a.Namespace == b.Namespace && selects(a.Labels, b.Labels) {
					c.add("components["+a.Component+"].workloads["+a.Name+"].labels", "add a label that only its pods have", "select the pods of %s too", b.ID())
				}
			}
		}
		if len(c.findings) > 0 {
			return // the same in every profile
		}
	}
}

// selects says whether all labels of the selector are among those of pods.
func selects(selector, labels map[string]string) bool {
	for k, v := range selector {
		if labels[k] != v {
			return false
		}
	}
	return true
}
