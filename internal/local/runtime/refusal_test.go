package runtime

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/fawkes-idp/fawkes/internal/oci"
)

// refused waits until an application is given up, at once and not after its deadline, and holds the reason
// against what it must say.
func (w *world) refused(name string, says ...string) {
	w.t.Helper()
	w.until(name+" is given up", 15*time.Second, func() (bool, any) {
		h := w.Health(name)
		return h.Status == Degraded, h
	})
	h := w.Health(name)
	for _, want := range says {
		if !strings.Contains(h.Message, want) {
			w.t.Errorf("the reason is\n  %q\nwant it to say %q", h.Message, want)
		}
	}
}

func digestOf(ref string) string { return ref[strings.Index(ref, "@")+1:] }

func TestAnUnsignedImageIsNotRun(t *testing.T) {
	w := newWorld(t)
	v1, unsigned := w.image("v1", true), w.image("v2", false)
	w.apply("hello", "r1", manifests("hello", v1, 1, "", readyz))
	w.healthy("hello")
	w.apply("hello", "r2", manifests("hello", unsigned, 1, "", readyz))
	w.refused("hello", digestOf(unsigned), oci.ErrUnsigned.Error())
	if _, text := w.get(w.service("hello")); !strings.HasPrefix(text, "v1 ") {
		t.Errorf("%q answers, want v1", text)
	}
	for _, in := range w.Instances("hello") {
		if in.Wanted && in.State != StatePull && in.State != StatePullBackOff {
			t.Errorf("the new instance is %s, want ErrImagePull or ImagePullBackOff", in.State)
		}
	}
}

func TestAnImageWithTheSignatureOfAnotherIsNotRun(t *testing.T) {
	w := newWorld(t)
	good, bad := w.image("v1", true), w.image("v2", false)
	tag := func(ref string) name.Reference {
		out, err := name.ParseReference(w.host + "/hello:sha256-" + strings.TrimPrefix(digestOf(ref), "sha256:") + ".sig")
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	sig, err := remote.Image(tag(good))
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(tag(bad), sig); err != nil {
		t.Fatal(err)
	}
	w.apply("hello", "r1", manifests("hello", bad, 1, "", readyz))
	w.refused("hello", digestOf(bad), digestOf(good), oci.ErrTampered.Error())
}

func TestAnImageSignedByAnotherKeyIsNotRunThoughItIsThere(t *testing.T) {
	w := newWorld(t)
	ref := w.image("v1", true)
	w.apply("hello", "r1", manifests("hello", ref, 1, "", readyz))
	w.healthy("hello")
	if in := w.only("hello"); !in.Verified || in.Digest != digestOf(ref) {
		t.Errorf("the instance is %+v, want its signature checked", in)
	}
	_, public, err := oci.GenerateKeys([]byte("other"))
	if err != nil {
		t.Fatal(err)
	}
	if w.key, err = oci.LoadVerifier(public); err != nil {
		t.Fatal(err)
	}
	if err := w.Restart(t.Context(), "hello"); err != nil {
		t.Fatal(err)
	}
	w.refused("hello", digestOf(ref), oci.ErrUnsigned.Error())
}

// hostile is an image with one entry in its layer.
func (w *world) hostile(h tar.Header) string {
	w.t.Helper()
	var raw bytes.Buffer
	tw := tar.NewWriter(&raw)
	h.Size = 4
	if err := tw.WriteHeader(&h); err != nil {
		w.t.Fatal(err)
	}
	if _, err := io.WriteString(tw, "evil"); err != nil {
		w.t.Fatal(err)
	}
	if err := tw.Close(); err != nil {
		w.t.Fatal(err)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(raw.Bytes())), nil })
	if err != nil {
		w.t.Fatal(err)
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		w.t.Fatal(err)
	}
	if img, err = mutate.Config(img, v1.Config{Entrypoint: []string{"/x"}}); err != nil {
		w.t.Fatal(err)
	}
	var reg oci.Registry
	digest, err := reg.Push(w.t.Context(), w.host+"/hello:evil", img)
	if err != nil {
		w.t.Fatal(err)
	}
	ref := w.host + "/hello@" + digest
	if err := reg.Sign(w.t.Context(), ref, w.signer, nil); err != nil {
		w.t.Fatal(err)
	}
	return ref
}

func TestALayerThatLeavesItsFolderIsRefusedByName(t *testing.T) {
	w := newWorld(t)
	ref := w.hostile(tar.Header{Name: "a/../../evil", Mode: 0o644, Typeflag: tar.TypeReg})
	w.apply("hello", "r1", manifests("hello", ref, 1, "", readyz))
	w.refused("hello", digestOf(ref), "a/../../evil", "layer", oci.ErrRefused.Error())
}

func TestAnImageThatIgnoresPORTIsRefusedByName(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.ListenWithin = time.Second })
	ref := w.image("v1", true)
	w.apply("hello", "r1", manifests("hello", ref, 1, "", "env: [{name: IGNORE_PORT, value: '18080'}]\n"+readyz))
	w.refused("hello", "listens on 18080 although PORT=", digestOf(ref))
}

func TestAnImageThatListensNowhereIsRefusedByName(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.ListenWithin = time.Second })
	w.apply("hello", "r1", manifests("hello", w.image("v1", true), 1, "progressDeadlineSeconds: 12", "env: [{name: START_AFTER, value: 1h}]\n"+readyz))
	w.refused("hello", "does not listen on PORT=", "within 1s")
}

func TestApplyRefusesWhatCheckRefuses(t *testing.T) {
	w := newWorld(t)
	objs, err := Parse([]byte(strings.Replace(manifests("hello", w.image("v1", true), 1, "", ""), "replicas: 1", "replicas: 1000", 1)))
	if err != nil {
		t.Fatal(err)
	}
	var refused *RefusedError
	err = w.Apply(t.Context(), App{Name: "hello", Objects: objs}, "r1")
	if !errors.As(err, &refused) || refused.Problems[0].Path != "spec.replicas" {
		t.Errorf("Apply = %v, want spec.replicas refused", err)
	}
	if h := w.Health("hello"); h.Status != Missing {
		t.Errorf("health is %v, want Missing", h)
	}
}

func TestARuleOfAnotherApplicationsIngressIsRefused(t *testing.T) {
	w := newWorld(t)
	text := manifests("hello", w.image("v1", true), 1, "", readyz)
	w.apply("hello", "r1", text)
	objs, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	err = w.Apply(t.Context(), App{Name: "other", Objects: objs}, "r1")
	if err == nil || !strings.Contains(err.Error(), "belong to the application hello") {
		t.Errorf("Apply = %v, want the rule refused", err)
	}
}
