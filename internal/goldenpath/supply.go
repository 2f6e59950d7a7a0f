package goldenpath

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/fawkes-idp/fawkes/internal/goldenpath/detect"
	"github.com/fawkes-idp/fawkes/internal/goldenpath/report"
	"github.com/fawkes-idp/fawkes/internal/oci"
)

// sbom lists what the program is made of.
func (j *job) sbom(context.Context) error {
	main, parts, from, err := j.components()
	if err != nil {
		return &failure{exit: ExitFailed, reason: "list what the program is made of: " + err.Error(), err: err}
	}
	s := j.pipeline.state
	if main.Name == "" {
		main.Name = s.Service
	}
	main.Type, main.Version = "application", s.SHA
	if i := s.Image; i != nil {
		main.PURL = j.eventImage(*i).PURL()
		main.Hashes = map[string]string{"SHA-256": i.Digest[len("sha256:"):]}
	}
	var out bytes.Buffer
	if err := report.WriteSBOM(&out, report.SBOM{Main: main, Components: parts, Tool: "fawkes", Version: j.o.Version, Created: time.Unix(s.CommittedAt, 0).UTC()}); err != nil {
		return err
	}
	if err := j.artifact(FileSBOM, "sbom", out.Bytes()); err != nil {
		return err
	}
	j.state.Summary = fmt.Sprintf("%d components, from %s", len(parts), from)
	return nil
}

// components are the parts that the language's own files name; from says which.
func (j *job) components() (main report.Component, parts []report.Component, from string, err error) {
	switch j.project.Language {
	case detect.Go:
		if s := j.pipeline.state; s.Program != "" {
			main, parts, err = report.GoProgram(filepath.Join(j.artifacts, s.Program), s.Service)
			return main, parts, "the program itself", err
		}
		return main, nil, "nothing: the build made no program", nil
	case detect.Node:
		return j.componentsOf("package-lock.json", report.PackageLock)
	case detect.Python:
		return j.componentsOf("requirements.txt", func(r io.Reader) (report.Component, []report.Component, error) {
			parts, err := report.Requirements(r)
			return report.Component{}, parts, err
		})
	}
	return j.componentsOf("pom.xml", report.POM)
}

func (j *job) componentsOf(file string, read func(io.Reader) (report.Component, []report.Component, error)) (main report.Component, parts []report.Component, from string, err error) {
	text, err := j.readTree(file, report.MaxBytes)
	if errors.Is(err, fs.ErrNotExist) {
		j.note("the bill of materials names no component: there is no %s", file)
		return main, nil, "nothing: there is no " + file, nil
	}
	if err != nil {
		return main, nil, "", err
	}
	main, parts, err = read(bytes.NewReader(text))
	return main, parts, file, err
}

func (p *pipeline) registry() oci.Registry {
	return oci.Registry{User: p.o.Env("FAWKES_REGISTRY_USER"), Token: p.o.Env("FAWKES_REGISTRY_TOKEN"), Insecure: p.o.Env("FAWKES_REGISTRY_INSECURE") == "true", Transport: p.o.Transport}
}

// upload puts the image into the registry by its digest alone, and its bill of materials beside it. Nobody finds
// it by a name yet.
func (j *job) upload(ctx context.Context) error {
	s := j.pipeline.state
	if s.Image == nil {
		return failf(ExitUsage, "run `fawkes ci image` first", "there is no image")
	}
	if s.Image.Uploaded {
		return nil
	}
	img, err := j.savedImage()
	if err != nil {
		return err
	}
	digest, err := j.registry().Push(ctx, s.Image.Repository+"@"+s.Image.Digest, img)
	if err != nil {
		return j.unreached(ctx, "push the image", err)
	}
	if digest != s.Image.Digest {
		return fmt.Errorf("the registry has %s, but the image is %s", digest, s.Image.Digest)
	}
	if text, err := os.ReadFile(filepath.Join(j.artifacts, FileSBOM)); err == nil {
		if err := j.registry().Attach(ctx, s.Image.Repository+"@"+s.Image.Digest, oci.TypeCycloneDX, oci.Blob{MediaType: oci.TypeCycloneDX, Content: text, Name: FileSBOM}); err != nil {
			return j.unreached(ctx, "attach the bill of materials", err)
		}
	}
	return j.keep(func(s *State) { s.Image.Uploaded = true })
}

// unreached tells a registry that cannot be reached from one that refuses.
func (j *job) unreached(ctx context.Context, what string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	mend := "see that FAWKES_REGISTRY_TOKEN may write to " + j.registryHost()
	var lost *url.Error
	var op *net.OpError
	if errors.As(err, &lost) || errors.As(err, &op) {
		mend = "see that the registry " + j.registryHost() + " can be reached, then run the stage again"
	}
	return &failure{exit: ExitUnreachable, reason: what + ": " + err.Error(), mend: mend, err: err}
}

// sign signs the digest, as cosign does. The signature lies beside the image, so the image is uploaded first.
func (j *job) sign(ctx context.Context) error {
	if j.registryHost() == "" {
		return skipf("there is no registry: FAWKES_REGISTRY is not set")
	}
	file := j.o.Env("FAWKES_SIGNING_KEY")
	if file == "" {
		j.note("the image is not signed: FAWKES_SIGNING_KEY is not set")
		return skipf("FAWKES_SIGNING_KEY is not set")
	}
	key, err := os.ReadFile(file)
	if err != nil {
		return failf(ExitUsage, "name the private key of cosign with FAWKES_SIGNING_KEY", "read the signing key: %v", err)
	}
	signer, err := oci.LoadSigner(key, []byte(j.o.Env("FAWKES_SIGNING_PASSWORD")))
	if err != nil {
		return failf(ExitUsage, "see that FAWKES_SIGNING_PASSWORD fits the key", "%v", err)
	}
	if err := j.upload(ctx); err != nil {
		return err
	}
	s := j.pipeline.state
	about := map[string]string{"revision": s.SHA, "run": s.run().ID}
	if s.Repository != "" {
		about["repository"] = s.Repository
	}
	if err := j.registry().Sign(ctx, s.Image.Repository+"@"+s.Image.Digest, signer, about); err != nil {
		return j.unreached(ctx, "sign the image", err)
	}
	verifier, err := signer.Verifier()
	if err != nil {
		return err
	}
	j.state.Summary = "signed with key " + verifier.KeyID()[:12]
	return j.keep(func(s *State) { s.Image.Signed = true })
}

// push gives the image its name, and makes sure that it can be pulled by its digest.
func (j *job) push(ctx context.Context) error {
	if j.registryHost() == "" {
		return skipf("there is no registry: FAWKES_REGISTRY is not set")
	}
	if err := j.upload(ctx); err != nil {
		return err
	}
	s := j.pipeline.state
	ref := s.Image.Repository + "@" + s.Image.Digest
	if err := j.registry().Tag(ctx, ref, s.Image.Tag); err != nil {
		return j.unreached(ctx, "name the image", err)
	}
	got, err := j.registry().Digest(ctx, s.Image.Repository+":"+s.Image.Tag)
	if err != nil {
		return j.unreached(ctx, "look the image up", err)
	}
	if got != s.Image.Digest {
		return &failure{exit: ExitUnreachable, reason: fmt.Sprintf("the registry answers %s for %s, but the image is %s", got, s.Image.Tag, s.Image.Digest)}
	}
	j.state.Summary = s.Image.Repository + ":" + s.Image.Tag
	if err := j.keep(func(s *State) { s.Image.Pushed = true }); err != nil {
		return err
	}
	return j.courier.add(s.run().Published(j.o.Clock.Now(), j.eventImage(*s.Image)))
}
