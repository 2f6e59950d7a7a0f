package registry

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

// batch is how many blobs are removed before waiting pushes are let through.
const batch = 100

// collection says what a garbage collection may take.
type collection struct {
	DryRun bool
	Keep   []digest.Digest // manifests or blobs in use elsewhere
	MinAge time.Duration   // what is younger stays, for the sake of pushes under way
}

// collected is what was removed, or would be.
type collected struct {
	Manifests, Blobs, Uploads int
	Bytes                     int64
	Young                     int // blobs that nothing needs and that stay for their age
	Took                      time.Duration
}

// collect removes manifests that nothing names, then blobs that no manifest needs, then uploads that were given up.
//
// A manifest stays when it has a tag, is asked to be kept, is part of an index that stays, is about a manifest that
// stays (a signature, a bill of materials), or is young. A tag that only says what it is about (sha256-….sig) keeps
// nothing by itself. Pushes go on meanwhile: removal waits for requests that rely on a blob, and a blob that a push
// relies on is young.
func (s *server) collect(ctx context.Context, c collection) (collected, error) {
	if !s.collecting.TryLock() {
		return collected{}, problem.New(problem.Conflict, "a garbage collection is running").WithMend("wait for it to end")
	}
	defer s.collecting.Unlock()
	if err := s.index.load(ctx); err != nil {
		return collected{}, err
	}
	began := s.clock.Now()
	young := began.Add(-c.MinAge)
	var out collected
	gone, err := s.collectManifests(ctx, c, young)
	if err != nil {
		return out, err
	}
	out.Manifests = len(gone)
	if !c.DryRun {
		gone = nil // they are out of the index; one that was pushed again since counts
	}
	if err := s.collectBlobs(ctx, c, young, gone, &out); err != nil {
		return out, err
	}
	if err := s.collectUploads(ctx, c, young, &out); err != nil {
		return out, err
	}
	out.Took = s.clock.Now().Sub(began)
	return out, nil
}

// revision is one manifest in one repository.
type revision struct {
	repository string
	digest     digest.Digest
}

func (s *server) collectManifests(ctx context.Context, c collection, young time.Time) (map[revision]bool, error) {
	s.sweep.Lock()
	defer s.sweep.Unlock()
	gone := s.index.unnamed(c.Keep, young)
	if c.DryRun {
		return gone, nil
	}
	for r := range gone {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := s.erase(r.repository, r.digest); err != nil {
			return nil, fmt.Errorf("remove the manifest %s of %s: %w", r.digest, r.repository, err)
		}
	}
	return gone, nil
}

// unnamed lists the manifests that nothing keeps.
func (x *index) unnamed(keep []digest.Digest, young time.Time) map[revision]bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	gone := map[revision]bool{}
	for name, r := range x.repositories {
		kept := r.kept(keep, young)
		for d := range r.manifests {
			if !kept[d] {
				gone[revision{name, d}] = true
			}
		}
	}
	return gone
}

// kept marks what stays, beginning with what is named.
func (r *repository) kept(keep []digest.Digest, young time.Time) map[digest.Digest]bool {
	kept := map[digest.Digest]bool{}
	var mark func(digest.Digest)
	mark = func(d digest.Digest) {
		m := r.manifests[d]
		if m == nil || kept[d] {
			return
		}
		kept[d] = true
		for _, p := range m.Children {
			mark(p.Digest)
		}
		for _, about := range r.about(d) {
			mark(about.Digest)
		}
	}
	for tag, d := range r.tags {
		if _, _, aside := about(tag); !aside {
			mark(d)
		}
	}
	for _, d := range keep {
		mark(d)
	}
	for d, m := range r.manifests {
		if m.Pushed.After(young) {
			mark(d)
		}
	}
	// A list of referrers, as clients keep one where a registry has none, stays as long as what it is about.
	for tag, d := range r.tags {
		if subject, as, aside := about(tag); aside && as == "" && kept[subject] {
			mark(d)
		}
	}
	return kept
}

// needed is every blob that some manifest needs, apart from those that are gone.
func (x *index) needed(gone map[revision]bool) map[digest.Digest]bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	out := map[digest.Digest]bool{}
	for name, r := range x.repositories {
		for d, m := range r.manifests {
			if gone[revision{name, d}] {
				continue
			}
			out[d] = true
			for _, p := range m.parts() {
				out[p.Digest] = true
			}
		}
	}
	return out
}

func (s *server) collectBlobs(ctx context.Context, c collection, young time.Time, gone map[revision]bool, out *collected) error {
	var candidates []digest.Digest
	needed := s.index.needed(gone)
	err := s.layout.eachBlob(func(d digest.Digest, info fs.FileInfo) error {
		switch {
		case needed[d]:
		case info.ModTime().After(young):
			out.Young++
		default:
			candidates = append(candidates, d)
		}
		return ctx.Err()
	})
	if err != nil {
		return fmt.Errorf("list the blobs: %w", err)
	}
	names, err := s.layout.names()
	if err != nil {
		return fmt.Errorf("list the repositories: %w", err)
	}
	kept := map[digest.Digest]bool{}
	for _, d := range c.Keep {
		kept[d] = true
	}
	for len(candidates) > 0 {
		n := min(batch, len(candidates))
		if err := s.removeBlobs(c, young, gone, kept, names, candidates[:n], out); err != nil {
			return err
		}
		candidates = candidates[n:]
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// removeBlobs looks again, with pushes held back, and removes what is still needed by nothing.
func (s *server) removeBlobs(c collection, young time.Time, gone map[revision]bool, kept map[digest.Digest]bool, names []string, candidates []digest.Digest, out *collected) error {
	s.sweep.Lock()
	defer s.sweep.Unlock()
	needed := s.index.needed(gone)
	for _, d := range candidates {
		info, err := os.Stat(s.layout.blob(d))
		if errors.Is(err, fs.ErrNotExist) || err == nil && (needed[d] || kept[d] || info.ModTime().After(young)) {
			continue
		}
		if err != nil {
			return fmt.Errorf("look at the blob %s: %w", d, err)
		}
		out.Blobs++
		out.Bytes += info.Size()
		if c.DryRun {
			continue
		}
		for _, name := range names {
			if err := os.RemoveAll(s.layout.layerLink(name, d)); err != nil {
				return fmt.Errorf("remove the link to the blob %s in %s: %w", d, name, err)
			}
		}
		if err := os.RemoveAll(filepath.Dir(s.layout.blob(d))); err != nil {
			return fmt.Errorf("remove the blob %s: %w", d, err)
		}
	}
	return nil
}

// uploadAge is how long nothing must have come to an upload before it counts as given up, whatever the collection's
// MinAge.
const uploadAge = 15 * time.Minute

// collectUploads removes uploads to which nothing came for as long as MinAge.
func (s *server) collectUploads(ctx context.Context, c collection, young time.Time, out *collected) error {
	if latest := s.clock.Now().Add(-uploadAge); young.After(latest) {
		young = latest
	}
	names, err := s.layout.names()
	if err != nil {
		return fmt.Errorf("list the repositories: %w", err)
	}
	for _, name := range names {
		folder := filepath.Join(s.layout.repository(name), "_uploads")
		entries, err := os.ReadDir(folder)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("list the uploads of %s: %w", name, err)
		}
		for _, e := range entries {
			at, size := newest(filepath.Join(folder, e.Name()))
			if at.After(young) || ctx.Err() != nil {
				continue
			}
			out.Uploads++
			out.Bytes += size
			if c.DryRun {
				continue
			}
			if err := os.RemoveAll(filepath.Join(folder, e.Name())); err != nil {
				return fmt.Errorf("remove an upload of %s: %w", name, err)
			}
		}
	}
	return ctx.Err()
}

// newest is when something in a folder last changed, and how much is in it.
func newest(folder string) (at time.Time, size int64) {
	_ = filepath.WalkDir(folder, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // what has gone meanwhile is not counted
		}
		if info, err := d.Info(); err == nil {
			if info.ModTime().After(at) {
				at = info.ModTime()
			}
			if !d.IsDir() {
				size += info.Size()
			}
		}
		return nil
	})
	return at, size
}

// eachBlob calls f with every stored blob.
func (l layout) eachBlob(f func(digest.Digest, fs.FileInfo) error) error {
	return filepath.WalkDir(l.blobs(), func(at string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || e.IsDir() || e.Name() != "data" {
			return err
		}
		d, ok := digestAt(at)
		if !ok {
			return nil // not distribution's
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it has gone meanwhile
		}
		if err != nil {
			return err
		}
		return f(d, info)
	})
}

// digestAt reads the digest out of the path of a blob's data.
func digestAt(path string) (digest.Digest, bool) {
	hex := filepath.Dir(path)
	d := digest.Digest(filepath.Base(filepath.Dir(filepath.Dir(hex))) + ":" + filepath.Base(hex))
	return d, d.Validate() == nil
}

// names lists every repository that has a folder, with manifests or without.
func (l layout) names() ([]string, error) {
	var out []string
	root := l.repositories()
	err := filepath.WalkDir(root, func(at string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !e.IsDir() {
			return err
		}
		switch e.Name() {
		case "_layers", "_manifests", "_uploads":
			name, err := filepath.Rel(root, filepath.Dir(at))
			if err != nil {
				return err
			}
			if name = filepath.ToSlash(name); len(out) == 0 || out[len(out)-1] != name {
				out = append(out, name)
			}
			return fs.SkipDir
		}
		return nil
	})
	return out, err
}
