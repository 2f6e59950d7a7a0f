package manifest

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Entry is one port of a Service: where others reach the instances that it selects.
type Entry struct {
	Service  string
	Selector map[string]string
	Name     string
	Port     int32
	Target   intstr.IntOrString
	HTTP     bool // else bytes are passed as they come
}

// Entries are the ports of the Services of a set. Which of them speak HTTP follows from appProtocol, from the
// port's name, from an Ingress or an httpGet probe that uses it, and from the numbers 80 and 8080, in this order.
func Entries(s Set, templates []Template) []Entry {
	behind := map[string]bool{}
	for _, in := range s.Ingresses {
		for _, r := range Routes(in) {
			behind[r.Service+"/"+r.Port.String()] = true
		}
	}
	var out []Entry
	for _, svc := range s.Services {
		for _, p := range svc.Spec.Ports {
			e := Entry{Service: svc.Name, Selector: svc.Spec.Selector, Name: p.Name, Port: p.Port, Target: target(p)}
			routed := behind[svc.Name+"/"+p.Name] || behind[fmt.Sprintf("%s/%d", svc.Name, p.Port)]
			e.HTTP = speaksHTTP(p, e, routed, templates)
			out = append(out, e)
		}
	}
	return out
}

func speaksHTTP(p corev1.ServicePort, e Entry, routed bool, templates []Template) bool {
	if p.AppProtocol != nil && *p.AppProtocol != "" {
		switch strings.ToLower(*p.AppProtocol) {
		case "http", "kubernetes.io/ws":
			return true
		}
		return routed
	}
	if routed {
		return true
	}
	name := strings.ToLower(p.Name)
	if name == "http" || name == "web" || strings.HasPrefix(name, "http-") {
		return true
	}
	if name == "tcp" || name == "grpc" || strings.HasPrefix(name, "tcp-") || strings.HasPrefix(name, "grpc-") {
		return false
	}
	for _, t := range templates {
		port, ok := t.Target(e.Target)
		if !ok || !Matches(e.Selector, t.Labels) {
			continue
		}
		for _, probe := range []*Probe{t.Readiness, t.Liveness, t.Startup} {
			if probe != nil && probe.HTTP != nil && !probe.HTTP.HTTPS && probe.HTTP.Port == port {
				return true
			}
		}
	}
	return p.Port == 80 || p.Port == 8080
}

// Route is one rule of an Ingress.
type Route struct {
	Host    string // "" is every host, "*.x" every one below x
	Path    string // begins with "/"
	Exact   bool   // else the path and everything below it
	Service string
	Port    intstr.IntOrString // a Service's port by number or name
}

// Routes are the rules of an Ingress, its default backend last.
func Routes(in networkingv1.Ingress) []Route {
	var out []Route
	add := func(r Route, b networkingv1.IngressBackend) {
		if b.Service == nil {
			return
		}
		r.Service, r.Port = b.Service.Name, intstr.FromInt32(b.Service.Port.Number)
		if b.Service.Port.Name != "" {
			r.Port = intstr.FromString(b.Service.Port.Name)
		}
		out = append(out, r)
	}
	for _, rule := range in.Spec.Rules {
		if rule.HTTP == nil {
			continue
		}
		for _, p := range rule.HTTP.Paths {
			r := Route{Host: strings.ToLower(rule.Host), Path: p.Path}
			if r.Path == "" {
				r.Path = "/"
			}
			r.Exact = p.PathType != nil && *p.PathType == networkingv1.PathTypeExact
			add(r, p.Backend)
		}
	}
	if in.Spec.DefaultBackend != nil {
		add(Route{Path: "/"}, *in.Spec.DefaultBackend)
	}
	return out
}
