//go:build e2e && linux

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/fawkes-idp/fawkes/internal/oci"
	"github.com/fawkes-idp/fawkes/tests/e2e/cluster"
)

// loaded is the probe's image as it is put on the nodes; pulled is where it is in the registry.
const (
	loaded = "fawkes.test/probe:1"
	pulled = "probe/pulled:1"
)

// probeAnswer is what the probe says of itself.
type probeAnswer struct {
	Pod, Node    string
	UID          int
	RootWritable bool
}

// TestTwoNodes goes from nothing to a cluster, through what a cluster must do, to the loss of a node.
func TestTwoNodes(t *testing.T) {
	c := cluster.Up(t, cluster.Options{Nodes: 2})
	ctx := t.Context()

	step(t, "both nodes are ready and report the pinned version", func(t *testing.T) {
		out, err := c.Kubectl(ctx, "get", "nodes", "-o",
			`jsonpath={range .items[*]}{.metadata.name} {.status.nodeInfo.kubeletVersion} {.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}`)
		if err != nil {
			t.Fatal(err)
		}
		if want := "node1 v1.34.4 True\nnode2 v1.34.4 True\n"; out != want {
			t.Errorf("nodes are\n%swant\n%s", out, want)
		}
	})

	spec := pack(t)
	step(t, "an image that the project packed runs as nobody with a read-only root", func(t *testing.T) {
		img, err := oci.Pack(spec)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Load(ctx, loaded, img); err != nil {
			t.Fatal(err)
		}
		// "restricted" is the strictest of the Pod Security standards: the API server would refuse another pod.
		if _, err := c.Kubectl(ctx, "label", "namespace", "default", "pod-security.kubernetes.io/enforce=restricted"); err != nil {
			t.Fatal(err)
		}
		deploy(t, c, "near", "node1", loaded)
		deploy(t, c, "far", "node2", loaded)
		got := ask(t, c, "near", "http://far:8080/")
		if got.UID != 65532 || got.RootWritable {
			t.Errorf("the pod runs with user id %d, root writable %v; want 65532 and read-only", got.UID, got.RootWritable)
		}
	})

	step(t, "CoreDNS resolves a service to its address", func(t *testing.T) {
		want, err := c.Kubectl(ctx, "get", "service", "far", "-o", "jsonpath={.spec.clusterIP}")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"far", "far.default.svc.cluster.local"} {
			got, err := c.Kubectl(ctx, "exec", "deployment/near", "--", "/probe", "lookup", name)
			if err != nil || strings.TrimSpace(got) != want {
				t.Errorf("%s is %q, %v; want %s", name, strings.TrimSpace(got), err, want)
			}
		}
		if got, err := c.Kubectl(ctx, "exec", "deployment/near", "--", "/probe", "lookup", "nowhere.default.svc.cluster.local"); err == nil {
			t.Errorf("a service that does not exist resolves to %q", got)
		}
	})

	step(t, "pods of each node reach services of the other", func(t *testing.T) {
		if got := ask(t, c, "near", "http://far:8080/"); got.Node != "node2" {
			t.Errorf("asked from node1, %q on %s answers; want one on node2", got.Pod, got.Node)
		}
		if got := ask(t, c, "far", "http://near:8080/"); got.Node != "node1" {
			t.Errorf("asked from node2, %q on %s answers; want one on node1", got.Pod, got.Node)
		}
	})

	step(t, "the test reaches services as a node does", func(t *testing.T) {
		ip, err := c.Kubectl(ctx, "get", "service", "far", "-o", "jsonpath={.spec.clusterIP}")
		if err != nil {
			t.Fatal(err)
		}
		client := http.Client{Transport: &http.Transport{DialContext: c.Nodes[0].DialContext, DisableKeepAlives: true}, Timeout: 10 * time.Second}
		resp, err := client.Get("http://" + ip + ":8080/")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var got probeAnswer
		if err := json.NewDecoder(resp.Body).Decode(&got); err != nil || got.Node != "node2" {
			t.Errorf("the service answers %+v, %v; want one on node2", got, err)
		}
	})

	step(t, "a signed image is pulled by its digest from a registry", func(t *testing.T) {
		digest := publish(t, c, spec)
		deploy(t, c, "pulled", "node2", cluster.RegistryAddress+"/"+strings.TrimSuffix(pulled, ":1")+"@"+digest)
		if got := ask(t, c, "near", "http://pulled:8080/"); got.UID != 65532 {
			t.Errorf("the pulled image runs as %d, want 65532", got.UID)
		}
	})

	step(t, "what a killed node ran comes back on the other", func(t *testing.T) {
		unpin(t, c, "far")
		if got := ask(t, c, "near", "http://far:8080/"); got.Node != "node2" {
			t.Fatalf("before node2 is killed, the service is on %s; want node2", got.Node)
		}
		began := time.Now()
		c.Nodes[1].Kill()
		t.Logf("node2 and all that it ran is gone after %.3f s", time.Since(began).Seconds())
		eventually(t, 2*time.Minute, "the service answers from node1", func() error {
			got, err := tryAsk(ctx, c, "near", "http://far:8080/")
			if err == nil && got.Node != "node1" {
				err = fmt.Errorf("it answers from %q", got.Node)
			}
			return err
		})
		t.Logf("the service answers again, from node1, after %.1f s", time.Since(began).Seconds())
		if ready, why, err := c.Nodes[1].Ready(ctx); err != nil || ready {
			t.Errorf("the API server says of node2: ready %v (%s), %v; want that it is not", ready, why, err)
		}
	})
}

// step is a subtest without which those after it make no sense. It says how long it took.
func step(t *testing.T, name string, f func(*testing.T)) {
	t.Helper()
	began := time.Now()
	if !t.Run(name, f) {
		t.FailNow()
	}
	t.Logf("%6.1f s  %s", time.Since(began).Seconds(), name)
}

// pack builds the probe and describes its image.
func pack(t *testing.T) oci.ImageSpec {
	t.Helper()
	dir := t.TempDir()
	if err := cluster.Build(t.Context(), dir, "./tests/e2e/probe"); err != nil {
		t.Fatal(err)
	}
	return oci.ImageSpec{
		Files: []oci.File{{Source: filepath.Join(dir, "probe"), Target: "/probe"}}, Entrypoint: []string{"/probe"}, NoTimeZones: true,
	}
}

// publish lets the cluster reach a registry that this process holds, with the image in it, signed, and returns its digest.
func publish(t *testing.T, c *cluster.Cluster, spec oci.ImageSpec) string {
	t.Helper()
	// Another image than the one that was loaded, which containerd would recognize and not pull.
	spec.Labels = map[string]string{"from": "registry"}
	img, err := oci.Pack(spec)
	if err != nil {
		t.Fatal(err)
	}
	store := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	listener, err := c.Nodes[0].Listen(t.Context(), "tcp", cluster.RegistryAddress)
	if err != nil {
		t.Fatal(err)
	}
	inside := &httptest.Server{Listener: listener, Config: &http.Server{Handler: store, ReadHeaderTimeout: 10 * time.Second}}
	inside.Start()
	t.Cleanup(inside.Close)
	outside := httptest.NewServer(store)
	t.Cleanup(outside.Close)

	here := oci.Registry{}
	ref := strings.TrimPrefix(outside.URL, "http://") + "/" + pulled
	digest, err := here.Push(t.Context(), ref, img)
	if err != nil {
		t.Fatal(err)
	}
	private, public, err := oci.GenerateKeys([]byte("password"))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := oci.LoadSigner(private, []byte("password"))
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := oci.LoadVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	byDigest := strings.TrimSuffix(ref, ":1") + "@" + digest
	if err := here.Sign(t.Context(), byDigest, signer, nil); err != nil {
		t.Fatal(err)
	}
	// As a node would, through the cluster's network.
	there := oci.Registry{Insecure: true, Transport: &http.Transport{DialContext: c.Nodes[1].DialContext, DisableKeepAlives: true}}
	if _, err := there.Verify(t.Context(), cluster.RegistryAddress+"/"+strings.TrimSuffix(pulled, ":1")+"@"+digest, verifier); err != nil {
		t.Fatal(err)
	}
	return digest
}

// deploy runs one probe on a node, with a service of the same name before it.
func deploy(t *testing.T, c *cluster.Cluster, name, node, image string) {
	t.Helper()
	manifest := strings.NewReplacer("ONNODE", node, "NAME", name, "IMAGE", image).Replace(probeManifest)
	if err := c.Apply(t.Context(), manifest); err != nil {
		t.Fatal(err)
	}
	if err := c.Rollout(t.Context(), "default", "deployment/"+name, time.Minute); err != nil {
		described, _ := c.Kubectl(t.Context(), "describe", "pods", "--selector", "app="+name)
		t.Fatalf("%v\n%s", err, described)
	}
}

// unpin lets a deployment that was bound to node2 run elsewhere when it must.
func unpin(t *testing.T, c *cluster.Cluster, name string) {
	t.Helper()
	if _, err := c.Kubectl(t.Context(), "patch", "deployment", name, "--type=json", "--patch",
		`[{"op":"remove","path":"/spec/template/spec/nodeSelector"},
		  {"op":"add","path":"/spec/template/spec/affinity","value":{"nodeAffinity":{"preferredDuringSchedulingIgnoredDuringExecution":
		    [{"weight":100,"preference":{"matchExpressions":[{"key":"kubernetes.io/hostname","operator":"In","values":["node2"]}]}}]}}}]`); err != nil {
		t.Fatal(err)
	}
	if err := c.Rollout(t.Context(), "default", "deployment/"+name, time.Minute); err != nil {
		t.Fatal(err)
	}
}

// ask lets the pod of a deployment ask a URL that a probe answers.
func ask(t *testing.T, c *cluster.Cluster, from, url string) probeAnswer {
	t.Helper()
	var got probeAnswer
	// A service's rules reach each node a moment after its pods are ready.
	eventually(t, 30*time.Second, url+" answers", func() error {
		var err error
		got, err = tryAsk(t.Context(), c, from, url)
		return err
	})
	return got
}

func tryAsk(ctx context.Context, c *cluster.Cluster, from, url string) (probeAnswer, error) {
	text, err := c.Kubectl(ctx, "exec", "deployment/"+from, "--", "/probe", "get", url)
	if err != nil {
		return probeAnswer{}, err
	}
	var got probeAnswer
	err = json.Unmarshal([]byte(text), &got)
	return got, err
}

// eventually tries until it succeeds.
func eventually(t *testing.T, limit time.Duration, what string, try func() error) {
	t.Helper()
	deadline := time.After(limit)
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-again.C:
		case <-deadline:
			t.Fatalf("%s: not within %s: %v", what, limit, err)
		}
	}
}

// TestAnImpossibleClusterIsRefused needs nothing that could be there or not.
func TestAnImpossibleClusterIsRefused(t *testing.T) {
	for _, nodes := range []int{-1, 10} {
		if _, err := cluster.Start(t.Context(), cluster.Options{Nodes: nodes}); err == nil || !strings.Contains(err.Error(), fmt.Sprint(nodes)) {
			t.Errorf("a cluster of %d nodes: %v; want that it is refused", nodes, err)
		}
	}
}
