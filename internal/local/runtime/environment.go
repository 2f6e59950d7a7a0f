package runtime

import (
	"strconv"
	"strings"

	"github.com/fawkes-idp/fawkes/internal/local/runtime/manifest"
)

// defaultPath is the PATH of an image that says none.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// variables is an environment under construction: the last value of a name counts.
type variables struct {
	order  []string
	values map[string]string
}

func (v *variables) set(name, value string) {
	if v.values == nil {
		v.values = map[string]string{}
	}
	if _, ok := v.values[name]; !ok {
		v.order = append(v.order, name)
	}
	v.values[name] = value
}

func (v *variables) list() []string {
	out := make([]string, 0, len(v.order))
	for _, name := range v.order {
		out = append(out, name+"="+v.values[name])
	}
	return out
}

// expand replaces $(NAME) by the variable's value; a name that is not set stays as written, $$ is one dollar.
func (v *variables) expand(text string) string {
	var out strings.Builder
	for {
		before, rest, ok := strings.Cut(text, "$")
		out.WriteString(before)
		if !ok {
			return out.String()
		}
		if strings.HasPrefix(rest, "$") {
			out.WriteByte('$')
			text = rest[1:]
			continue
		}
		if strings.HasPrefix(rest, "(") {
			if name, after, closed := strings.Cut(rest[1:], ")"); closed {
				if value, known := v.values[name]; known {
					out.WriteString(value)
				} else {
					out.WriteString("$(" + name + ")")
				}
				text = after
				continue
			}
		}
		out.WriteByte('$')
		text = rest
	}
}

// link is where a Service of the same namespace is reached, for the variables that Kubernetes calls service links.
type link struct {
	service string
	port    string // its name
	at      int
}

// environment is all that an instance's program sees: the image's variables, service links, the manifest's, and
// the ports it has to listen on.
func environment(img *image, t manifest.Template, pod, namespace string, ports map[int32]int, links []link) *variables {
	v := &variables{}
	v.set("PATH", defaultPath)
	for _, e := range img.Env {
		name, value, _ := strings.Cut(e, "=")
		v.set(name, value)
	}
	if _, ok := v.values["HOME"]; !ok {
		v.set("HOME", "/")
	}
	v.set("HOSTNAME", pod)
	if t.ServiceLink {
		seen := map[string]bool{}
		for _, l := range links {
			name := variableName(l.service)
			if !seen[l.service] {
				seen[l.service] = true
				v.set(name+"_SERVICE_HOST", "127.0.0.1")
				v.set(name+"_SERVICE_PORT", strconv.Itoa(l.at))
				v.set(name+"_PORT", "tcp://"+loopback(l.at))
			}
			if l.port != "" {
				v.set(name+"_SERVICE_PORT_"+variableName(l.port), strconv.Itoa(l.at))
			}
		}
	}
	for _, e := range t.Env {
		switch {
		case e.Field != "":
			v.set(e.Name, field(e.Field, t, pod, namespace))
		case e.Plain:
			v.set(e.Name, e.Value)
		default:
			v.set(e.Name, v.expand(e.Value))
		}
	}
	for i, p := range t.Ports {
		if i == 0 {
			v.set("PORT", strconv.Itoa(ports[p.Number]))
		}
		if p.Name != "" {
			v.set("PORT_"+variableName(p.Name), strconv.Itoa(ports[p.Number]))
		}
		v.set("PORT_"+strconv.Itoa(int(p.Number)), strconv.Itoa(ports[p.Number]))
	}
	return v
}

func variableName(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r - 'a' + 'A'
		}
		if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, text)
}

// field is what a fieldRef means here; Check has refused the others.
func field(path string, t manifest.Template, pod, namespace string) string {
	switch path {
	case "metadata.name":
		return pod
	case "metadata.namespace":
		return namespace
	case "status.podIP", "status.podIPs", "status.hostIP", "status.hostIPs":
		return "127.0.0.1"
	}
	if key, ok := manifest.FieldKey(path, "metadata.labels"); ok {
		return t.Labels[key]
	}
	if key, ok := manifest.FieldKey(path, "metadata.annotations"); ok {
		return t.Annotations[key]
	}
	return ""
}
