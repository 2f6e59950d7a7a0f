package runtime

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

func readAll(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(text)
}

const inside = `
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {greeting: good morning, motd: "hello\n"}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: hello}
spec:
  strategy: {type: Recreate}
  selector: {matchLabels: {app: hello}}
  template:
    metadata: {labels: {app: hello, tier: web}, annotations: {fawkes.dev/revision: abc}}
    spec:
      containers:
        - name: hello
          image: IMAGE
          ports: [{name: http, containerPort: 8080}]
          env:
            - {name: PORT, value: "8080"}
            - {name: NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
            - {name: SPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
            - {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
            - {name: TIER, valueFrom: {fieldRef: {fieldPath: "metadata.labels['tier']"}}}
            - {name: REVISION, valueFrom: {fieldRef: {fieldPath: "metadata.annotations['fawkes.dev/revision']"}}}
            - {name: GREETING, valueFrom: {configMapKeyRef: {name: settings, key: greeting}}}
            - {name: LONG, value: "$(GREETING) from $(NAME), $$(X) $(UNKNOWN)"}
          envFrom: [{prefix: S_, configMapRef: {name: settings}}]
          readinessProbe: {httpGet: {path: /readyz, port: http}, periodSeconds: 1}
          volumeMounts:
            - {name: config, mountPath: /etc/settings}
            - {name: scratch, mountPath: /var/cache/hello}
      volumes:
        - {name: config, configMap: {name: settings}}
        - {name: scratch, emptyDir: {}}
---
apiVersion: v1
kind: Service
metadata: {name: hello}
spec: {selector: {app: hello}, ports: [{port: 80, targetPort: http}]}
`

func TestAProgramSeesWhatItsManifestSaysAndNothingElse(t *testing.T) {
	w := newWorld(t)
	text := strings.Replace(inside, "IMAGE", w.image("v1", true), 1)
	w.apply("hello", "r1", text)
	w.healthy("hello")
	in := w.only("hello")
	_, env := w.get(w.service("hello") + "/env")
	for _, want := range []string{
		"NAME=" + in.Name, "SPACE=dev", "IP=127.0.0.1", "TIER=web", "REVISION=abc", "GREETING=good morning",
		"LONG=good morning from " + in.Name + ", $(X) $(UNKNOWN)", "S_motd=hello", "HOSTNAME=" + in.Name,
		fmt.Sprintf("PORT=%d", in.Port), fmt.Sprintf("PORT_HTTP=%d", in.Port), "VERSION=v1",
		"HELLO_SERVICE_HOST=127.0.0.1", "HELLO_SERVICE_PORT=" + strings.Split(w.Address("hello", "hello", 80), ":")[1],
	} {
		if !strings.Contains("\n"+env, "\n"+want+"\n") {
			t.Errorf("the environment lacks %q:\n%s", want, env)
		}
	}
	if strings.Contains(env, programFolder) {
		t.Errorf("the environment of the platform leaks:\n%s", env)
	}
	read := func(path string) (int, string) { return w.get(w.service("hello") + "/read?path=" + path) }
	if status, text := read("/etc/settings/motd"); status != 200 || text != "hello\n" {
		t.Errorf("the ConfigMap's file is %d %q", status, text)
	}
	if _, text := read("/etc/hosts"); !strings.Contains(text, in.Name) {
		t.Errorf("/etc/hosts is %q", text)
	}
	for _, secret := range []string{w.folder + "/platform.json", "/proc/1/root" + w.folder + "/platform.json", "/etc/shadow"} {
		if status, text := read(secret); status == 200 {
			t.Errorf("the program reads %s: %q", secret, text)
		}
	}
	for path, want := range map[string]int{
		"/tmp/x": 200, "/var/cache/hello/x": 200, "/etc/settings/motd": 403, "/app/server": 403, "/x": 403, "/etc/x": 403,
	} {
		if status, text := w.get(w.service("hello") + "/write?path=" + path); status != want {
			t.Errorf("writing %s is answered %d %q, want %d", path, status, text, want)
		}
	}

	// A ConfigMap that changes is a roll-out, here by Recreate: the old instance is gone before the new one begins.
	w.apply("hello", "r2", strings.Replace(text, "good morning", "good evening", 1))
	if h := w.Health("hello"); h.Status != Progressing {
		t.Errorf("health is %v, want Progressing", h)
	}
	most := 0
	w.until("it is healthy again", 15*time.Second, func() (bool, any) {
		all := w.Instances("hello")
		running := 0
		for _, in := range all {
			if in.PID != 0 && alive(in.PID) {
				running++
			}
		}
		most = max(most, running)
		return w.Health("hello").Status == Healthy, all
	})
	if most > 1 {
		t.Errorf("%d instances ran at once, want 1", most)
	}
	if _, env := w.get(w.service("hello") + "/env"); !strings.Contains(env, "GREETING=good evening") {
		t.Errorf("the new instance does not see the new ConfigMap")
	}
}

func TestStoppingHasAnOrderAndAnEnd(t *testing.T) {
	w := newWorld(t)
	ref := w.image("v1", true)
	w.apply("hello", "r1", manifests("hello", ref, 1, "", "lifecycle: {preStop: {httpGet: {path: /sick, port: http}}}\n"+readyz))
	w.apply("deaf", "r1", strings.Replace(manifests("deaf", ref, 1, "", "env: [{name: DEAF, value: x}]\n"+readyz), "terminationGracePeriodSeconds: 10", "terminationGracePeriodSeconds: 1", 1))
	w.healthy("hello")
	w.healthy("deaf")
	name, deaf := w.only("hello").Name, w.only("deaf")
	began := time.Now()
	if err := w.Restart(t.Context(), "deaf"); err != nil {
		t.Fatal(err)
	}
	w.until("the one that does not hear is killed", 15*time.Second, func() (bool, any) { return !alive(deaf.PID), time.Since(began) })
	if took := time.Since(began); took < time.Second {
		t.Errorf("it was killed after %s, want its second of grace", took)
	}
	follow, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var seen strings.Builder
	done := make(chan error, 1)
	go func() { done <- w.Follow(follow, "hello", name, 1, &seen) }()
	if err := w.Restart(t.Context(), "hello"); err != nil {
		t.Fatal(err)
	}
	w.healthy("hello")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := seen.String(); !strings.Contains(got, "told to stop\n") || !strings.Contains(got, "bye\n") {
		t.Errorf("the log says %q, want that it was told to stop and did", got)
	}
	if text, err := w.Logs("hello", name, 1); err != nil || text != "bye\n" {
		t.Errorf("the log of an instance that is gone ends %q, %v", text, err)
	}
	if w.only("hello").Name == name {
		t.Error("a restart left the same instance")
	}
	if _, err := w.Logs("hello", "../hello", 1); err == nil {
		t.Error("a name that is none leads to a log")
	}
}

func TestChangesAreTold(t *testing.T) {
	w := newWorld(t)
	changes := w.Watch()
	w.apply("hello", "r1", manifests("hello", w.image("v1", true), 1, "", readyz))
	deadline := time.After(15 * time.Second)
	for w.Health("hello").Status != Healthy {
		select {
		case name := <-changes:
			if name != "hello" {
				t.Fatalf("%q changed", name)
			}
		case <-deadline:
			t.Fatal("nobody told that it is healthy")
		}
	}
	w.stop()
	for {
		select {
		case _, open := <-changes:
			if !open {
				return
			}
		case <-deadline:
			t.Fatal("the channel is open after Stop")
		}
	}
}

func TestURLsAreThoseOfIngressesFirst(t *testing.T) {
	w := newWorld(t)
	w.apply("hello", "r1", manifests("hello", w.image("v1", true), 1, "", readyz))
	if got, want := w.URL("hello"), "http://hello.localhost:"+strings.Split(w.IngressAddress(), ":")[1]+"/"; got != want {
		t.Errorf("URL = %q, want %q", got, want)
	}
	without, _, _ := strings.Cut(manifests("plain", w.image("v1", true), 1, "", readyz), "---\napiVersion: networking")
	w.apply("plain", "r1", without)
	if got, want := w.URL("plain"), "http://"+w.Address("plain", "plain", 80)+"/"; got != want {
		t.Errorf("URL = %q, want %q", got, want)
	}
	if status, text := w.get("http://nobody.localhost:" + strings.Split(w.IngressAddress(), ":")[1] + "/x"); status != http.StatusNotFound || !strings.Contains(text, `host "nobody.localhost"`) {
		t.Errorf("a host that nobody has is answered %d %q", status, text)
	}
}

func TestWithoutARootOfItsOwnAProgramRunsAndVolumesAreRefused(t *testing.T) {
	w := newWorld(t)
	w.root = false // as on a machine without user namespaces
	ref := w.image("v1", true)
	w.apply("hello", "r1", manifests("hello", ref, 1, "", strings.Replace(readyz, "{httpGet", "{failureThreshold: 1, httpGet", 1)))
	w.healthy("hello")
	if status, text := w.get(w.service("hello") + "/read?path=" + w.folder + "/platform.json"); status == 200 {
		t.Errorf("the program reads the platform's state: %s", text)
	}
	w.apply("volumes", "r1", strings.NewReplacer("IMAGE", ref, "  strategy:", "  progressDeadlineSeconds: 1\n  strategy:", "app: hello", "app: other").Replace(inside))
	w.until("volumes are refused with the reason", 10*time.Second, func() (bool, any) {
		h := w.Health("volumes")
		return h.Status == Degraded && strings.Contains(h.Message, StateConfig) && strings.Contains(h.Message, "volumes need a root folder"), h
	})
}
