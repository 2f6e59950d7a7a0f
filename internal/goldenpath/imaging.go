package goldenpath

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"

	"github.com/fawkes-idp/fawkes/internal/events"
	"github.com/fawkes-idp/fawkes/internal/goldenpath/detect"
	"github.com/fawkes-idp/fawkes/internal/oci"
)

// image packs what was built. The gate has been asked before: every stage that it judges has passed.
func (j *job) image(ctx context.Context) error {
	verdict := j.judge(true)
	if !verdict.Passed {
		return failf(ExitRefused, "", "the quality gate refuses it: %s", verdict.Why())
	}
	spec, err := j.imageSpec(ctx)
	if err != nil {
		return err
	}
	img, err := oci.Pack(spec)
	if err != nil {
		return &failure{exit: ExitFailed, reason: "pack the image: " + err.Error(), err: err}
	}
	folder := filepath.Join(j.artifacts, folderImage)
	if err := os.RemoveAll(folder); err != nil {
		return fmt.Errorf("keep the image: %w", err)
	}
	digest, size, err := saveImage(folder, img)
	if err != nil {
		return fmt.Errorf("keep the image: %w", err)
	}
	s := j.pipeline.state
	made := ImageState{Repository: j.imageRepository(), Digest: digest, Tag: "sha-" + short(s.SHA), SizeBytes: size}
	if err := j.keep(func(s *State) { s.Image = &made }); err != nil {
		return err
	}
	j.state.Summary = fmt.Sprintf("%s, %.1f MB", digest[:19], float64(size)/1e6)
	j.log.say("image   %s", made.Repository)
	j.log.say("digest  %s", digest)
	j.out.report(Event{Event: "image", Image: made.Repository, Digest: digest, At: j.now()})
	j.out.report(Event{Event: "artifact", Name: folderImage, Kind: "image", SizeBytes: &size, At: j.now()})
	return j.courier.add(s.run().Packaged(j.o.Clock.Now(), j.eventImage(made)))
}

func (j *job) eventImage(i ImageState) events.Image {
	return events.Image{Name: path.Base(i.Repository), Repository: i.Repository, Digest: i.Digest}
}

// imageRepository is where the image goes: the registry's host and the repository's name.
func (p *pipeline) imageRepository() string {
	name := strings.ToLower(p.state.Name)
	if !strings.HasSuffix(name, "/"+p.state.Service) && name != p.state.Service {
		name = path.Join(path.Dir(name), p.state.Service) // a repository with several services
	}
	if host := p.registryHost(); host != "" {
		return host + "/" + strings.TrimPrefix(name, "/")
	}
	return name
}

// registryHost is FAWKES_REGISTRY without a scheme.
func (p *pipeline) registryHost() string {
	host := strings.TrimSuffix(p.o.Env("FAWKES_REGISTRY"), "/")
	for _, scheme := range []string{"http://", "https://"} {
		host = strings.TrimPrefix(host, scheme)
	}
	return host
}

// imageSpec says what goes into the image.
func (j *job) imageSpec(ctx context.Context) (oci.ImageSpec, error) {
	s := j.pipeline.state
	about := map[string]string{
		"org.opencontainers.image.title": s.Service, "org.opencontainers.image.revision": s.SHA, "org.opencontainers.image.version": "sha-" + short(s.SHA),
	}
	if s.Repository != "" {
		about["org.opencontainers.image.source"] = s.Repository
	}
	spec := oci.ImageSpec{
		Labels: about, Annotations: maps.Clone(about), Ports: []int{j.file.Deploy.Port}, Created: time.Unix(s.CommittedAt, 0).UTC(),
		Entrypoint: j.file.Image.Entrypoint,
	}
	for _, name := range slices.Sorted(maps.Keys(j.file.Image.Env)) {
		spec.Env = append(spec.Env, name+"="+j.file.Image.Env[name])
	}
	if base := j.file.Image.Base; base != "" && base != "scratch" {
		img, err := j.registry().Pull(ctx, base)
		if err != nil {
			return spec, failf(ExitUnreachable, "see that image.base of fawkes.yaml can be pulled", "pull the base image: %v", err)
		}
		spec.Base = img
	}
	switch {
	case j.file.Image.Root != "":
		return j.rootSpec(spec)
	case j.project.Language == detect.Go:
		return j.goSpec(spec)
	}
	return j.interpretedSpec(ctx, spec)
}

func (j *job) goSpec(spec oci.ImageSpec) (oci.ImageSpec, error) {
	s := j.pipeline.state
	if s.Program == "" {
		return spec, failf(ExitUsage, "set image.root and image.entrypoint in fawkes.yaml for a build command of your own", "the build stage made no program")
	}
	program := filepath.Join(j.artifacts, s.Program)
	spec.Inside = filepath.Join(j.artifacts, folderBuild)
	spec.Files = []oci.File{{Source: program, Target: "/app/" + s.Service, Mode: 0o755}}
	spec.WorkingDir = "/app"
	if spec.Entrypoint == nil {
		spec.Entrypoint = []string{"/app/" + s.Service}
	}
	return spec, nil
}

// rootSpec takes a folder of the work tree as the content of the image.
func (j *job) rootSpec(spec oci.ImageSpec) (oci.ImageSpec, error) {
	root := filepath.Join(j.dir, filepath.FromSlash(j.file.Image.Root))
	if info, err := j.tree.Stat(j.file.Image.Root); err != nil || !info.IsDir() {
		return spec, failf(ExitUsage, "the build has to make it; it is image.root of fawkes.yaml", "the folder %s of the image is not there", j.file.Image.Root)
	}
	if spec.Entrypoint == nil {
		return spec, failf(ExitUsage, "set image.entrypoint in fawkes.yaml", "the image of the folder %s has no entrypoint", j.file.Image.Root)
	}
	spec.Inside = j.dir
	spec.Folders = []oci.Folder{{Source: root, Target: "/", Exclude: j.file.Image.Exclude}}
	return spec, nil
}

func saveImage(folder string, img v1.Image) (digest string, size int64, err error) {
	index, err := layout.FromPath(folder)
	if errors.Is(err, fs.ErrNotExist) || err != nil {
		index, err = layout.Write(folder, emptyIndex())
	}
	if err != nil {
		return "", 0, err
	}
	if err := index.AppendImage(img); err != nil {
		return "", 0, err
	}
	hash, err := img.Digest()
	if err != nil {
		return "", 0, err
	}
	manifest, err := img.Manifest()
	if err != nil {
		return "", 0, err
	}
	size = manifest.Config.Size
	for _, l := range manifest.Layers {
		size += l.Size
	}
	return hash.String(), size, nil
}

// savedImage reads the image that the image stage kept.
func (p *pipeline) savedImage() (v1.Image, error) {
	index, err := layout.FromPath(filepath.Join(p.artifacts, folderImage))
	if err != nil {
		return nil, failf(ExitUsage, "run `fawkes ci image` first", "the image is not among the artifacts: %v", err)
	}
	hash, err := v1.NewHash(p.state.Image.Digest)
	if err != nil {
		return nil, fmt.Errorf("read the image: %w", err)
	}
	img, err := index.Image(hash)
	if err != nil {
		return nil, fmt.Errorf("read the image %s: %w", hash, err)
	}
	return img, nil
}
