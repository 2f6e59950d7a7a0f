package scaffoldtest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	kjson "sigs.k8s.io/json"
	kyaml "sigs.k8s.io/yaml"
)

// Manifests decodes every manifest in dir/deploy into the types of the Kubernetes API, strictly: a field that
// its kind does not have, or that is said twice, fails. It then checks what binds the objects together: names,
// labels, ports and the ConfigMap; and what the golden path promises of them: probes, limits, two replicas or
// one, and a security context.
func Manifests(t *testing.T, dir, service string) {
	t.Helper()
	var (
		deployment appsv1.Deployment
		svc        corev1.Service
		config     corev1.ConfigMap
		ingress    networkingv1.Ingress
	)
	for name, into := range map[string]any{
		"deployment.yaml": &deployment, "service.yaml": &svc, "configmap.yaml": &config, "ingress.yaml": &ingress,
	} {
		if err := Strict(filepath.Join(dir, "deploy", name), into); err != nil {
			t.Errorf("deploy/%s: %v", name, err)
		}
	}
	if t.Failed() {
		return
	}
	for kind, name := range map[string]string{
		"Deployment": deployment.Name, "Service": svc.Name, "ConfigMap": config.Name, "Ingress": ingress.Name,
	} {
		if name != service {
			t.Errorf("the %s is called %q, want %q", kind, name, service)
		}
	}
	labels := deployment.Spec.Template.Labels
	for _, selector := range []map[string]string{deployment.Spec.Selector.MatchLabels, svc.Spec.Selector} {
		for k, v := range selector {
			if labels[k] != v {
				t.Errorf("a selector wants %s=%s, the pods have %q", k, v, labels[k])
			}
		}
	}
	containers(t, deployment, service)
	c := deployment.Spec.Template.Spec.Containers[0]
	if target := svc.Spec.Ports[0].TargetPort.StrVal; len(c.Ports) == 0 || target != c.Ports[0].Name {
		t.Errorf("the Service leads to port %q, the container has %+v", target, c.Ports)
	}
	rule := ingress.Spec.Rules[0]
	if want := service + ".localhost"; rule.Host != want {
		t.Errorf("the Ingress is for host %q, want %q", rule.Host, want)
	}
	if b := rule.HTTP.Paths[0].Backend.Service; b.Name != svc.Name || b.Port.Name != svc.Spec.Ports[0].Name {
		t.Errorf("the Ingress leads to %+v", b)
	}
	kubectl(t, dir)
}

func containers(t *testing.T, d appsv1.Deployment, service string) {
	t.Helper()
	pod := d.Spec.Template.Spec
	if d.Spec.Replicas == nil || *d.Spec.Replicas < 1 || len(pod.Containers) != 1 {
		t.Fatalf("want one container and at least one replica: %+v", d.Spec)
	}
	c := pod.Containers[0]
	if c.Image != service {
		t.Errorf("the image is %q; a promotion replaces %q", c.Image, service)
	}
	for name, probe := range map[string]*corev1.Probe{"liveness": c.LivenessProbe, "readiness": c.ReadinessProbe} {
		if probe == nil || probe.HTTPGet == nil {
			t.Errorf("no %s probe over HTTP", name)
		}
	}
	if len(c.Resources.Limits) == 0 || len(c.Resources.Requests) == 0 {
		t.Error("no resource limits or requests")
	}
	if sc := c.SecurityContext; sc == nil || sc.AllowPrivilegeEscalation == nil || *sc.AllowPrivilegeEscalation || pod.SecurityContext == nil || pod.SecurityContext.RunAsNonRoot == nil {
		t.Error("the security context does not keep root out")
	}
	for _, from := range c.EnvFrom {
		if from.ConfigMapRef == nil || from.ConfigMapRef.Name != service {
			t.Errorf("the environment comes from %+v", from)
		}
	}
}

// Strict reads a YAML file into a type of the Kubernetes API and refuses what the type does not have.
func Strict(file string, into any) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	raw, err := kyaml.YAMLToJSONStrict(text)
	if err != nil {
		return err
	}
	faults, err := kjson.UnmarshalStrict(raw, into)
	if err != nil {
		return err
	}
	if len(faults) > 0 {
		return fmt.Errorf("%v", faults)
	}
	return nil
}

// kubectl renders the kustomization and lets kubectl say what it would apply, where kubectl is installed.
func kubectl(t *testing.T, dir string) {
	t.Helper()
	if !Has(t, "kubectl") {
		return
	}
	rendered := Run(t, dir, "kubectl", "kustomize", "deploy")
	if got := strings.Count(rendered, "\nkind: "); got != 4 {
		t.Errorf("the kustomization has %d objects, want 4:\n%s", got, rendered)
	}
	// kubectl asks a cluster for the kinds it knows even when it only pretends. This one has these kinds and
	// no object; whatever cluster the machine is set up for is never asked.
	cluster := httptest.NewServer(http.HandlerFunc(emptyCluster))
	defer cluster.Close()
	said := Run(t, dir, "kubectl", "--kubeconfig="+os.DevNull, "--server="+cluster.URL, "--cache-dir="+t.TempDir(),
		"apply", "--dry-run=client", "--validate=false", "-k", "deploy")
	if got := strings.Count(said, " created (dry run)"); got != 4 {
		t.Errorf("kubectl would create %d objects, want 4:\n%s", got, said)
	}
}

// emptyCluster answers the discovery of the API as a cluster does that has the kinds of a service and nothing else.
func emptyCluster(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	answer := map[string]string{
		"/api": `{"kind":"APIVersions","versions":["v1"]}`,
		"/apis": `{"kind":"APIGroupList","apiVersion":"v1","groups":[
			{"name":"apps","versions":[{"groupVersion":"apps/v1","version":"v1"}],"preferredVersion":{"groupVersion":"apps/v1","version":"v1"}},
			{"name":"networking.k8s.io","versions":[{"groupVersion":"networking.k8s.io/v1","version":"v1"}],"preferredVersion":{"groupVersion":"networking.k8s.io/v1","version":"v1"}}]}`,
		"/api/v1": `{"kind":"APIResourceList","groupVersion":"v1","resources":[
			{"name":"configmaps","namespaced":true,"kind":"ConfigMap","verbs":["get","create","patch"]},
			{"name":"services","namespaced":true,"kind":"Service","verbs":["get","create","patch"]}]}`,
		"/apis/apps/v1": `{"kind":"APIResourceList","groupVersion":"apps/v1","resources":[
			{"name":"deployments","namespaced":true,"kind":"Deployment","verbs":["get","create","patch"]}]}`,
		"/apis/networking.k8s.io/v1": `{"kind":"APIResourceList","groupVersion":"networking.k8s.io/v1","resources":[
			{"name":"ingresses","namespaced":true,"kind":"Ingress","verbs":["get","create","patch"]}]}`,
	}[r.URL.Path]
	if answer == "" {
		w.WriteHeader(http.StatusNotFound)
		answer = `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}`
	}
	_, _ = w.Write([]byte(answer))
}
