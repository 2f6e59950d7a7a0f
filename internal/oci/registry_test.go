package oci_test

import (
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/fawkes-idp/fawkes/internal/oci"
)

// serve runs go-containerregistry's own small registry, which asks for the token as a password if there is one.
func serve(t *testing.T, token string, opts ...registry.Option) string {
	t.Helper()
	h := registry.New(append(opts, registry.Logger(log.New(io.Discard, "", 0)))...)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); token != "" && password != token {
			w.Header().Set("WWW-Authenticate", `Basic realm="r"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func small(t *testing.T, content string) v1.Image {
	t.Helper()
	return imageOf(t, tarOf(t, reg("a", content)))
}

func TestTheTokenIsThePasswordOfAUser(t *testing.T) {
	for user, want := range map[string]string{"": "fawkes", "robot-road": "robot-road"} {
		var last atomic.Value
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if name, password, given := r.BasicAuth(); given && password == "secret" {
				last.Store(name)
			}
			w.Header().Set("WWW-Authenticate", `Basic realm="r"`)
			w.WriteHeader(http.StatusUnauthorized)
		}))
		_, err := oci.Registry{User: user, Token: "secret"}.Digest(t.Context(), strings.TrimPrefix(s.URL, "http://")+"/a/b:one")
		s.Close()
		if got := last.Load(); err == nil || got != want {
			t.Errorf("the user %q comes as %v, want %s; %v", user, got, want, err)
		}
	}
}

func TestAnImageIsPushedByDigestAndTags(t *testing.T) {
	host := serve(t, "secret")
	r := oci.Registry{Token: "secret"}
	img := small(t, "1")
	digest, err := r.Push(t.Context(), host+"/a/b:one", img, "two")
	if err != nil || digest != digestOf(t, img) {
		t.Fatalf("push: %s, %v", digest, err)
	}
	if err := r.Tag(t.Context(), host+"/a/b@"+digest, "three"); err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{"a/b:one", "a/b:two", "a/b:three", "a/b@" + digest} {
		got, err := r.Digest(t.Context(), host+"/"+ref)
		if err != nil || got != digest {
			t.Errorf("%s is %s, %v; want %s", ref, got, err, digest)
		}
		img, err := r.Pull(t.Context(), host+"/"+ref)
		if err != nil {
			t.Fatalf("%s: %v", ref, err)
		}
		if err := oci.Check(t.Context(), img); err != nil {
			t.Errorf("%s: %v", ref, err)
		}
	}
	// Without a tag there is none: not even "latest".
	if _, err := r.Push(t.Context(), host+"/c/d", img); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Digest(t.Context(), host+"/c/d:latest"); !errors.Is(err, oci.ErrNotFound) {
		t.Errorf("a tag nobody gave: %v", err)
	}
}

func TestWhatARegistryRefusesIsAnError(t *testing.T) {
	host := serve(t, "secret")
	img := small(t, "1")
	if _, err := (oci.Registry{Token: "wrong"}).Push(t.Context(), host+"/a:1", img); err == nil {
		t.Error("a wrong token pushes")
	}
	r := oci.Registry{Token: "secret"}
	if _, err := r.Pull(t.Context(), host+"/nothing:1"); !errors.Is(err, oci.ErrNotFound) {
		t.Errorf("an image that is not there: %v", err)
	}
	for _, ref := range []string{"", "UPPER/case", host + "/a@sha256:12", host + "/a:b:c", "a b"} {
		if _, err := r.Pull(t.Context(), ref); err == nil || errors.Is(err, oci.ErrNotFound) {
			t.Errorf("%q is taken for a reference: %v", ref, err)
		}
	}
	if _, err := r.Push(t.Context(), host+"/a@sha256:"+strings.Repeat("0", 64), img); err == nil {
		t.Error("an image is pushed under another digest")
	}
	if err := r.Tag(t.Context(), host+"/a@"+digestOf(t, img), "not a tag"); err == nil {
		t.Error("a tag with spaces is given")
	}
}

type seen struct {
	next  http.RoundTripper
	plain atomic.Int64
}

func (s *seen) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme == "http" {
		s.plain.Add(1)
	}
	return s.next.RoundTrip(r)
}

// A token must not cross a network in the clear.
func TestPlainHTTPIsForThisMachine(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "localhost:5000": true, "127.0.0.1:80": true, "[::1]:5000": true, "::1": true, "a.localhost:1": true,
		"10.0.0.1:5000": false, "192.168.1.1": false, "example.com": false, "localhost.example.com": false, "": false,
	} {
		if got := oci.Loopback(host); got != want {
			t.Errorf("Loopback(%q) = %v", host, got)
		}
	}
	s := &seen{next: roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.URL.Scheme == "https" {
			return nil, errors.New("no TLS here")
		}
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
	})}
	r := oci.Registry{Token: "secret", Transport: s}
	if _, err := r.Pull(t.Context(), "192.168.1.1:5000/a:1"); err == nil || s.plain.Load() != 0 {
		t.Errorf("%d requests in plain HTTP to another machine, %v", s.plain.Load(), err)
	}
	r.Insecure = true
	_, _ = r.Pull(t.Context(), "192.168.1.1:5000/a:1")
	if s.plain.Load() == 0 {
		t.Error("Insecure does not let plain HTTP through")
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestHTTPSIsSpokenToOthers(t *testing.T) {
	s := httptest.NewTLSServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(s.Close)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}}
	t.Cleanup(transport.CloseIdleConnections)
	r := oci.Registry{Transport: transport}
	if _, err := r.Push(t.Context(), strings.TrimPrefix(s.URL, "https://")+"/a:1", small(t, "1")); err != nil {
		t.Error(err)
	}
}

func TestAnArtifactIsFoundWithAndWithoutReferrers(t *testing.T) {
	for about, known := range map[string]bool{"a registry that knows referrers": true, "a registry that does not": false} {
		t.Run(about, func(t *testing.T) {
			host := serve(t, "", registry.WithReferrersSupport(known))
			var r oci.Registry
			digest, err := r.Push(t.Context(), host+"/a:1", small(t, "1"))
			if err != nil {
				t.Fatal(err)
			}
			ref := host + "/a@" + digest
			if err := r.Attach(t.Context(), ref, oci.TypeCycloneDX, oci.Blob{MediaType: oci.TypeCycloneDX, Content: []byte(`{"bomFormat":"CycloneDX"}`), Name: "bom.json"}); err != nil {
				t.Fatal(err)
			}
			if err := r.Attach(t.Context(), ref, oci.TypeSARIF, oci.Blob{MediaType: oci.TypeSARIF, Content: []byte(`{}`)}); err != nil {
				t.Fatal(err)
			}
			got, err := r.Attached(t.Context(), ref, oci.TypeCycloneDX)
			if err != nil || len(got) != 1 || string(got[0].Content) != `{"bomFormat":"CycloneDX"}` || got[0].Name != "bom.json" || got[0].MediaType != oci.TypeCycloneDX {
				t.Errorf("attached: %+v, %v", got, err)
			}
			tag, err := name.NewTag(host + "/a:" + strings.Replace(digest, ":", "-", 1) + ".sbom")
			if err != nil {
				t.Fatal(err)
			}
			if img, err := remote.Image(tag); err != nil {
				t.Errorf("cosign's tag: %v", err)
			} else if l, err := img.Layers(); err != nil || len(l) != 1 {
				t.Errorf("cosign's tag has %d layers, %v", len(l), err)
			}
		})
	}
	host := serve(t, "")
	var r oci.Registry
	if err := r.Attach(t.Context(), host+"/a:1", oci.TypeSARIF, oci.Blob{}); err == nil {
		t.Error("something is attached to a tag, which may mean another image tomorrow")
	}
}

func TestOfAnIndexTheImageOfThisMachineIsPulled(t *testing.T) {
	host := serve(t, "")
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	var want v1.Image
	for _, arch := range []string{"amd64", "arm64", "s390x"} {
		spec := oci.ImageSpec{NoTimeZones: true, Platform: "linux/" + arch}
		img := pack(t, spec)
		if strings.HasSuffix(manifestPlatform(t, img), "/"+thisArch()) {
			want = img
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}}})
	}
	tag, err := name.NewTag(host + "/a:1")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(tag, index); err != nil {
		t.Fatal(err)
	}
	got, err := (oci.Registry{}).Pull(t.Context(), host+"/a:1")
	if err != nil || digestOf(t, got) != digestOf(t, want) {
		t.Errorf("pulled %v, %v; want %s", got, err, digestOf(t, want))
	}
}

func manifestPlatform(t *testing.T, img v1.Image) string {
	t.Helper()
	c, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	return c.OS + "/" + c.Architecture
}
