package manifest

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// maxReplicas is how many instances of one Deployment one machine is asked to run.
const maxReplicas = 50

var (
	digested     = regexp.MustCompile(`^[a-zA-Z0-9.-]+(:[0-9]{1,5})?/[a-z0-9._/-]+(:[A-Za-z0-9._-]+)?@sha256:[0-9a-f]{64}$`)
	variableName = regexp.MustCompile(`^[-._a-zA-Z][-._a-zA-Z0-9]*$`)
	dataKey      = regexp.MustCompile(`^[-._a-zA-Z0-9]{1,253}$`)
	hostName     = regexp.MustCompile(`^(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)
)

// together checks what is known only once the objects are read: values that no table holds, and whether what
// objects say of each other is there.
func (c *checker) together(s Set) {
	templates := map[string]Template{}
	for _, m := range s.ConfigMaps {
		c.kind, c.name = "ConfigMap", m.Name
		c.configMap(m)
	}
	for _, d := range s.Deployments {
		c.kind, c.name = "Deployment", d.Name
		before := len(c.problems)
		c.deployment(d)
		if len(c.problems) > before {
			continue
		}
		t, err := NewTemplate(d, s)
		if err != nil {
			c.add("spec.template.spec", err.Error(), "")
			continue
		}
		c.resolved(t)
		templates[d.Name] = t
	}
	for _, svc := range s.Services {
		c.kind, c.name = "Service", svc.Name
		c.service(svc, s, templates)
	}
	for _, in := range s.Ingresses {
		c.kind, c.name = "Ingress", in.Name
		c.ingress(in, s)
	}
}

func (c *checker) configMap(m corev1.ConfigMap) {
	for _, k := range append(sortedKeys(m.Data), sortedKeys(m.BinaryData)...) {
		if !dataKey.MatchString(k) || k == "." || strings.HasPrefix(k, "..") {
			c.add("data", fmt.Sprintf("%q is no key", k), "use letters, digits, -, _ and .")
		}
	}
}

func (c *checker) deployment(d appsv1.Deployment) {
	spec := d.Spec.Template.Spec
	if d.Spec.Replicas != nil && (*d.Spec.Replicas < 0 || *d.Spec.Replicas > maxReplicas) {
		c.add("spec.replicas", fmt.Sprintf("is %d; one machine runs 0 to %d", *d.Spec.Replicas, maxReplicas), "")
	}
	selector, err := metav1.LabelSelectorAsSelector(d.Spec.Selector)
	if err != nil || selector.Empty() || !selector.Matches(labels.Set(d.Spec.Template.Labels)) {
		c.add("spec.selector", "does not select the template's labels", "give spec.template.metadata.labels what matchLabels says")
	}
	if d.Spec.MinReadySeconds < 0 {
		c.add("spec.minReadySeconds", "is below 0", "")
	}
	if p := d.Spec.ProgressDeadlineSeconds; p != nil && *p <= d.Spec.MinReadySeconds {
		c.add("spec.progressDeadlineSeconds", "is not above minReadySeconds", "")
	}
	if r := d.Spec.Strategy.RollingUpdate; r != nil {
		if d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType {
			c.add("spec.strategy.rollingUpdate", "says how to roll where strategy.type is Recreate", "leave one of them out")
		}
		c.share("spec.strategy.rollingUpdate.maxSurge", r.MaxSurge)
		c.share("spec.strategy.rollingUpdate.maxUnavailable", r.MaxUnavailable)
	}
	if g := spec.TerminationGracePeriodSeconds; g != nil && *g < 0 {
		c.add("spec.template.spec.terminationGracePeriodSeconds", "is below 0", "")
	}
	for i, v := range spec.Volumes {
		if v.ConfigMap == nil {
			continue
		}
		for j, item := range v.ConfigMap.Items {
			if path.IsAbs(item.Path) || item.Path == "" || strings.Contains("/"+item.Path+"/", "/../") {
				c.add(fmt.Sprintf("spec.template.spec.volumes[%d].configMap.items[%d].path", i, j),
					fmt.Sprintf("%q leads out of the volume", item.Path), "write a path below it, without ..")
			}
		}
	}
	const at = "spec.template.spec.containers"
	if len(spec.Containers) != 1 {
		c.add(at, fmt.Sprintf("there are %d; one program is run for each instance", len(spec.Containers)), "give each container a Deployment of its own")
		return
	}
	c.container(at+"[0]", spec.Containers[0])
}

// share is a number or a percentage, not below nothing.
func (c *checker) share(at string, v *intstr.IntOrString) {
	if v == nil {
		return
	}
	n, err := intstr.GetScaledValueFromIntOrPercent(v, 100, true)
	if err != nil || n < 0 {
		c.add(at, fmt.Sprintf("%q is neither a number nor a percentage", v.String()), "")
	}
}

func (c *checker) container(at string, k corev1.Container) {
	if !digested.MatchString(k.Image) {
		mend := "write HOST/NAME@sha256:…; `fawkes ci promote` writes it"
		if !strings.Contains(k.Image, "@") {
			c.add(at+".image", fmt.Sprintf("%q has no digest; a tag may mean another image tomorrow", k.Image), mend)
		} else {
			c.add(at+".image", fmt.Sprintf("%q is no reference by digest", k.Image), mend)
		}
	}
	names, numbers := map[string]bool{}, map[int32]bool{}
	for i, p := range k.Ports {
		here := fmt.Sprintf("%s.ports[%d]", at, i)
		if p.ContainerPort < 1 || p.ContainerPort > 65535 {
			c.add(here+".containerPort", fmt.Sprintf("%d is no port", p.ContainerPort), "")
		}
		if numbers[p.ContainerPort] || p.Name != "" && names[p.Name] {
			c.add(here, "the port is there twice", "")
		}
		names[p.Name], numbers[p.ContainerPort] = true, true
	}
	for i, e := range k.Env {
		c.variable(fmt.Sprintf("%s.env[%d]", at, i), e)
	}
	for name := range k.Resources.Limits {
		switch name {
		case corev1.ResourceMemory, corev1.ResourceCPU, corev1.ResourceEphemeralStorage:
			// Processor time is shared by all programs of this machine, and the disk is not watched: the reference says so.
		default:
			c.add(at+".resources.limits."+string(name), "nothing here knows the resource", "leave it out")
		}
	}
	for name, p := range map[string]*corev1.Probe{"livenessProbe": k.LivenessProbe, "readinessProbe": k.ReadinessProbe, "startupProbe": k.StartupProbe} {
		if p != nil {
			c.probe(at+"."+name, *p, name != "readinessProbe")
		}
	}
	if k.Lifecycle != nil && k.Lifecycle.PreStop != nil {
		if n := count(k.Lifecycle.PreStop.Exec != nil, k.Lifecycle.PreStop.HTTPGet != nil, k.Lifecycle.PreStop.Sleep != nil); n != 1 {
			c.add(at+".lifecycle.preStop", fmt.Sprintf("says %d things to do", n), "say one of exec, httpGet and sleep")
		}
	}
}

func count(set ...bool) int {
	n := 0
	for _, s := range set {
		if s {
			n++
		}
	}
	return n
}

func (c *checker) variable(at string, e corev1.EnvVar) {
	if !variableName.MatchString(e.Name) {
		c.add(at+".name", fmt.Sprintf("%q is no name of a variable", e.Name), "")
	}
	if strings.HasPrefix(e.Name, "FAWKES_KEPT") {
		c.add(at+".name", "the platform marks its programs by it", "use another name")
	}
	if e.ValueFrom == nil {
		return
	}
	if n := count(e.ValueFrom.FieldRef != nil, e.ValueFrom.ConfigMapKeyRef != nil); n != 1 || e.Value != "" {
		c.add(at+".valueFrom", "names no source, or more than one", "name one of fieldRef and configMapKeyRef")
	}
	if f := e.ValueFrom.FieldRef; f != nil && !knownField(f.FieldPath) {
		c.add(at+".valueFrom.fieldRef.fieldPath", fmt.Sprintf("nothing here knows %s", f.FieldPath),
			"these are known: metadata.name, metadata.namespace, metadata.labels['…'], metadata.annotations['…'], status.podIP, status.podIPs, status.hostIP, status.hostIPs")
	}
}

func knownField(p string) bool {
	switch p {
	case "metadata.name", "metadata.namespace", "status.podIP", "status.podIPs", "status.hostIP", "status.hostIPs":
		return true
	}
	_, label := FieldKey(p, "metadata.labels")
	_, annotation := FieldKey(p, "metadata.annotations")
	return label || annotation
}

func (c *checker) probe(at string, p corev1.Probe, successOne bool) {
	if n := count(p.HTTPGet != nil, p.TCPSocket != nil, p.Exec != nil); n != 1 {
		c.add(at, fmt.Sprintf("asks in %d ways", n), "say one of httpGet, tcpSocket and exec")
	}
	if p.Exec != nil && len(p.Exec.Command) == 0 {
		c.add(at+".exec.command", "is empty", "")
	}
	for name, v := range map[string]int32{
		"initialDelaySeconds": p.InitialDelaySeconds, "timeoutSeconds": p.TimeoutSeconds, "periodSeconds": p.PeriodSeconds,
		"successThreshold": p.SuccessThreshold, "failureThreshold": p.FailureThreshold,
	} {
		if v < 0 || v > 86400 {
			c.add(at+"."+name, fmt.Sprintf("is %d", v), "write 0 to 86400")
		}
	}
	if successOne && p.SuccessThreshold > 1 {
		c.add(at+".successThreshold", "must be 1 for this probe", "")
	}
	if g := p.TerminationGracePeriodSeconds; g != nil && *g < 0 {
		c.add(at+".terminationGracePeriodSeconds", "is below 0", "")
	}
}

// resolved checks paths once ConfigMaps and mounts have been put together.
func (c *checker) resolved(t Template) {
	const at = "spec.template.spec.containers[0].volumeMounts"
	var where []string
	for _, f := range t.Files {
		where = append(where, f.Path)
	}
	for _, p := range append(where, t.Scratch...) {
		clean := path.Clean(p)
		if !path.IsAbs(p) || clean == "/" || strings.Contains("/"+p+"/", "/../") {
			c.add(at, fmt.Sprintf("%q is not a place for files", p), "name an absolute folder other than /")
			continue
		}
		for _, taken := range []string{"/proc", "/dev", "/sys"} {
			if clean == taken || strings.HasPrefix(clean, taken+"/") {
				c.add(at, fmt.Sprintf("%q is the system's", p), "name another folder")
			}
		}
	}
	for i, p := range t.Scratch {
		for j, q := range t.Scratch {
			if i != j && (p == q || strings.HasPrefix(q, p+"/")) {
				c.add(at, fmt.Sprintf("%q and %q are mounted into each other", p, q), "mount them side by side")
			}
		}
	}
}

func (c *checker) service(svc corev1.Service, s Set, templates map[string]Template) {
	if len(svc.Spec.Ports) == 0 {
		c.add("spec.ports", "there is none", "")
	}
	selected := false
	for _, d := range s.Deployments {
		t, ok := templates[d.Name]
		if !Matches(svc.Spec.Selector, d.Spec.Template.Labels) {
			continue
		}
		selected = true
		for i, p := range svc.Spec.Ports {
			if !ok {
				continue
			}
			if _, found := t.Target(target(p)); !found {
				to := target(p)
				c.add(fmt.Sprintf("spec.ports[%d].targetPort", i), fmt.Sprintf("Deployment %s has no port %q", d.Name, to.String()), "name a port of the container")
			}
		}
	}
	if !selected {
		c.add("spec.selector", "selects no Deployment of the application", "say labels of a Deployment's template")
	}
	seen := map[int32]bool{}
	for i, p := range svc.Spec.Ports {
		if p.Port < 1 || p.Port > 65535 {
			c.add(fmt.Sprintf("spec.ports[%d].port", i), fmt.Sprintf("%d is no port", p.Port), "")
		}
		if seen[p.Port] {
			c.add(fmt.Sprintf("spec.ports[%d].port", i), "is there twice", "")
		}
		seen[p.Port] = true
		if p.AppProtocol != nil && strings.EqualFold(*p.AppProtocol, "https") {
			c.add(fmt.Sprintf("spec.ports[%d].appProtocol", i), "instances are asked in plain HTTP", "leave it out; bytes are then passed as they come")
		}
	}
}

func (c *checker) ingress(in networkingv1.Ingress, s Set) {
	for _, k := range sortedKeys(in.Annotations) {
		if strings.Contains(k, "ingress.kubernetes.io/") || strings.Contains(k, "traefik.io/") {
			c.add("metadata.annotations["+k+"]", "is an order to one kind of Ingress controller, which this is not", "keep it in the cluster's overlay")
		}
	}
	backend := func(at string, b networkingv1.IngressBackend) {
		if b.Service == nil {
			c.add(at, "names no service", "")
			return
		}
		svc, ok := s.Service(b.Service.Name)
		if !ok {
			c.add(at+".service.name", fmt.Sprintf("the application has no Service %q", b.Service.Name), "")
			return
		}
		fits := slices.ContainsFunc(svc.Spec.Ports, func(p corev1.ServicePort) bool {
			want := b.Service.Port
			return want.Name != "" && want.Name == p.Name || want.Name == "" && want.Number == p.Port
		})
		if !fits {
			c.add(at+".service.port", fmt.Sprintf("Service %s has no such port", svc.Name), "")
		}
	}
	if in.Spec.DefaultBackend != nil {
		backend("spec.defaultBackend", *in.Spec.DefaultBackend)
	}
	for i, r := range in.Spec.Rules {
		at := fmt.Sprintf("spec.rules[%d]", i)
		if r.Host != "" && !hostName.MatchString(r.Host) {
			c.add(at+".host", fmt.Sprintf("%q is no host", r.Host), "")
		}
		if r.HTTP == nil {
			c.add(at, "has no paths", "")
			continue
		}
		for j, p := range r.HTTP.Paths {
			here := fmt.Sprintf("%s.http.paths[%d]", at, j)
			if p.Path != "" && !strings.HasPrefix(p.Path, "/") {
				c.add(here+".path", fmt.Sprintf("%q does not begin with /", p.Path), "")
			}
			if p.PathType == nil {
				c.add(here+".pathType", "is missing", "write Prefix or Exact")
			}
			backend(here+".backend", p.Backend)
		}
	}
}
