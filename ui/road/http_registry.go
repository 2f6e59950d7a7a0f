package road

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/fawkes-idp/fawkes/api/client/registry"
	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/peer"
)

// imagesMost bounds the list of repositories.
const imagesMost = 2000

// images asks the registry.
type images struct {
	line
	client *registry.Client
}

func newRegistry(peers peer.Network, gone *absence) (*images, error) {
	base, transport := peers.Client(PartRegistry)
	c, err := registry.NewClient(base, registry.WithHTTPClient(transport), registry.WithRequestEditorFn(auth.Forward))
	if err != nil {
		return nil, fmt.Errorf("make the client of the registry: %w", err)
	}
	return &images{line{PartRegistry, "image registry", gone}, c}, nil
}

// Images lists the repositories whose name holds the text.
func (r *images) Images(ctx context.Context, search string) ([]ImageRepository, error) {
	items, _, err := Whole(ctx, imagesMost, func(ctx context.Context, p Page) (List[ImageRepository], error) {
		l, err := ask[registry.RepositoryList](ctx, r.line, "the repositories", func(ctx context.Context) (*http.Response, error) {
			return r.client.ListRepositories(ctx, &registry.ListRepositoriesParams{Limit: p.limit(), Cursor: given[string](p.Cursor), Q: given[string](search)})
		})
		return List[ImageRepository]{each(l.Items, func(w registry.RepositoryInfo) ImageRepository {
			return ImageRepository{Name: w.Name, Tags: int(w.Tags), Manifests: int(w.Manifests), Size: w.SizeBytes, PushedAt: w.PushedAt}
		}), value(l.NextCursor)}, err
	})
	return items, err
}

// Manifests lists the images of a repository, the latest first.
func (r *images) Manifests(ctx context.Context, repository string, page Page) (List[Manifest], error) {
	l, err := ask[registry.ManifestList](ctx, r.line, "the images", func(ctx context.Context) (*http.Response, error) {
		return r.client.ListManifests(ctx, &registry.ListManifestsParams{Limit: page.limit(), Cursor: given[string](page.Cursor), Repository: repository})
	})
	return List[Manifest]{each(l.Items, manifest), value(l.NextCursor)}, err
}

func manifest(w registry.ManifestInfo) Manifest {
	m := Manifest{
		Digest: w.Digest, MediaType: w.MediaType, Tags: w.Tags, Size: w.SizeBytes, CreatedAt: w.CreatedAt, Platform: value(w.Platform),
		Entrypoint: strings.Join(w.Entrypoint, " "), Signed: w.Signed, SBOM: w.Sbom, Revision: value(w.Revision), Source: value(w.Source),
	}
	if m.CreatedAt == nil && !w.PushedAt.IsZero() {
		m.CreatedAt = &w.PushedAt
	}
	return m
}

// Manifest reads one image.
func (r *images) Manifest(ctx context.Context, repository, digest string) (Manifest, error) {
	raw, err := ask[json.RawMessage](ctx, r.line, "an image", func(ctx context.Context) (*http.Response, error) {
		return r.client.GetManifest(ctx, &registry.GetManifestParams{Repository: repository, Digest: digest})
	})
	if err != nil {
		return Manifest{}, err
	}
	var short registry.ManifestInfo // what lists show of it stands in the same object
	var whole struct {
		registry.ImageInfo
		Config *registry.ConfigInfo `json:"config"`
	}
	if err := json.Unmarshal(raw, &short); err != nil {
		return Manifest{}, fmt.Errorf("understand the registry's answer about %s: %w", digest, err)
	}
	if err := json.Unmarshal(raw, &whole); err != nil {
		return Manifest{}, fmt.Errorf("understand the registry's answer about %s: %w", digest, err)
	}
	m := manifest(short)
	m.Annotations = whole.Annotations
	m.Layers = each(whole.Layers, func(w registry.LayerInfo) Layer { return Layer{w.Digest, w.MediaType, w.SizeBytes} })
	for _, c := range whole.Manifests {
		m.Layers = append(m.Layers, Layer{c.Digest, c.MediaType, c.SizeBytes})
	}
	m.Referrers = each(whole.Referrers, func(w registry.ReferrerInfo) Referrer {
		return Referrer{Digest: w.Digest, Type: strings.ReplaceAll(string(w.Kind), "_", " "), Size: w.SizeBytes}
	})
	if whole.Config != nil {
		text, err := json.MarshalIndent(whole.Config, "", "  ")
		if err != nil {
			return Manifest{}, fmt.Errorf("write the configuration of %s: %w", digest, err)
		}
		m.Config = string(text)
	}
	return m, nil
}

// Usage says what the registry holds.
func (r *images) Usage(ctx context.Context) (Usage, error) {
	w, err := ask[registry.UsageInfo](ctx, r.line, "its size", func(ctx context.Context) (*http.Response, error) { return r.client.GetUsage(ctx) })
	return Usage{Bytes: w.Bytes, Blobs: int(w.Blobs)}, err
}

// DeleteManifest deletes an image with its tags.
func (r *images) DeleteManifest(ctx context.Context, repository, digest string) error {
	return do(ctx, r.line, "an image", func(ctx context.Context) (*http.Response, error) {
		return r.client.DeleteManifest(ctx, &registry.DeleteManifestParams{Repository: repository, Digest: digest})
	})
}

// Collect frees the space of what nothing names. The digests of keep stay, whatever names them.
func (r *images) Collect(ctx context.Context, keep []string, dryRun bool) (Collected, error) {
	w, err := ask[registry.GcResult](ctx, r.line, "the garbage collection", func(ctx context.Context) (*http.Response, error) {
		return r.client.CollectGarbage(ctx, registry.GcInputBody{DryRun: &dryRun, Keep: &keep})
	})
	return Collected{Blobs: int(w.Blobs), Manifests: int(w.Manifests), Bytes: w.Bytes, Seconds: w.TookSeconds}, err
}
