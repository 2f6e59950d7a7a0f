package registry

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/fawkes-idp/fawkes/internal/kit/httpapi"
)

// putManifest stores a manifest when all of its blobs are here with their sizes, and acknowledges it when it is on
// the disk.
func (s *server) putManifest(w http.ResponseWriter, r *http.Request, to route) {
	httpapi.Allow(r, httpapi.Limits{Body: maxManifest})
	text, err := io.ReadAll(r.Body)
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			faultf(http.StatusRequestEntityTooLarge, codeSize, "the manifest is larger than %d bytes", maxManifest).write(w)
			return
		}
		faultf(http.StatusBadRequest, codeManifestInvalid, "the manifest did not arrive whole").write(w)
		return
	}
	m, err := parse(text)
	if err != nil {
		faultf(http.StatusBadRequest, codeManifestInvalid, "%v", err).write(w)
		return
	}
	s.sweep.RLock()
	defer s.sweep.RUnlock()
	if err := s.index.whole(m); err != nil {
		faultf(http.StatusBadRequest, codeBlobMissing, "the manifest is refused: %v", err).write(w)
		return
	}
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(string(text))), int64(len(text))
	a := s.hold(r)
	if a.status == http.StatusCreated {
		tag := ""
		if digest.Digest(to.ref).Validate() != nil {
			tag = to.ref
		}
		if err := s.keepManifest(to.name, m, tag); err != nil {
			s.log.Error("a manifest could not be made durable", "repository", to.name, "digest", m.Digest, "error", err)
			faultf(http.StatusInternalServerError, codeUnknown, "the manifest could not be stored").write(w)
			return
		}
		if m.Subject != "" {
			a.header.Set("OCI-Subject", m.Subject.String())
		}
	}
	a.send(w)
}

func (s *server) keepManifest(name string, m *manifest, tag string) error {
	paths := []string{s.layout.blob(m.Digest), s.layout.revision(name, m.Digest) + "/link"}
	if tag != "" {
		paths = append(paths, s.layout.tag(name, tag)+"/current/link")
	}
	for _, path := range paths {
		if err := s.layout.sync(path); err != nil {
			return err
		}
	}
	m.describe(s.layout)
	s.index.put(name, m, tag, s.clock.Now())
	s.metrics.pushed.Inc()
	return nil
}

// getManifest gives a manifest unless it is known to be damaged, and digests what it gives.
func (s *server) getManifest(w http.ResponseWriter, r *http.Request, to route) {
	if d, damage, _ := s.index.resolve(to.name, to.ref); damage != "" {
		faultf(http.StatusNotFound, codeManifestUnknown, "the manifest %s is damaged: %s; push it again", d, damage).write(w)
		return
	}
	a := s.hold(r)
	if d, err := digest.Parse(a.header.Get("Docker-Content-Digest")); err == nil && a.status == http.StatusOK && r.Method == http.MethodGet {
		if d.Algorithm().FromBytes(a.body.Bytes()) != d {
			s.found(d, "its content does not match its digest")
		}
	}
	a.send(w)
}

// getBlob gives a blob and digests what it gives. The client does the same, and sees the difference; here it leads to
// the blob being set aside, so that the next push of it mends the registry.
func (s *server) getBlob(w http.ResponseWriter, r *http.Request, to route) {
	d := digest.Digest(to.ref)
	s.sweep.RLock()
	if err := s.layout.touch(d, s.clock.Now()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.log.Debug("a blob could not be touched", "digest", d, "error", err)
	}
	s.sweep.RUnlock()
	watched := &watch{ResponseWriter: w}
	if size, err := s.layout.size(d); err == nil && r.Method == http.MethodGet && r.Header.Get("Range") == "" {
		watched.digest, watched.left = d.Verifier(), size
		watched.damaged = func() { s.found(d, "its content does not match its digest") }
	}
	s.upstream.ServeHTTP(watched, r)
	s.report(r, watched.status)
}

// found deals with content that is not what its digest says.
func (s *server) found(d digest.Digest, why string) {
	s.metrics.damaged.Inc()
	err := s.layout.setAside(d)
	s.log.Warn("a blob in the registry is damaged; it is set aside, push it again", "digest", d, "reason", why, "error", err)
	s.index.damageAll(d, why)
}

// deleteManifest removes a tag, or a manifest with its tags.
func (s *server) deleteManifest(w http.ResponseWriter, r *http.Request, to route) {
	s.sweep.Lock()
	defer s.sweep.Unlock()
	d := digest.Digest(to.ref)
	if d.Validate() != nil {
		a := s.hold(r)
		if a.status == http.StatusAccepted {
			s.index.untag(to.name, to.ref)
		}
		a.send(w)
		return
	}
	if f := s.remove(to.name, d); f != nil {
		f.write(w)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

// remove deletes a manifest with its tags; its blobs go with the next garbage collection. The caller holds sweep.
func (s *server) remove(name string, d digest.Digest) *fault {
	if _, damage, known := s.index.resolve(name, d.String()); !known && damage == "" {
		return faultf(http.StatusNotFound, codeManifestUnknown, "the repository %s has no manifest %s", name, d)
	}
	if by := s.index.users(name, d); len(by) > 0 {
		return faultf(http.StatusMethodNotAllowed, codeUnsupported, "the manifest %s is part of the index %s; delete that first", d, by[0])
	}
	if err := s.erase(name, d); err != nil {
		s.log.Error("a manifest could not be deleted", "repository", name, "digest", d, "error", err)
		return faultf(http.StatusInternalServerError, codeUnknown, "the manifest could not be deleted")
	}
	return nil
}

// erase takes the files of a manifest away, its tags first, so that no tag ever leads nowhere.
func (s *server) erase(name string, d digest.Digest) error {
	for _, tag := range s.index.tagsOf(name, d) {
		if err := os.RemoveAll(s.layout.tag(name, tag)); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(s.layout.revision(name, d)); err != nil {
		return err
	}
	s.index.drop(name, d)
	return s.layout.sync(s.layout.revision(name, d))
}

// deleteBlob removes a blob from a repository, unless a manifest there needs it.
func (s *server) deleteBlob(w http.ResponseWriter, r *http.Request, to route) {
	s.sweep.Lock()
	defer s.sweep.Unlock()
	if by := s.index.users(to.name, digest.Digest(to.ref)); len(by) > 0 {
		faultf(http.StatusMethodNotAllowed, codeUnsupported, "the blob %s is part of the manifest %s", to.ref, by[0]).write(w)
		return
	}
	s.hold(r).send(w)
}

// serveReferrers lists the manifests that have a subject, as OCI 1.1 has it.
func (s *server) serveReferrers(w http.ResponseWriter, r *http.Request, to route) {
	list := v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{}}
	d, wanted := digest.Digest(to.ref), r.URL.Query().Get("artifactType")
	for _, m := range s.index.referrers(to.name, d) {
		if m.Subject == d && (wanted == "" || m.ArtifactType == wanted) {
			list.Manifests = append(list.Manifests, v1.Descriptor{
				MediaType: m.MediaType, ArtifactType: m.ArtifactType, Digest: m.Digest, Size: m.Size, Annotations: m.Annotations,
			})
		}
	}
	text, err := json.Marshal(list)
	if err != nil {
		faultf(http.StatusInternalServerError, codeUnknown, "the referrers could not be listed").write(w)
		return
	}
	if wanted != "" {
		w.Header().Set("OCI-Filters-Applied", "artifactType")
	}
	w.Header().Set("Content-Type", v1.MediaTypeImageIndex)
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	_, _ = w.Write(text)
}
