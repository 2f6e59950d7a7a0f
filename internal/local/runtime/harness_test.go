package runtime

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/fawkes-idp/fawkes/internal/oci"
	"github.com/fawkes-idp/fawkes/internal/sandbox"
)

func TestMain(m *testing.M) {
	sandbox.Init()
	if folder := os.Getenv(platformFolder); folder != "" {
		platform(folder)
		return
	}
	folder, err := os.MkdirTemp("", "runtime")
	if err != nil {
		log.Fatal(err)
	}
	os.Setenv(programFolder, folder)
	code := m.Run()
	os.RemoveAll(folder)
	os.Exit(code)
}

// programFolder names the folder where the test's server is built once for all tests.
const programFolder = "FAWKES_TEST_RUNTIME_FOLDER"

var build sync.Mutex

// server is the path of the test's server, which is built when it is not there.
func server(t testing.TB) string {
	t.Helper()
	build.Lock()
	defer build.Unlock()
	out := filepath.Join(os.Getenv(programFolder), "server")
	if _, err := os.Stat(out); err == nil {
		return out
	}
	cmd := exec.Command("go", "build", "-ldflags=-s -w", "-o", out, "./testdata/server")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the server: %v\n%s", err, text)
	}
	return out
}

// keys are made once: they are meant to take long.
var keys = sync.OnceValues(func() (*oci.Signer, error) {
	private, _, err := oci.GenerateKeys([]byte("secret"))
	if err != nil {
		return nil, err
	}
	return oci.LoadSigner(private, []byte("secret"))
})

// world is a registry, a key and a runtime.
type world struct {
	t      testing.TB
	host   string
	signer *oci.Signer
	key    *oci.Verifier
	folder string
	taken  int // a port on which somebody else listens
	*Runtime
}

func newWorld(t testing.TB, change ...func(*Options)) *world {
	t.Helper()
	srv := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(srv.Close)
	signer, err := keys()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, host: strings.TrimPrefix(srv.URL, "http://"), folder: t.TempDir(), signer: signer}
	if w.key, err = signer.Verifier(); err != nil {
		t.Fatal(err)
	}
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { busy.Close() })
	w.taken = busy.Addr().(*net.TCPAddr).Port
	w.start(change...)
	t.Cleanup(func() { w.stop() })
	return w
}

// start begins a runtime on the world's folder, as a platform does that is started again.
func (w *world) start(change ...func(*Options)) {
	w.t.Helper()
	opt := Options{
		Folder: w.folder, Verifier: func() *oci.Verifier { return w.key }, IngressPort: w.taken, // any other port will do
		BackOff: 50 * time.Millisecond, ListenWithin: 10 * time.Second,
	}
	for _, c := range change {
		c(&opt)
	}
	r, err := New(opt)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := r.Start(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	w.Runtime = r
}

func (w *world) stop() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := w.Runtime.Stop(ctx); err != nil {
		w.t.Errorf("stop: %v", err)
	}
}

// image pushes and signs the server as a version of its own, and returns the reference.
func (w *world) image(version string, signed bool) string {
	w.t.Helper()
	img, err := oci.Pack(oci.ImageSpec{
		Files:      []oci.File{{Source: server(w.t), Target: "/app/server", Mode: 0o755}},
		Entrypoint: []string{"/app/server"}, Env: []string{"VERSION=" + version}, WorkingDir: "/app",
	})
	if err != nil {
		w.t.Fatal(err)
	}
	var reg oci.Registry
	digest, err := reg.Push(w.t.Context(), w.host+"/hello:"+version, img)
	if err != nil {
		w.t.Fatal(err)
	}
	ref := w.host + "/hello@" + digest
	if signed {
		if err := reg.Sign(w.t.Context(), ref, w.signer, nil); err != nil {
			w.t.Fatal(err)
		}
	}
	return ref
}

// manifests are a Deployment, a Service and an Ingress. Lines of deployment go into its spec, lines of container
// into the container, both from their first column.
func manifests(name, image string, replicas int, deployment, container string) string {
	indent := func(text string, n int) string {
		var out []string
		for _, l := range strings.Split(strings.TrimSpace(text), "\n") {
			if l != "" {
				out = append(out, strings.Repeat(" ", n)+l)
			}
		}
		return strings.Join(out, "\n")
	}
	return fmt.Sprintf(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: %[1]s}
spec:
  replicas: %[3]d
%[4]s
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}}
    spec:
      terminationGracePeriodSeconds: 10
      containers:
        - name: %[1]s
          image: %[2]s
          ports: [{name: http, containerPort: 8080}]
%[5]s
---
apiVersion: v1
kind: Service
metadata: {name: %[1]s}
spec:
  selector: {app: %[1]s}
  ports: [{name: http, port: 80, targetPort: http}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: %[1]s}
spec:
  rules:
    - host: %[1]s.localhost
      http:
        paths:
          - path: /
            pathType: Prefix
            backend: {service: {name: %[1]s, port: {name: http}}}
`, name, image, replicas, indent(deployment, 2), indent(container, 10))
}

const readyz = `readinessProbe: {httpGet: {path: /readyz, port: http}, periodSeconds: 1}`

func (w *world) apply(name, revision, text string) {
	w.t.Helper()
	objs, err := Parse([]byte(text))
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.Apply(w.t.Context(), App{Name: name, Namespace: "dev", Objects: objs}, revision); err != nil {
		w.t.Fatal(err)
	}
}

// until waits for a condition; what it says last is shown when it never holds.
func (w *world) until(what string, within time.Duration, holds func() (bool, any)) {
	w.t.Helper()
	deadline := time.Now().Add(max(within, time.Minute)) // machines under load are slow
	for {
		ok, got := holds()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			for _, name := range w.Apps() {
				for _, in := range w.Instances(name) {
					text, _ := w.Logs(name, in.Name, 20)
					w.t.Logf("%s: %+v\n%s", name, in, text)
				}
			}
			w.t.Fatalf("%s: not within %s; at last: %v", what, within, got)
		}
		<-time.After(5 * time.Millisecond)
	}
}

func (w *world) healthy(name string) {
	w.t.Helper()
	w.until(name+" is healthy", time.Minute, func() (bool, any) {
		h := w.Health(name)
		return h.Status == Healthy, h
	})
}

func (w *world) get(url string) (int, string) {
	w.t.Helper()
	status, text, err := fetch(client(false), url)
	if err != nil {
		w.t.Fatal(err)
	}
	return status, text
}

func (w *world) service(name string) string {
	return "http://" + w.Address(name, name, 80)
}

func fetch(c *http.Client, url string) (int, string, error) {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	resp, err := c.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// client finds every host on this machine, as browsers do with names that end in .localhost.
func client(keepAlive bool) *http.Client {
	return &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: !keepAlive,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			_, port, _ := net.SplitHostPort(addr)
			return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
		},
	}}
}
