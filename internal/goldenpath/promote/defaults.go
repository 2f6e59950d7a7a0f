package promote

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/fawkes-idp/fawkes/internal/goldenpath/fawkesfile"
)

// Defaults are the manifests of a service that brings none: Deployment, Service, Ingress, and a ConfigMap
// where there is configuration.
func Defaults(service string, d fawkesfile.Deploy) []Manifest {
	var b strings.Builder
	fmt.Fprintf(&b, `apiVersion: apps/v1
kind: Deployment
metadata:
  name: %[1]s
  labels:
    app.kubernetes.io/name: %[1]s
spec:
  replicas: %[2]d
  selector:
    matchLabels:
      app.kubernetes.io/name: %[1]s
  template:
    metadata:
      labels:
        app.kubernetes.io/name: %[1]s
    spec:
      containers:
        - name: %[1]s
          image: %[1]s
          ports:
            - name: http
              containerPort: %[3]d
          env:
            - name: PORT
              value: "%[3]d"
`, service, d.Replicas, d.Port)
	if len(d.Config) > 0 {
		fmt.Fprintf(&b, "          envFrom:\n            - configMapRef:\n                name: %s\n", service)
	}
	for _, probe := range []string{"readinessProbe", "livenessProbe"} {
		fmt.Fprintf(&b, "          %s:\n            httpGet:\n              path: %s\n              port: http\n            periodSeconds: %d\n",
			probe, strconv.Quote(d.Health), map[string]int{"readinessProbe": 1, "livenessProbe": 10}[probe])
	}
	out := []Manifest{{"deployment.yaml", []byte(b.String())}}
	out = append(out, Manifest{"service.yaml", fmt.Appendf(nil, `apiVersion: v1
kind: Service
metadata:
  name: %[1]s
spec:
  selector:
    app.kubernetes.io/name: %[1]s
  ports:
    - name: http
      port: 80
      targetPort: http
`, service)})
	host := d.Host
	if host == "" {
		host = service + ".localhost"
	}
	out = append(out, Manifest{"ingress.yaml", fmt.Appendf(nil, `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: %[1]s
spec:
  rules:
    - host: %[2]s
      http:
        paths:
          - path: /
            pathType: Prefix
            backend:
              service:
                name: %[1]s
                port:
                  name: http
`, service, host)})
	if len(d.Config) > 0 {
		var c bytes.Buffer
		fmt.Fprintf(&c, "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: %s\ndata:\n", service)
		for _, key := range slices.Sorted(maps.Keys(d.Config)) {
			fmt.Fprintf(&c, "  %s: %s\n", key, strconv.Quote(d.Config[key]))
		}
		out = append(out, Manifest{"configmap.yaml", c.Bytes()})
	}
	return out
}

// mostObjects bounds the documents of one manifest.
const mostObjects = 200

// CheckImages wants that the manifests can be read, and that one container has the service's name as its
// image: kustomize finds it by that name and puts registry and digest in its place.
func CheckImages(service string, manifests []Manifest) error {
	var seen []string
	for _, m := range manifests {
		decoder := yaml.NewDecoder(bytes.NewReader(m.Text))
		for n := 0; ; n++ {
			var doc yaml.Node
			err := decoder.Decode(&doc)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return fmt.Errorf("%s: %w", m.Name, err)
			}
			if n == mostObjects {
				return fmt.Errorf("%s: it holds more than %d objects", m.Name, mostObjects)
			}
			images(&doc, 0, func(name string) { seen = append(seen, name) })
		}
	}
	for _, name := range seen {
		name, _, _ = strings.Cut(name, "@")
		if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
			name = name[:i]
		}
		if name == service {
			return nil
		}
	}
	if len(seen) == 0 {
		return fmt.Errorf("no container has an image")
	}
	return fmt.Errorf("no container has the image %s; there are %s", service, strings.Join(seen[:min(len(seen), 5)], ", "))
}

// images calls use with every value of a key "image" of a container.
func images(n *yaml.Node, depth int, use func(string)) {
	if depth > 64 {
		return
	}
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 1 && n.Content[i-1].Value == "image" && c.Kind == yaml.ScalarNode {
			use(c.Value)
		}
		images(c, depth+1, use)
	}
}
