package registry_test

import (
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

func TestAnImageIsPushedListedPulledAndDeleted(t *testing.T) {
	p := open(t, nil)
	img := randomImage(t)
	digest, err := p.as(p.writer).Push(t.Context(), p.ref("fawkes/hello:one"), img, "two")
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.as(p.reader).Pull(t.Context(), p.ref("fawkes/hello@"+digest))
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(got); err != nil {
		t.Fatalf("what was pulled is not what was pushed: %v", err)
	}
	repo, err := name.NewRepository(p.ref("fawkes/hello"))
	if err != nil {
		t.Fatal(err)
	}
	tags, err := remote.List(repo, with(p.reader)...)
	if err != nil || len(tags) != 2 {
		t.Fatalf("tags %v, %v; want one and two", tags, err)
	}
	var list struct {
		Items []struct {
			Digest string
			Tags   []string
		}
	}
	if status := p.call("GET", "/api/registry/v1/manifests?repository=fawkes/hello", p.reader, nil, &list); status != 200 {
		t.Fatalf("manifests: %d", status)
	}
	if len(list.Items) != 1 || list.Items[0].Digest != digest || len(list.Items[0].Tags) != 2 {
		t.Fatalf("the list has %+v, want %s with two tags", list.Items, digest)
	}
	if err := p.as(p.admin).Delete(t.Context(), p.ref("fawkes/hello@"+digest)); err != nil {
		t.Fatal(err)
	}
	if _, err := p.as(p.reader).Pull(t.Context(), p.ref("fawkes/hello:one")); err == nil {
		t.Error("a deleted image is still pulled by its tag")
	}
	if text := p.log.String(); text != "" {
		t.Errorf("a normal life is logged as\n%s", text)
	}
}
