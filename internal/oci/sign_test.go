package oci_test

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/fawkes-idp/fawkes/internal/oci"
)

func thisArch() string { return runtime.GOARCH }

func keys(t *testing.T) (*oci.Signer, *oci.Verifier) {
	t.Helper()
	private, public, err := oci.GenerateKeys([]byte("password"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := oci.LoadSigner(private, []byte("password"))
	if err != nil {
		t.Fatal(err)
	}
	v, err := oci.LoadVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	return s, v
}

func TestASignedImageVerifiesByTagAndDigest(t *testing.T) {
	host := serve(t, "")
	var r oci.Registry
	s, v := keys(t)
	_, other := keys(t)
	digest, err := r.Push(t.Context(), host+"/a:1", small(t, "1"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Verify(t.Context(), host+"/a:1", v); !errors.Is(err, oci.ErrUnsigned) || !strings.Contains(err.Error(), digest) {
		t.Errorf("an image without a signature: %v", err)
	}
	ref := host + "/a@" + digest
	if err := r.Sign(t.Context(), host+"/a:1", s, nil); err == nil {
		t.Error("a tag was signed")
	}
	for range 2 { // the second time changes nothing
		if err := r.Sign(t.Context(), ref, s, map[string]string{"revision": "abc"}); err != nil {
			t.Fatal(err)
		}
	}
	for _, ref := range []string{ref, host + "/a:1"} {
		got, err := r.Verify(t.Context(), ref, v)
		if err != nil || got.Digest != digest || got.Annotations["revision"] != "abc" || got.KeyID != v.KeyID() || got.Reference != host+"/a" {
			t.Errorf("%s: %+v, %v", ref, got, err)
		}
	}
	if _, err := r.Verify(t.Context(), ref, other); !errors.Is(err, oci.ErrUnsigned) || !strings.Contains(err.Error(), digest) {
		t.Errorf("another key: %v", err)
	}
	tag, err := name.NewTag(host + "/a:" + strings.Replace(digest, ":", "-", 1) + ".sig")
	if err != nil {
		t.Fatal(err)
	}
	img, err := remote.Image(tag)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(manifestOf(t, img).Layers); n != 1 {
		t.Errorf("there are %d signatures, want 1", n)
	}
	// A second key's signature stands beside the first.
	s2, v2 := keys(t)
	if err := r.Sign(t.Context(), ref, s2, nil); err != nil {
		t.Fatal(err)
	}
	for _, v := range []*oci.Verifier{v, v2} {
		if _, err := r.Verify(t.Context(), ref, v); err != nil {
			t.Error(err)
		}
	}
}

// A signature that is moved to another image, and a tag that is moved to an unsigned image, are found out.
func TestASignatureSpeaksOfOneDigestOnly(t *testing.T) {
	host := serve(t, "")
	var r oci.Registry
	s, v := keys(t)
	good, err := r.Push(t.Context(), host+"/a:1", small(t, "good"))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Sign(t.Context(), host+"/a@"+good, s, nil); err != nil {
		t.Fatal(err)
	}
	evil, err := r.Push(t.Context(), host+"/a:1", small(t, "evil"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Verify(t.Context(), host+"/a:1", v); !errors.Is(err, oci.ErrUnsigned) || !strings.Contains(err.Error(), evil) {
		t.Errorf("a tag that was moved: %v, want ErrUnsigned that names %s", err, evil)
	}
	sig := func(d string) name.Tag {
		tag, err := name.NewTag(host + "/a:" + strings.Replace(d, ":", "-", 1) + ".sig")
		if err != nil {
			t.Fatal(err)
		}
		return tag
	}
	img, err := remote.Image(sig(good))
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(sig(evil), img); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Verify(t.Context(), host+"/a:1", v); !errors.Is(err, oci.ErrTampered) || !strings.Contains(err.Error(), evil) || !strings.Contains(err.Error(), good) {
		t.Errorf("a signature that was moved: %v, want ErrTampered that names both", err)
	}
}

// Whatever a registry changes on the way, the image is refused.
func TestEveryChangedByteIsFound(t *testing.T) {
	host := serve(t, "")
	s, v := keys(t)
	var r oci.Registry
	digest, err := r.Push(t.Context(), host+"/a:1", small(t, "1"))
	if err != nil {
		t.Fatal(err)
	}
	ref := host + "/a@" + digest
	if err := r.Sign(t.Context(), ref, s, nil); err != nil {
		t.Fatal(err)
	}
	img, err := r.Pull(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	m := manifestOf(t, img)
	sigTag := strings.Replace(digest, ":", "-", 1) + ".sig"
	for what, path := range map[string]string{
		"manifest": "/manifests/" + digest, "configuration": "/blobs/" + m.Config.Digest.String(), "layer": "/blobs/" + m.Layers[0].Digest.String(),
	} {
		evil := oci.Registry{Transport: roundTrip(func(q *http.Request) (*http.Response, error) {
			resp, err := http.DefaultTransport.RoundTrip(q)
			if err == nil && q.Method == http.MethodGet && strings.HasSuffix(q.URL.Path, path) {
				text, rerr := io.ReadAll(resp.Body)
				resp.Body.Close()
				if rerr != nil {
					return nil, rerr
				}
				text[len(text)/2] ^= 1
				resp.Body = io.NopCloser(bytes.NewReader(text))
			}
			return resp, err
		})}
		_, err := evil.Verify(t.Context(), ref, v)
		if !errors.Is(err, oci.ErrTampered) || !strings.Contains(err.Error(), strings.TrimPrefix(path[strings.LastIndex(path, "/"):], "/")) {
			t.Errorf("a byte of the %s is changed: %v", what, err)
		}
	}
	// A signature whose text or whose place is changed counts for nothing.
	evil := oci.Registry{Transport: roundTrip(func(q *http.Request) (*http.Response, error) {
		resp, err := http.DefaultTransport.RoundTrip(q)
		if err == nil && strings.HasSuffix(q.URL.Path, "/manifests/"+sigTag) {
			text, rerr := io.ReadAll(resp.Body)
			resp.Body.Close()
			if rerr != nil {
				return nil, rerr
			}
			text = bytes.Replace(text, []byte(`"dev.cosignproject.cosign/signature":"M`), []byte(`"dev.cosignproject.cosign/signature":"N`), 1)
			resp.Body = io.NopCloser(bytes.NewReader(text))
		}
		return resp, err
	})}
	if _, err := evil.Verify(t.Context(), ref, v); !errors.Is(err, oci.ErrUnsigned) && !errors.Is(err, oci.ErrTampered) {
		t.Errorf("a changed signature: %v", err)
	}
}

func TestAPrivateKeyOpensWithItsPasswordOnly(t *testing.T) {
	private, public, err := oci.GenerateKeys([]byte("right"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := oci.LoadSigner(private, []byte("wrong")); !errors.Is(err, oci.ErrPassword) {
		t.Errorf("the wrong password: %v", err)
	}
	b, _ := pem.Decode(private)
	if b == nil || b.Type != "ENCRYPTED SIGSTORE PRIVATE KEY" {
		t.Fatalf("the key is %v", b)
	}
	var inside map[string]any
	if err := json.Unmarshal(b.Bytes, &inside); err != nil {
		t.Fatal(err)
	}
	old := pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED COSIGN PRIVATE KEY", Bytes: b.Bytes})
	if _, err := oci.LoadSigner(old, []byte("right")); err != nil {
		t.Errorf("the older name of the block: %v", err)
	}
	// A key file that asks for a computation of hours is refused at once.
	costly := bytes.Replace(b.Bytes, []byte(`"N":32768`), []byte(`"N":1073741824`), 1)
	for name, text := range map[string][]byte{
		"nothing": nil, "a public key": public, "no PEM": []byte("key"), "too long": bytes.Repeat([]byte("a"), 1<<20),
		"costly":     pem.EncodeToMemory(&pem.Block{Type: b.Type, Bytes: costly}),
		"not JSON":   pem.EncodeToMemory(&pem.Block{Type: b.Type, Bytes: []byte("{")}),
		"empty JSON": pem.EncodeToMemory(&pem.Block{Type: b.Type, Bytes: []byte("{}")}),
	} {
		if _, err := oci.LoadSigner(text, []byte("right")); err == nil || errors.Is(err, oci.ErrPassword) {
			t.Errorf("%s is taken for a private key: %v", name, err)
		}
	}
	for name, text := range map[string][]byte{"nothing": nil, "a private key": private, "broken": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")})} {
		if _, err := oci.LoadVerifier(text); err == nil {
			t.Errorf("%s is taken for a public key", name)
		}
	}
}

// The pair was made by "cosign generate-key-pair" of cosign 2.6.5 with the password "password".
func TestAKeyPairOfCosignIsRead(t *testing.T) {
	read := func(name string) []byte {
		text, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	s, err := oci.LoadSigner(read("cosign-2.6.5.key"), []byte("password"))
	if err != nil {
		t.Fatal(err)
	}
	v, err := oci.LoadVerifier(read("cosign-2.6.5.pub"))
	if err != nil {
		t.Fatal(err)
	}
	own, err := s.Verifier()
	if err != nil || own.KeyID() != v.KeyID() {
		t.Errorf("the private key belongs to %v, %v; the public key is %s", own, err, v.KeyID())
	}
}

func FuzzLoadKeys(f *testing.F) {
	private, public, err := oci.GenerateKeys(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(private)
	f.Add(public)
	f.Fuzz(func(t *testing.T, text []byte) {
		if s, err := oci.LoadSigner(text, nil); err == nil {
			if _, err := s.Verifier(); err != nil {
				t.Errorf("a signer without a verifier: %v", err)
			}
		}
		if v, err := oci.LoadVerifier(text); err == nil && v.KeyID() == "" {
			t.Error("a verifier without an id")
		}
	})
}
