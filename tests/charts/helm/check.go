package helm

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"
)

// pods is a workload: what names it, and its template.
type pods struct {
	name   string
	labels map[string]string
	spec   corev1.PodSpec
	scaled bool // a Deployment, which is held to probes and the like
}

// manifests are what one render holds, by kind.
type manifests struct {
	there     map[string]bool // "Kind/name"
	workloads []pods
	services  []corev1.Service
	budgets   []policyv1.PodDisruptionBudget
	scalers   []autoscalingv2.HorizontalPodAutoscaler
	ingresses []networkingv1.Ingress
	findings  []string
}

func (m *manifests) find(format string, args ...any) {
	m.findings = append(m.findings, fmt.Sprintf(format, args...))
}

// Check says what is wrong with rendered manifests, of which the Secrets in inputs are there already.
func Check(text string, inputs []string) []string {
	m := &manifests{there: map[string]bool{}}
	for _, name := range inputs {
		m.there["Secret/"+name] = true
	}
	for i, document := range regexp.MustCompile(`(?m)^---\s*$`).Split(text, -1) {
		if strings.TrimSpace(document) != "" {
			m.read(i, []byte(document))
		}
	}
	m.references()
	for _, w := range m.workloads {
		m.security(w)
		if w.scaled {
			m.running(w)
		}
	}
	return m.findings
}

// read decodes one document into the type of its kind; fields that the type does not have, and keys that stand twice,
// are findings.
func (m *manifests) read(number int, text []byte) {
	var head metav1.TypeMeta
	if err := yaml.Unmarshal(text, &head); err != nil {
		m.find("document %d is no manifest: %v", number, err)
		return
	}
	var meta metav1.ObjectMeta
	decode := func(into any) bool {
		if err := yaml.UnmarshalStrict(text, into); err != nil {
			m.find("document %d, a %s: %v", number, head.Kind, err)
			return false
		}
		return true
	}
	switch head.APIVersion + " " + head.Kind {
	case "v1 ServiceAccount":
		var o corev1.ServiceAccount
		if decode(&o) && (o.AutomountServiceAccountToken == nil || *o.AutomountServiceAccountToken) {
			m.find("ServiceAccount/%s: its token is mounted", o.Name)
		}
		meta = o.ObjectMeta
	case "v1 ConfigMap":
		var o corev1.ConfigMap
		decode(&o)
		meta = o.ObjectMeta
	case "v1 Service":
		var o corev1.Service
		decode(&o)
		meta, m.services = o.ObjectMeta, append(m.services, o)
	case "apps/v1 Deployment":
		var o appsv1.Deployment
		decode(&o)
		meta = o.ObjectMeta
		m.workloads = append(m.workloads, pods{"Deployment/" + o.Name, o.Spec.Template.Labels, o.Spec.Template.Spec, true})
		if o.Spec.Selector == nil || !selects(o.Spec.Selector.MatchLabels, o.Spec.Template.Labels) {
			m.find("Deployment/%s does not select its own pods", o.Name)
		}
	case "batch/v1 Job":
		var o batchv1.Job
		decode(&o)
		meta = o.ObjectMeta
		m.workloads = append(m.workloads, pods{"Job/" + o.Name, o.Spec.Template.Labels, o.Spec.Template.Spec, false})
	case "policy/v1 PodDisruptionBudget":
		var o policyv1.PodDisruptionBudget
		decode(&o)
		meta, m.budgets = o.ObjectMeta, append(m.budgets, o)
	case "autoscaling/v2 HorizontalPodAutoscaler":
		var o autoscalingv2.HorizontalPodAutoscaler
		decode(&o)
		meta, m.scalers = o.ObjectMeta, append(m.scalers, o)
	case "networking.k8s.io/v1 Ingress":
		var o networkingv1.Ingress
		decode(&o)
		meta, m.ingresses = o.ObjectMeta, append(m.ingresses, o)
	default:
		m.find("document %d is a %s %s, which no chart here has", number, head.APIVersion, head.Kind)
		return
	}
	id := head.Kind + "/" + meta.Name
	if m.there[id] {
		m.find("%s is there twice", id)
	}
	m.there[id] = true
	for _, label := range []string{"app.kubernetes.io/name", "app.kubernetes.io/part-of", "app.kubernetes.io/component"} {
		if meta.Labels[label] == "" {
			m.find("%s lacks the label %s", id, label)
		}
	}
}

func selects(selector, labels map[string]string) bool {
	for k, v := range selector {
		if labels[k] != v {
			return false
		}
	}
	return len(selector) > 0
}

// references looks for everything that something names.
func (m *manifests) references() {
	need := func(by, id string) {
		if !m.there[id] {
			m.find("%s refers to %s, which is not there", by, id)
		}
	}
	for _, w := range m.workloads {
		need(w.name, "ServiceAccount/"+w.spec.ServiceAccountName)
		for _, s := range w.spec.ImagePullSecrets {
			need(w.name, "Secret/"+s.Name)
		}
		for _, c := range w.spec.Containers {
			for _, from := range c.EnvFrom {
				if from.ConfigMapRef != nil {
					need(w.name, "ConfigMap/"+from.ConfigMapRef.Name)
				}
				if from.SecretRef != nil {
					need(w.name, "Secret/"+from.SecretRef.Name)
				}
			}
			for _, e := range c.Env {
				if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil {
					need(w.name, "Secret/"+e.ValueFrom.SecretKeyRef.Name)
				}
				if e.ValueFrom != nil && e.ValueFrom.ConfigMapKeyRef != nil {
					need(w.name, "ConfigMap/"+e.ValueFrom.ConfigMapKeyRef.Name)
				}
				if host, ok := strings.CutPrefix(e.Value, "http://"); ok && strings.HasPrefix(e.Name, "FAWKES_PEER_") {
					need(w.name, "Service/"+host)
				}
			}
			for _, p := range []*corev1.Probe{c.StartupProbe, c.LivenessProbe, c.ReadinessProbe} {
				if p != nil && p.HTTPGet != nil && !slices.Contains(portsOf(w.spec), p.HTTPGet.Port.String()) {
					m.find("%s: a probe asks at the port %s, which the container does not name", w.name, p.HTTPGet.Port.String())
				}
			}
		}
	}
	for _, s := range m.services {
		at := slices.IndexFunc(m.workloads, func(w pods) bool { return selects(s.Spec.Selector, w.labels) })
		if at < 0 {
			m.find("Service/%s selects no pod", s.Name)
			continue
		}
		for _, w := range m.workloads {
			if selects(s.Spec.Selector, w.labels) && !w.scaled {
				m.find("Service/%s selects the pods of %s", s.Name, w.name)
			}
		}
		for _, p := range s.Spec.Ports {
			if !slices.Contains(portsOf(m.workloads[at].spec), p.TargetPort.String()) {
				m.find("Service/%s leads to the port %s, which its pods do not name", s.Name, p.TargetPort.String())
			}
		}
	}
	for _, h := range m.scalers {
		need("HorizontalPodAutoscaler/"+h.Name, h.Spec.ScaleTargetRef.Kind+"/"+h.Spec.ScaleTargetRef.Name)
	}
	for _, i := range m.ingresses {
		for _, tls := range i.Spec.TLS {
			need("Ingress/"+i.Name, "Secret/"+tls.SecretName)
		}
		for _, r := range i.Spec.Rules {
			for _, p := range r.HTTP.Paths {
				m.backend("Ingress/"+i.Name, p.Backend.Service)
			}
		}
	}
}

func (m *manifests) backend(by string, b *networkingv1.IngressServiceBackend) {
	at := slices.IndexFunc(m.services, func(s corev1.Service) bool { return s.Name == b.Name })
	if at < 0 {
		m.find("%s refers to Service/%s, which is not there", by, b.Name)
		return
	}
	if !slices.ContainsFunc(m.services[at].Spec.Ports, func(p corev1.ServicePort) bool { return p.Name == b.Port.Name }) {
		m.find("%s refers to the port %q of Service/%s, which is not there", by, b.Port.Name, b.Name)
	}
}

func portsOf(spec corev1.PodSpec) (out []string) {
	for _, c := range spec.Containers {
		for _, p := range c.Ports {
			out = append(out, p.Name, fmt.Sprint(p.ContainerPort))
		}
	}
	return out
}

// security is Pod Security "restricted", as the admission of Kubernetes judges it, and what we ask beyond it.
func (m *manifests) security(w pods) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		m.find("Pod Security cannot be evaluated: %v", err)
		return
	}
	level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	result := policy.AggregateCheckResults(evaluator.EvaluatePod(level, &metav1.ObjectMeta{Labels: w.labels}, &w.spec))
	if !result.Allowed {
		m.find("%s is not restricted: %s", w.name, result.ForbiddenDetail())
	}
	if w.spec.AutomountServiceAccountToken == nil || *w.spec.AutomountServiceAccountToken {
		m.find("%s: a token is mounted", w.name)
	}
	if w.spec.SecurityContext == nil || w.spec.SecurityContext.RunAsUser == nil || *w.spec.SecurityContext.RunAsUser == 0 {
		m.find("%s names no user by number", w.name)
	}
	for _, c := range w.spec.Containers {
		if c.SecurityContext == nil || c.SecurityContext.ReadOnlyRootFilesystem == nil || !*c.SecurityContext.ReadOnlyRootFilesystem {
			m.find("%s: the root of %s can be written", w.name, c.Name)
		}
		if c.Resources.Requests.Cpu().IsZero() || c.Resources.Requests.Memory().IsZero() || c.Resources.Limits.Memory().IsZero() {
			m.find("%s: %s lacks requests of processor and memory or a limit of memory", w.name, c.Name)
		}
		if strings.HasSuffix(c.Image, ":latest") || !strings.ContainsAny(c.Image, ":@") {
			m.find("%s: the image %s is no certain one", w.name, c.Image)
		}
	}
}

// running is what keeps a service up.
func (m *manifests) running(w pods) {
	for _, c := range w.spec.Containers {
		if c.StartupProbe == nil || c.LivenessProbe == nil || c.ReadinessProbe == nil {
			m.find("%s: %s lacks a probe", w.name, c.Name)
		}
	}
	if len(w.spec.TopologySpreadConstraints) == 0 {
		m.find("%s is not spread", w.name)
	}
	if !slices.ContainsFunc(m.budgets, func(b policyv1.PodDisruptionBudget) bool {
		return b.Spec.Selector != nil && selects(b.Spec.Selector.MatchLabels, w.labels)
	}) {
		m.find("%s has no PodDisruptionBudget", w.name)
	}
}
