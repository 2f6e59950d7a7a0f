package manifest

import (
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

// Problem is one thing in a manifest that is not done on one machine without containers.
type Problem struct {
	Kind, Name string
	Path       string // of the field, as in spec.template.spec.containers[0].image
	Why        string
	Mend       string
}

// String is the problem as one line.
func (p Problem) String() string {
	out := p.Kind + "/" + p.Name
	if p.Path != "" {
		out += " " + p.Path
	}
	out += ": " + p.Why
	if p.Mend != "" {
		out += " (" + p.Mend + ")"
	}
	return out
}

// maxObjects is how many objects an application may have.
const maxObjects = 200

// Check says what of an application's objects is not done: kinds, fields and values that the table of [Fields]
// refuses or does not know, and what cannot work because objects do not fit each other. It is pure, and its answer
// is sorted by object and path. None means that the application can be run.
func Check(objs []Object) []Problem {
	if len(objs) > maxObjects {
		return []Problem{{Kind: "List", Why: fmt.Sprintf("the application has %d objects; at most %d are run", len(objs), maxObjects)}}
	}
	c := checker{table: map[string]Field{}, seen: map[string]bool{}}
	for _, f := range Fields() {
		c.table[f.Kind+" "+f.Path] = f
	}
	for _, o := range objs {
		c.object(o)
	}
	if len(c.problems) == 0 { // what follows reads the objects as a whole
		if set, err := Decode(objs); err != nil {
			c.add("", err.Error(), "")
		} else {
			c.together(set)
		}
	}
	sort.SliceStable(c.problems, func(i, j int) bool {
		a, b := c.problems[i], c.problems[j]
		if a.Kind+a.Name != b.Kind+b.Name {
			return a.Kind+a.Name < b.Kind+b.Name
		}
		return a.Path < b.Path
	})
	return c.problems
}

type checker struct {
	table    map[string]Field
	seen     map[string]bool
	problems []Problem
	space    string

	kind, name string // of the object at hand
}

func (c *checker) add(path, why, mend string) {
	c.problems = append(c.problems, Problem{Kind: c.kind, Name: c.name, Path: path, Why: why, Mend: mend})
}

// label is a name of an object, and of most things in it.
var label = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$`)

// object checks one object by itself.
func (c *checker) object(o Object) {
	c.kind, c.name = o.Kind(), o.Name()
	if c.kind == "" {
		c.kind = "?"
	}
	id := o.APIVersion() + " " + o.Kind()
	strict := map[string]func(Object) ([]error, error){
		"apps/v1 Deployment":           strictly[appsv1.Deployment],
		"v1 Service":                   strictly[corev1.Service],
		"v1 ConfigMap":                 strictly[corev1.ConfigMap],
		"v1 Namespace":                 strictly[corev1.Namespace],
		"networking.k8s.io/v1 Ingress": strictly[networkingv1.Ingress],
	}[id]
	if strict == nil {
		mend, known := refusedKinds()[o.Kind()]
		switch {
		case slices.Contains(Kinds(), o.Kind()):
			c.add("apiVersion", fmt.Sprintf("%q is not the version that is read", o.APIVersion()), "write the stable one: apps/v1, v1, networking.k8s.io/v1")
		case known:
			c.add("kind", "is not run on one machine", mend)
		default:
			c.add("kind", "is not known", "these are run: "+strings.Join(Kinds(), ", "))
		}
		return
	}
	if !label.MatchString(c.name) {
		c.add("metadata.name", fmt.Sprintf("%q is no name", c.name), "use a-z, 0-9, - and ., at most 63")
		return
	}
	if c.seen[o.ID()] {
		c.add("metadata.name", "the object is there twice", "leave one of them out")
		return
	}
	c.seen[o.ID()] = true
	if space := o.Namespace(); space != "" && o.Kind() != "Namespace" {
		if c.space == "" {
			c.space = space
		}
		if space != c.space {
			c.add("metadata.namespace", fmt.Sprintf("is %q where other objects of the application are in %q", space, c.space), "one application lives in one namespace")
		}
	}
	faults, err := strict(o)
	if err != nil {
		c.add("", err.Error(), "")
		return
	}
	for _, f := range faults {
		path, why := unknownField(f.Error())
		c.add(path, why, "")
	}
	c.walk("", "", map[string]any(o))
	if len(faults) > 0 { // the table knows no field that Kubernetes does not know; it is said once
		c.problems = slices.DeleteFunc(c.problems, func(p Problem) bool { return p.Why == unlisted })
	}
}

func strictly[T any](o Object) ([]error, error) {
	_, faults, err := decode[T](o)
	return faults, err
}

// unknownField takes `unknown field "spec.x"` apart.
func unknownField(text string) (path, why string) {
	if rest, ok := strings.CutPrefix(text, `unknown field "`); ok {
		return strings.TrimSuffix(rest, `"`), "is no field of this kind"
	}
	return "", text
}

const unlisted = "is in no row of the table of fields"

// walk holds each field against the table. path has indexes for the reader, row has [] for the table.
func (c *checker) walk(path, row string, v any) {
	if row != "" {
		if f, ok := c.table[c.kind+" "+row]; ok && (f.Below || !isContainer(v)) {
			c.judge(f, path, v)
			return
		}
	}
	switch v := v.(type) {
	case map[string]any:
		for _, k := range sortedKeys(v) {
			c.walk(join(path, k), join(row, k), v[k])
		}
	case []any:
		for i, e := range v {
			c.walk(fmt.Sprintf("%s[%d]", path, i), row+"[]", e)
		}
	case nil:
	default:
		c.add(path, unlisted, "")
	}
}

func isContainer(v any) bool {
	switch v.(type) {
	case map[string]any, []any:
		return true
	}
	return false
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// judge says what is wrong with a field's value.
func (c *checker) judge(f Field, path string, v any) {
	switch {
	case asksNothing(v):
	case f.Class == Refused:
		c.add(path, f.Why, f.Mend)
	case len(f.Only) > 0:
		if text, _ := v.(string); !slices.Contains(f.Only, text) {
			c.add(path, fmt.Sprintf("%v: %s", v, f.Why), f.Mend)
		}
	}
}

// asksNothing tells whether a value is the one that Kubernetes takes a field to have when it is not said.
func asksNothing(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case bool:
		return !v
	case string:
		return v == ""
	case int64:
		return v == 0
	case float64:
		return v == 0
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}
