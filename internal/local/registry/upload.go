package registry

import (
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"

	"github.com/fawkes-idp/fawkes/internal/kit/httpapi"
)

// upload bounds one request of an upload, and makes durable what it completes.
func (s *server) upload(w http.ResponseWriter, r *http.Request, to route) {
	left := s.maxBlob - s.received(to)
	if left < 0 || r.ContentLength > left {
		s.abandon(to)
		s.tooLarge(w)
		return
	}
	httpapi.Allow(r, httpapi.Limits{Body: left + 1, Timeout: -1, Streams: true})
	body := &bounded{in: r.Body, left: left}
	r.Body = body
	if d, completes := s.completed(r); completes {
		s.complete(w, r, to, d, body)
		return
	}
	if from := r.URL.Query().Get("mount"); from != "" && r.Method == http.MethodPost {
		// The blob must be there until the manifest that needs it is.
		s.sweep.RLock()
		defer s.sweep.RUnlock()
		if d := digest.Digest(from); d.Validate() == nil {
			_ = s.layout.touch(d, s.clock.Now())
		}
	}
	a := s.hold(r)
	if body.over {
		s.abandon(to)
		s.tooLarge(w)
		return
	}
	a.send(w)
}

// complete takes the last request of an upload apart: what comes with it is received first, and only then, with
// garbage collection held back, does the blob get its place.
func (s *server) complete(w http.ResponseWriter, r *http.Request, to route, d digest.Digest, body *bounded) {
	last := r
	if r.ContentLength != 0 {
		chunk := r.Clone(r.Context())
		chunk.Method = http.MethodPatch
		a := s.hold(chunk)
		if body.over {
			s.abandon(to)
			s.tooLarge(w)
			return
		}
		next, err := r.URL.Parse(a.header.Get("Location"))
		if a.status != http.StatusAccepted || err != nil {
			a.send(w)
			return
		}
		last = r.Clone(r.Context())
		last.URL, last.Body, last.ContentLength, last.TransferEncoding = next, http.NoBody, 0, nil
		last.Header.Del("Content-Range")
		q := next.Query()
		q.Set("digest", d.String())
		last.URL.RawQuery = q.Encode()
	}
	s.mendBefore(d)
	s.sweep.RLock()
	defer s.sweep.RUnlock()
	a := s.hold(last)
	if a.status == http.StatusCreated {
		if f := s.keepBlob(to.name, d); f != nil {
			f.write(w)
			return
		}
	}
	a.send(w)
}

// completed tells the digest of the blob that a request completes.
func (s *server) completed(r *http.Request) (digest.Digest, bool) {
	if r.Method != http.MethodPut {
		return "", false
	}
	d := digest.Digest(r.URL.Query().Get("digest"))
	return d, d.Validate() == nil
}

// mendBefore looks at a blob that is there already: distribution would keep it unseen and throw the new content
// away, even if the old one is damaged.
func (s *server) mendBefore(d digest.Digest) {
	if ok, err := s.layout.intact(d); err == nil && !ok {
		s.found(d, "its content does not match its digest")
	}
}

// keepBlob makes a blob durable before it is acknowledged. The caller holds sweep.
func (s *server) keepBlob(name string, d digest.Digest) *fault {
	err := s.layout.touch(d, s.clock.Now())
	if err == nil {
		err = errors.Join(s.layout.sync(s.layout.blob(d)), s.layout.sync(s.layout.layerLink(name, d)+"/link"))
	}
	if err != nil {
		s.log.Error("a blob could not be made durable", "repository", name, "digest", d, "error", err)
		return faultf(http.StatusInternalServerError, codeUnknown, "the blob could not be stored")
	}
	return nil
}

// received is how much of an upload is here already.
func (s *server) received(to route) int64 {
	if to.ref == "" {
		return 0
	}
	info, err := os.Stat(filepath.Join(s.layout.upload(to.name, to.ref), "data"))
	if err != nil {
		return 0
	}
	return info.Size()
}

// abandon throws an upload away.
func (s *server) abandon(to route) {
	if to.ref != "" {
		_ = os.RemoveAll(s.layout.upload(to.name, to.ref))
	}
}

func (s *server) tooLarge(w http.ResponseWriter) {
	faultf(http.StatusRequestEntityTooLarge, codeSize, "a blob may have %d bytes at most (registry.max_blob)", s.maxBlob).write(w)
}

// bounded ends a body that is too long and remembers that it did.
type bounded struct {
	in   io.ReadCloser
	left int64
	over bool
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.in.Read(p)
	b.left -= int64(n)
	if b.left < 0 {
		b.over = true
		return 0, errors.New("the body is too long")
	}
	return n, err
}

func (b *bounded) Close() error { return b.in.Close() }
