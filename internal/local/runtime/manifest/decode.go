package manifest

import (
	"encoding/json"
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	kjson "sigs.k8s.io/json"
)

// Set is the typed form of an application's objects.
type Set struct {
	Deployments []appsv1.Deployment
	Services    []corev1.Service
	ConfigMaps  []corev1.ConfigMap
	Ingresses   []networkingv1.Ingress
}

// Decode reads objects strictly: a field that its kind does not have, or that is said twice, is an error that
// names it. Kinds that mean nothing on one machine (Namespace) are read and left out.
func Decode(objs []Object) (Set, error) {
	var s Set
	for _, o := range objs {
		var err error
		switch o.APIVersion() + " " + o.Kind() {
		case "apps/v1 Deployment":
			s.Deployments, err = decodeInto(s.Deployments, o)
		case "v1 Service":
			s.Services, err = decodeInto(s.Services, o)
		case "v1 ConfigMap":
			s.ConfigMaps, err = decodeInto(s.ConfigMaps, o)
		case "networking.k8s.io/v1 Ingress":
			s.Ingresses, err = decodeInto(s.Ingresses, o)
		case "v1 Namespace":
			_, err = decodeInto([]corev1.Namespace(nil), o)
		default:
			err = fmt.Errorf("kind %s of %q is not run on one machine", o.Kind(), o.APIVersion())
		}
		if err != nil {
			return Set{}, fmt.Errorf("%s: %w", o.ID(), err)
		}
	}
	return s, nil
}

func decodeInto[T any](all []T, o Object) ([]T, error) {
	v, problems, err := decode[T](o)
	if err != nil {
		return nil, err
	}
	if len(problems) > 0 {
		return nil, problems[0]
	}
	return append(all, v), nil
}

// decode reads one object as T. The second value are faults of single fields, the third that it cannot be read.
func decode[T any](o Object) (T, []error, error) {
	var v T
	raw, err := json.Marshal(o)
	if err != nil {
		return v, nil, fmt.Errorf("write as JSON: %w", err)
	}
	strict, err := kjson.UnmarshalStrict(raw, &v)
	if err != nil {
		return v, nil, fmt.Errorf("read: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	return v, strict, nil
}

// ConfigMap is the ConfigMap of that name.
func (s Set) ConfigMap(name string) (corev1.ConfigMap, bool) {
	for _, c := range s.ConfigMaps {
		if c.Name == name {
			return c, true
		}
	}
	return corev1.ConfigMap{}, false
}

// Service is the Service of that name.
func (s Set) Service(name string) (corev1.Service, bool) {
	for _, svc := range s.Services {
		if svc.Name == name {
			return svc, true
		}
	}
	return corev1.Service{}, false
}

// Matches tells whether labels have all that a selector asks for; an empty selector matches nothing, as a
// Service without one has no instances of its own.
func Matches(selector, labels map[string]string) bool {
	for k, v := range selector {
		if got, ok := labels[k]; !ok || got != v {
			return false
		}
	}
	return len(selector) > 0
}
