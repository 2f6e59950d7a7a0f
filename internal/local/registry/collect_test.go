package registry_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/fawkes-idp/fawkes/internal/oci"
)

type gcAnswer struct {
	Manifests, Blobs, Uploads int
	Bytes                     int64
	Young                     int `json:"young_blobs"`
}

func (p *place) gc(body map[string]any) gcAnswer {
	p.t.Helper()
	var out gcAnswer
	if status := p.call("POST", "/api/registry/v1/gc", p.admin, body, &out); status != 200 {
		p.t.Fatalf("gc: %d", status)
	}
	return out
}

func (p *place) there(repository, digest string) bool {
	p.t.Helper()
	got, err := p.as(p.reader).Pull(p.t.Context(), p.ref(repository+"@"+digest))
	if err != nil {
		return false
	}
	if err := oci.Check(p.t.Context(), got); err != nil {
		p.t.Errorf("%s@%s is there and broken: %v", repository, digest, err)
	}
	return true
}

// age makes what is in a folder older.
func (p *place) age(below string, by time.Duration) {
	p.t.Helper()
	at := time.Now().Add(-by)
	err := filepath.WalkDir(filepath.Join(p.folder, below), func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chtimes(path, at, at)
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

func push(t *testing.T, p *place, ref string) string {
	t.Helper()
	d, err := p.as(p.writer).Push(t.Context(), p.ref(ref), randomImage(t))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

var now = map[string]any{"min_age_seconds": 0}

func TestGarbageIsWhatNothingNames(t *testing.T) {
	p := open(t, nil)
	tagged, untagged, kept := push(t, p, "a/b:1"), push(t, p, "a/b"), push(t, p, "a/b")
	other := push(t, p, "c/d:1")
	loose := p.blob("a/b", []byte("nobody needs this"))
	p.begin("a/b") // and never goes on
	p.age("storage/docker/registry/v2/repositories/a/b/_uploads", 30*time.Minute)
	p.begin("a/b") // and goes on later

	// Signatures and bills of materials live and die with their image.
	sign := func(digest string) string {
		private, _, err := oci.GenerateKeys(nil)
		if err != nil {
			t.Fatal(err)
		}
		s, err := oci.LoadSigner(private, nil)
		if err != nil {
			t.Fatal(err)
		}
		ref := p.ref("a/b@" + digest)
		if err := p.as(p.writer).Sign(t.Context(), ref, s, nil); err != nil {
			t.Fatal(err)
		}
		if err := p.as(p.writer).Attach(t.Context(), ref, oci.TypeCycloneDX, oci.Blob{MediaType: oci.TypeCycloneDX, Content: []byte(digest)}); err != nil {
			t.Fatal(err)
		}
		d, err := p.as(p.reader).Digest(t.Context(), p.ref("a/b:"+strings.Replace(digest, ":", "-", 1)+".sig"))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	signature, orphan := sign(tagged), sign(untagged)

	// An index keeps its images.
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	child := randomImage(t)
	index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: child, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}})
	tag, err := name.NewTag(p.ref("a/b:index"))
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(tag, index, with(p.writer)...); err != nil {
		t.Fatal(err)
	}
	part, err := child.Digest()
	if err != nil {
		t.Fatal(err)
	}

	if got := p.gc(map[string]any{}); got != (gcAnswer{Young: 1}) {
		t.Errorf("%+v, want nothing taken, and told of the loose blob that is young", got)
	}
	body := map[string]any{"min_age_seconds": 0, "keep": []string{kept}, "dry_run": true}
	dry := p.gc(body)
	if !p.there("a/b", untagged) {
		t.Fatal("a dry run removed something")
	}
	body["dry_run"] = false
	done := p.gc(body)
	// The untagged image with its signature and its bill of materials; their blobs, and the loose one.
	if dry != done || done.Manifests != 3 || done.Uploads != 1 || done.Blobs < 8 || done.Bytes == 0 {
		t.Errorf("foretold %+v, done %+v, want 3 manifests and 1 upload", dry, done)
	}
	for digest, want := range map[string]bool{tagged: true, kept: true, signature: true, part.String(): true, untagged: false, orphan: false} {
		if got := p.there("a/b", digest); got != want {
			t.Errorf("%s is there: %v, want %v", digest, got, want)
		}
	}
	if !p.there("c/d", other) {
		t.Error("another repository's image is gone")
	}
	if resp, _ := p.do("HEAD", "/v2/a/b/blobs/"+loose, p.reader, nil, nil); resp.StatusCode != 404 {
		t.Errorf("the loose blob: %d", resp.StatusCode)
	}
	if again := p.gc(body); again != (gcAnswer{}) {
		t.Errorf("there is more the second time: %+v", again)
	}
	p.stop()
	p = openAt(t, p.folder, nil)
	if !p.there("a/b", tagged) || p.there("a/b", untagged) {
		t.Error("after a restart it is otherwise")
	}
}

func TestDeletedImagesFreeTheirSpace(t *testing.T) {
	p := open(t, nil)
	shared := randomImage(t)
	for _, ref := range []string{"a/b:1", "c/d:1"} {
		if _, err := p.as(p.writer).Push(t.Context(), p.ref(ref), shared); err != nil {
			t.Fatal(err)
		}
	}
	digest, err := shared.Digest()
	if err != nil {
		t.Fatal(err)
	}
	path := "/api/registry/v1/manifest?repository=a/b&digest=" + digest.String()
	for token, want := range map[string]int{p.reader: 403, p.writer: 403, p.admin: 204} {
		if token == p.admin {
			continue
		}
		if status := p.call("DELETE", path, token, nil, nil); status != want {
			t.Errorf("delete: %d, want %d", status, want)
		}
	}
	if status := p.call("DELETE", path, p.admin, nil, nil); status != 204 {
		t.Fatalf("delete: %d", status)
	}
	if status := p.call("DELETE", path, p.admin, nil, nil); status != 404 {
		t.Errorf("delete twice: %d", status)
	}
	p.gc(now)
	if p.there("a/b", digest.String()) || !p.there("c/d", digest.String()) {
		t.Error("the image must be gone from one repository and be whole in the other")
	}
	if status := p.call("DELETE", "/api/registry/v1/manifest?repository=c/d&digest=1", p.admin, nil, nil); status != 204 {
		t.Fatalf("delete by tag: %d", status)
	}
	p.gc(now)
	var usage struct{ Bytes, Blobs int64 }
	p.call("GET", "/api/registry/v1/usage", p.reader, nil, &usage)
	if usage.Blobs != 0 || usage.Bytes != 0 {
		t.Errorf("%+v is left", usage)
	}
}

func TestWhatAManifestNeedsIsNotDeleted(t *testing.T) {
	p := open(t, nil)
	img := randomImage(t)
	if _, err := p.as(p.writer).Push(t.Context(), p.ref("a/b:1"), img); err != nil {
		t.Fatal(err)
	}
	m, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	resp, text := p.do("DELETE", "/v2/a/b/blobs/"+m.Layers[0].Digest.String(), p.admin, nil, nil)
	if resp.StatusCode != 405 || !strings.Contains(text, "part of the manifest") {
		t.Errorf("delete a layer in use: %d %s", resp.StatusCode, text)
	}
	loose := p.blob("a/b", []byte("loose"))
	if resp, text := p.do("DELETE", "/v2/a/b/blobs/"+loose, p.admin, nil, nil); resp.StatusCode != 202 {
		t.Errorf("delete a loose blob: %d %s", resp.StatusCode, text)
	}
}

// Collections without any age limit run beside pushes: whatever was acknowledged stays whole.
func TestCollectionBesidePushesBreaksNothing(t *testing.T) {
	p := open(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	var collections int
	var gone sync.WaitGroup
	gone.Go(func() {
		for ctx.Err() == nil {
			p.gc(now)
			collections++
		}
	})
	shared := randomImage(t)
	var mu sync.Mutex
	acknowledged := map[string]string{}
	refused := 0
	var pushers sync.WaitGroup
	for worker := range 3 {
		pushers.Go(func() {
			for n := range 12 {
				img := shared
				if n%2 == 0 {
					img = randomImage(t)
				}
				repo := fmt.Sprintf("app%d", worker)
				d, err := p.as(p.writer).Push(t.Context(), p.ref(fmt.Sprintf("%s:%d", repo, n)), img)
				mu.Lock()
				if err != nil {
					refused++ // a blob went before its manifest came; the client is told, and pushes again
				} else {
					acknowledged[repo+"@"+d] = d
				}
				mu.Unlock()
			}
		})
	}
	pushers.Wait()
	cancel()
	gone.Wait()
	t.Logf("%d collections, %d pushes acknowledged, %d told to push again", collections, len(acknowledged), refused)
	for at := range acknowledged {
		repo, digest, _ := strings.Cut(at, "@")
		if !p.there(repo, digest) {
			t.Errorf("%s was acknowledged and is gone", at)
		}
	}
	// With the age limit that is the default none is told to push again.
	for n := range 5 {
		p.gc(map[string]any{})
		push(t, p, fmt.Sprintf("calm:%d", n))
		p.gc(map[string]any{})
	}
}

func TestGarbageCollectionChecksWhatItIsAsked(t *testing.T) {
	p := open(t, nil)
	for _, c := range []struct {
		token  string
		body   map[string]any
		status int
	}{
		{p.writer, now, 403}, {"", now, 401}, {p.admin, map[string]any{"keep": []string{"latest"}}, 422},
		{p.admin, map[string]any{"min_age_seconds": -1}, 422}, {p.admin, map[string]any{"unknown": 1}, 422},
	} {
		if status := p.call("POST", "/api/registry/v1/gc", c.token, c.body, nil); status != c.status {
			t.Errorf("%v: %d, want %d", c.body, status, c.status)
		}
	}
}

func TestTheAPIDescribesImages(t *testing.T) {
	p := open(t, nil)
	file := t.TempDir() + "/app"
	if err := os.WriteFile(file, []byte("program"), 0o700); err != nil {
		t.Fatal(err)
	}
	img, err := oci.Pack(oci.ImageSpec{
		NoTimeZones: true, Files: []oci.File{{Source: file, Target: "/app"}}, Entrypoint: []string{"/app"}, Ports: []int{8080}, Platform: "linux/arm64",
		Annotations: map[string]string{"org.opencontainers.image.revision": "abc", "org.opencontainers.image.source": "http://git/a"},
	})
	if err != nil {
		t.Fatal(err)
	}
	digest, _ := signed(t, p, img, "a/b:1")
	if err := p.as(p.writer).Attach(t.Context(), p.ref("a/b@"+digest), oci.TypeCycloneDX, oci.Blob{MediaType: oci.TypeCycloneDX, Content: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	plain := push(t, p, "a/b:2")
	var list struct {
		Items []struct {
			Digest, Platform, Revision, Source string
			Tags, Entrypoint                   []string
			Signed, SBOM                       bool
			Created                            *string `json:"created_at"`
		}
		NextCursor string `json:"next_cursor"`
	}
	p.call("GET", "/api/registry/v1/manifests?repository=a/b&limit=1", p.reader, nil, &list)
	if len(list.Items) != 1 || list.Items[0].Digest != plain || list.Items[0].Signed || list.NextCursor == "" {
		t.Fatalf("the first page is %+v, want the latest, %s", list, plain)
	}
	cursor := list.NextCursor
	list.NextCursor, list.Items = "", nil
	p.call("GET", "/api/registry/v1/manifests?repository=a/b&limit=1&cursor="+cursor, p.reader, nil, &list)
	if len(list.Items) != 1 || list.NextCursor != "" {
		t.Fatalf("the second page is %+v", list)
	}
	m := list.Items[0]
	if m.Digest != digest || !m.Signed || !m.SBOM || m.Platform != "linux/arm64" || m.Revision != "abc" || m.Source != "http://git/a" || !slices.Equal(m.Tags, []string{"1"}) || !slices.Equal(m.Entrypoint, []string{"/app"}) || m.Created != nil {
		t.Errorf("the image is %+v", m)
	}
	var one struct {
		Digest string
		Config struct {
			User  string
			Ports []string
		}
		Layers []struct {
			Made string `json:"created_by"`
		}
		Referrers []struct{ Kind string }
	}
	p.call("GET", "/api/registry/v1/manifest?repository=a/b&digest=1", p.reader, nil, &one)
	if one.Digest != digest || one.Config.User != oci.UserNonroot || !slices.Equal(one.Config.Ports, []string{"8080/tcp"}) || len(one.Layers) != 2 || one.Layers[1].Made != "fawkes: files" || len(one.Referrers) != 2 {
		t.Errorf("the image shows as %+v", one)
	}
	for path, want := range map[string]int{
		"manifests?repository=no/thing": 404, "manifest?repository=a/b&digest=3": 404, "manifests?repository=a/b&cursor=zzz": 400, "manifests": 422,
		"repositories?limit=0": 422, "repositories?nonsense=1": 422,
	} {
		if status := p.call("GET", "/api/registry/v1/"+path, p.reader, nil, nil); status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
	}
	var repos struct {
		Items []struct {
			Name            string
			Tags, Manifests int
			Bytes           int64   `json:"size_bytes"`
			Pushed          *string `json:"pushed_at"`
		}
	}
	p.call("GET", "/api/registry/v1/repositories?q=A/", p.reader, nil, &repos)
	if len(repos.Items) != 1 || repos.Items[0].Tags != 2 || repos.Items[0].Manifests != 2 || repos.Items[0].Bytes == 0 || repos.Items[0].Pushed == nil {
		t.Errorf("the repositories are %+v", repos.Items)
	}
}
