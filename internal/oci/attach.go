package oci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// The kinds of artifact that are attached to images here.
const (
	TypeCycloneDX = "application/vnd.cyclonedx+json"
	TypeSPDX      = "application/spdx+json"
	TypeSARIF     = "application/sarif+json"
)

const (
	emptyConfig = types.MediaType("application/vnd.oci.empty.v1+json")
	maxAttached = 64 << 20 // bytes of one attached blob that are read
)

// Blob is one piece of what is attached to an image.
type Blob struct {
	MediaType string
	Content   []byte
	Name      string // a file name (org.opencontainers.image.title); may be empty
}

// Attach puts an artifact beside the image that ref names by digest: an OCI artifact with the image as its subject,
// found by the referrers of the image, or by the tag sha256-<hex> where a registry knows no referrers. A bill of
// materials also gets the tag sha256-<hex>.sbom, where "cosign download sbom" looks for it.
func (r Registry) Attach(ctx context.Context, ref, artifactType string, blobs ...Blob) error {
	at, subject, err := r.subject(ctx, ref)
	if err != nil {
		return fmt.Errorf("attach %s: %w", artifactType, err)
	}
	img, err := artifact(artifactType, subject, blobs)
	if err != nil {
		return fmt.Errorf("attach %s to %s: %w", artifactType, ref, err)
	}
	hash, err := img.Digest()
	if err != nil {
		return fmt.Errorf("attach %s to %s: %w", artifactType, ref, err)
	}
	if err := remote.Write(at.Context().Digest(hash.String()), img, r.options(ctx)...); err != nil {
		return fmt.Errorf("attach %s to %s: %w", artifactType, ref, known(err))
	}
	if artifactType != TypeCycloneDX && artifactType != TypeSPDX {
		return nil
	}
	if err := remote.Tag(beside(at, "sbom"), img, r.options(ctx)...); err != nil {
		return fmt.Errorf("attach %s to %s: %w", artifactType, ref, known(err))
	}
	return nil
}

// subject looks up an image that is named by its digest.
func (r Registry) subject(ctx context.Context, ref string) (name.Digest, v1.Descriptor, error) {
	at, err := r.parse(ref)
	if err != nil {
		return name.Digest{}, v1.Descriptor{}, err
	}
	digest, ok := at.(name.Digest)
	if !ok {
		return name.Digest{}, v1.Descriptor{}, fmt.Errorf("%s is not named by its digest", ref)
	}
	d, err := remote.Head(digest, r.options(ctx)...)
	if err != nil {
		return name.Digest{}, v1.Descriptor{}, fmt.Errorf("look up %s: %w", ref, known(err))
	}
	return digest, v1.Descriptor{MediaType: d.MediaType, Size: d.Size, Digest: d.Digest}, nil
}

// beside is the tag under which cosign keeps something about a digest.
func beside(d name.Digest, suffix string) name.Tag {
	return d.Context().Tag(besideTag(d.DigestStr(), suffix))
}

func besideTag(digest, suffix string) string {
	return strings.Replace(digest, ":", "-", 1) + "." + suffix
}

// artifact is a manifest of OCI 1.1 with a subject.
func artifact(kind string, subject v1.Descriptor, blobs []Blob) (v1.Image, error) {
	if len(blobs) == 0 {
		return nil, errors.New("there is nothing to attach")
	}
	img := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	for _, b := range blobs {
		add := mutate.Addendum{Layer: static.NewLayer(b.Content, types.MediaType(b.MediaType)), MediaType: types.MediaType(b.MediaType)}
		if b.Name != "" {
			add.Annotations = map[string]string{"org.opencontainers.image.title": b.Name}
		}
		var err error
		if img, err = mutate.Append(img, add); err != nil {
			return nil, err
		}
	}
	img = mutate.ConfigMediaType(img, types.MediaType(kind))
	out, ok := mutate.Subject(img, subject).(v1.Image)
	if !ok {
		return nil, errors.New("the artifact could not be given a subject")
	}
	return out, nil
}

// Attached reads what is attached to the image that ref names by digest, of one kind of artifact.
func (r Registry) Attached(ctx context.Context, ref, artifactType string) ([]Blob, error) {
	at, _, err := r.subject(ctx, ref)
	if err != nil {
		return nil, err
	}
	index, err := remote.Referrers(at, append(r.options(ctx), remote.WithFilter("artifactType", artifactType))...)
	if err != nil {
		return nil, fmt.Errorf("list what is attached to %s: %w", ref, known(err))
	}
	list, err := index.IndexManifest()
	if err != nil {
		return nil, fmt.Errorf("list what is attached to %s: %w", ref, err)
	}
	var out []Blob
	for _, d := range list.Manifests {
		if d.ArtifactType != artifactType {
			continue
		}
		img, err := remote.Image(at.Context().Digest(d.Digest.String()), r.options(ctx)...)
		if err != nil {
			return nil, fmt.Errorf("read what is attached to %s: %w", ref, known(err))
		}
		if out, err = appendBlobs(out, img); err != nil {
			return nil, fmt.Errorf("read what is attached to %s: %w", ref, err)
		}
	}
	return out, nil
}

func appendBlobs(out []Blob, img v1.Image) ([]Blob, error) {
	manifest, err := img.Manifest()
	if err != nil {
		return nil, err
	}
	for _, d := range manifest.Layers {
		content, err := blob(img, d, maxAttached)
		if err != nil {
			return nil, err
		}
		out = append(out, Blob{MediaType: string(d.MediaType), Content: content, Name: d.Annotations["org.opencontainers.image.title"]})
	}
	return out, nil
}

// blob reads a small layer and checks its digest.
func blob(img v1.Image, d v1.Descriptor, most int64) ([]byte, error) {
	if d.Size > most {
		return nil, fmt.Errorf("%w: the blob %s has %d bytes, the limit is %d", ErrRefused, d.Digest, d.Size, most)
	}
	layer, err := img.LayerByDigest(d.Digest)
	if err != nil {
		return nil, err
	}
	in, err := layer.Compressed()
	if err != nil {
		return nil, known(err)
	}
	defer in.Close()
	content, err := io.ReadAll(io.LimitReader(in, most+1))
	if err != nil {
		return nil, fmt.Errorf("%w: read the blob %s: %w", ErrTampered, d.Digest, err)
	}
	if got, err := hashOf(content); err != nil || got != d.Digest {
		return nil, fmt.Errorf("%w: the blob %s has the digest %s", ErrTampered, d.Digest, got)
	}
	return content, nil
}
