//go:build linux

package cluster

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"strings"
	"text/template"
	"time"

	"github.com/fawkes-idp/fawkes/tests/e2e/cluster/machine"
)

//go:embed config
var config embed.FS

// settings are what the files in config say of a node.
type settings struct {
	Node, Cgroup, Plugins     string
	Config                    string // the node's folder of configuration, as the node sees it
	PKI                       string
	Pods, PodNetwork          string
	DNS, PauseImage           string
	DNSImage, RegistryAddress string
}

func (n *Node) settings() settings {
	return settings{
		Node: n.Name, Cgroup: "/" + machine.CgroupOf(n.cluster.dir, n.Name), Plugins: n.cluster.plugins, Config: n.config(),
		PKI: machine.ClusterDir + "/pki", Pods: podsOf(n.number), PodNetwork: podNetwork, DNS: dnsAddress,
		PauseImage: pauseImage, DNSImage: dnsImage, RegistryAddress: RegistryAddress,
	}
}

// config is the folder of the node's configuration, as the node sees it.
func (n *Node) config() string { return machine.ClusterDir + "/" + n.Name + "/config" }

// fill fills a file of config with settings.
func fill(name string, s settings) ([]byte, error) {
	t, err := template.New(name).Option("missingkey=error").ParseFS(config, path.Join("config", name))
	if err != nil {
		return nil, fmt.Errorf("read the template %s: %w", name, err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, s); err != nil {
		return nil, fmt.Errorf("fill the template %s: %w", name, err)
	}
	return out.Bytes(), nil
}

// join makes the node a part of the cluster: a container runtime with images, the kubelet, and the proxy of services.
func (n *Node) join(ctx context.Context, images []string) error {
	for to, name := range map[string]string{
		"containerd.toml": "containerd.toml", "kubelet.yaml": "kubelet.yaml", "kube-proxy.yaml": "kube-proxy.yaml",
		"cni/10-pods.conflist": "pods.conflist", "registry/" + RegistryAddress + "/hosts.toml": "hosts.toml", "resolv.conf": "resolv.conf",
	} {
		text, err := fill(name, n.settings())
		if err != nil {
			return err
		}
		at := n.cluster.file(n.Name, "config", to)
		if err := os.MkdirAll(path.Dir(at), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(at, text, 0o644); err != nil {
			return err
		}
	}
	if err := n.run("containerd", "--config", n.config()+"/containerd.toml"); err != nil {
		return err
	}
	if err := until(ctx, 30*time.Second, "containerd answers on "+n.Name, func(ctx context.Context) error {
		if err := n.alive(); err != nil {
			return err
		}
		_, err := n.ctr(ctx, "version")
		return err
	}); err != nil {
		return err
	}
	for _, image := range images {
		if err := n.load(ctx, image); err != nil {
			return err
		}
	}
	if err := n.kube("kubelet", "--config="+n.config()+"/kubelet.yaml", "--kubeconfig="+key(n.Name+".kubeconfig"),
		"--hostname-override="+n.Name, "--node-ip="+n.Address); err != nil {
		return err
	}
	return n.kube("kube-proxy", "--config="+n.config()+"/kube-proxy.yaml")
}

// ctr runs containerd's own client on the node, in the namespace where Kubernetes keeps its images.
func (n *Node) ctr(ctx context.Context, args ...string) (string, error) {
	return n.Exec(ctx, "ctr", append([]string{"--address=/run/containerd/containerd.sock", "--namespace=k8s.io"}, args...)...)
}

// untilReady waits until the API server knows the node as ready.
func (n *Node) untilReady(ctx context.Context) error {
	err := until(ctx, time.Minute, n.Name+" is ready", func(ctx context.Context) error {
		if err := n.alive(); err != nil {
			return err
		}
		ready, why, err := n.Ready(ctx)
		if err == nil && !ready {
			err = fmt.Errorf("it is not ready: %s", why)
		}
		return err
	})
	if err == nil {
		n.cluster.mark("%s ready", n.Name)
	}
	return err
}

// Ready says what the API server knows of the node, and why.
func (n *Node) Ready(ctx context.Context) (ready bool, why string, err error) {
	text, err := n.cluster.Get(ctx, "/api/v1/nodes/"+n.Name)
	if err != nil {
		return false, "", err
	}
	var node struct {
		Status struct {
			Conditions []struct{ Type, Status, Reason, Message string }
		}
	}
	if err := json.Unmarshal(text, &node); err != nil {
		return false, "", fmt.Errorf("read node %s: %w", n.Name, err)
	}
	for _, c := range node.Status.Conditions {
		if c.Type == "Ready" {
			return c.Status == "True", strings.TrimSpace(c.Reason + ": " + c.Message), nil
		}
	}
	return false, "it has not reported", nil
}

// dns starts CoreDNS and waits until it answers.
func (c *Cluster) dns(ctx context.Context) error {
	manifests, err := fill("coredns.yaml", c.Nodes[0].settings())
	if err != nil {
		return err
	}
	if err := c.Apply(ctx, string(manifests)); err != nil {
		return err
	}
	if err := c.Rollout(ctx, "kube-system", "deployment/coredns", time.Minute); err != nil {
		return err
	}
	c.mark("CoreDNS ready")
	return nil
}
