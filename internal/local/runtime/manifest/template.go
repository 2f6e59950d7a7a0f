package manifest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Template is what one instance of a Deployment runs, with everything looked up that other objects say. What
// ConfigMaps held is part of it: a changed ConfigMap makes another template, and so a roll-out.
type Template struct {
	Container   string            `json:"container"`
	Image       string            `json:"image"`
	Command     []string          `json:"command,omitempty"`
	Args        []string          `json:"args,omitempty"`
	WorkingDir  string            `json:"working_dir,omitempty"`
	Env         []Variable        `json:"env,omitempty"`
	Ports       []Port            `json:"ports,omitempty"` // the first is PORT
	Files       []File            `json:"files,omitempty"`
	Scratch     []string          `json:"scratch,omitempty"` // where empty folders are wanted
	Startup     *Probe            `json:"startup,omitempty"`
	Liveness    *Probe            `json:"liveness,omitempty"`
	Readiness   *Probe            `json:"readiness,omitempty"`
	PreStop     *Handler          `json:"pre_stop,omitempty"`
	Grace       int64             `json:"grace"`  // seconds from being told to stop until being killed
	Memory      int64             `json:"memory"` // bytes, 0 is no limit
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	ReadOnly    bool              `json:"read_only,omitempty"` // /tmp too
	ServiceLink bool              `json:"service_link"`        // variables that say where Services are
}

// Variable is one of the environment: a value, in which $(NAME) stands for one said before, or a field of the
// instance.
type Variable struct {
	Name  string `json:"name"`
	Value string `json:"value,omitempty"`
	Field string `json:"field,omitempty"`
	Plain bool   `json:"plain,omitempty"` // taken as it is: $(…) stands for nothing
}

// Port is one that the container would listen on.
type Port struct {
	Name   string `json:"name,omitempty"`
	Number int32  `json:"number"`
}

// File is one of a ConfigMap's, where the container would see it.
type File struct {
	Path string `json:"path"`
	Data []byte `json:"data"`
	Mode uint32 `json:"mode"`
}

// Probe is a question and when it is asked, in seconds.
type Probe struct {
	Handler
	Delay   int32  `json:"delay,omitempty"`
	Period  int32  `json:"period"`
	Timeout int32  `json:"timeout"`
	Success int32  `json:"success"`
	Failure int32  `json:"failure"`
	Grace   *int64 `json:"grace,omitempty"`
}

// Handler is a question put to an instance, or a thing done to it; one of its parts is set.
type Handler struct {
	HTTP  *HTTPGet `json:"http,omitempty"`
	TCP   int32    `json:"tcp,omitempty"` // the container's port
	Exec  []string `json:"exec,omitempty"`
	Sleep int64    `json:"sleep,omitempty"`
}

// HTTPGet is a request; 200 to 399 is a good answer.
type HTTPGet struct {
	Path    string      `json:"path"`
	Port    int32       `json:"port"` // the container's
	HTTPS   bool        `json:"https,omitempty"`
	Headers [][2]string `json:"headers,omitempty"`
}

// Hash names the template: 10 hexadecimal digits, the same for the same content.
func (t Template) Hash() string {
	raw, _ := json.Marshal(t) // of plain data, which is always written
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:5])
}

// Target is the number of the container's port that a Service or a probe means by number or by name.
func (t Template) Target(p intstr.IntOrString) (int32, bool) {
	if p.Type == intstr.Int {
		return p.IntVal, p.IntVal > 0
	}
	for _, have := range t.Ports {
		if have.Name == p.StrVal {
			return have.Number, true
		}
	}
	return 0, false
}

// NewTemplate looks up what a Deployment's instances run. The objects must have passed Check; what it would
// have said is an error here.
func NewTemplate(d appsv1.Deployment, s Set) (Template, error) {
	spec := d.Spec.Template.Spec
	if len(spec.Containers) != 1 {
		return Template{}, fmt.Errorf("%d containers; one program is run", len(spec.Containers))
	}
	c := spec.Containers[0]
	t := Template{
		Container: c.Name, Image: c.Image, Command: c.Command, Args: c.Args, WorkingDir: c.WorkingDir,
		Grace: 30, Labels: d.Spec.Template.Labels, Annotations: d.Spec.Template.Annotations,
		ServiceLink: spec.EnableServiceLinks == nil || *spec.EnableServiceLinks,
	}
	if spec.TerminationGracePeriodSeconds != nil {
		t.Grace = *spec.TerminationGracePeriodSeconds
	}
	if limit, ok := c.Resources.Limits[corev1.ResourceMemory]; ok {
		t.Memory = limit.Value()
	}
	if c.SecurityContext != nil && c.SecurityContext.ReadOnlyRootFilesystem != nil {
		t.ReadOnly = *c.SecurityContext.ReadOnlyRootFilesystem
	}
	t.Ports = ports(d, c, s)
	var err error
	if t.Env, err = environment(c, s, t.Ports); err != nil {
		return Template{}, err
	}
	if err := t.mount(spec.Volumes, c.VolumeMounts, s); err != nil {
		return Template{}, err
	}
	for _, p := range []struct {
		name string
		from *corev1.Probe
		to   **Probe
	}{{"startupProbe", c.StartupProbe, &t.Startup}, {"livenessProbe", c.LivenessProbe, &t.Liveness}, {"readinessProbe", c.ReadinessProbe, &t.Readiness}} {
		if p.from == nil {
			continue
		}
		if *p.to, err = t.probe(*p.from); err != nil {
			return Template{}, fmt.Errorf("%s: %w", p.name, err)
		}
	}
	if c.Lifecycle != nil && c.Lifecycle.PreStop != nil {
		h := c.Lifecycle.PreStop
		pre := Handler{}
		switch {
		case h.Exec != nil:
			pre.Exec = h.Exec.Command
		case h.Sleep != nil:
			pre.Sleep = h.Sleep.Seconds
		case h.HTTPGet != nil:
			if pre.HTTP, err = t.get(*h.HTTPGet); err != nil {
				return Template{}, fmt.Errorf("lifecycle.preStop: %w", err)
			}
		}
		t.PreStop = &pre
	}
	return t, nil
}

// ports are those that the container says it listens on, and those which Services and probes say by number.
// The one that is called http, else the first, is PORT and stands first.
func ports(d appsv1.Deployment, c corev1.Container, s Set) []Port {
	var out []Port
	add := func(p intstr.IntOrString) {
		if p.Type == intstr.Int && p.IntVal > 0 && !slices.ContainsFunc(out, func(have Port) bool { return have.Number == p.IntVal }) {
			out = append(out, Port{Number: p.IntVal})
		}
	}
	for _, p := range c.Ports {
		out = append(out, Port{Name: p.Name, Number: p.ContainerPort})
	}
	for _, svc := range s.Services {
		if !Matches(svc.Spec.Selector, d.Spec.Template.Labels) {
			continue
		}
		for _, p := range svc.Spec.Ports {
			add(target(p))
		}
	}
	for _, p := range []*corev1.Probe{c.ReadinessProbe, c.LivenessProbe, c.StartupProbe} {
		if p != nil && p.HTTPGet != nil {
			add(p.HTTPGet.Port)
		}
		if p != nil && p.TCPSocket != nil {
			add(p.TCPSocket.Port)
		}
	}
	if i := slices.IndexFunc(out, func(p Port) bool { return p.Name == "http" }); i > 0 {
		p := out[i]
		out = slices.Insert(slices.Delete(out, i, i+1), 0, p)
	}
	return out
}

// target is the container's port that a Service's port leads to; it is the same number unless another is said.
func target(p corev1.ServicePort) intstr.IntOrString {
	if p.TargetPort.Type == intstr.Int && p.TargetPort.IntVal == 0 || p.TargetPort.Type == intstr.String && p.TargetPort.StrVal == "" {
		return intstr.FromInt32(p.Port)
	}
	return p.TargetPort
}

// environment is the container's, in Kubernetes' order: envFrom, then env, the last of a name counts.
func environment(c corev1.Container, s Set, ports []Port) ([]Variable, error) {
	var out []Variable
	set := func(v Variable) {
		out = slices.DeleteFunc(out, func(have Variable) bool { return have.Name == v.Name })
		out = append(out, v)
	}
	for i, from := range c.EnvFrom {
		if from.ConfigMapRef == nil {
			return nil, fmt.Errorf("envFrom[%d] is not a ConfigMap", i)
		}
		m, ok := s.ConfigMap(from.ConfigMapRef.Name)
		if !ok {
			if from.ConfigMapRef.Optional != nil && *from.ConfigMapRef.Optional {
				continue
			}
			return nil, fmt.Errorf("envFrom[%d]: ConfigMap %q is not among the application's objects", i, from.ConfigMapRef.Name)
		}
		for _, k := range sortedKeys(m.Data) {
			set(Variable{Name: from.Prefix + k, Value: m.Data[k], Plain: true})
		}
	}
	for i, e := range c.Env {
		v := Variable{Name: e.Name, Value: e.Value}
		switch from := e.ValueFrom; {
		case from == nil:
		case from.FieldRef != nil:
			v.Field = from.FieldRef.FieldPath
		case from.ConfigMapKeyRef != nil:
			ref := from.ConfigMapKeyRef
			m, ok := s.ConfigMap(ref.Name)
			value, has := m.Data[ref.Key]
			if !ok || !has {
				if ref.Optional != nil && *ref.Optional {
					continue
				}
				return nil, fmt.Errorf("env[%d] %s: key %q of ConfigMap %q is not among the application's objects", i, e.Name, ref.Key, ref.Name)
			}
			v.Value, v.Plain = value, true
		default:
			return nil, fmt.Errorf("env[%d] %s: valueFrom is neither a ConfigMap's key nor a field", i, e.Name)
		}
		set(v)
	}
	if i := slices.IndexFunc(out, func(v Variable) bool { return v.Name == "PORT" }); i >= 0 && len(ports) > 0 {
		fits := slices.ContainsFunc(ports, func(p Port) bool { return strconv.Itoa(int(p.Number)) == out[i].Value })
		if !fits || out[i].Field != "" {
			return nil, fmt.Errorf("PORT is %q, but it is given by the platform, another one to each instance: leave it out, or write the containerPort", out[i].Value)
		}
		out = slices.Delete(out, i, i+1) // says what the port would be in a container; here it is the instance's
	}
	return out, nil
}

// mount resolves volumes and where the container sees them.
func (t *Template) mount(volumes []corev1.Volume, mounts []corev1.VolumeMount, s Set) error {
	for i, m := range mounts {
		at := slices.IndexFunc(volumes, func(v corev1.Volume) bool { return v.Name == m.Name })
		if at < 0 {
			return fmt.Errorf("volumeMounts[%d]: there is no volume %q", i, m.Name)
		}
		v := volumes[at]
		switch {
		case v.EmptyDir != nil && (m.SubPath != "" || m.ReadOnly):
			return fmt.Errorf("volumeMounts[%d]: an empty folder is mounted as a whole, to be written to", i)
		case v.EmptyDir != nil:
			t.Scratch = append(t.Scratch, path.Join(m.MountPath, "."))
		case v.ConfigMap != nil:
			files, err := configFiles(*v.ConfigMap, s)
			if err != nil {
				return fmt.Errorf("volume %q: %w", v.Name, err)
			}
			for _, f := range files {
				rel := f.Path
				if m.SubPath != "" {
					if rel != m.SubPath && !strings.HasPrefix(rel, m.SubPath+"/") {
						continue
					}
					rel = strings.TrimPrefix(strings.TrimPrefix(rel, m.SubPath), "/")
				}
				f.Path = path.Join(m.MountPath, rel)
				t.Files = append(t.Files, f)
			}
		default:
			return fmt.Errorf("volume %q is neither emptyDir nor a ConfigMap", v.Name)
		}
	}
	return nil
}

func configFiles(src corev1.ConfigMapVolumeSource, s Set) ([]File, error) {
	m, ok := s.ConfigMap(src.Name)
	optional := src.Optional != nil && *src.Optional
	if !ok {
		if optional {
			return nil, nil
		}
		return nil, fmt.Errorf("ConfigMap %q is not among the application's objects", src.Name)
	}
	mode := uint32(0o644)
	if src.DefaultMode != nil {
		mode = uint32(*src.DefaultMode) & 0o777 //nolint:gosec // masked
	}
	content := func(key string) ([]byte, bool) {
		if v, ok := m.Data[key]; ok {
			return []byte(v), true
		}
		v, ok := m.BinaryData[key]
		return v, ok
	}
	var out []File
	if len(src.Items) > 0 {
		for _, item := range src.Items {
			data, ok := content(item.Key)
			if !ok {
				if optional {
					continue
				}
				return nil, fmt.Errorf("ConfigMap %q has no key %q", src.Name, item.Key)
			}
			f := File{Path: path.Clean(item.Path), Data: data, Mode: mode}
			if item.Mode != nil {
				f.Mode = uint32(*item.Mode) & 0o777 //nolint:gosec // masked
			}
			out = append(out, f)
		}
		return out, nil
	}
	for _, k := range sortedKeys(m.Data) {
		out = append(out, File{Path: k, Data: []byte(m.Data[k]), Mode: mode})
	}
	for _, k := range sortedKeys(m.BinaryData) {
		out = append(out, File{Path: k, Data: m.BinaryData[k], Mode: mode})
	}
	return out, nil
}

func (t *Template) probe(p corev1.Probe) (*Probe, error) {
	out := Probe{
		Delay: p.InitialDelaySeconds, Period: or(p.PeriodSeconds, 10), Timeout: or(p.TimeoutSeconds, 1),
		Success: or(p.SuccessThreshold, 1), Failure: or(p.FailureThreshold, 3), Grace: p.TerminationGracePeriodSeconds,
	}
	var err error
	switch {
	case p.HTTPGet != nil:
		out.HTTP, err = t.get(*p.HTTPGet)
	case p.TCPSocket != nil:
		var ok bool
		if out.TCP, ok = t.Target(p.TCPSocket.Port); !ok {
			err = fmt.Errorf("the container has no port %q", p.TCPSocket.Port.String())
		}
	case p.Exec != nil:
		out.Exec = p.Exec.Command
	default:
		err = fmt.Errorf("asks neither by httpGet nor tcpSocket nor exec")
	}
	return &out, err
}

func (t *Template) get(g corev1.HTTPGetAction) (*HTTPGet, error) {
	port, ok := t.Target(g.Port)
	if !ok {
		return nil, fmt.Errorf("the container has no port %q", g.Port.String())
	}
	out := HTTPGet{Path: g.Path, Port: port, HTTPS: g.Scheme == corev1.URISchemeHTTPS}
	for _, h := range g.HTTPHeaders {
		out.Headers = append(out.Headers, [2]string{h.Name, h.Value})
	}
	return &out, nil
}

func or(v, otherwise int32) int32 {
	if v == 0 {
		return otherwise
	}
	return v
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// FieldKey is the key that a fieldRef such as metadata.labels['app'] asks for.
func FieldKey(path, of string) (string, bool) {
	rest, ok := strings.CutPrefix(path, of+"['")
	if !ok {
		return "", false
	}
	return strings.CutSuffix(rest, "']")
}
