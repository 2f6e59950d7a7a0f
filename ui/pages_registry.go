package ui

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"github.com/fawkes-idp/fawkes/ui/road"
	"github.com/fawkes-idp/fawkes/ui/view"
)

const deletedWord = "The image was deleted. A garbage collection frees its space."

// registry lists the repositories of images.
func (c *console) registry(_ http.ResponseWriter, r *http.Request, f view.Frame) (templ.Component, error) {
	q := r.URL.Query()
	f.Title, f.Search = "Registry", strings.TrimSpace(q.Get("q"))
	p := view.RegistryPage{Host: c.registryHost(), Search: f.Search}
	err := together(r.Context(),
		func(ctx context.Context) (err error) {
			p.Repositories, err = c.road.Registry.Images(ctx, f.Search)
			return err
		},
		func(ctx context.Context) (err error) {
			p.Usage, err = c.road.Registry.Usage(ctx)
			return err
		})
	if err != nil {
		return nil, err
	}
	n := func(name string) int64 {
		v, err := number(q, name)
		if err != nil {
			return 0 // an address that was written by hand
		}
		return v
	}
	got := road.Collected{Blobs: int(n("blobs")), Manifests: int(n("manifests")), Bytes: n("bytes"), Seconds: float64(n("ms")) / 1000}
	switch q.Get("done") {
	case "try":
		p.Would = &got
	case "collect":
		p.Done = view.CollectedText(got)
	case "delete":
		p.Done = deletedWord
	}
	return view.Registry(f, p), nil
}

// collect frees the space of what was deleted, or says what would be freed.
func (c *console) collect(w http.ResponseWriter, r *http.Request, _ view.Frame) (templ.Component, error) {
	if err := r.ParseForm(); err != nil {
		return nil, formFault(err)
	}
	do := r.PostForm.Get("do")
	if do != "try" && do != "collect" {
		return nil, unknownDo(do)
	}
	// An image that runs stays, also when its tag has gone on to another.
	apps, err := c.road.Apps.Apps(r.Context(), road.AppFilter{})
	if err != nil && !errors.Is(err, road.ErrAbsent) {
		return nil, err
	}
	var keep []string
	for _, a := range apps {
		for _, i := range a.Images {
			if i.Digest != "" {
				keep = append(keep, i.Digest)
			}
		}
	}
	slices.Sort(keep)
	got, err := c.road.Registry.Collect(r.Context(), slices.Compact(keep), do == "try")
	if err != nil {
		return nil, err
	}
	return nil, goOn(w, r, "/registry", do, "blobs", strconv.Itoa(got.Blobs), "manifests", strconv.Itoa(got.Manifests),
		"bytes", strconv.FormatInt(got.Bytes, 10), "ms", strconv.Itoa(int(got.Seconds*1000)))
}

// images lists the images of one repository, or shows the one that the address names.
func (c *console) images(_ http.ResponseWriter, r *http.Request, f view.Frame) (templ.Component, error) {
	q, name := r.URL.Query(), r.PathValue("name")
	f.Title = name
	if digest := q.Get("digest"); digest != "" {
		return c.image(r, f, name, digest)
	}
	l, err := c.road.Registry.Manifests(r.Context(), name, road.Page{Limit: listLimit, Cursor: q.Get("cursor")})
	if err != nil {
		return nil, err
	}
	p := view.ImagesPage{Repository: name, Host: c.registryHost(), List: l, Done: wordOf(q, map[string]string{"delete": deletedWord})}
	p.First, p.Next = nextPage(f, l.NextCursor)
	return view.Images(f, p), nil
}

func (c *console) image(r *http.Request, f view.Frame, name, digest string) (templ.Component, error) {
	p := view.ManifestPage{Repository: name, Host: c.registryHost()}
	err := together(r.Context(),
		func(ctx context.Context) (err error) {
			p.Manifest, err = c.road.Registry.Manifest(ctx, name, digest)
			return err
		},
		c.beside(func(ctx context.Context) error {
			apps, err := c.road.Apps.Apps(ctx, road.AppFilter{})
			p.Apps = slices.DeleteFunc(apps, func(a road.App) bool {
				return !slices.ContainsFunc(a.Images, func(i road.AppImage) bool { return i.Digest == digest })
			})
			return err
		}, nil))
	if err != nil {
		return nil, err
	}
	return view.ManifestView(f, p), nil
}

// deleteImage deletes one image with its tags.
func (c *console) deleteImage(w http.ResponseWriter, r *http.Request, _ view.Frame) (templ.Component, error) {
	if err := r.ParseForm(); err != nil {
		return nil, formFault(err)
	}
	if do := r.PostForm.Get("do"); do != "delete" {
		return nil, unknownDo(do)
	}
	name := r.PathValue("name")
	if err := c.road.Registry.DeleteManifest(r.Context(), name, r.PostForm.Get("digest")); err != nil {
		return nil, err
	}
	// With its last image a repository is gone too.
	if l, err := c.road.Registry.Manifests(r.Context(), name, road.Page{Limit: 1}); err != nil || len(l.Items) == 0 {
		return nil, goOn(w, r, "/registry", "delete")
	}
	return nil, goOn(w, r, "/registry/"+name, "delete")
}
