//go:build linux

package cluster

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// pki is every key and certificate of a cluster, made anew for each and worth nothing outside of it.
type pki struct {
	ca    authority
	files map[string][]byte // by their names in the folder
}

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	text []byte // the certificate in PEM
}

// identity is one certificate that is wanted.
type identity struct {
	name         string // of its files, without the ending
	user, group  string // CN and O, which Kubernetes reads as user and group
	hosts        []string
	addresses    []string
	configured   bool // a kubeconfig is wanted too
	byFrontProxy bool // signed by the authority of aggregated APIs
}

func identities(nodes int) []identity {
	out := []identity{
		{
			name: "apiserver", user: "kube-apiserver",
			hosts: []string{"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "localhost"},
			// The last is the first address of services, which the API server takes for itself.
			addresses: []string{"127.0.0.1", addressOf(1), "10.96.0.1"},
		},
		{name: "apiserver-to-kubelet", user: "kube-apiserver-kubelet-client", group: "system:masters"},
		{name: "front-proxy-client", user: "front-proxy-client", byFrontProxy: true},
		{name: "admin", user: "kubernetes-admin", group: "system:masters", configured: true},
		{name: "controller-manager", user: "system:kube-controller-manager", configured: true},
		{name: "scheduler", user: "system:kube-scheduler", configured: true},
		{name: "proxy", user: "system:kube-proxy", configured: true},
	}
	for i := 1; i <= nodes; i++ {
		n := nodeName(i)
		out = append(out, identity{
			name: n, user: "system:node:" + n, group: "system:nodes", hosts: []string{n}, addresses: []string{addressOf(i)}, configured: true,
		})
	}
	return out
}

func newPKI(nodes int, now time.Time) (*pki, error) {
	p := &pki{files: map[string][]byte{}}
	ca, err := newAuthority("fawkes-e2e", now)
	if err != nil {
		return nil, err
	}
	frontProxy, err := newAuthority("fawkes-e2e-front-proxy", now)
	if err != nil {
		return nil, err
	}
	p.ca = ca
	p.files["ca.crt"], p.files["front-proxy-ca.crt"] = ca.text, frontProxy.text
	if p.files["ca.key"], err = keyText(ca.key); err != nil {
		return nil, err
	}
	for _, id := range identities(nodes) {
		by := ca
		if id.byFrontProxy {
			by = frontProxy
		}
		if err := p.issue(by, id, now); err != nil {
			return nil, fmt.Errorf("issue the certificate %s: %w", id.name, err)
		}
	}
	return p, p.serviceAccounts()
}

func newAuthority(name string, now time.Time) (authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return authority{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(30 * 24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return authority{}, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return authority{}, err
	}
	return authority{cert: cert, key: key, text: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}, nil
}

func (p *pki) issue(by authority, id identity, now time.Time) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: id.user},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(30 * 24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames: id.hosts,
	}
	if id.group != "" {
		template.Subject.Organization = []string{id.group}
	}
	for _, a := range id.addresses {
		template.IPAddresses = append(template.IPAddresses, net.ParseIP(a))
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by.cert, key.Public(), by.key)
	if err != nil {
		return err
	}
	p.files[id.name+".crt"] = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if p.files[id.name+".key"], err = keyText(key); err != nil {
		return err
	}
	if id.configured {
		p.files[id.name+".kubeconfig"], err = kubeconfig(p.files["ca.crt"], p.files[id.name+".crt"], p.files[id.name+".key"])
	}
	return err
}

// serviceAccounts makes the pair of keys by which tokens of service accounts are signed and checked.
func (p *pki) serviceAccounts() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	if p.files["sa.key"], err = keyText(key); err != nil {
		return err
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	p.files["sa.pub"] = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	return nil
}

func keyText(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), nil
}

// kubeconfig is the configuration of a client, complete in itself. JSON is YAML.
func kubeconfig(ca, cert, key []byte) ([]byte, error) {
	type object = map[string]any
	return json.MarshalIndent(object{
		"apiVersion": "v1", "kind": "Config", "current-context": "e2e",
		"clusters": []object{{"name": "e2e", "cluster": object{"server": serverURL, "certificate-authority-data": ca}}},
		"users":    []object{{"name": "e2e", "user": object{"client-certificate-data": cert, "client-key-data": key}}},
		"contexts": []object{{"name": "e2e", "context": object{"cluster": "e2e", "user": "e2e"}}},
	}, "", " ")
}

// write puts the files into a folder that only their owner reads.
func (p *pki) write(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for name, content := range p.files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return fmt.Errorf("write the cluster's keys: %w", err)
		}
	}
	return nil
}

// client is how the administrator speaks TLS to the API server.
func (p *pki) client() (*tls.Config, error) {
	pair, err := tls.X509KeyPair(p.files["admin.crt"], p.files["admin.key"])
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(bytes.Clone(p.files["ca.crt"])) {
		return nil, fmt.Errorf("the cluster's authority has no certificate")
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: pool, MinVersion: tls.VersionTLS12}, nil
}
