package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	kyaml "sigs.k8s.io/yaml"
)

// Object is one Kubernetes object as its YAML or JSON says it, before anything is defaulted.
type Object map[string]any

// APIVersion is the object's group and version, such as "apps/v1".
func (o Object) APIVersion() string { return o.text("apiVersion") }

// Kind is the object's kind, such as "Deployment".
func (o Object) Kind() string { return o.text("kind") }

// Name is metadata.name.
func (o Object) Name() string { return o.meta("name") }

// Namespace is metadata.namespace, "" where none is said.
func (o Object) Namespace() string { return o.meta("namespace") }

// Annotation is the value of an annotation of the object, "" where it has none.
func (o Object) Annotation(key string) string {
	meta, _ := o["metadata"].(map[string]any)
	all, _ := meta["annotations"].(map[string]any)
	v, _ := all[key].(string)
	return v
}

// ID names the object among those of an application: "Kind/name".
func (o Object) ID() string { return o.Kind() + "/" + o.Name() }

// Clone is a copy that shares nothing with the object.
func (o Object) Clone() Object {
	out, _ := clone(map[string]any(o)).(map[string]any)
	return out
}

func (o Object) text(key string) string {
	v, _ := o[key].(string)
	return v
}

func (o Object) meta(key string) string {
	meta, _ := o["metadata"].(map[string]any)
	v, _ := meta[key].(string)
	return v
}

func clone(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = clone(e)
		}
		return out
	case Object:
		return clone(map[string]any(v))
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = clone(e)
		}
		return out
	}
	return v
}

// maxManifest is the largest stream of manifests that is read, in bytes.
const maxManifest = 4 << 20

// Parse reads a stream of YAML documents. Empty documents are left out, a List is taken apart. A key said
// twice, a document that is no object and a stream above 4 MiB are errors that name the document's number.
func Parse(text []byte) ([]Object, error) {
	if len(text) > maxManifest {
		return nil, fmt.Errorf("the manifests are %d bytes; at most %d are read", len(text), maxManifest)
	}
	var out []Object
	for i, doc := range documents(text) {
		if len(bytes.TrimSpace(doc)) == 0 {
			continue
		}
		raw, err := kyaml.YAMLToJSONStrict(doc)
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", i+1, err)
		}
		o, err := decodeObject(raw)
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", i+1, err)
		}
		if o == nil {
			continue
		}
		if o.Kind() != "List" {
			out = append(out, o)
			continue
		}
		items, _ := o["items"].([]any)
		for n, item := range items {
			m, ok := item.(map[string]any)
			if !ok {
				return nil, fmt.Errorf("document %d: items[%d] is no object", i+1, n)
			}
			out = append(out, m)
		}
	}
	return out, nil
}

// decodeObject reads one JSON value; whole numbers become int64 so that they are written again as they were.
func decodeObject(raw []byte) (Object, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch v := v.(type) {
	case nil:
		return nil, nil
	case map[string]any:
		return numbers(v).(map[string]any), nil
	}
	return nil, fmt.Errorf("is %T, not an object", v)
}

func numbers(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			v[k] = numbers(e)
		}
	case []any:
		for i, e := range v {
			v[i] = numbers(e)
		}
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, err := v.Float64()
		if err != nil {
			return v.String()
		}
		return f
	}
	return v
}

// documents cuts a YAML stream at its "---" lines.
func documents(text []byte) [][]byte {
	var out [][]byte
	var doc []byte
	for line := range bytes.Lines(text) {
		if trimmed := strings.TrimRight(string(line), " \t\r\n"); trimmed == "---" || strings.HasPrefix(trimmed, "--- ") {
			out = append(out, doc)
			doc = nil
			continue
		}
		doc = append(doc, line...)
	}
	return append(out, doc)
}
