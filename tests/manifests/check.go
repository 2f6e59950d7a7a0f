// Package manifests looks at what the repository gives a cluster for faults that an API server takes without a word: a name that
// nothing has, a key that stands twice, a Secret that is written down.
package manifests

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"gopkg.in/yaml.v3"
)

// Object is a Kubernetes object.
type Object = map[string]any

// Decode reads all documents of a text. A key that stands twice is an error that names it and its lines.
func Decode(text []byte) ([]Object, error) {
	var out []Object
	for decoder := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var o any
		switch err := decoder.Decode(&o); {
		case errors.Is(err, io.EOF):
			return out, nil
		case err != nil:
			return nil, err
		}
		if object, ok := o.(Object); ok {
			out = append(out, object)
		}
	}
}

// Surroundings is what objects of one component may count on beside each other.
type Surroundings struct {
	Namespaces []string            // where they may be; none: anywhere
	Secrets    map[string][]string // the keys of the Secrets that somebody makes
}

// checker collects faults.
type checker struct {
	Surroundings
	names  map[string]Object // by "Kind/name"
	pods   []pod
	faults []string
}

// pod is the template of a workload's pods.
type pod struct {
	of       string // the workload, as Kind/name
	labels   Object
	template Object
	claims   []string // of a StatefulSet
}

// Check lists what the objects of one component name and nothing has.
func Check(objects []Object, around Surroundings) []string {
	c := &checker{Surroundings: around, names: map[string]Object{}}
	for _, o := range objects {
		c.names[ID(o)] = o
		c.collect(o)
	}
	for _, o := range objects {
		at := ID(o)
		metadata := under(o, "metadata")
		if ns, _ := metadata["namespace"].(string); ns != "" && len(c.Namespaces) > 0 && !slices.Contains(c.Namespaces, ns) {
			c.fault("%s is in the namespace %s, and its component may be in %v", at, ns, c.Namespaces)
		}
		switch o["kind"] {
		case "Secret":
			c.fault("%s is written down; an ExternalSecret brings it", at)
		case "Service":
			c.service(at, under(o, "spec"))
		case "Ingress":
			c.ingress(at, under(o, "spec"))
		case "HorizontalPodAutoscaler":
			target := under(o, "spec", "scaleTargetRef")
			c.there(at, text(target["kind"]), text(target["name"]))
		}
	}
	for _, p := range c.pods {
		c.pod(p)
	}
	return c.faults
}

// ID is Kind/name.
func ID(o Object) string { return text(o["kind"]) + "/" + text(under(o, "metadata")["name"]) }

func (c *checker) fault(format string, args ...any) {
	if f := fmt.Sprintf(format, args...); !slices.Contains(c.faults, f) {
		c.faults = append(c.faults, f)
	}
}

// collect finds pod templates.
func (c *checker) collect(o Object) {
	var template Object
	var claims []string
	switch o["kind"] {
	case "Deployment", "DaemonSet", "Job", "StatefulSet":
		template = under(o, "spec", "template")
	case "CronJob":
		template = under(o, "spec", "jobTemplate", "spec", "template")
	case "Pod":
		template = o
	default:
		return
	}
	for _, claim := range list(under(o, "spec")["volumeClaimTemplates"]) {
		claims = append(claims, text(under(claim, "metadata")["name"]))
	}
	c.pods = append(c.pods, pod{ID(o), under(template, "metadata", "labels"), under(template, "spec"), claims})
}

// there sees that an object exists.
func (c *checker) there(at, kind, name string) bool {
	id := kind + "/" + name
	if _, ok := c.names[id]; ok {
		return true
	}
	c.fault("%s names %s, which does not exist", at, id)
	return false
}

// secret sees that somebody makes a Secret with a key; an empty key is any.
func (c *checker) secret(at, name, key string) {
	keys, ok := c.Secrets[name]
	switch {
	case !ok:
		c.fault("%s names the Secret %s, which nobody makes", at, name)
	case key != "" && !slices.Contains(keys, key):
		c.fault("%s reads the key %s of the Secret %s, which has %v", at, key, name, keys)
	}
}

// configMap sees that a ConfigMap exists and has a key; an empty key is any.
func (c *checker) configMap(at, name, key string) {
	if !c.there(at, "ConfigMap", name) || key == "" {
		return
	}
	if _, ok := under(c.names["ConfigMap/"+name], "data")[key]; !ok {
		c.fault("%s reads the key %s of ConfigMap/%s, which has not got it", at, key, name)
	}
}

func (c *checker) service(at string, spec Object) {
	selector := under(spec, "selector")
	if len(selector) == 0 {
		return // a name for something outside
	}
	i := slices.IndexFunc(c.pods, func(p pod) bool {
		for key, value := range selector {
			if p.labels[key] != value {
				return false
			}
		}
		return true
	})
	if i < 0 {
		c.fault("%s selects pods with %v, and no workload has such", at, selector)
		return
	}
	for _, port := range list(spec["ports"]) {
		if name, ok := port["targetPort"].(string); ok && !slices.Contains(c.pods[i].ports(), name) {
			c.fault("%s leads to the port %s, and the pods of %s have %v", at, name, c.pods[i].of, c.pods[i].ports())
		}
	}
}

// ports lists the names of the ports of a pod's containers.
func (p pod) ports() []string {
	var out []string
	for _, container := range list(p.template["containers"]) {
		for _, port := range list(container["ports"]) {
			out = append(out, text(port["name"]))
		}
	}
	return out
}

func (c *checker) ingress(at string, spec Object) {
	for _, tls := range list(spec["tls"]) {
		c.secret(at, text(tls["secretName"]), "")
	}
	for _, rule := range list(spec["rules"]) {
		for _, path := range list(under(rule, "http")["paths"]) {
			service := under(path, "backend", "service")
			name := text(service["name"])
			if !c.there(at, "Service", name) {
				continue
			}
			port := under(service, "port")
			found := slices.ContainsFunc(list(under(c.names["Service/"+name], "spec")["ports"]), func(p Object) bool {
				return (port["name"] != nil && p["name"] == port["name"]) || (port["number"] != nil && p["port"] == port["number"])
			})
			if !found {
				c.fault("%s leads to the port %v of Service/%s, which has no such port", at, slices.Collect(maps.Values(port)), name)
			}
		}
	}
}

// pod sees what a pod's template names.
func (c *checker) pod(p pod) {
	if name := text(p.template["serviceAccountName"]); name != "" && name != "default" {
		c.there(p.of, "ServiceAccount", name)
	}
	for _, s := range list(p.template["imagePullSecrets"]) {
		c.secret(p.of, text(s["name"]), "")
	}
	var volumes []string
	for _, v := range list(p.template["volumes"]) {
		volumes = append(volumes, text(v["name"]))
		c.volume(p, v)
		for _, source := range list(under(v, "projected")["sources"]) {
			c.volume(p, source)
		}
	}
	volumes = append(volumes, p.claims...)
	for _, container := range slices.Concat(list(p.template["initContainers"]), list(p.template["containers"])) {
		c.container(p, container, volumes)
	}
}

// volume sees what a volume, or one source of a projected one, is filled from.
func (c *checker) volume(p pod, v Object) {
	if claim := text(under(v, "persistentVolumeClaim")["claimName"]); claim != "" {
		c.there(p.of, "PersistentVolumeClaim", claim)
	}
	if s := under(v, "secret"); s != nil && s["optional"] != true {
		name := text(s["secretName"])
		if name == "" {
			name = text(s["name"])
		}
		c.secret(p.of, name, "")
		for _, item := range list(s["items"]) {
			c.secret(p.of, name, text(item["key"]))
		}
	}
	if m := under(v, "configMap"); m != nil && m["optional"] != true {
		c.configMap(p.of, text(m["name"]), "")
		for _, item := range list(m["items"]) {
			c.configMap(p.of, text(m["name"]), text(item["key"]))
		}
	}
}

func (c *checker) container(p pod, container Object, volumes []string) {
	at := p.of + ", container " + text(container["name"])
	for _, e := range list(container["env"]) {
		from := under(e, "valueFrom")
		if s := under(from, "secretKeyRef"); s != nil && s["optional"] != true {
			c.secret(at, text(s["name"]), text(s["key"]))
		}
		if m := under(from, "configMapKeyRef"); m != nil && m["optional"] != true {
			c.configMap(at, text(m["name"]), text(m["key"]))
		}
	}
	for _, e := range list(container["envFrom"]) {
		if s := under(e, "secretRef"); s != nil && s["optional"] != true {
			c.secret(at, text(s["name"]), "")
		}
		if m := under(e, "configMapRef"); m != nil && m["optional"] != true {
			c.configMap(at, text(m["name"]), "")
		}
	}
	for _, m := range list(container["volumeMounts"]) {
		if name := text(m["name"]); !slices.Contains(volumes, name) {
			c.fault("%s mounts the volume %s, which its pod has not", at, name)
		}
	}
	var ports []string
	for _, port := range list(container["ports"]) {
		ports = append(ports, text(port["name"]))
	}
	for _, probe := range []string{"startupProbe", "livenessProbe", "readinessProbe"} {
		for _, kind := range []string{"httpGet", "tcpSocket"} {
			if name, ok := under(container, probe, kind)["port"].(string); ok && !slices.Contains(ports, name) {
				c.fault("%s is probed at the port %s, and has %v", at, name, ports)
			}
		}
	}
}

// under is the mapping at the end of a way, nil when there is none.
func under(o Object, way ...string) Object {
	for _, key := range way {
		next, ok := o[key].(Object)
		if !ok {
			return nil
		}
		o = next
	}
	return o
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

// list is the mappings of a list.
func list(v any) []Object {
	items, _ := v.([]any)
	var out []Object
	for _, item := range items {
		if o, ok := item.(Object); ok {
			out = append(out, o)
		}
	}
	return out
}
