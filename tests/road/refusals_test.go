package road

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/fawkes-idp/fawkes/internal/oci"
)

// imagesAreRefused puts images into the environment repository by hand, as whoever has its token can: none of
// them may run, the refusal names the image and why, and the version before never stops answering.
func imagesAreRefused(p *platform, page string) {
	t := p.t
	host := strings.TrimPrefix(p.url, "http://")
	repository := host + "/fawkes/hello"
	signed := p.application("hello-production").Images[0].Digest
	before := p.application("hello-production").Source.Revision

	other := p.pushImage(repository, "app/run")
	signature(t, repository, signed, other, p.token)
	escaping := p.pushImage(repository, "app/../../outside")
	p.sign(repository + "@" + escaping)

	environments := clone{t, filepath.Join(t.TempDir(), "environments")}
	address, err := p.fawkes("git", "url", "fawkes/environments")
	if err != nil {
		t.Fatal(err)
	}
	helper := "credential.helper=!" + p.program + " --state " + p.state + " git credential"
	clone{t, t.TempDir()}.git("-c", helper, "clone", "-q", "-c", helper, strings.TrimSpace(address), environments.dir)
	const file = "apps/hello/production/kustomization.yaml"
	asked := askAllTheTime(page)
	for _, bad := range []struct {
		name, digest string
		says         []string
	}{
		{"an image without a signature", p.pushImage(repository, "app/unsigned"), []string{"no signature"}},
		{"a signature of another image", other, []string{"not what was signed", signed}},
		{"a layer that leads out of the image", escaping, []string{"layer 1 of 1", `"app/../../outside"`, `".."`}},
	} {
		environments.git("pull", "-q")
		environments.edit(file, "digest: "+signed, "digest: "+bad.digest)
		sha := environments.push("hello: " + bad.name)
		var history struct {
			Items []struct{ Revision, Phase, Message string }
		}
		eventually(t, bad.name+" to be refused and taken back", func() (bool, string) {
			if err := p.get("/api/gitops/v1/applications/hello-production/history", nil, &history); err != nil {
				return false, err.Error()
			}
			failed := false
			for _, o := range history.Items {
				failed = failed || o.Revision == sha && o.Phase == "Failed"
			}
			a := p.application("hello-production")
			return failed && a.Images[0].Digest == signed && a.Operation.Phase == "Succeeded", fmt.Sprintf("%+v", history)
		})
		for _, o := range history.Items {
			if o.Revision != sha {
				continue
			}
			for _, word := range append(bad.says, bad.digest) {
				if !strings.Contains(o.Message, word) {
					t.Errorf("%s: the operation does not say %q: %s", bad.name, word, o.Message)
				}
			}
		}
		if got := body(t, page); !strings.Contains(got, before[:12]) {
			t.Errorf("%s: the page is no longer of %s:\n%s", bad.name, before, got)
		}
	}
	if n, faults := asked(); len(faults) > 0 || n < 20 {
		t.Errorf("of %d requests meanwhile %d failed: %v", n, len(faults), faults[:min(3, len(faults))])
	}
}

// pushImage pushes an image with one file, as any OCI client does, and gives its digest.
func (p *platform) pushImage(repository, file string) string {
	p.t.Helper()
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	text := []byte("#!/bin/sh\n")
	if err := w.WriteHeader(&tar.Header{Name: file, Mode: 0o755, Size: int64(len(text)), Typeflag: tar.TypeReg}); err != nil {
		p.t.Fatal(err)
	}
	_, err := w.Write(text)
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		p.t.Fatal(err)
	}
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(layer.Bytes())), nil })
	if err != nil {
		p.t.Fatal(err)
	}
	img, err := mutate.AppendLayers(empty.Image, l)
	if err == nil {
		img, err = mutate.Config(img, v1.Config{Entrypoint: []string{"/" + file}})
	}
	if err != nil {
		p.t.Fatal(err)
	}
	digest, err := img.Digest()
	if err != nil {
		p.t.Fatal(err)
	}
	ref, err := name.NewDigest(repository+"@"+digest.String(), name.Insecure)
	if err == nil {
		err = remote.Write(ref, img, login(p.token))
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return digest.String()
}

func login(token string) remote.Option {
	return remote.WithAuth(&authn.Basic{Username: "ada", Password: token})
}

// signature gives an image the signature of another.
func signature(t *testing.T, repository, from, to, token string) {
	t.Helper()
	tag := func(digest string) name.Tag {
		ref, err := name.NewTag(repository+":"+strings.Replace(digest, ":", "-", 1)+".sig", name.Insecure)
		if err != nil {
			t.Fatal(err)
		}
		return ref
	}
	img, err := remote.Image(tag(from), login(token))
	if err == nil {
		err = remote.Write(tag(to), img, login(token))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// sign signs an image with the platform's own key, as the owner of the machine can.
func (p *platform) sign(ref string) {
	p.t.Helper()
	key, err := os.ReadFile(filepath.Join(p.state, "keys", "cosign.key"))
	if err != nil {
		p.t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(p.state, "road.json"))
	if err != nil {
		p.t.Fatal(err)
	}
	var secrets struct {
		Password string `json:"signing_password"`
	}
	if err := json.Unmarshal(text, &secrets); err != nil {
		p.t.Fatal(err)
	}
	signer, err := oci.LoadSigner(key, []byte(secrets.Password))
	if err == nil {
		err = oci.Registry{Token: p.token, Insecure: true}.Sign(p.t.Context(), ref, signer, nil)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

// unknownLanguageSaysSo pushes what the golden path cannot build.
func unknownLanguageSaysSo(p *platform) {
	c := p.service("puzzle", map[string]string{"main.zig": "// nothing\n"})
	r := p.runEnded("fawkes/puzzle", c.git("rev-parse", "HEAD"))
	if r.Status != "failed" || !strings.Contains(r.Reason, "go.mod, package.json") || !strings.Contains(r.Reason, "mend: ") {
		p.t.Errorf("the run is %+v, want it failed with what to do", r)
	}
	logs, err := p.fawkes("runs", "logs", r.ID)
	if err != nil || !strings.Contains(logs, "mend: ") || strings.Contains(logs, `{"event"`) {
		p.t.Errorf("%v: the log is\n%s", err, logs)
	}
}

// service makes a repository on the platform and pushes files to it.
func (p *platform) service(name string, files map[string]string) clone {
	p.t.Helper()
	if err := p.put("/api/git/v1/repositories/fawkes/"+name, map[string]string{"description": name}); err != nil {
		p.t.Fatal(err)
	}
	c := clone{p.t, filepath.Join(p.t.TempDir(), name)}
	if err := os.Mkdir(c.dir, 0o755); err != nil {
		p.t.Fatal(err)
	}
	c.git("init", "-q", "-b", "main")
	c.git("config", "credential.helper", "!"+p.program+" --state "+p.state+" git credential")
	c.git("remote", "add", "origin", p.url+"/git/fawkes/"+name+".git")
	for file, text := range files {
		c.write(file, text)
	}
	c.push(name + ": begin")
	return c
}

// runEnded waits for the end of the run of a repository's commit.
func (p *platform) runEnded(repository, sha string) (r runView) {
	p.t.Helper()
	eventually(p.t, "the run of "+repository+" to end", func() (bool, string) {
		var runs struct{ Items []runView }
		if err := p.get("/api/runner/v1/runs", url.Values{"repository": {repository}, "sha": {sha}, "limit": {"1"}}, &runs); err != nil || len(runs.Items) == 0 {
			return false, fmt.Sprint(err)
		}
		r = runs.Items[0]
		return r.Status != "queued" && r.Status != "running", fmt.Sprintf("%+v", r)
	})
	return r
}
