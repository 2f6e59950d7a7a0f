package manifest

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	kyaml "sigs.k8s.io/yaml"
)

const digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

const sound = `
apiVersion: v1
kind: Namespace
metadata: {name: dev}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: hello, namespace: dev}
data: {greeting: hello, motd.txt: "good morning\n"}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: hello
  namespace: dev
  labels: {app: hello}
  annotations: {fawkes.dev/revision: abc}
spec:
  replicas: 2
  revisionHistoryLimit: 3
  minReadySeconds: 1
  progressDeadlineSeconds: 60
  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}
  selector: {matchLabels: {app: hello}}
  template:
    metadata: {labels: {app: hello, tier: web}}
    spec:
      automountServiceAccountToken: false
      hostNetwork: false
      terminationGracePeriodSeconds: 20
      nodeSelector: {kubernetes.io/arch: amd64}
      securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}}
      containers:
        - name: hello
          image: registry.example/hello@` + digest + `
          imagePullPolicy: IfNotPresent
          args: [--name, $(NAME)]
          ports: [{name: http, containerPort: 8080}, {name: admin, containerPort: 9090, protocol: TCP}]
          env:
            - {name: PORT, value: "8080"}
            - {name: NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
            - {name: GREETING, valueFrom: {configMapKeyRef: {name: hello, key: greeting}}}
            - {name: MAYBE, valueFrom: {configMapKeyRef: {name: other, key: x, optional: true}}}
          envFrom: [{prefix: ALL_, configMapRef: {name: hello}}]
          resources: {requests: {cpu: 10m, memory: 16Mi}, limits: {cpu: 500m, memory: 128Mi}}
          readinessProbe: {httpGet: {path: /readyz, port: http}, periodSeconds: 2}
          livenessProbe: {tcpSocket: {port: 8080}}
          startupProbe: {exec: {command: [/app/server, check, /tmp]}, failureThreshold: 30}
          lifecycle: {preStop: {sleep: {seconds: 1}}}
          securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
          volumeMounts:
            - {name: config, mountPath: /etc/hello, readOnly: true}
            - {name: config, mountPath: /etc/motd, subPath: motd.txt}
            - {name: scratch, mountPath: /var/cache}
      volumes:
        - {name: config, configMap: {name: hello, items: [{key: greeting, path: greeting}, {key: motd.txt, path: motd.txt, mode: 0400}]}}
        - {name: scratch, emptyDir: {sizeLimit: 10Mi}}
---
apiVersion: v1
kind: Service
metadata: {name: hello, namespace: dev}
spec:
  type: ClusterIP
  selector: {app: hello}
  ports: [{name: http, port: 80, targetPort: http}, {name: admin, port: 9090}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: hello, namespace: dev}
spec:
  ingressClassName: nginx
  rules:
    - host: hello.localhost
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: hello, port: {name: http}}}}]}
`

func parse(t testing.TB, text string) []Object {
	t.Helper()
	objs, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return objs
}

func TestSoundManifestsAreTaken(t *testing.T) {
	for _, p := range Check(parse(t, sound)) {
		t.Errorf("refused: %s", p)
	}
}

// set changes the value at a path such as spec.ports[0].name; "-" takes it away.
func set(t *testing.T, at any, path string, value any) any {
	t.Helper()
	if path == "" {
		return value
	}
	head, rest, _ := strings.Cut(path, ".")
	name, index, indexed := strings.Cut(head, "[")
	if name == "" && indexed {
		name = ""
	}
	m, ok := at.(map[string]any)
	if !ok {
		m = map[string]any{}
	}
	if !indexed {
		if value == "-" && rest == "" {
			delete(m, name)
		} else {
			m[name] = set(t, m[name], rest, value)
		}
		return m
	}
	n, err := strconv.Atoi(strings.TrimSuffix(index, "]"))
	if err != nil {
		t.Fatalf("path %s: %v", path, err)
	}
	list, _ := m[name].([]any)
	for len(list) <= n {
		list = append(list, map[string]any{})
	}
	list[n] = set(t, list[n], rest, value)
	m[name] = list
	return m
}

func TestWhatCannotBeDoneIsRefusedByName(t *testing.T) {
	const pod, box = "spec.template.spec.", "spec.template.spec.containers[0]."
	for _, c := range []struct {
		kind, path, value string // value is YAML
		want              string // "" is taken; else "path: words" of one problem
	}{
		{"Deployment", pod + "hostNetwork", "true", pod + "hostNetwork: a program is given no more"},
		{"Deployment", pod + "hostPID", "true", pod + "hostPID: "},
		{"Deployment", pod + "initContainers", "[{name: a, image: b}]", pod + "initContainers: one program is run"},
		{"Deployment", pod + "initContainers", "[]", ""},
		{"Deployment", pod + "containers[1]", "{name: side, image: registry.example/side@" + digest + "}", pod + "containers: there are 2"},
		{"Deployment", pod + "restartPolicy", "Never", pod + "restartPolicy: Never: "},
		{"Deployment", pod + "serviceAccountName", "robot", pod + "serviceAccountName: robot: there is no API server"},
		{"Deployment", pod + "automountServiceAccountToken", "true", pod + "automountServiceAccountToken: "},
		{"Deployment", pod + "hostAliases", "[{ip: 1.2.3.4, hostnames: [a]}]", pod + "hostAliases: "},
		{"Deployment", pod + "runtimeClassName", "gvisor", pod + "runtimeClassName: "},
		{"Deployment", pod + "affinity", "{nodeAffinity: {}}", ""},
		{"Deployment", pod + "tolerations", "[{key: a, operator: Exists}]", ""},
		{"Deployment", pod + "volumes[1]", "{name: scratch, hostPath: {path: /etc}}", pod + "volumes[1].hostPath: a program sees no files of this machine"},
		{"Deployment", pod + "volumes[1]", "{name: scratch, persistentVolumeClaim: {claimName: data}}", pod + "volumes[1].persistentVolumeClaim: "},
		{"Deployment", pod + "volumes[1]", "{name: scratch, secret: {secretName: x}}", pod + "volumes[1].secret: there is no store of secrets yet"},
		{"Deployment", pod + "volumes[1]", "{name: scratch, hostPath: {}}", "spec.template.spec: volume \"scratch\" is neither"},
		{"Deployment", pod + "volumes[0].configMap.items[0].path", "../../evil", pod + "volumes[0].configMap.items[0].path: \"../../evil\" leads out"},
		{"Deployment", box + "volumeMounts[2].mountPath", "/", box + "volumeMounts: \"/\" is not a place"},
		{"Deployment", box + "volumeMounts[2].mountPath", "/proc/x", box + "volumeMounts: \"/proc/x\" is the system's"},
		{"Deployment", box + "volumeMounts[2].name", "none", "spec.template.spec: volumeMounts[2]: there is no volume \"none\""},
		{"Deployment", box + "image", "hello:latest", box + "image: \"hello:latest\" has no digest"},
		{"Deployment", box + "image", "registry.example/hello@sha256:12", box + "image: \"registry.example/hello@sha256:12\" is no reference by digest"},
		{"Deployment", box + "image", "127.0.0.1:8080/a/b:v1@" + digest, ""},
		{"Deployment", box + "securityContext.privileged", "true", box + "securityContext.privileged: programs have no capabilities"},
		{"Deployment", box + "securityContext.capabilities.add", "[NET_ADMIN]", box + "securityContext.capabilities.add: "},
		{"Deployment", box + "securityContext.allowPrivilegeEscalation", "true", box + "securityContext.allowPrivilegeEscalation: "},
		{"Deployment", box + "securityContext.seccompProfile", "{type: Localhost, localhostProfile: x}", box + "securityContext.seccompProfile.type: Localhost: "},
		{"Deployment", box + "ports[0].hostPort", "80", box + "ports[0].hostPort: "},
		{"Deployment", box + "ports[0].protocol", "UDP", box + "ports[0].protocol: UDP: "},
		{"Deployment", box + "ports[1].containerPort", "8080", box + "ports[1]: the port is there twice"},
		{"Deployment", box + "env[0].value", `"3000"`, `spec.template.spec: PORT is "3000", but it is given by the platform`},
		{"ConfigMap", "data", "{greeting: a, motd.txt: b, PORT: x}", ""},
		{"Deployment", box + "envFrom[0]", "{prefix: PO, configMapRef: {name: hello}}", ""},
		{"Deployment", box + "env[1].valueFrom", "{secretKeyRef: {name: a, key: b}}", box + "env[1].valueFrom.secretKeyRef: there is no store of secrets"},
		{"Deployment", box + "env[1].valueFrom.fieldRef.fieldPath", "spec.nodeName", box + "env[1].valueFrom.fieldRef.fieldPath: nothing here knows spec.nodeName"},
		{"Deployment", box + "env[2].valueFrom.configMapKeyRef.key", "gone", "spec.template.spec: env[2] GREETING: key \"gone\""},
		{"Deployment", box + "env[0].name", "FAWKES_KEPT", box + "env[0].name: the platform marks"},
		{"Deployment", box + "envFrom[0]", "{secretRef: {name: x}}", box + "envFrom[0].secretRef: "},
		{"Deployment", box + "resources.limits", "{nvidia.com/gpu: 1}", box + "resources.limits.nvidia.com/gpu: "},
		{"Deployment", box + "readinessProbe", "{grpc: {port: 8080}}", box + "readinessProbe.grpc: "},
		{"Deployment", box + "readinessProbe", "{periodSeconds: 1}", box + "readinessProbe: asks in 0 ways"},
		{"Deployment", box + "readinessProbe", "{httpGet: {path: /, port: 1}, tcpSocket: {port: 1}}", box + "readinessProbe: asks in 2 ways"},
		{"Deployment", box + "readinessProbe.httpGet.port", "nobody", "spec.template.spec: readinessProbe: the container has no port \"nobody\""},
		{"Deployment", box + "readinessProbe.httpGet.host", "example.org", box + "readinessProbe.httpGet.host: "},
		{"Deployment", box + "livenessProbe.successThreshold", "2", box + "livenessProbe.successThreshold: "},
		{"Deployment", box + "lifecycle.postStart", "{exec: {command: [a]}}", box + "lifecycle.postStart: "},
		{"Deployment", box + "stdin", "true", box + "stdin: "},
		{"Deployment", box + "unheard", "of", box + "unheard: is no field of this kind"},
		{"Deployment", "spec.replicas", "1000", "spec.replicas: is 1000"},
		{"Deployment", "spec.replicas", "many", "read: "},
		{"Deployment", "spec.strategy", "{type: BlueGreen}", "spec.strategy.type: BlueGreen: "},
		{"Deployment", "spec.strategy.rollingUpdate.maxSurge", "lots", "spec.strategy.rollingUpdate.maxSurge: \"lots\""},
		{"Deployment", "spec.selector.matchLabels.app", "other", "spec.selector: does not select"},
		{"Deployment", "spec.progressDeadlineSeconds", "1", "spec.progressDeadlineSeconds: is not above"},
		{"Deployment", "metadata.finalizers", "[a]", "metadata.finalizers: "},
		{"Deployment", "apiVersion", "apps/v1beta1", "apiVersion: \"apps/v1beta1\" is not the version"},
		{"Deployment", "kind", "StatefulSet", "kind: is not run on one machine"},
		{"Deployment", "kind", "DaemonSet", "kind: is not run on one machine"},
		{"Deployment", "kind", "Rollout", "kind: is not known"},
		{"Deployment", "metadata.name", "Big_Name", "metadata.name: \"Big_Name\" is no name"},
		{"Deployment", "metadata.namespace", "prod", "metadata.namespace: is "},
		{"Service", "spec.type", "LoadBalancer", "spec.type: LoadBalancer: "},
		{"Service", "spec.clusterIP", "None", "spec.clusterIP: "},
		{"Service", "spec.ports[0].nodePort", "30000", "spec.ports[0].nodePort: "},
		{"Service", "spec.ports[0].targetPort", "nobody", "spec.ports[0].targetPort: Deployment hello has no port \"nobody\""},
		{"Service", "spec.ports[1].port", "80", "spec.ports[1].port: is there twice"},
		{"Service", "spec.selector.app", "other", "spec.selector: selects no Deployment"},
		{"Service", "spec.sessionAffinity", "ClientIP", "spec.sessionAffinity: ClientIP: "},
		{"Service", "spec.externalName", "example.org", "spec.externalName: "},
		{"Ingress", "spec.tls", "[{hosts: [a]}]", "spec.tls: the listener speaks plain HTTP"},
		{"Ingress", "spec.rules[0].http.paths[0].backend.service.name", "other", "spec.rules[0].http.paths[0].backend.service.name: the application has no Service"},
		{"Ingress", "spec.rules[0].http.paths[0].backend.service.port.name", "other", "spec.rules[0].http.paths[0].backend.service.port: "},
		{"Ingress", "spec.rules[0].http.paths[0].pathType", "-", "spec.rules[0].http.paths[0].pathType: is missing"},
		{"Ingress", "spec.rules[0].host", "a b", "spec.rules[0].host: "},
		{"Ingress", "metadata.annotations", "{nginx.ingress.kubernetes.io/rewrite-target: /}", "metadata.annotations[nginx.ingress.kubernetes.io/rewrite-target]: is an order"},
		{"ConfigMap", "data", "{a/b: c}", "data: \"a/b\" is no key"},
		{"ConfigMap", "data", "{greeting: 5}", "read: "},
		{"ConfigMap", "immutable", "true", ""},
		{"Namespace", "spec.finalizers", "[kubernetes]", "spec: nothing here acts on it"},
	} {
		t.Run(c.kind+" "+c.path+"="+c.value, func(t *testing.T) {
			var value any
			if err := kyaml.Unmarshal([]byte(c.value), &value); err != nil {
				t.Fatal(err)
			}
			if c.value == "-" {
				value = "-"
			}
			objs := parse(t, sound)
			for i, o := range objs {
				if o.Kind() == c.kind {
					objs[i] = set(t, map[string]any(o), c.path, numbersOf(value)).(map[string]any)
				}
			}
			var got []string
			for _, p := range Check(objs) {
				line := p.Path + ": " + p.Why
				if p.Path == "" {
					line = p.Why
				}
				got = append(got, line)
				if p.Kind == "" || p.Name == "" || p.Why == "" {
					t.Errorf("the problem %+v does not say what it is about", p)
				}
			}
			found := false
			for _, g := range got {
				found = found || strings.HasPrefix(g, c.want)
			}
			if c.want == "" && len(got) > 0 || c.want != "" && !found {
				t.Errorf("Check says\n  %s\nwant %q", strings.Join(got, "\n  "), c.want)
			}
		})
	}
}

// numbersOf makes whole numbers what Parse makes them.
func numbersOf(v any) any {
	switch v := v.(type) {
	case float64:
		if v == float64(int64(v)) {
			return int64(v)
		}
	case []any:
		for i := range v {
			v[i] = numbersOf(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = numbersOf(v[k])
		}
	}
	return v
}

func TestEveryRefusedFieldIsRefusedWhereItAsksForSomething(t *testing.T) {
	for _, f := range Fields() {
		if f.Class != Refused {
			continue
		}
		objs := parse(t, sound)
		for i, o := range objs {
			if o.Kind() == f.Kind {
				objs[i] = set(t, map[string]any(o), strings.ReplaceAll(f.Path, "[]", "[0]"), "something").(map[string]any)
			}
		}
		path := strings.ReplaceAll(f.Path, "[]", "[0]")
		found := false
		for _, p := range Check(objs) {
			found = found || p.Path == path || p.Path == "" // a value of another type is refused before
		}
		if !found {
			t.Errorf("%s %s asks for something and is not refused", f.Kind, f.Path)
		}
	}
}

func TestATemplateHoldsWhatOtherObjectsSay(t *testing.T) {
	s, err := Decode(parse(t, sound))
	if err != nil {
		t.Fatal(err)
	}
	tm, err := NewTemplate(s.Deployments[0], s)
	if err != nil {
		t.Fatal(err)
	}
	var env []string
	for _, v := range tm.Env {
		env = append(env, v.Name+"="+v.Value+v.Field)
	}
	want := "ALL_greeting=hello ALL_motd.txt=good morning\n NAME=metadata.name GREETING=hello"
	if got := strings.Join(env, " "); got != want {
		t.Errorf("the environment is %q, want %q", got, want)
	}
	var files []string
	for _, f := range tm.Files {
		files = append(files, fmt.Sprintf("%s %o %q", f.Path, f.Mode, f.Data))
	}
	if got, want := strings.Join(files, "; "), `/etc/hello/greeting 644 "hello"; /etc/hello/motd.txt 400 "good morning\n"; /etc/motd 400 "good morning\n"`; got != want {
		t.Errorf("the files are %s, want %s", got, want)
	}
	if tm.Memory != 128<<20 || tm.Grace != 20 || !tm.ReadOnly || tm.Startup.Failure != 30 || tm.PreStop.Sleep != 1 {
		t.Errorf("the template is %+v", tm)
	}
	other := strings.Replace(sound, "greeting: hello", "greeting: good evening", 1)
	s2, err := Decode(parse(t, other))
	if err != nil {
		t.Fatal(err)
	}
	tm2, err := NewTemplate(s2.Deployments[0], s2)
	if err != nil {
		t.Fatal(err)
	}
	if tm.Hash() == tm2.Hash() {
		t.Error("a changed ConfigMap makes no other template")
	}
}

func TestWhatSpeaksHTTPIsFoundOut(t *testing.T) {
	s, err := Decode(parse(t, sound))
	if err != nil {
		t.Fatal(err)
	}
	tm, err := NewTemplate(s.Deployments[0], s)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, e := range Entries(s, []Template{tm}) {
		got[fmt.Sprint(e.Port)] = e.HTTP
	}
	if !got["80"] || got["9090"] {
		t.Errorf("HTTP is spoken at %v, want 80 only", got)
	}
}

func TestAStreamThatCannotBeReadNamesItsDocument(t *testing.T) {
	for text, want := range map[string]string{
		"a: 1\n---\nb: 1\nb: 2\n": "document 2",
		"- 1\n":                   "document 1: is []interface",
		"a: [\n":                  "document 1",
		"kind: List\nitems: [1]":  "items[0] is no object",
	} {
		if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q) = %v, want it to say %q", text, err, want)
		}
	}
	if _, err := Parse(make([]byte, maxManifest+1)); err == nil {
		t.Error("a stream beyond the limit is read")
	}
	objs, err := Parse([]byte("# nothing\n---\n---\nkind: List\nitems: [{kind: A}, {kind: B}]\n"))
	if err != nil || len(objs) != 2 || objs[1].Kind() != "B" {
		t.Errorf("a List is read as %v, %v", objs, err)
	}
}

func FuzzCheck(f *testing.F) {
	f.Add([]byte(sound))
	for doc := range strings.SplitSeq(sound, "---\n") {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		objs, err := Parse(text)
		if err != nil || len(Check(objs)) > 0 {
			return
		}
		s, err := Decode(objs)
		if err != nil {
			t.Fatalf("Check takes what Decode does not: %v", err)
		}
		var all []Template
		for _, d := range s.Deployments {
			tm, err := NewTemplate(d, s)
			if err != nil {
				t.Fatalf("Check takes what has no template: %v", err)
			}
			all = append(all, tm)
		}
		Entries(s, all)
	})
}
