package registry_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/fawkes-idp/fawkes/internal/oci"
)

// do sends one request of the protocol by hand.
func (p *place) do(method, path, token string, header map[string]string, body io.Reader) (*http.Response, string) {
	p.t.Helper()
	if strings.HasPrefix(path, "/") {
		path = p.url + path
	}
	r, err := http.NewRequestWithContext(p.t.Context(), method, path, body)
	if err != nil {
		p.t.Fatal(err)
	}
	if token != "" {
		r.SetBasicAuth("anybody", token)
	}
	for k, v := range header {
		r.Header.Set(k, v)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil && method != http.MethodHead {
		p.t.Fatal(err)
	}
	return resp, string(text)
}

// begin starts an upload and returns where it goes on.
func (p *place) begin(repository string) string {
	p.t.Helper()
	resp, text := p.do("POST", "/v2/"+repository+"/blobs/uploads/", p.writer, nil, nil)
	if resp.StatusCode != 202 {
		p.t.Fatalf("begin an upload: %d %s", resp.StatusCode, text)
	}
	return p.next(resp)
}

func (p *place) next(resp *http.Response) string {
	p.t.Helper()
	at, err := resp.Request.URL.Parse(resp.Header.Get("Location"))
	if err != nil || at.Host != p.host {
		p.t.Fatalf("the upload goes on at %v, %v", at, err)
	}
	return at.String()
}

func digestOf(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func withDigest(at, digest string) string {
	u, err := url.Parse(at)
	if err != nil {
		return at
	}
	q := u.Query()
	q.Set("digest", digest)
	u.RawQuery = q.Encode()
	return u.String()
}

// blob pushes one blob at once.
func (p *place) blob(repository string, content []byte) string {
	p.t.Helper()
	d := digestOf(content)
	resp, text := p.do("PUT", withDigest(p.begin(repository), d), p.writer, nil, bytes.NewReader(content))
	if resp.StatusCode != 201 {
		p.t.Fatalf("push a blob: %d %s", resp.StatusCode, text)
	}
	return d
}

func TestABlobComesInChunksAndIsResumed(t *testing.T) {
	p := open(t, nil)
	content := make([]byte, 300<<10)
	_, _ = rand.Read(content)
	at := p.begin("a/b")
	for begin := 0; begin < len(content); begin += 100 << 10 {
		chunk := content[begin : begin+100<<10]
		resp, text := p.do("PATCH", at, p.writer, map[string]string{"Content-Range": fmt.Sprintf("%d-%d", begin, begin+len(chunk)-1)}, bytes.NewReader(chunk))
		if resp.StatusCode != 202 {
			t.Fatalf("chunk at %d: %d %s", begin, resp.StatusCode, text)
		}
		at = p.next(resp)
		if begin == 100<<10 {
			// The registry is stopped and started again in the middle.
			path := strings.TrimPrefix(at, p.url)
			p.stop()
			q := openAt(t, p.folder, nil)
			*p = *q
			at = p.url + path
			resp, _ := p.do("GET", at, p.writer, nil, nil)
			if resp.StatusCode != 204 || resp.Header.Get("Range") != "0-204799" {
				t.Fatalf("where the upload is: %d, range %q", resp.StatusCode, resp.Header.Get("Range"))
			}
			resp, _ = p.do("PATCH", at, p.writer, map[string]string{"Content-Range": "0-9"}, bytes.NewReader(make([]byte, 10)))
			if resp.StatusCode != 416 {
				t.Errorf("a chunk out of place: %d, want 416", resp.StatusCode)
			}
		}
	}
	resp, text := p.do("PUT", withDigest(at, digestOf(content)), p.writer, nil, nil)
	if resp.StatusCode != 201 {
		t.Fatalf("complete: %d %s", resp.StatusCode, text)
	}
	if _, got := p.do("GET", "/v2/a/b/blobs/"+digestOf(content), p.reader, nil, nil); got != string(content) {
		t.Error("the blob is not what was sent")
	}
	resp, part := p.do("GET", "/v2/a/b/blobs/"+digestOf(content), p.reader, map[string]string{"Range": "bytes=10-19"}, nil)
	if resp.StatusCode != 206 || part != string(content[10:20]) {
		t.Errorf("a part of a blob: %d, %d bytes", resp.StatusCode, len(part))
	}
}

func TestABlobOfAnotherDigestIsRefused(t *testing.T) {
	p := open(t, nil)
	resp, text := p.do("PUT", withDigest(p.begin("a/b"), digestOf([]byte("other"))), p.writer, nil, strings.NewReader("content"))
	if resp.StatusCode != 400 || !strings.Contains(text, "DIGEST_INVALID") {
		t.Errorf("another digest: %d %s", resp.StatusCode, text)
	}
	resp, _ = p.do("HEAD", "/v2/a/b/blobs/"+digestOf([]byte("other")), p.reader, nil, nil)
	if resp.StatusCode != 404 {
		t.Errorf("the blob that never came: %d", resp.StatusCode)
	}
	resp, text = p.do("PUT", withDigest(p.begin("a/b"), "sha256:short"), p.writer, nil, strings.NewReader("content"))
	if resp.StatusCode != 400 {
		t.Errorf("no digest at all: %d %s", resp.StatusCode, text)
	}
	if text := p.log.String(); text != "" {
		t.Errorf("what clients do wrong is logged as\n%s", text)
	}
}

func TestABlobIsMountedFromAnotherRepository(t *testing.T) {
	p := open(t, nil)
	d := p.blob("a/from", []byte("shared"))
	resp, text := p.do("POST", "/v2/b/to/blobs/uploads/?mount="+d+"&from=a/from", p.writer, nil, nil)
	if resp.StatusCode != 201 {
		t.Fatalf("mount: %d %s", resp.StatusCode, text)
	}
	if _, got := p.do("GET", "/v2/b/to/blobs/"+d, p.reader, nil, nil); got != "shared" {
		t.Errorf("the mounted blob is %q", got)
	}
	resp, _ = p.do("POST", "/v2/b/to/blobs/uploads/?mount="+digestOf([]byte("nothing"))+"&from=a/from", p.writer, nil, nil)
	if resp.StatusCode != 202 {
		t.Errorf("a mount of nothing: %d, want an upload", resp.StatusCode)
	}
}

func TestAManifestIsRefusedWithoutItsBlobs(t *testing.T) {
	p := open(t, nil)
	config := p.blob("a/b", []byte("{}"))
	layer := p.blob("a/b", []byte("layer"))
	manifest := func(layerDigest string, size int) string {
		return fmt.Sprintf(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","size":2,"digest":%q},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","size":%d,"digest":%q}]}`, config, size, layerDigest)
	}
	for name, c := range map[string]struct {
		text, code string
	}{
		"a layer that is not there":     {manifest(digestOf([]byte("nothing")), 7), "MANIFEST_BLOB_UNKNOWN"},
		"a layer of another size":       {manifest(layer, 6), "MANIFEST_BLOB_UNKNOWN"},
		"a digest that leads elsewhere": {manifest("sha256:../../../../etc/passwd", 7), "MANIFEST_INVALID"},
		"no JSON":                       {"manifest", "MANIFEST_INVALID"},
		"too large":                     {`{"a":"` + strings.Repeat("a", 5<<20) + `"}`, "SIZE_INVALID"},
	} {
		resp, text := p.do("PUT", "/v2/a/b/manifests/tag", p.writer, map[string]string{"Content-Type": "application/vnd.oci.image.manifest.v1+json"}, strings.NewReader(c.text))
		if resp.StatusCode < 400 || resp.StatusCode >= 500 || !strings.Contains(text, c.code) {
			t.Errorf("%s: %d %s, want %s", name, resp.StatusCode, text, c.code)
		}
	}
	if resp, _ := p.do("HEAD", "/v2/a/b/manifests/tag", p.reader, nil, nil); resp.StatusCode != 404 {
		t.Errorf("the tag of a refused manifest: %d", resp.StatusCode)
	}
	resp, text := p.do("PUT", "/v2/a/b/manifests/tag", p.writer, map[string]string{"Content-Type": "application/vnd.oci.image.manifest.v1+json"}, strings.NewReader(manifest(layer, 5)))
	if resp.StatusCode != 201 {
		t.Errorf("a good manifest: %d %s", resp.StatusCode, text)
	}
	resp, text = p.do("PUT", "/v2/a/b/manifests/"+digestOf([]byte("x")), p.writer, map[string]string{"Content-Type": "application/vnd.oci.image.manifest.v1+json"}, strings.NewReader(manifest(layer, 5)))
	if resp.StatusCode != 400 || !strings.Contains(text, "DIGEST_INVALID") {
		t.Errorf("a manifest under another digest: %d %s", resp.StatusCode, text)
	}
}

func TestWhoMayDoWhat(t *testing.T) {
	p := open(t, nil)
	digest, err := p.as(p.writer).Push(t.Context(), p.ref("a/b:1"), randomImage(t))
	if err != nil {
		t.Fatal(err)
	}
	manifest := "/v2/a/b/manifests/" + digest
	for _, c := range []struct {
		method, path, token string
		status              int
	}{
		{"GET", "/v2/", "", 401}, {"GET", "/v2/", "fwk_wrong", 401}, {"GET", "/v2/", p.reader, 200},
		{"GET", manifest, "", 401}, {"GET", manifest, p.reader, 200}, {"GET", manifest, p.writer, 200},
		{"GET", "/v2/a/b/tags/list", "", 401}, {"GET", "/v2/_catalog", "", 401}, {"GET", "/v2/_catalog", p.reader, 200},
		{"POST", "/v2/a/b/blobs/uploads/", "", 401}, {"POST", "/v2/a/b/blobs/uploads/", p.reader, 403}, {"POST", "/v2/a/b/blobs/uploads/", p.writer, 202},
		{"PUT", "/v2/a/b/manifests/2", p.reader, 403}, {"DELETE", manifest, "", 401}, {"DELETE", manifest, p.reader, 403}, {"DELETE", manifest, p.writer, 403},
		{"GET", "/v2/a/b/referrers/" + digest, "", 401}, {"GET", "/v2/nothing/like/that", "", 401}, {"GET", "/v2/nothing/like/that", p.reader, 404},
		{"GET", "/v2/A/b/manifests/1", p.reader, 404}, {"GET", "/v2/../../etc/passwd/manifests/1", p.reader, 404}, {"GET", "/v2/a/b/blobs/uploads/..%2f..%2f", p.writer, 404},
		{"DELETE", manifest, p.admin, 202}, {"GET", manifest, p.reader, 404}, {"DELETE", manifest, p.admin, 404},
	} {
		resp, text := p.do(c.method, c.path, c.token, nil, nil)
		if resp.StatusCode != c.status {
			t.Errorf("%s %s with %.8s: %d %s, want %d", c.method, c.path, c.token, resp.StatusCode, text, c.status)
		}
		if c.status == 401 && !strings.HasPrefix(resp.Header.Get("WWW-Authenticate"), "Basic") {
			t.Errorf("%s %s does not ask for a password: %q", c.method, c.path, resp.Header.Get("WWW-Authenticate"))
		}
		var errs struct {
			Errors []struct{ Code, Message string }
		}
		if c.status >= 400 && (json.Unmarshal([]byte(text), &errs) != nil || len(errs.Errors) == 0 || errs.Errors[0].Code == "") && strings.HasPrefix(c.path, "/v2/a/") {
			t.Errorf("%s %s answers in another form: %s", c.method, c.path, text)
		}
	}
}

func TestABlobIsBounded(t *testing.T) {
	p := open(t, map[string]string{"registry.max_blob": "1048576"})
	big := make([]byte, 1<<20+1)
	for name, send := range map[string]func(at string) (*http.Response, string){
		"announced": func(at string) (*http.Response, string) {
			return p.do("PATCH", at, p.writer, nil, bytes.NewReader(big))
		},
		"not announced": func(at string) (*http.Response, string) {
			return p.do("PATCH", at, p.writer, nil, io.MultiReader(bytes.NewReader(big)))
		},
		"in two parts": func(at string) (*http.Response, string) {
			resp, _ := p.do("PATCH", at, p.writer, nil, bytes.NewReader(big[:1<<20]))
			return p.do("PATCH", p.next(resp), p.writer, nil, bytes.NewReader(big[:1]))
		},
	} {
		resp, text := send(p.begin("a/b"))
		if resp.StatusCode != 413 || !strings.Contains(text, "max_blob") {
			t.Errorf("%s: %d %s, want 413", name, resp.StatusCode, text)
		}
	}
	p.blob("a/b", big[:1<<20])
}

func TestReferrersAreListedAndSubjectsAcknowledged(t *testing.T) {
	p := open(t, nil)
	r := p.as(p.writer)
	digest, err := r.Push(t.Context(), p.ref("a/b:1"), randomImage(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{oci.TypeCycloneDX, oci.TypeSARIF} {
		if err := r.Attach(t.Context(), p.ref("a/b@"+digest), kind, oci.Blob{MediaType: kind, Content: []byte("{}")}); err != nil {
			t.Fatal(err)
		}
	}
	list := func(query string) (*http.Response, []v1.Descriptor) {
		resp, text := p.do("GET", "/v2/a/b/referrers/"+digest+query, p.reader, nil, nil)
		var index v1.IndexManifest
		if err := json.Unmarshal([]byte(text), &index); err != nil || resp.Header.Get("Content-Type") != "application/vnd.oci.image.index.v1+json" {
			t.Fatalf("referrers: %d %s %v", resp.StatusCode, text, err)
		}
		return resp, index.Manifests
	}
	if _, all := list(""); len(all) != 2 {
		t.Errorf("referrers: %+v, want 2", all)
	}
	resp, some := list("?artifactType=" + url.QueryEscape(oci.TypeSARIF))
	if len(some) != 1 || some[0].ArtifactType != oci.TypeSARIF || resp.Header.Get("OCI-Filters-Applied") != "artifactType" {
		t.Errorf("filtered: %+v, %q", some, resp.Header.Get("OCI-Filters-Applied"))
	}
	// A client that found the referrers here leaves no list of its own in a tag.
	repo, err := name.NewRepository(p.ref("a/b"))
	if err != nil {
		t.Fatal(err)
	}
	tags, err := remote.List(repo, with(p.reader)...)
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range tags {
		if tag == strings.Replace(digest, ":", "-", 1) {
			t.Error("the client kept a list of referrers in a tag: it did not see OCI-Subject")
		}
	}
	p.stop()
	q := openAt(t, p.folder, nil)
	if _, text := q.do("GET", "/v2/a/b/referrers/"+digest, q.reader, nil, nil); strings.Count(text, `"digest"`) != 2 {
		t.Errorf("after a restart the referrers are %s", text)
	}
}

func TestCranesOwnFunctionsWork(t *testing.T) {
	p := open(t, nil)
	opts := []crane.Option{crane.WithAuth(remoteAuth(p.admin))}
	img := randomImage(t)
	if err := crane.Push(img, p.ref("a/b:1"), opts...); err != nil {
		t.Fatal(err)
	}
	if err := crane.Tag(p.ref("a/b:1"), "2", opts...); err != nil {
		t.Fatal(err)
	}
	if err := crane.Copy(p.ref("a/b:1"), p.ref("c/d:1"), opts...); err != nil {
		t.Fatal(err)
	}
	names, err := crane.Catalog(p.host, opts...)
	if err != nil || strings.Join(names, " ") != "a/b c/d" {
		t.Errorf("catalog: %v, %v", names, err)
	}
	got, err := crane.Pull(p.ref("c/d:1"), opts...)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(got); err != nil {
		t.Error(err)
	}
	if err := crane.Delete(p.ref("a/b:2"), opts...); err != nil {
		t.Fatal(err)
	}
	tags, err := crane.ListTags(p.ref("a/b"), opts...)
	if err != nil || strings.Join(tags, " ") != "1" {
		t.Errorf("tags after one was deleted: %v, %v", tags, err)
	}
}

// skopeo shares no code with what stands on either side here.
func TestSkopeoPushesInspectsCopiesAndDeletes(t *testing.T) {
	if _, err := exec.LookPath("skopeo"); err != nil {
		t.Fatal("this test needs skopeo: apt-get install skopeo, or run scripts/prereqs.sh test")
	}
	p := open(t, nil)
	home := t.TempDir()
	skopeo := func(args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), "skopeo", append([]string{"--insecure-policy"}, args...)...)
		cmd.Env = append(os.Environ(), "HOME="+home, "XDG_RUNTIME_DIR="+home)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	img := randomImage(t)
	want, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(home, "image.tar")
	if err := crane.Save(img, "x/y:1", file); err != nil {
		t.Fatal(err)
	}
	creds := func(kind, token string) []string {
		return []string{"--" + kind + "tls-verify=false", "--" + kind + "creds=anybody:" + token}
	}
	at := "docker://" + p.ref("sk/opeo:1")
	for _, c := range []struct {
		args []string
		ok   bool
	}{
		{append([]string{"copy", "docker-archive:" + file, at}, creds("dest-", p.writer)...), true},
		{append([]string{"copy", "docker-archive:" + file, at}, creds("dest-", p.reader)...), false},
		{append([]string{"copy", at, "dir:" + filepath.Join(home, "dir")}, creds("src-", p.reader)...), true},
		{append([]string{"copy", at, "docker://" + p.ref("sk/copy:2")}, append(creds("src-", p.reader), creds("dest-", p.writer)...)...), true},
		{append([]string{"copy", "--format", "oci", at, "docker://" + p.ref("sk/copy:oci")}, append(creds("src-", p.reader), creds("dest-", p.writer)...)...), true},
		{append([]string{"inspect", at}, creds("", p.reader)...), true},
		{append([]string{"inspect", at}, creds("", "fwk_wrong")...), false},
		{append([]string{"list-tags", "docker://" + p.ref("sk/copy")}, creds("", p.reader)...), true},
		{append([]string{"delete", at}, creds("", p.writer)...), false},
		{append([]string{"delete", at}, creds("", p.admin)...), true},
		{append([]string{"inspect", at}, creds("", p.reader)...), false},
	} {
		out, err := skopeo(c.args...)
		if (err == nil) != c.ok {
			t.Errorf("skopeo %s: %v\n%s", strings.Join(c.args[:2], " "), err, out)
		}
	}
	_ = want
}

func TestManyPushAtOnce(t *testing.T) {
	p := open(t, nil)
	shared := randomImage(t)
	var wg sync.WaitGroup
	errs := make(chan error, 64)
	for i := range 24 {
		wg.Go(func() {
			r := p.as(p.writer)
			img := shared
			if i%2 == 0 {
				img = randomImage(t)
			}
			repo := fmt.Sprintf("team/app%d", i%4)
			d, err := r.Push(t.Context(), p.ref(fmt.Sprintf("%s:v%d", repo, i)), img)
			if err != nil {
				errs <- err
				return
			}
			got, err := r.Pull(t.Context(), p.ref(repo+"@"+d))
			if err == nil {
				err = oci.Check(t.Context(), got)
			}
			if err != nil {
				errs <- err
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
	var list struct {
		Items []struct{ Tags, Manifests int }
	}
	p.call("GET", "/api/registry/v1/repositories", p.reader, nil, &list)
	tags := 0
	for _, r := range list.Items {
		tags += r.Tags
	}
	if len(list.Items) != 4 || tags != 24 {
		t.Errorf("there are %d repositories with %d tags, want 4 with 24", len(list.Items), tags)
	}
}

// 200 MB go through in both directions without being held.
func TestALargeBlobStreams(t *testing.T) {
	p := open(t, nil)
	const size = 200 << 20
	hash := sha256.New()
	if _, err := io.CopyN(hash, &pattern{}, size); err != nil {
		t.Fatal(err)
	}
	d := "sha256:" + hex.EncodeToString(hash.Sum(nil))
	at := p.begin("a/b")
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	resp, text := p.do("PATCH", at, p.writer, nil, io.LimitReader(&pattern{}, size))
	if resp.StatusCode != 202 {
		t.Fatalf("send: %d %s", resp.StatusCode, text)
	}
	if resp, text := p.do("PUT", withDigest(p.next(resp), d), p.writer, nil, nil); resp.StatusCode != 201 {
		t.Fatalf("complete: %d %s", resp.StatusCode, text)
	}
	r, err := http.NewRequestWithContext(t.Context(), "GET", p.url+"/v2/a/b/blobs/"+d, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth("x", p.reader)
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	hash.Reset()
	if n, err := io.Copy(hash, got.Body); err != nil || n != size || "sha256:"+hex.EncodeToString(hash.Sum(nil)) != d {
		t.Errorf("%d bytes came back, %v", n, err)
	}
	runtime.ReadMemStats(&after)
	// Whatever was allocated on the way, all of it together, is a fraction of the content.
	if took := after.TotalAlloc - before.TotalAlloc; took > size/4 {
		t.Errorf("moving %d bytes twice allocated %d", size, took)
	}
}

// pattern is content without an end that does not repeat in short steps.
type pattern struct{ n uint32 }

func (r *pattern) Read(p []byte) (int, error) {
	for i := range p {
		r.n = r.n*1664525 + 1013904223
		p[i] = byte(r.n >> 24)
	}
	return len(p), nil
}
