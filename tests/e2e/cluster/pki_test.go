//go:build linux

package cluster

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"path/filepath"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

func TestEveryCertificateIsOfItsAuthorityAndNamesWhoItIs(t *testing.T) {
	p, err := newPKI(2, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range identities(2) {
		ca, other := "ca.crt", "front-proxy-ca.crt"
		if id.byFrontProxy {
			ca, other = other, ca
		}
		cert := certificate(t, p, id.name+".crt")
		if err := verify(cert, p.files[ca]); err != nil {
			t.Errorf("%s is not of %s: %v", id.name, ca, err)
		}
		if verify(cert, p.files[other]) == nil {
			t.Errorf("%s is of %s", id.name, other)
		}
		if cert.Subject.CommonName != id.user {
			t.Errorf("%s names %q, want %q", id.name, cert.Subject.CommonName, id.user)
		}
		for _, host := range append(id.hosts, id.addresses...) {
			if err := cert.VerifyHostname(host); err != nil {
				t.Errorf("%s: %v", id.name, err)
			}
		}
	}
	if groups := certificate(t, p, "node2.crt").Subject.Organization; len(groups) != 1 || groups[0] != "system:nodes" {
		t.Errorf("node2 is of %v, want system:nodes", groups)
	}
}

func TestAKubeconfigIsCompleteInItself(t *testing.T) {
	p, err := newPKI(1, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Clusters []struct {
			Cluster struct {
				Server string
				CA     []byte `json:"certificate-authority-data"`
			}
		}
		Users []struct {
			User struct {
				Cert []byte `json:"client-certificate-data"`
				Key  []byte `json:"client-key-data"`
			}
		}
	}
	if err := json.Unmarshal(p.files["admin.kubeconfig"], &got); err != nil {
		t.Fatal(err)
	}
	c, u := got.Clusters[0].Cluster, got.Users[0].User
	if c.Server != serverURL || string(c.CA) != string(p.files["ca.crt"]) || string(u.Cert) != string(p.files["admin.crt"]) ||
		string(u.Key) != string(p.files["admin.key"]) {
		t.Errorf("the administrator's configuration is\n%s", p.files["admin.kubeconfig"])
	}
}

func TestEveryFileOfANodeIsFilled(t *testing.T) {
	c := &Cluster{dir: "/runs/c1", plugins: "/plugins"}
	n := &Node{Name: "node2", number: 2, cluster: c}
	entries, err := config.ReadDir("config")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		text, err := fill(e.Name(), n.settings())
		if err != nil {
			t.Error(err)
		}
		switch filepath.Ext(e.Name()) {
		case ".yaml", ".conflist":
			var any map[string]any
			if err := yaml.Unmarshal(text, &any); err != nil {
				t.Errorf("%s: %v\n%s", e.Name(), err, text)
			}
		}
	}
	var kubelet struct {
		Cgroup string `yaml:"cgroupRoot"`
		Cert   string `yaml:"tlsCertFile"`
	}
	text, err := fill("kubelet.yaml", n.settings())
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &kubelet); err != nil {
		t.Fatal(err)
	}
	if kubelet.Cgroup != "/fawkes-e2e-c1-node2" || kubelet.Cert != "/run/fawkes/cluster/pki/node2.crt" {
		t.Errorf("the kubelet of node2 has the cgroup %q and the certificate %q", kubelet.Cgroup, kubelet.Cert)
	}
}

func certificate(t *testing.T, p *pki, name string) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(p.files[name])
	if block == nil {
		t.Fatalf("%s is not PEM", name)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func verify(cert *x509.Certificate, ca []byte) error {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	_, err := cert.Verify(x509.VerifyOptions{Roots: pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	return err
}
