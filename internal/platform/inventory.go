// Package platform turns the one typed list of the platform's components (platform/inventory.yaml) into what a
// cluster is given: namespaces, Argo CD projects and Applications in waves, NetworkPolicies, and the tables of the
// documentation.
//
// It is pure: text in, files out. [Read] refuses a list that cannot be meant and names the field and the mend;
// [Generate] renders every file; [Compare] and [Write] hold a tree against them. What the services call comes
// from their modules, as [Service] values, never from the list.
//
// A profile is what one cluster is given: the components of its tiers. Every profile is rendered on its own, so that
// a policy allows what exists there and nothing more.
package platform

//go:generate go run ../../cmd/fawkes platform generate --dir ../..

// Inventory is platform/inventory.yaml.
type Inventory struct {
	Version    int        `json:"version" enum:"1" doc:"The version of this format."`
	Repository Repository `json:"repository" doc:"Where Argo CD reads what is generated."`
	// Environments is the repository to which versions of applications are promoted.
	Environments Repository  `json:"environments" doc:"The environment repository: what runs where."`
	ArgoCD       ArgoCD      `json:"argocd" doc:"The one Argo CD of a cluster."`
	Wiring       Wiring      `json:"wiring" doc:"What every workload is connected with."`
	Waves        []Wave      `json:"waves" minItems:"1" doc:"The order of roll-out; each waits until the one before is healthy."`
	Projects     []Project   `json:"projects" minItems:"1" doc:"Argo CD projects."`
	Namespaces   []Namespace `json:"namespaces" minItems:"1" doc:"Every namespace that the platform owns."`
	Outside      []Outside   `json:"outside,omitempty" doc:"What workloads reach outside the cluster."`
	Components   []Component `json:"components" minItems:"1" doc:"Every component."`
}

// Repository is where the generated files are read from.
type Repository struct {
	URL      string `json:"url" pattern:"^https://" doc:"Clone address."`
	Revision string `json:"revision" minLength:"1" doc:"Branch or tag."`
}

// ArgoCD says where Argo CD runs and which project owns the root Application.
type ArgoCD struct {
	Namespace string `json:"namespace" doc:"Its namespace, the only one in which it looks for Applications."`
	Project   string `json:"project" doc:"The project of the root Application."`
	Root      string `json:"root" pattern:"^[a-z][a-z0-9-]*$" doc:"The name of the root Application."`
}

// Wiring names the ends of the connections that many workloads have.
type Wiring struct {
	DNS       Pods      `json:"dns" doc:"The cluster's name server."`
	APIServer APIServer `json:"apiServer" doc:"The Kubernetes API."`
	Scraper   string    `json:"scraper" pattern:"^[a-z0-9-]+/[a-z0-9-]+$" doc:"component/workload that reads metrics."`
	Collector string    `json:"collector" pattern:"^[a-z0-9-]+/[a-z0-9-]+:[a-z0-9-]+$" doc:"component/workload:port that takes traces by OTLP."`
	Ingress   string    `json:"ingress" pattern:"^[a-z0-9-]+/[a-z0-9-]+$" doc:"component/workload through which people come in."`
	Secrets   SecretsBy `json:"secrets" doc:"How Secrets come into the cluster."`
}

// SecretsBy is the one path of secrets: store, operator, Secret.
type SecretsBy struct {
	Operator string `json:"operator" doc:"The component that makes a Secret of each ExternalSecret. A profile without it has its Secrets from the bring-up."`
	Store    string `json:"store" pattern:"^[a-z][a-z0-9-]*$" doc:"The ClusterSecretStore."`
	Wave     string `json:"wave" doc:"When they come."`
}

// Pods are pods that the platform does not own.
type Pods struct {
	Namespace string            `json:"namespace"`
	Labels    map[string]string `json:"labels"`
	Port      int               `json:"port" minimum:"1" maximum:"65535"`
}

// APIServer is reached by address, since it is no pod that a policy could select.
type APIServer struct {
	Ports []int `json:"ports" minItems:"1" doc:"The ports of its addresses, of the Service and of the servers behind it."`
}

// Wave is one step of the roll-out. Its number is its place in the list.
type Wave struct {
	Name    string `json:"name" pattern:"^[a-z][a-z0-9-]*$"`
	Summary string `json:"summary" minLength:"1"`
}

// Project is an Argo CD project. Its namespaces, sources and kinds are those of its components.
type Project struct {
	Name    string `json:"name" pattern:"^[a-z][a-z0-9-]*$"`
	Summary string `json:"summary" minLength:"1"`
}

// Namespace is one namespace and the project that owns it.
type Namespace struct {
	Name    string `json:"name" pattern:"^[a-z][a-z0-9-]*$"`
	Project string `json:"project"`
	Summary string `json:"summary" minLength:"1"`
}

// Outside is something outside the cluster.
type Outside struct {
	Name      string   `json:"name" pattern:"^[a-z][a-z0-9-]*$"`
	Summary   string   `json:"summary" minLength:"1"`
	Networks  string   `json:"networks" enum:"public,private,any" doc:"Which addresses: public ones, private ones (RFC 1918, RFC 6598), or all."`
	Ports     []int    `json:"ports" minItems:"1"`
	Profiles  []string `json:"profiles,omitempty" doc:"Where it exists; default: everywhere."`
	StandsFor string   `json:"standsFor,omitempty" doc:"The component that it replaces where that one is not part of the profile."`
}

// Component is one part of the platform: one Argo CD Application.
type Component struct {
	Name         string            `json:"name" pattern:"^[a-z][a-z0-9-]*$" doc:"Also the name of its Application and of its Helm release."`
	Title        string            `json:"title" minLength:"1"`
	Summary      string            `json:"summary" minLength:"1"`
	Tier         string            `json:"tier" doc:"1, 2 or extension."`
	Profiles     []string          `json:"profiles,omitempty" doc:"Instead of those of its tier."`
	Namespace    string            `json:"namespace"`
	Wave         string            `json:"wave"`
	Exposure     string            `json:"exposure" enum:"none,internal,external" doc:"external: people reach it by HTTPS through the ingress controller."`
	Needs        []string          `json:"needs,omitempty" doc:"Components that have to be healthy before it is rolled out."`
	Source       Source            `json:"source"`
	Instead      map[string]Source `json:"instead,omitempty" doc:"Another source, by profile."`
	PodSecurity  *PodSecurity      `json:"podSecurity,omitempty" doc:"What its pods need beyond restricted, and why."`
	Kinds        []string          `json:"kinds" doc:"Kinds that it makes in its namespace, as Kind.group."`
	ClusterKinds []string          `json:"clusterKinds,omitempty" doc:"Kinds that it makes outside namespaces, as Kind.group."`
	Secrets      []Secret          `json:"secrets,omitempty" doc:"Secrets that its pods read, in its namespace."`
	Workloads    []Workload        `json:"workloads,omitempty"`
	EveryService *Workload         `json:"everyService,omitempty" doc:"Its workloads are the services of the code, and each is like this."`
}

// Source says where the manifests come from: exactly one of chart, path, environment and elsewhere.
type Source struct {
	Chart       *Chart            `json:"chart,omitempty"`
	Path        string            `json:"path,omitempty" doc:"A folder of the repository: of a chart, or with a kustomization."`
	Environment string            `json:"environment,omitempty" pattern:"^([a-z0-9][a-z0-9-]*/)+[a-z0-9][a-z0-9-]*/[a-z0-9][a-z0-9-]*$" doc:"A folder of the environment repository: apps/SERVICE/ENVIRONMENT."`
	Elsewhere   string            `json:"elsewhere,omitempty" doc:"Why there is no Application: who installs it."`
	Values      map[string]any    `json:"values,omitempty" doc:"Helm values; never a default repeated."`
	ValueFiles  []string          `json:"valueFiles,omitempty" doc:"Files of Helm values in the folder of the chart."`
	Manifests   string            `json:"manifests,omitempty" doc:"A folder of the repository, with a kustomization: what comes beside the chart."`
	Images      map[string]string `json:"images,omitempty" doc:"Of a kustomization: what stands for an image, by its name."`
}

// Secret is one Secret that pods of a component read. It is never written down: the operator brings each key from the store, where
// it is the property of that name of NAMESPACE/NAME.
type Secret struct {
	Name     string   `json:"name" pattern:"^[a-z][a-z0-9-]*$"`
	Keys     []string `json:"keys" minItems:"1"`
	Profiles []string `json:"profiles,omitempty" doc:"Where it is read; default: wherever the component is."`
	Made     string   `json:"made,omitempty" doc:"Who makes it instead: cert-manager, for a certificate."`
}

// Chart is a Helm chart of an exact version.
type Chart struct {
	Repository string `json:"repository" pattern:"^(https|oci)://" doc:"Of charts."`
	Name       string `json:"name" minLength:"1"`
	Version    string `json:"version,omitempty" doc:"Exact; no range."`
}

// PodSecurity is a level of the Pod Security Standards that is less than restricted.
type PodSecurity struct {
	Level  string `json:"level" enum:"baseline,privileged"`
	Reason string `json:"reason" minLength:"1"`
}

// Workload is a set of pods with the same labels and the same connections.
type Workload struct {
	Name      string            `json:"name,omitempty" pattern:"^[a-z][a-z0-9-]*$"`
	Labels    map[string]string `json:"labels,omitempty" doc:"That select its pods in its namespace, and no others."`
	Ports     map[string]int    `json:"ports,omitempty" doc:"Ports of its containers (TCP), by name."`
	Metrics   []string          `json:"metrics,omitempty" doc:"Ports that answer at /metrics."`
	External  string            `json:"external,omitempty" doc:"The port that the ingress controller reaches."`
	Open      []string          `json:"open,omitempty" doc:"Ports that are reached from outside the cluster without the ingress controller."`
	Calls     []string          `json:"calls,omitempty" doc:"component/workload:port, or the name of something outside."`
	Database  string            `json:"database,omitempty" doc:"Of services: what one with a database calls."`
	Outbound  map[string]string `json:"outbound,omitempty" doc:"Of services: what stands for each name of a module's Outbound."`
	APIServer bool              `json:"apiServer,omitempty" doc:"It calls the Kubernetes API."`
	Admission []string          `json:"admission,omitempty" doc:"Ports that the Kubernetes API calls: webhooks."`
	Traces    bool              `json:"traces,omitempty" doc:"It sends traces to the collector."`
}

// Service is what the code says of one service.
type Service struct {
	Name     string
	Calls    []string // services
	Outbound []string // other systems, by the names of Workload.Outbound
	Database bool     // whether it keeps data
}

// The tiers, and the profiles that are rendered.
const (
	Tier1     = "1"
	Tier2     = "2"
	Extension = "extension"

	ProfileTier1      = "tier1"
	ProfileTier2      = "tier2"
	ProfileKit        = "kit"
	ProfileExtensions = "extensions"
)

// Profiles lists the profiles in the order of their size.
func Profiles() []string { return []string{ProfileKit, ProfileTier1, ProfileTier2, ProfileExtensions} }

// profilesOf lists the profiles that hold the components of a tier; nil: no such tier.
func profilesOf(tier string) []string {
	switch tier {
	case Tier1:
		return []string{ProfileTier1, ProfileTier2, ProfileExtensions}
	case Tier2:
		return []string{ProfileTier2, ProfileExtensions}
	case Extension:
		return []string{ProfileExtensions}
	}
	return nil
}
