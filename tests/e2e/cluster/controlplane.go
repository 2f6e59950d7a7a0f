//go:build linux

package cluster

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/fawkes-idp/fawkes/tests/e2e/cluster/machine"
)

// key is a file of the PKI, as nodes see it.
func key(name string) string { return machine.ClusterDir + "/pki/" + name }

// controlPlane starts what the first node does for all, each when the one before it answers.
func (c *Cluster) controlPlane(ctx context.Context) error {
	first := c.Nodes[0]
	if err := first.kube("etcd",
		"--name=e2e", "--data-dir=/var/lib/etcd", "--log-level=warn",
		// The store lives as long as the node does; it need not outlive a crash of the machine.
		"--unsafe-no-fsync",
		"--listen-client-urls=http://127.0.0.1:2379", "--advertise-client-urls=http://127.0.0.1:2379",
		"--listen-peer-urls=http://127.0.0.1:2380",
	); err != nil {
		return err
	}
	if err := first.kube("kube-apiserver", apiServerFlags()...); err != nil {
		return err
	}
	if err := until(ctx, time.Minute, "the API server is ready", func(ctx context.Context) error {
		if err := first.alive(); err != nil {
			return err
		}
		_, err := c.Get(ctx, "/readyz")
		return err
	}); err != nil {
		return err
	}
	c.mark("API server ready")
	if err := first.kube("kube-controller-manager",
		"--kubeconfig="+key("controller-manager.kubeconfig"), "--bind-address=127.0.0.1", "--leader-elect=false",
		"--use-service-account-credentials=true", "--service-account-private-key-file="+key("sa.key"), "--root-ca-file="+key("ca.crt"),
		"--cluster-signing-cert-file="+key("ca.crt"), "--cluster-signing-key-file="+key("ca.key"),
		// A node that is silent for so long is taken for lost; a test does not wait for the 50 s that are usual. A lease is
		// renewed every 2.5 s, see config/kubelet.yaml.
		"--node-monitor-grace-period=10s", "--node-monitor-period=1s",
	); err != nil {
		return err
	}
	return first.kube("kube-scheduler", "--kubeconfig="+key("scheduler.kubeconfig"), "--bind-address=127.0.0.1", "--leader-elect=false")
}

func apiServerFlags() []string {
	return []string{
		"--etcd-servers=http://127.0.0.1:2379",
		"--secure-port=6443", "--advertise-address=" + addressOf(1), "--service-cluster-ip-range=" + serviceNetwork,
		"--tls-cert-file=" + key("apiserver.crt"), "--tls-private-key-file=" + key("apiserver.key"), "--client-ca-file=" + key("ca.crt"),
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--allow-privileged=true",
		"--kubelet-client-certificate=" + key("apiserver-to-kubelet.crt"), "--kubelet-client-key=" + key("apiserver-to-kubelet.key"),
		"--kubelet-preferred-address-types=InternalIP",
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + key("sa.pub"), "--service-account-signing-key-file=" + key("sa.key"),
		// Aggregated APIs.
		"--requestheader-client-ca-file=" + key("front-proxy-ca.crt"), "--requestheader-allowed-names=front-proxy-client",
		"--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + key("front-proxy-client.crt"), "--proxy-client-key-file=" + key("front-proxy-client.key"),
	}
}

// Get reads from the API server, as the administrator: Get(ctx, "/api/v1/nodes").
func (c *Cluster) Get(ctx context.Context, path string) ([]byte, error) {
	identity, err := c.pki.client()
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{DialContext: c.Nodes[0].DialContext, TLSClientConfig: identity}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, serverURL+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	resp, err := (&http.Client{Transport: transport, Timeout: 10 * time.Second}).Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s: %s", path, resp.Status, body)
	}
	return body, err
}

// Kubeconfig is the administrator's. Its address is the first node's, which only connections of nodes reach: see
// [Node.DialContext].
func (c *Cluster) Kubeconfig() []byte { return c.pki.files["admin.kubeconfig"] }
