package oci_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fawkes-idp/fawkes/internal/oci"
)

// TestWhatALayoutHoldsIsPushedAsItIs pushes each image of a layout under its name there, as any client would, and
// finds everything where the registry's own writing puts it.
func TestWhatALayoutHoldsIsPushedAsItIs(t *testing.T) {
	signer, verifier := keys(t)
	host, r := serve(t, ""), oci.Registry{}
	folder := filepath.Join(t.TempDir(), "image")
	made, err := oci.NewLayout(folder)
	if err != nil {
		t.Fatal(err)
	}
	img := small(t, "1")
	digest, err := made.Add(img, "v1")
	if err != nil || digest != digestOf(t, img) {
		t.Fatalf("add: %s, %v", digest, err)
	}
	if err := made.Attach(digest, oci.TypeCycloneDX, oci.Blob{MediaType: oci.TypeCycloneDX, Content: []byte("{}"), Name: "bom.json"}); err != nil {
		t.Fatal(err)
	}
	if err := made.Sign(digest, host+"/a/b", signer, map[string]string{"revision": "abc"}); err != nil {
		t.Fatal(err)
	}

	l, err := oci.OpenLayout(folder)
	if err != nil {
		t.Fatal(err)
	}
	beside := strings.Replace(digest, ":", "-", 1)
	for _, tag := range []string{"v1", beside + ".sbom", beside + ".sig"} {
		img, err := l.Image(tag)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Push(t.Context(), host+"/a/b:"+tag, img); err != nil {
			t.Fatal(err)
		}
	}
	signature, err := r.Verify(t.Context(), host+"/a/b:v1", verifier)
	if err != nil || signature.Digest != digest || signature.Reference != host+"/a/b" || signature.Annotations["revision"] != "abc" {
		t.Errorf("the signature is %+v, %v", signature, err)
	}
	found, err := r.Attached(t.Context(), host+"/a/b@"+digest, oci.TypeCycloneDX)
	if err != nil || len(found) != 1 || string(found[0].Content) != "{}" || found[0].Name != "bom.json" {
		t.Errorf("attached: %+v, %v", found, err)
	}
}

func TestALayoutSaysWhatIsNotThere(t *testing.T) {
	signer, _ := keys(t)
	folder := filepath.Join(t.TempDir(), "image")
	if _, err := oci.OpenLayout(folder); err == nil {
		t.Error("a folder that is not there opens")
	}
	l, err := oci.NewLayout(folder)
	if err != nil {
		t.Fatal(err)
	}
	absent := digestOf(t, small(t, "absent"))
	if _, err := l.Image("v1"); !errors.Is(err, oci.ErrNotFound) {
		t.Errorf("an image that is not there: %v", err)
	}
	if err := l.Attach(absent, oci.TypeCycloneDX, oci.Blob{Content: []byte("{}")}); !errors.Is(err, oci.ErrNotFound) {
		t.Errorf("attach to what is not there: %v", err)
	}
	if err := l.Sign(absent, "host.example/a", signer, nil); !errors.Is(err, oci.ErrNotFound) {
		t.Errorf("sign what is not there: %v", err)
	}
	digest, err := l.Add(small(t, "1"), "v1")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Attach(digest, oci.TypeSARIF, oci.Blob{Content: []byte("{}")}); err == nil {
		t.Error("what has no name beside an image is attached")
	}
	if err := l.Sign(digest, "NOT A NAME", signer, nil); err == nil || !strings.Contains(err.Error(), "NOT A NAME") {
		t.Errorf("sign for a repository of no name: %v", err)
	}
	// A layout made anew holds nothing of the one before.
	if l, err = oci.NewLayout(folder); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Image("v1"); !errors.Is(err, oci.ErrNotFound) {
		t.Errorf("the image of the layout before: %v", err)
	}
}
