package platform

import (
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
)

const (
	// inCluster is the cluster that Argo CD runs in, as Applications name it.
	inCluster = "https://kubernetes.default.svc"
	waveOf    = "argocd.argoproj.io/sync-wave"
)

// foundation is the Application of a project that holds its namespaces and their policies.
func foundation(project string) string { return project + "-foundation" }

// root is the Application of all Applications of the profile, itself among them.
func (p Profile) root() object {
	source := p.inv.folder(profileFolder(p.Name))
	return p.application(p.inv.ArgoCD.Root, p.inv.ArgoCD.Project, p.inv.ArgoCD.Namespace, nil, nil, source)
}

// foundations are the Applications of namespaces and policies, one a project, before every wave of components.
func (p Profile) foundations() []object {
	var out []object
	for _, project := range p.projects() {
		source := p.inv.folder(path.Join(profileFolder(p.Name), foundationFolder, project.Name))
		out = append(out, p.application(foundation(project.Name), project.Name, p.firstNamespace(project.Name), nil,
			map[string]string{waveOf: "0"}, source))
	}
	return out
}

// firstNamespace is any namespace of the project; the objects of a foundation name their own.
func (p Profile) firstNamespace(project string) string {
	for _, ns := range p.namespaces() {
		if ns.Project == project {
			return ns.Name
		}
	}
	return ""
}

// componentApplication is the Application of one component; false: it has none.
func (p Profile) componentApplication(c Component) (object, bool) {
	s := c.Source
	var source object
	switch {
	case s.Elsewhere != "":
		return nil, false
	case s.Chart != nil:
		source = object{"repoURL": s.Chart.repoURL(), "chart": s.Chart.Name, "targetRevision": s.Chart.Version}
	case s.Environment != "":
		source = object{"repoURL": p.inv.Environments.URL, "targetRevision": p.inv.Environments.Revision, "path": s.Environment}
	default:
		source = p.inv.folder(s.Path)
	}
	if helm := s.helm(c.Name); helm != nil {
		source["helm"] = helm
	}
	if kustomize := s.kustomize(c.Namespace); kustomize != nil {
		source["kustomize"] = kustomize
	}
	sources := []object{source}
	if s.Manifests != "" {
		sources = append(sources, p.inv.folder(s.Manifests))
	}
	labels := map[string]string{"app.kubernetes.io/name": c.Name, "fawkes.dev/tier": c.Tier}
	annotations := map[string]string{waveOf: strconv.Itoa(p.inv.waveNumber(c.Wave))}
	if s.Environment != "" {
		// What is promoted is a team's, and its deployments count.
		labels["fawkes.dev/deployments"] = "true"
		annotations["fawkes.dev/service"], annotations["fawkes.dev/environment"] = path.Base(path.Dir(s.Environment)), path.Base(s.Environment)
	}
	return p.application(c.Name, p.inv.projectOf(c.Namespace), c.Namespace, labels, annotations, sources...), true
}

// repoURL is the chart's repository as Argo CD writes it: an OCI repository is named without its scheme.
func (c Chart) repoURL() string { return strings.TrimPrefix(c.Repository, "oci://") }

// helm says how a chart is rendered: the release is always named by the component, or the names of its objects would
// follow the Application's. Nil: there is nothing to say.
func (s Source) helm(release string) object {
	if s.Chart == nil && len(s.Values) == 0 && len(s.ValueFiles) == 0 {
		return nil
	}
	out := object{"releaseName": release}
	if len(s.ValueFiles) > 0 {
		out["valueFiles"] = s.ValueFiles
	}
	if len(s.Values) > 0 {
		out["valuesObject"] = s.Values
	}
	return out
}

// kustomize says how a kustomization is rendered. In the environment repository a namespace is an environment; here it is the component's.
// Nil: there is nothing to say.
func (s Source) kustomize(namespace string) object {
	out := object{}
	if len(s.Images) > 0 {
		out["images"] = s.images()
	}
	if s.Environment != "" {
		out["namespace"] = namespace
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// images lists the replaced images as kustomize writes them: name=replacement.
func (s Source) images() []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(s.Images)) {
		out = append(out, name+"="+s.Images[name])
	}
	return out
}

// folder is a folder of the repository as the source of an Application.
func (inv *Inventory) folder(folder string) object {
	return object{"repoURL": inv.Repository.URL, "targetRevision": inv.Repository.Revision, "path": folder}
}

func (p Profile) application(name, project, namespace string, labels, annotations map[string]string, sources ...object) object {
	all := partOf()
	maps.Copy(all, labels)
	out := object{
		"apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
		"metadata": metadata(name, p.inv.ArgoCD.Namespace, all, annotations),
		"spec": object{
			"project":     project,
			"destination": object{"server": inCluster, "namespace": namespace},
			"syncPolicy": object{
				"automated":   object{"prune": true, "selfHeal": true},
				"syncOptions": []string{"CreateNamespace=false", "ServerSideApply=true"},
				"retry":       object{"limit": 10, "backoff": object{"duration": "10s", "factor": 2, "maxDuration": "3m"}},
			},
		},
	}
	if spec, _ := out["spec"].(object); len(sources) == 1 {
		spec["source"] = sources[0]
	} else {
		spec["sources"] = sources
	}
	return out
}

// project is an AppProject: the sources, namespaces and kinds of its components, and nothing else.
func (p Profile) project(project Project) object {
	sources := []string{p.inv.Repository.URL}
	kinds := []string{"NetworkPolicy.networking.k8s.io"}
	clusterKinds := []string{"Namespace"}
	for _, c := range p.Components {
		if p.inv.projectOf(c.Namespace) != project.Name || c.Source.Elsewhere != "" {
			continue
		}
		if c.Source.Chart != nil {
			sources = append(sources, c.Source.Chart.repoURL())
		}
		if c.Source.Environment != "" {
			sources = append(sources, p.inv.Environments.URL)
		}
		kinds = append(kinds, c.Kinds...)
		clusterKinds = append(clusterKinds, c.ClusterKinds...)
	}
	if len(p.secretsOf(project.Name)) > 0 {
		kinds = append(kinds, externalSecret)
	}
	if project.Name == p.inv.ArgoCD.Project { // it owns the root
		kinds = append(kinds, "AppProject.argoproj.io", "Application.argoproj.io")
	}
	var destinations []object
	for _, ns := range p.namespaces() {
		if ns.Project == project.Name {
			destinations = append(destinations, object{"server": inCluster, "namespace": ns.Name})
		}
	}
	return object{
		"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject",
		"metadata": metadata(project.Name, p.inv.ArgoCD.Namespace, partOf(), map[string]string{waveOf: "-1"}),
		"spec": object{
			"description":                project.Summary,
			"sourceRepos":                sorted(sources),
			"destinations":               destinations,
			"clusterResourceWhitelist":   groupKinds(clusterKinds),
			"namespaceResourceWhitelist": groupKinds(kinds),
		},
	}
}

func sorted(words []string) []string {
	out := slices.Clone(words)
	slices.Sort(out)
	return slices.Compact(out)
}

// groupKinds writes Kind.group as Argo CD does.
func groupKinds(kinds []string) []object {
	var out []object
	for _, k := range sorted(kinds) {
		kind, group, _ := strings.Cut(k, ".")
		out = append(out, object{"group": group, "kind": kind})
	}
	return out
}

// namespace is a namespace with its Pod Security labels. What is less than restricted is enforced with its reason beside
// it, and still warned of.
func (p Profile) namespace(ns Namespace) object {
	level, reason := p.podSecurity(ns.Name)
	labels := partOf()
	labels["pod-security.kubernetes.io/enforce"] = level
	labels["pod-security.kubernetes.io/audit"] = "restricted"
	labels["pod-security.kubernetes.io/warn"] = "restricted"
	annotations := map[string]string{"fawkes.dev/summary": ns.Summary}
	if reason != "" {
		annotations["fawkes.dev/pod-security-reason"] = reason
	}
	return object{"apiVersion": "v1", "kind": "Namespace", "metadata": metadata(ns.Name, "", labels, annotations)}
}
