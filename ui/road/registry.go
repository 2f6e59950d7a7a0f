package road

import (
	"context"
	"strings"
	"time"
)

// Registry answers what the pages ask the image registry.
type Registry interface {
	Images(ctx context.Context, search string) ([]ImageRepository, error)
	Manifests(ctx context.Context, repository string, page Page) (List[Manifest], error)
	Manifest(ctx context.Context, repository, digest string) (Manifest, error)
	Usage(ctx context.Context) (Usage, error)
	DeleteManifest(ctx context.Context, repository, digest string) error
	// Collect frees the space of what nothing names, or with dryRun only counts it. The digests of keep stay.
	Collect(ctx context.Context, keep []string, dryRun bool) (Collected, error)
}

// ImageRepository is a named set of images.
type ImageRepository struct {
	Name            string
	Tags, Manifests int
	Size            int64 // bytes
	PushedAt        *time.Time
}

// Manifest is one image, index or attachment.
type Manifest struct {
	Digest, MediaType string
	Tags              []string
	Size              int64 // bytes, with its layers
	CreatedAt         *time.Time
	Platform          string
	Entrypoint        string
	Signed, SBOM      bool
	Revision, Source  string // what it was built from

	// Of a single one.
	Layers      []Layer
	Annotations map[string]string
	Config      string // JSON, as it is
	Referrers   []Referrer
}

// Layer is one blob of an image.
type Layer struct {
	Digest, MediaType string
	Size              int64
}

// Referrer is what points to an image: a signature, a bill of materials.
type Referrer struct {
	Digest, Type string
	Size         int64
}

// Usage is what the registry holds.
type Usage struct {
	Bytes int64
	Blobs int
}

// Collected is what a garbage collection freed or, as a dry run, would free.
type Collected struct {
	Blobs, Manifests int
	Bytes            int64
	Seconds          float64
}

// ImageName is the repository of an image's reference: 127.0.0.1:8080/fawkes/hello:v1 becomes fawkes/hello.
func ImageName(reference string) string {
	name, _, _ := strings.Cut(reference, "@")
	if host, rest, ok := strings.Cut(name, "/"); ok && (strings.ContainsAny(host, ".:") || host == "localhost") {
		name = rest
	}
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		name = name[:i]
	}
	return name
}
