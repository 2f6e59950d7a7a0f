package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
)

// beside matches the tags under which cosign, and the referrers tag schema of OCI, keep something about a digest.
var beside = regexp.MustCompile(`^(sha256|sha512)-([0-9a-f]{64}(?:[0-9a-f]{64})?)(?:\.([a-z]+))?$`)

// about returns the digest that a tag speaks of, and as what: sig, att, sbom, or "" for a list of referrers.
func about(tag string) (d digest.Digest, as string, ok bool) {
	m := beside.FindStringSubmatch(tag)
	if m == nil {
		return "", "", false
	}
	d = digest.Digest(m[1] + ":" + m[2])
	return d, m[3], d.Validate() == nil
}

// index is what is stored, in memory. It is safe for concurrent use.
type index struct {
	layout layout
	log    *slog.Logger
	once   sync.Once
	fault  error // of loading

	mu           sync.RWMutex
	repositories map[string]*repository
}

type repository struct {
	manifests map[digest.Digest]*manifest
	tags      map[string]digest.Digest
	damaged   map[digest.Digest]string // why a manifest that was pushed cannot be given
}

func newIndex(l layout, log *slog.Logger) *index {
	return &index{layout: l, log: log, repositories: map[string]*repository{}}
}

// load reads the folder at its first call; the later ones wait for it.
func (x *index) load(ctx context.Context) error {
	x.once.Do(func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.fault = x.read(context.WithoutCancel(ctx))
	})
	return x.fault
}

func (x *index) read(ctx context.Context) error {
	root := x.layout.repositories()
	err := filepath.WalkDir(root, func(at string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !d.IsDir() {
			return err
		}
		switch d.Name() {
		case "_manifests":
			name, err := filepath.Rel(root, filepath.Dir(at))
			if err != nil {
				return err
			}
			if err := x.readRepository(ctx, filepath.ToSlash(name), at); err != nil {
				return err
			}
			return fs.SkipDir
		case "_layers", "_uploads":
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read what the registry holds: %w", err)
	}
	return nil
}

func (x *index) readRepository(ctx context.Context, name, at string) error {
	r := x.at(name)
	revisions, err := filepath.Glob(filepath.Join(at, "revisions", "*", "*", "link"))
	if err != nil {
		return err
	}
	for _, file := range revisions {
		d, err := link(file)
		if err != nil {
			x.log.WarnContext(ctx, "a link in the registry cannot be read", "file", file, "error", err)
			continue
		}
		m, err := x.readManifest(d)
		if err != nil {
			x.log.WarnContext(ctx, "a manifest in the registry is damaged; push it again", "repository", name, "digest", d, "error", err)
			r.damaged[d] = err.Error()
			continue
		}
		if info, err := os.Stat(file); err == nil {
			m.Pushed = info.ModTime().UTC()
		}
		r.manifests[d] = m
	}
	tags, err := filepath.Glob(filepath.Join(at, "tags", "*", "current", "link"))
	if err != nil {
		return err
	}
	for _, file := range tags {
		if d, err := link(file); err == nil {
			r.tags[filepath.Base(filepath.Dir(filepath.Dir(file)))] = d
		}
	}
	return nil
}

// readManifest reads and checks one stored manifest: that it is what its digest says, and that its blobs are there
// with their sizes. Blobs of another size are set aside.
func (x *index) readManifest(d digest.Digest) (*manifest, error) {
	size, err := x.layout.size(d)
	if err != nil {
		return nil, fmt.Errorf("its content is missing: %w", err)
	}
	if size > maxManifest {
		return nil, fmt.Errorf("it has %d bytes", size)
	}
	text, err := os.ReadFile(x.layout.blob(d))
	if err != nil {
		return nil, err
	}
	if got := d.Algorithm().FromBytes(text); got != d {
		return nil, errors.Join(fmt.Errorf("its content has the digest %s", got), x.layout.setAside(d))
	}
	m, err := parse(text)
	if err != nil {
		return nil, err
	}
	m.Digest = d
	if err := x.whole(m); err != nil {
		return nil, err
	}
	m.describe(x.layout)
	return m, nil
}

// whole says whether every blob of m is there with the size that m gives it.
func (x *index) whole(m *manifest) error {
	for _, p := range m.parts() {
		size, err := x.layout.size(p.Digest)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("its blob %s is missing", p.Digest)
		case err != nil:
			return err
		case size != p.Size:
			if ok, err := x.layout.intact(p.Digest); err == nil && !ok {
				// So that it is asked for and pushed again.
				return errors.Join(fmt.Errorf("its blob %s is damaged: it has %d bytes", p.Digest, size), x.layout.setAside(p.Digest))
			}
			return fmt.Errorf("its blob %s has %d bytes, the manifest says %d", p.Digest, size, p.Size)
		}
	}
	return nil
}

// at is the repository of that name, made when it is new. The caller holds the lock.
func (x *index) at(name string) *repository {
	r := x.repositories[name]
	if r == nil {
		r = &repository{manifests: map[digest.Digest]*manifest{}, tags: map[string]digest.Digest{}, damaged: map[digest.Digest]string{}}
		x.repositories[name] = r
	}
	return r
}

// put notes a manifest that was stored, and its tag if it was pushed by one.
func (x *index) put(name string, m *manifest, tag string, now time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	r := x.at(name)
	if known := r.manifests[m.Digest]; known == nil {
		m.Pushed = now
		r.manifests[m.Digest] = m
	} else {
		known.Pushed = now
	}
	delete(r.damaged, m.Digest)
	if tag != "" {
		r.tags[tag] = m.Digest
	}
}

// drop forgets a manifest with its tags.
func (x *index) drop(name string, d digest.Digest) {
	x.mu.Lock()
	defer x.mu.Unlock()
	r := x.repositories[name]
	if r == nil {
		return
	}
	delete(r.manifests, d)
	delete(r.damaged, d)
	maps.DeleteFunc(r.tags, func(_ string, to digest.Digest) bool { return to == d })
	if len(r.manifests) == 0 && len(r.tags) == 0 && len(r.damaged) == 0 {
		delete(x.repositories, name)
	}
}

// untag forgets a tag.
func (x *index) untag(name, tag string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if r := x.repositories[name]; r != nil {
		delete(r.tags, tag)
	}
}

// resolve finds what a tag or a digest means, and why it cannot be given if it is damaged.
func (x *index) resolve(name, ref string) (d digest.Digest, damage string, known bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	r := x.repositories[name]
	if r == nil {
		return "", "", false
	}
	d = digest.Digest(ref)
	if d.Validate() != nil {
		if d, known = r.tags[ref]; !known {
			return "", "", false
		}
	}
	if why, damaged := r.damaged[d]; damaged {
		return d, why, true
	}
	_, known = r.manifests[d]
	return d, "", known
}

// users lists the manifests of a repository that need the blob or the manifest d.
func (x *index) users(name string, d digest.Digest) []digest.Digest {
	x.mu.RLock()
	defer x.mu.RUnlock()
	var out []digest.Digest
	if r := x.repositories[name]; r != nil {
		for _, m := range r.manifests {
			if m.needs(d) {
				out = append(out, m.Digest)
			}
		}
	}
	slices.Sort(out)
	return out
}

func (m *manifest) needs(d digest.Digest) bool {
	same := func(p part) bool { return p.Digest == d }
	return m.Config != nil && m.Config.Digest == d || slices.ContainsFunc(m.Layers, same) || slices.ContainsFunc(m.Children, same)
}

// referrer is a manifest about another one, with the tag it was found by, if any.
type referrer struct {
	*manifest
	Tag, As string
}

// referrers lists what is said about d: manifests that have it as their subject, and those at cosign's tags. They
// come in the order of their digests.
func (x *index) referrers(name string, d digest.Digest) []referrer {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.repositories[name].about(d)
}

func (r *repository) about(d digest.Digest) []referrer {
	if r == nil {
		return nil
	}
	tags := map[digest.Digest]referrer{}
	for _, as := range []string{"sig", "att", "sbom"} {
		tag := strings.Replace(d.String(), ":", "-", 1) + "." + as
		if m := r.manifests[r.tags[tag]]; m != nil {
			tags[m.Digest] = referrer{m, tag, as}
		}
	}
	var out []referrer
	for _, m := range r.manifests {
		found, tagged := tags[m.Digest]
		switch {
		case tagged:
			out = append(out, found)
		case m.Subject == d:
			out = append(out, referrer{manifest: m})
		}
	}
	slices.SortFunc(out, func(a, b referrer) int { return cmp.Compare(a.Digest, b.Digest) })
	return out
}

// damageAll notes that d, a manifest or a blob, cannot be given: every manifest that needs it is damaged.
func (x *index) damageAll(d digest.Digest, why string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, r := range x.repositories {
		for at, m := range r.manifests {
			switch {
			case at == d:
				r.damaged[at] = why
			case m.needs(d):
				r.damaged[at] = "its part " + d.String() + ": " + why
			default:
				continue
			}
			delete(r.manifests, at)
		}
	}
}

// tagsOf lists the tags of a manifest, sorted.
func (x *index) tagsOf(name string, d digest.Digest) []string {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.repositories[name].tagsOf(d)
}

func (r *repository) tagsOf(d digest.Digest) []string {
	if r == nil {
		return nil
	}
	var out []string
	for tag, to := range r.tags {
		if to == d {
			out = append(out, tag)
		}
	}
	slices.Sort(out)
	return out
}
