package registry_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/fawkes-idp/fawkes/internal/oci"
)

func (p *place) blobFile(digest string) string {
	hex := strings.TrimPrefix(digest, "sha256:")
	return filepath.Join(p.folder, filepath.FromSlash("storage/docker/registry/v2/blobs/sha256"), hex[:2], hex, "data")
}

func (p *place) change(file string, change func([]byte) []byte) {
	p.t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(file, change(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func flip(b []byte) []byte {
	b[len(b)/2] ^= 1
	return b
}

func signed(t *testing.T, p *place, img v1.Image, ref string) (digest string, v *oci.Verifier) {
	t.Helper()
	private, public, err := oci.GenerateKeys(nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := oci.LoadSigner(private, nil)
	if err != nil {
		t.Fatal(err)
	}
	if v, err = oci.LoadVerifier(public); err != nil {
		t.Fatal(err)
	}
	if digest, err = p.as(p.writer).Push(t.Context(), p.ref(ref), img); err != nil {
		t.Fatal(err)
	}
	name, _, _ := strings.Cut(ref, ":")
	if err := p.as(p.writer).Sign(t.Context(), p.ref(name+"@"+digest), s, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := p.as(p.reader).Verify(t.Context(), p.ref(ref), v); err != nil {
		t.Fatal(err)
	}
	return digest, v
}

// One byte of a signed image changes on the disk: it is refused, the registry notices, and a push mends it.
func TestAChangedByteIsRefusedNoticedAndMended(t *testing.T) {
	for part := range 3 {
		p := open(t, nil)
		img := randomImage(t)
		digest, v := signed(t, p, img, "a/b:1")
		m, err := img.Manifest()
		if err != nil {
			t.Fatal(err)
		}
		damaged := []string{digest, m.Config.Digest.String(), m.Layers[1].Digest.String()}[part]
		p.change(p.blobFile(damaged), flip)
		_, err = p.as(p.reader).Verify(t.Context(), p.ref("a/b@"+digest), v)
		if !errors.Is(err, oci.ErrTampered) || !strings.Contains(err.Error(), damaged) {
			t.Errorf("part %d: %v, want ErrTampered that names %s", part, err, damaged)
		}
		if !strings.Contains(p.log.String(), damaged) {
			t.Errorf("part %d: the log does not name %s: %s", part, damaged, p.log.String())
		}
		if _, err := p.as(p.reader).Pull(t.Context(), p.ref("a/b:1")); err == nil {
			t.Errorf("part %d: the damaged image is still given", part)
		}
		if status := p.call("GET", "/api/registry/v1/manifest?repository=a/b&digest="+digest, p.reader, nil, nil); status != 404 {
			t.Errorf("part %d: the API gives %d for the damaged image", part, status)
		}
		if _, err := p.as(p.writer).Push(t.Context(), p.ref("a/b:1"), img); err != nil {
			t.Fatalf("part %d: push again: %v", part, err)
		}
		if _, err := p.as(p.reader).Verify(t.Context(), p.ref("a/b:1"), v); err != nil {
			t.Errorf("part %d: after it was pushed again: %v", part, err)
		}
	}
}

// A tag that someone moves on the disk leads to an image that nobody signed.
func TestATagThatIsMovedOnTheDiskIsRefused(t *testing.T) {
	p := open(t, nil)
	_, v := signed(t, p, randomImage(t), "a/b:1")
	evil, err := p.as(p.writer).Push(t.Context(), p.ref("a/b:evil"), randomImage(t))
	if err != nil {
		t.Fatal(err)
	}
	p.change(p.folder+"/storage/docker/registry/v2/repositories/a/b/_manifests/tags/1/current/link", func([]byte) []byte { return []byte(evil) })
	if _, err := p.as(p.reader).Verify(t.Context(), p.ref("a/b:1"), v); !errors.Is(err, oci.ErrUnsigned) || !strings.Contains(err.Error(), evil) {
		t.Errorf("the moved tag: %v, want ErrUnsigned that names %s", err, evil)
	}
}

// What is missing or cut off is found at the start, and not listed.
func TestMissingAndShortenedBlobsAreFoundAtTheStart(t *testing.T) {
	for name, damage := range map[string]func(file string) error{
		"missing": os.Remove, "cut off": func(file string) error { return os.Truncate(file, 10) },
	} {
		t.Run(name, func(t *testing.T) {
			p := open(t, nil)
			img := randomImage(t)
			digest, err := p.as(p.writer).Push(t.Context(), p.ref("a/b:1"), img)
			if err != nil {
				t.Fatal(err)
			}
			good, err := p.as(p.writer).Push(t.Context(), p.ref("a/b:2"), randomImage(t))
			if err != nil {
				t.Fatal(err)
			}
			m, err := img.Manifest()
			if err != nil {
				t.Fatal(err)
			}
			layer := m.Layers[0].Digest.String()
			p.stop()
			if err := damage(p.blobFile(layer)); err != nil {
				t.Fatal(err)
			}
			p = openAt(t, p.folder, nil)
			resp, text := p.do("GET", "/v2/a/b/manifests/1", p.reader, nil, nil)
			if resp.StatusCode != 404 || !strings.Contains(text, layer) {
				t.Errorf("the manifest: %d %s, want 404 that names %s", resp.StatusCode, text, layer)
			}
			var list struct{ Items []struct{ Digest string } }
			p.call("GET", "/api/registry/v1/manifests?repository=a/b", p.reader, nil, &list)
			if len(list.Items) != 1 || list.Items[0].Digest != good {
				t.Errorf("the list is %+v, want %s alone", list.Items, good)
			}
			if _, err := p.as(p.writer).Push(t.Context(), p.ref("a/b:1"), img); err != nil {
				t.Fatalf("push again: %v", err)
			}
			got, err := p.as(p.reader).Pull(t.Context(), p.ref("a/b@"+digest))
			if err == nil {
				err = oci.Check(t.Context(), got)
			}
			if err != nil {
				t.Errorf("after it was pushed again: %v", err)
			}
		})
	}
}
