package manifest

import (
	"reflect"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// paths are the leaves of a Kubernetes type as JSON names them.
func paths(t reflect.Type, at string, out map[string]bool) {
	switch t {
	case reflect.TypeFor[metav1.Time](), reflect.TypeFor[resource.Quantity](), reflect.TypeFor[intstr.IntOrString](),
		reflect.TypeFor[metav1.FieldsV1](), reflect.TypeFor[metav1.MicroTime]():
		out[at] = true
		return
	}
	switch t.Kind() {
	case reflect.Pointer:
		paths(t.Elem(), at, out)
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			out[at] = true
			return
		}
		paths(t.Elem(), at+"[]", out)
	case reflect.Struct:
		for f := range t.Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			switch {
			case name == "-":
			case name == "":
				paths(f.Type, at, out)
			case at == "":
				paths(f.Type, name, out)
			default:
				paths(f.Type, at+"."+name, out)
			}
		}
	default:
		out[at] = true
	}
}

func kinds() map[string]reflect.Type {
	return map[string]reflect.Type{
		"Deployment": reflect.TypeFor[appsv1.Deployment](),
		"Service":    reflect.TypeFor[corev1.Service](),
		"ConfigMap":  reflect.TypeFor[corev1.ConfigMap](),
		"Ingress":    reflect.TypeFor[networkingv1.Ingress](),
		"Namespace":  reflect.TypeFor[corev1.Namespace](),
	}
}

// covered finds the row for a leaf: its own, or one above it that speaks for all below.
func covered(rows map[string]Field, kind, leaf string) (Field, bool) {
	if f, ok := rows[kind+" "+leaf]; ok {
		return f, true
	}
	for at := leaf; at != ""; {
		i := strings.LastIndexAny(at, ".[")
		if i < 0 {
			break
		}
		at = at[:i]
		if f, ok := rows[kind+" "+at]; ok && f.Below {
			return f, true
		}
	}
	return Field{}, false
}

func TestEveryFieldOfEveryKindIsInTheTable(t *testing.T) {
	rows := map[string]Field{}
	for _, f := range Fields() {
		if _, twice := rows[f.Kind+" "+f.Path]; twice {
			t.Errorf("%s %s is in the table twice", f.Kind, f.Path)
		}
		rows[f.Kind+" "+f.Path] = f
		if f.Class != Supported && f.Why == "" {
			t.Errorf("%s %s is %s without a reason", f.Kind, f.Path, f.Class)
		}
		if f.Class == Refused && f.Mend == "" {
			t.Errorf("%s %s is refused without a way out", f.Kind, f.Path)
		}
	}
	used := map[string]bool{}
	for kind, typ := range kinds() {
		leaves := map[string]bool{}
		paths(typ, "", leaves)
		if len(leaves) < 10 {
			t.Fatalf("%s has %d fields; the walk does not work", kind, len(leaves))
		}
		for leaf := range leaves {
			f, ok := covered(rows, kind, leaf)
			if !ok {
				t.Errorf("%s %s is in no row", kind, leaf)
				continue
			}
			used[f.Kind+" "+f.Path] = true
		}
	}
	for id := range rows {
		if !used[id] {
			t.Errorf("the row %s speaks of no field", id)
		}
	}
}
