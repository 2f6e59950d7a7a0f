package oci

import (
	"errors"
	"fmt"
	"os"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
)

// annotationName is where a layout says the name of a manifest, as skopeo and others look it up.
const annotationName = "org.opencontainers.image.ref.name"

// Layout is an OCI image layout: a folder that holds images, to be carried or pushed by any client. What a registry
// keeps beside an image has the same name here as its tag there, so that it can be pushed as an image is.
type Layout struct{ path layout.Path }

// NewLayout makes an empty layout of the folder. What was in the folder is gone.
func NewLayout(folder string) (Layout, error) {
	if err := os.RemoveAll(folder); err != nil {
		return Layout{}, fmt.Errorf("make the image layout: %w", err)
	}
	path, err := layout.Write(folder, empty.Index)
	if err != nil {
		return Layout{}, fmt.Errorf("make the image layout %s: %w", folder, err)
	}
	return Layout{path}, nil
}

// OpenLayout opens a layout that is there.
func OpenLayout(folder string) (Layout, error) {
	path, err := layout.FromPath(folder)
	if err != nil {
		return Layout{}, fmt.Errorf("open the image layout %s: %w", folder, err)
	}
	return Layout{path}, nil
}

// Add puts an image into the layout under a name, and returns its digest.
func (l Layout) Add(img v1.Image, tag string) (string, error) {
	digest, err := img.Digest()
	if err != nil {
		return "", fmt.Errorf("add %s to the image layout: %w", tag, err)
	}
	if err := l.path.AppendImage(img, layout.WithAnnotations(map[string]string{annotationName: tag})); err != nil {
		return "", fmt.Errorf("add %s to the image layout: %w", tag, err)
	}
	return digest.String(), nil
}

// Image finds an image by its name. ErrNotFound when there is none.
func (l Layout) Image(tag string) (v1.Image, error) {
	d, err := l.descriptor(func(d v1.Descriptor) bool { return d.Annotations[annotationName] == tag })
	if err != nil {
		return nil, fmt.Errorf("look %s up in the image layout: %w", tag, err)
	}
	return l.path.Image(d.Digest)
}

func (l Layout) descriptor(is func(v1.Descriptor) bool) (v1.Descriptor, error) {
	index, err := l.path.ImageIndex()
	if err != nil {
		return v1.Descriptor{}, err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return v1.Descriptor{}, err
	}
	for _, d := range manifest.Manifests {
		if is(d) {
			return d, nil
		}
	}
	return v1.Descriptor{}, ErrNotFound
}

// subject is what an artifact says of the manifest that it is about.
func (l Layout) subject(digest string) (v1.Descriptor, error) {
	d, err := l.descriptor(func(d v1.Descriptor) bool { return d.Digest.String() == digest })
	return v1.Descriptor{MediaType: d.MediaType, Size: d.Size, Digest: d.Digest}, err
}

// Attach is [Registry.Attach] in the layout: the artifact is named sha256-<hex>.sbom, and has the image as its subject.
func (l Layout) Attach(digest, artifactType string, blobs ...Blob) error {
	if artifactType != TypeCycloneDX && artifactType != TypeSPDX {
		return errors.New("attach: only bills of materials have a name beside their image")
	}
	subject, err := l.subject(digest)
	if err != nil {
		return fmt.Errorf("attach %s to %s: %w", artifactType, digest, err)
	}
	img, err := artifact(artifactType, subject, blobs)
	if err != nil {
		return fmt.Errorf("attach %s to %s: %w", artifactType, digest, err)
	}
	_, err = l.Add(img, besideTag(digest, "sbom"))
	return err
}

// Sign is [Registry.Sign] in the layout: the signature is named sha256-<hex>.sig. The repository is where the image is
// going to be.
func (l Layout) Sign(digest, repository string, s *Signer, annotations map[string]string) error {
	subject, err := l.subject(digest)
	if err != nil {
		return fmt.Errorf("sign %s: %w", digest, err)
	}
	at, err := name.NewRepository(repository)
	if err != nil {
		return fmt.Errorf("sign %s: %.200q is not the name of a repository", digest, repository)
	}
	text, err := newPayload(at.Name(), subject.Digest, annotations)
	if err != nil {
		return fmt.Errorf("sign %s: %w", digest, err)
	}
	signatures, _, err := s.add(noSignatures(), text)
	if err != nil {
		return fmt.Errorf("sign %s: %w", digest, err)
	}
	_, err = l.Add(signatures, besideTag(digest, "sig"))
	return err
}
