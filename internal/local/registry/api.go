package registry

import (
	"cmp"
	"context"
	"encoding/base64"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/opencontainers/go-digest"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

const base = "/api/registry/v1"

// service is the registry's own API.
type service struct {
	*server
	minAge time.Duration
}

func operation(method, path, id, tag, summary, scope string, errs ...int) huma.Operation {
	return huma.Operation{
		OperationID: id, Method: method, Path: base + path, Summary: summary, Tags: []string{tag},
		Security: auth.Needs(scope), Errors: append([]int{401, 403}, errs...),
	}
}

func (s *service) register(api huma.API) {
	huma.Register(api, operation(http.MethodGet, "/repositories", "list-repositories", "images", "List the repositories", auth.ScopeRegistryRead, 400), s.listRepositories)
	huma.Register(api, operation(http.MethodGet, "/manifests", "list-manifests", "images", "List the images of a repository, the latest first", auth.ScopeRegistryRead, 400, 404), s.listManifests)
	huma.Register(api, operation(http.MethodGet, "/manifest", "get-manifest", "images", "Show an image: configuration, layers, signatures", auth.ScopeRegistryRead, 404), s.getImage)
	remove := operation(http.MethodDelete, "/manifest", "delete-manifest", "images", "Delete an image with its tags; garbage collection frees its space", auth.ScopeRegistryAdmin, 404, 409)
	remove.DefaultStatus = http.StatusNoContent
	huma.Register(api, remove, s.deleteImage)
	gc := operation(http.MethodPost, "/gc", "collect-garbage", "storage", "Remove what nothing names: manifests without a tag, and blobs that no manifest needs", auth.ScopeRegistryAdmin, 409, 422)
	gc.BodyReadTimeout = 10 * time.Minute
	huma.Register(api, gc, s.collectGarbage)
	huma.Register(api, operation(http.MethodGet, "/usage", "get-usage", "storage", "How much space the images take", auth.ScopeRegistryRead), s.usage)
}

// Listing is the input of every list.
type Listing struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"100" doc:"How many items at most."`
	Cursor string `query:"cursor" maxLength:"600" doc:"The next_cursor of the page before; absent for the first."`
}

// page cuts the page that follows the cursor out of all items, which are in order; key is unique to each.
func page[T any](l Listing, all []T, key func(T) string) ([]T, string, error) {
	begin := 0
	if l.Cursor != "" {
		after, err := base64.RawURLEncoding.DecodeString(l.Cursor)
		at := slices.IndexFunc(all, func(t T) bool { return key(t) == string(after) })
		if err != nil || at < 0 {
			return nil, "", problem.New(problem.InvalidCursor, "the cursor was not made by this list, or what it names has gone").
				WithField("cursor").WithMend("leave it out to start from the first page")
		}
		begin = at + 1
	}
	rest := all[begin:]
	if len(rest) <= l.Limit {
		return rest, "", nil
	}
	rest = rest[:l.Limit]
	return rest, base64.RawURLEncoding.EncodeToString([]byte(key(rest[len(rest)-1]))), nil
}

type repositoryInfo struct {
	Name      string     `json:"name" example:"fawkes/hello"`
	Tags      int        `json:"tags" doc:"Tags that name an image; those of signatures are not counted."`
	Manifests int        `json:"manifests" doc:"Images; signatures and the like are not counted."`
	Bytes     int64      `json:"size_bytes" doc:"Of all of its manifests and blobs, each counted once."`
	Pushed    *time.Time `json:"pushed_at" doc:"The latest push of an image; null when there is none."`
}

type repositoryList struct {
	Items      []repositoryInfo `json:"items" nullable:"false"`
	NextCursor string           `json:"next_cursor,omitempty" doc:"Absent on the last page."`
}

type repositoriesInput struct {
	Listing
	Query string `query:"q" maxLength:"200" doc:"Only repositories whose name holds this."`
}

func (s *service) listRepositories(ctx context.Context, in *repositoriesInput) (*struct{ Body repositoryList }, error) {
	if err := s.index.load(ctx); err != nil {
		return nil, err
	}
	all := s.index.summaries(strings.ToLower(in.Query))
	out := &struct{ Body repositoryList }{}
	var err error
	out.Body.Items, out.Body.NextCursor, err = page(in.Listing, all, func(r repositoryInfo) string { return r.Name })
	return out, err
}

type manifestInfo struct {
	Digest     string     `json:"digest"`
	Tags       []string   `json:"tags" nullable:"false"`
	MediaType  string     `json:"media_type"`
	Bytes      int64      `json:"size_bytes" doc:"Of the manifest with its blobs."`
	Created    *time.Time `json:"created_at" doc:"As the image says; null when it does not."`
	Pushed     time.Time  `json:"pushed_at"`
	Platform   *string    `json:"platform" doc:"Null for an index, and for what is no image." example:"linux/amd64"`
	Entrypoint []string   `json:"entrypoint" nullable:"false"`
	Signed     bool       `json:"signed" doc:"Whether a signature is stored with it. Whether it holds is for whoever has the key to find out."`
	SBOM       bool       `json:"sbom" doc:"Whether a bill of materials is stored with it."`
	Revision   *string    `json:"revision" doc:"The commit it was built from (org.opencontainers.image.revision)."`
	Source     *string    `json:"source" doc:"The repository it was built from (org.opencontainers.image.source)."`
}

type manifestList struct {
	Items      []manifestInfo `json:"items" nullable:"false"`
	NextCursor string         `json:"next_cursor,omitempty" doc:"Absent on the last page."`
}

type manifestsInput struct {
	Listing
	Repository string `query:"repository" required:"true" minLength:"1" maxLength:"255" doc:"The repository's name." example:"fawkes/hello"`
}

func (s *service) listManifests(ctx context.Context, in *manifestsInput) (*struct{ Body manifestList }, error) {
	if err := s.index.load(ctx); err != nil {
		return nil, err
	}
	all, known := s.index.images(in.Repository)
	if !known {
		return nil, noRepository(in.Repository)
	}
	out := &struct{ Body manifestList }{}
	var err error
	out.Body.Items, out.Body.NextCursor, err = page(in.Listing, all, func(m manifestInfo) string { return m.Digest })
	return out, err
}

func noRepository(name string) error {
	return problem.New(problem.NotFound, "there is no repository %q", name).WithField("repository")
}

type imageInput struct {
	Repository string `query:"repository" required:"true" minLength:"1" maxLength:"255" doc:"The repository's name." example:"fawkes/hello"`
	Digest     string `query:"digest" required:"true" minLength:"1" maxLength:"200" doc:"The image's digest, or one of its tags."`
}

func (s *service) resolve(ctx context.Context, in *imageInput) (digest.Digest, error) {
	if err := s.index.load(ctx); err != nil {
		return "", err
	}
	d, damage, known := s.index.resolve(in.Repository, in.Digest)
	switch {
	case damage != "":
		return d, problem.New(problem.NotFound, "the image %s is damaged: %s", d, damage).WithField("digest").WithMend("push it again")
	case !known:
		return d, problem.New(problem.NotFound, "the repository %q has no image %q", in.Repository, in.Digest).WithField("digest")
	}
	return d, nil
}

func (s *service) deleteImage(ctx context.Context, in *imageInput) (*struct{}, error) {
	d, err := s.resolve(ctx, in)
	if err != nil && d == "" {
		return nil, err
	}
	s.sweep.Lock()
	defer s.sweep.Unlock()
	f := s.remove(in.Repository, d)
	if f == nil {
		return nil, nil
	}
	switch f.status {
	case http.StatusNotFound:
		return nil, problem.New(problem.NotFound, "%s", f.message).WithField("digest")
	case http.StatusMethodNotAllowed:
		return nil, problem.New(problem.Conflict, "%s", f.message).WithField("digest")
	}
	return nil, f
}

type gcInput struct {
	Body struct {
		DryRun bool     `json:"dry_run,omitempty" doc:"Only count."`
		Keep   []string `json:"keep,omitempty" maxItems:"10000" nullable:"false" doc:"Digests that are in use, and stay without a tag too."`
		MinAge *int64   `json:"min_age_seconds,omitempty" minimum:"0" maximum:"31536000" doc:"What is younger stays; the setting registry.gc_min_age when absent."`
	}
}

type gcResult struct {
	DryRun    bool    `json:"dry_run"`
	Manifests int     `json:"manifests" doc:"Manifests that were removed, or would be."`
	Blobs     int     `json:"blobs"`
	Uploads   int     `json:"uploads" doc:"Uploads that were given up."`
	Bytes     int64   `json:"bytes" doc:"Space that was freed, or would be."`
	Young     int     `json:"young_blobs" doc:"Blobs that nothing needs and that stay, because they are younger than min_age_seconds."`
	MinAge    int64   `json:"min_age_seconds" doc:"What is younger stayed."`
	Took      float64 `json:"took_seconds"`
}

func (s *service) collectGarbage(ctx context.Context, in *gcInput) (*struct{ Body gcResult }, error) {
	c := collection{DryRun: in.Body.DryRun, MinAge: s.minAge}
	if in.Body.MinAge != nil {
		c.MinAge = time.Duration(*in.Body.MinAge) * time.Second
	}
	for _, text := range in.Body.Keep {
		d, err := digest.Parse(text)
		if err != nil {
			return nil, problem.New(problem.InvalidField, "%q is not a digest", text).WithField("keep").WithMend("give sha256: and 64 hexadecimal digits")
		}
		c.Keep = append(c.Keep, d)
	}
	done, err := s.collect(ctx, c)
	if err != nil {
		return nil, err
	}
	out := &struct{ Body gcResult }{}
	out.Body = gcResult{
		DryRun: c.DryRun, Manifests: done.Manifests, Blobs: done.Blobs, Uploads: done.Uploads, Bytes: done.Bytes,
		Young: done.Young, MinAge: int64(c.MinAge / time.Second), Took: done.Took.Seconds(),
	}
	return out, nil
}

type usageInfo struct {
	Bytes int64 `json:"bytes" doc:"Of all blobs, manifests included."`
	Blobs int   `json:"blobs"`
}

func (s *service) usage(ctx context.Context, _ *struct{}) (*struct{ Body usageInfo }, error) {
	out := &struct{ Body usageInfo }{}
	err := s.layout.eachBlob(func(_ digest.Digest, info fs.FileInfo) error {
		out.Body.Blobs++
		out.Body.Bytes += info.Size()
		return ctx.Err()
	})
	return out, err
}

// latest orders by time of push, the latest first, and by digest within one.
func latest(a, b manifestInfo) int {
	return cmp.Or(b.Pushed.Compare(a.Pushed), cmp.Compare(a.Digest, b.Digest))
}
