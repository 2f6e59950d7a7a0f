package platform

import (
	"maps"
	"slices"
	"strings"
)

// servicePort is the port at which every service answers.
const servicePort = "http"

// Profile is what one cluster is given.
type Profile struct {
	Name       string
	Components []Component // each with the source that it has here
	Sets       []Set       // every workload of them
	Outside    []Outside

	inv *Inventory
}

// Set is a workload in its place.
type Set struct {
	Component string
	Namespace string
	Workload
}

// ID is component/workload, as calls name it.
func (s Set) ID() string { return s.Component + "/" + s.Name }

// Profile takes from a verified inventory what belongs to one profile.
func (inv *Inventory) Profile(name string, services []Service) Profile {
	p := Profile{Name: name, inv: inv}
	for _, c := range inv.Components {
		if !slices.Contains(c.profiles(), name) {
			continue
		}
		if other, ok := c.Instead[name]; ok {
			c.Source = other
		}
		p.Components = append(p.Components, c)
		for _, w := range c.workloads(services) {
			p.Sets = append(p.Sets, Set{c.Name, c.Namespace, w})
		}
	}
	for _, o := range inv.Outside {
		if len(o.Profiles) == 0 || slices.Contains(o.Profiles, name) {
			p.Outside = append(p.Outside, o)
		}
	}
	return p
}

// profiles lists the profiles that hold the component.
func (c Component) profiles() []string {
	if len(c.Profiles) > 0 {
		return c.Profiles
	}
	return profilesOf(c.Tier)
}

// workloads lists the workloads of a component. Those of the component of the services are made from the code: a
// service calls the services that its module names, the systems that stand for its outbound names, and the
// database when it keeps data.
func (c Component) workloads(services []Service) []Workload {
	if c.EveryService == nil {
		return c.Workloads
	}
	var out []Workload
	for _, s := range services {
		w := *c.EveryService
		w.Name = s.Name
		w.Labels = maps.Clone(w.Labels)
		if w.Labels == nil {
			w.Labels = map[string]string{}
		}
		w.Labels["app.kubernetes.io/name"] = s.Name
		w.Calls = slices.Clone(w.Calls)
		for _, callee := range s.Calls {
			w.Calls = append(w.Calls, c.Name+"/"+callee+":"+servicePort)
		}
		for _, name := range s.Outbound {
			w.Calls = append(w.Calls, w.Outbound[name])
		}
		if s.Database && w.Database != "" {
			w.Calls = append(w.Calls, w.Database)
		}
		out = append(out, w)
	}
	return out
}

// set finds a workload of the profile by component/workload.
func (p Profile) set(id string) (Set, bool) {
	i := slices.IndexFunc(p.Sets, func(s Set) bool { return s.ID() == id })
	if i < 0 {
		return Set{}, false
	}
	return p.Sets[i], true
}

// namespaces lists the namespaces of the profile, that of Argo CD among them, in the order of the inventory.
func (p Profile) namespaces() []Namespace {
	var out []Namespace
	for _, ns := range p.inv.Namespaces {
		if ns.Name == p.inv.ArgoCD.Namespace || slices.ContainsFunc(p.Components, func(c Component) bool { return c.Namespace == ns.Name }) {
			out = append(out, ns)
		}
	}
	return out
}

// projects lists the projects that own a namespace of the profile, in the order of the inventory.
func (p Profile) projects() []Project {
	var out []Project
	for _, project := range p.inv.Projects {
		if slices.ContainsFunc(p.namespaces(), func(ns Namespace) bool { return ns.Project == project.Name }) {
			out = append(out, project)
		}
	}
	return out
}

// projectOf is the project that owns a namespace.
func (inv *Inventory) projectOf(namespace string) string {
	for _, ns := range inv.Namespaces {
		if ns.Name == namespace {
			return ns.Project
		}
	}
	return ""
}

// waveNumber is the place of a wave in the order of the roll-out.
func (inv *Inventory) waveNumber(name string) int {
	return slices.IndexFunc(inv.Waves, func(w Wave) bool { return w.Name == name })
}

// podSecurity is the level of a namespace of the profile: restricted, or the least strict level that a component there
// needs, with all reasons.
func (p Profile) podSecurity(namespace string) (level, reason string) {
	level = "restricted"
	rank := map[string]int{"restricted": 0, "baseline": 1, "privileged": 2}
	var reasons []string
	for _, c := range p.Components {
		if c.Namespace != namespace || c.PodSecurity == nil {
			continue
		}
		if rank[c.PodSecurity.Level] > rank[level] {
			level = c.PodSecurity.Level
		}
		reasons = append(reasons, c.Title+": "+c.PodSecurity.Reason)
	}
	return level, strings.Join(reasons, " ")
}
