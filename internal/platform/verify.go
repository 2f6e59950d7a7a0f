package platform

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

var (
	exactVersion = regexp.MustCompile(`^v?[0-9]+\.[0-9]+\.[0-9]+([-+][0-9A-Za-z.+-]+)?$`)
	kindGroup    = regexp.MustCompile(`^[A-Z][A-Za-z]+(\.[a-z0-9.-]+)?$`)
)

// checker collects what is wrong with the meaning of an inventory.
type checker struct {
	inv        *Inventory
	services   []Service
	findings   []Finding
	namespaces []string
	waves      []string
	projects   []string
	components []string
	outside    []string
}

func verify(inv *Inventory, services []Service) []Finding {
	c := &checker{inv: inv, services: services}
	for i, w := range inv.Waves {
		c.unique(&c.waves, w.Name, fmt.Sprintf("waves[%d]", i), "wave")
	}
	for i, p := range inv.Projects {
		c.unique(&c.projects, p.Name, fmt.Sprintf("projects[%d]", i), "project")
	}
	for i, ns := range inv.Namespaces {
		c.unique(&c.namespaces, ns.Name, fmt.Sprintf("namespaces[%d]", i), "namespace")
	}
	for i, o := range inv.Outside {
		c.unique(&c.outside, o.Name, fmt.Sprintf("outside[%d]", i), "name of something outside")
	}
	for _, component := range inv.Components {
		c.components = append(c.components, component.Name)
	}
	c.places()
	c.applications()
	for _, component := range inv.Components {
		c.component(component)
		c.secrets(component)
	}
	c.known("wiring.secrets.operator", "component", inv.Wiring.Secrets.Operator, c.components)
	c.known("wiring.secrets.wave", "wave", inv.Wiring.Secrets.Wave, c.waves)
	c.circles()
	c.ends()
	if len(c.findings) == 0 { // the selectors of pods mean something once every name does
		c.selectors()
	}
	return c.findings
}

func (c *checker) add(field, mend, detail string, args ...any) {
	c.findings = append(c.findings, Finding{field, fmt.Sprintf(detail, args...), mend})
}

// unique adds a name to those that are known.
func (c *checker) unique(known *[]string, name, field, kind string) {
	if slices.Contains(*known, name) {
		c.add(field+".name", "keep one of them", "the %s %s is there twice", kind, name)
		return
	}
	*known = append(*known, name)
}

// known sees that a name is one of those that exist.
func (c *checker) known(field, kind, name string, names []string) bool {
	if slices.Contains(names, name) {
		return true
	}
	c.add(field, oneOf(name, names), "there is no %s %q", kind, name)
	return false
}

// places checks namespaces, the place of Argo CD, and what is outside.
func (c *checker) places() {
	for _, ns := range c.inv.Namespaces {
		c.known("namespaces["+ns.Name+"].project", "project", ns.Project, c.projects)
	}
	argo := c.inv.ArgoCD
	c.known("argocd.project", "project", argo.Project, c.projects)
	if c.known("argocd.namespace", "namespace", argo.Namespace, c.namespaces) && c.inv.projectOf(argo.Namespace) != argo.Project {
		c.add("argocd.project", "name the project of that namespace", "the namespace %s belongs to the project %s, so that %s may make no Applications there",
			argo.Namespace, c.inv.projectOf(argo.Namespace), argo.Project)
	}
	for _, o := range c.inv.Outside {
		c.profileNames("outside["+o.Name+"].profiles", o.Profiles)
		if o.StandsFor != "" {
			c.known("outside["+o.Name+"].standsFor", "component", o.StandsFor, c.components)
		}
	}
}

func (c *checker) profileNames(field string, names []string) {
	for _, name := range names {
		c.known(field, "profile", name, Profiles())
	}
}

// applications sees that each name of an Application has one owner: Argo CD knows it by its name alone.
func (c *checker) applications() {
	owner := map[string]string{c.inv.ArgoCD.Root: "the root Application"}
	for _, p := range c.inv.Projects {
		owner[foundation(p.Name)] = "the namespaces of the project " + p.Name
		owner[secretsApplication(p.Name)] = "the secrets of the project " + p.Name
	}
	for i, component := range c.inv.Components {
		if other, taken := owner[component.Name]; taken {
			c.add(fmt.Sprintf("components[%d].name", i), "give one of them another name", "the Application %s has two owners: %s and %s", component.Name, other, component.Title)
			continue
		}
		owner[component.Name] = component.Title
	}
}

func (c *checker) component(component Component) {
	at := "components[" + component.Name + "]"
	if profilesOf(component.Tier) == nil {
		c.add(at+".tier", "give 1, 2 or extension", "there is no tier %q", component.Tier)
	}
	c.profileNames(at+".profiles", component.Profiles)
	if !slices.Contains(c.namespaces, component.Namespace) {
		c.add(at+".namespace", "add it to namespaces, or "+oneOf(component.Namespace, c.namespaces), "the namespace %q has no entry", component.Namespace)
	}
	known := c.known(at+".wave", "wave", component.Wave, c.waves)
	c.source(at+".source", component.Source)
	for _, name := range slices.Sorted(maps.Keys(component.Instead)) {
		c.known(at+".instead", "profile", name, component.profiles())
		c.source(at+".instead."+name, component.Instead[name])
	}
	for _, kind := range slices.Concat(component.Kinds, component.ClusterKinds) {
		if !kindGroup.MatchString(kind) {
			c.add(at+".kinds", "write Kind.group, for example Deployment.apps", "%q is no kind", kind)
		}
	}
	for _, need := range component.Needs {
		if !c.known(at+".needs", "component", need, c.components) || !known {
			continue
		}
		other := c.inv.Components[slices.Index(c.components, need)]
		if earlier := c.inv.waveNumber(other.Wave); earlier >= c.inv.waveNumber(component.Wave) {
			c.add(at+".wave", "move one of them", "it needs %s, whose wave %s does not come before the wave %s", need, other.Wave, component.Wave)
		}
	}
	c.workloads(at, component)
}

// source checks where a component comes from.
func (c *checker) source(at string, s Source) {
	given := 0
	for _, is := range []bool{s.Chart != nil, s.Path != "", s.Environment != "", s.Elsewhere != ""} {
		if is {
			given++
		}
	}
	if given != 1 {
		c.add(at, "give one of chart, path, environment and elsewhere", "says %d times where it comes from", given)
	}
	if len(s.Images) > 0 && s.Path == "" && s.Environment == "" {
		c.add(at+".images", "give the chart its images by values", "belong to a kustomization")
	}
	if s.Manifests != "" && s.Chart == nil {
		c.add(at+".manifests", "add them to the folder that is there", "come beside a chart, and there is none")
	}
	if s.Chart == nil {
		return
	}
	switch {
	case s.Chart.Version == "":
		c.add(at+".chart.version", "add the exact version that was looked at", "is missing: the chart would change by itself")
	case !exactVersion.MatchString(s.Chart.Version):
		c.add(at+".chart.version", "write one version, for example 1.2.3", "%q is not one exact version", s.Chart.Version)
	}
}

// circles finds needs that lead back to where they began.
func (c *checker) circles() {
	needs := map[string][]string{}
	for _, component := range c.inv.Components {
		needs[component.Name] = component.Needs
	}
	done := map[string]bool{}
	var walk func(name string, way []string)
	walk = func(name string, way []string) {
		if i := slices.Index(way, name); i >= 0 {
			circle := append(slices.Clone(way[i:]), name)
			c.add("components["+name+"].needs", "take one of the needs away", "the needs go in a circle: %s", strings.Join(circle, " > "))
			return
		}
		if done[name] {
			return
		}
		for _, need := range needs[name] {
			walk(need, append(slices.Clone(way), name))
		}
		done[name] = true
	}
	for _, name := range c.components {
		walk(name, nil)
	}
}
