package oci

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// kept is how many compressed bytes of one layer stay in memory, so that it need not be made again to be pushed.
const kept = 16 << 20

// entry is one entry of a layer. Its time and its owner are always the same.
type entry struct {
	name string // without slashes at its ends
	mode fs.FileMode
	link string // of a symbolic link
	uid  int
	size int64
	open func() (io.ReadCloser, error) // of a regular file
}

func dir(name string, mode fs.FileMode, uid int) entry {
	return entry{name: name, mode: fs.ModeDir | mode, uid: uid}
}

func text(name, content string) entry {
	return entry{name: name, mode: 0o644, size: int64(len(content)), open: func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(content)), nil
	}}
}

// layer is a v1.Layer that is made from its entries.
type layer struct {
	about        string
	entries      []entry
	digest, diff v1.Hash
	size         int64
	cached       []byte // nil when it would be too large
}

// newLayer sorts the entries and makes the layer once to know its digests. Folders that are there already, below this
// layer, keep what they are: they become no entries. With there nil nothing is below.
func newLayer(about string, entries []entry, there func(folder string) bool) (*layer, error) {
	entries, err := arrange(entries, there)
	if err != nil {
		return nil, err
	}
	l := &layer{about: about, entries: entries}
	keep := &spool{most: kept}
	plain, packed := sha256.New(), sha256.New()
	count := &counter{}
	if err := l.write(plain, io.MultiWriter(packed, count, keep)); err != nil {
		return nil, err
	}
	l.digest, l.diff, l.size = sum(packed), sum(plain), count.n
	if !keep.over {
		l.cached = keep.buf.Bytes()
	}
	return l, nil
}

func sum(h hash.Hash) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(h.Sum(nil))}
}

// arrange sorts by name, so that folders come before what is in them, adds the folders that lead to entries, and
// refuses what would be there twice.
func arrange(entries []entry, there func(folder string) bool) ([]entry, error) {
	var out []entry
	seen := map[string]bool{}
	for _, e := range entries {
		if seen[e.name] {
			return nil, fmt.Errorf("/%s is put into the image twice", e.name)
		}
		seen[e.name] = true
		if there == nil || !e.mode.IsDir() || !there(e.name) {
			out = append(out, e)
		}
	}
	for _, e := range entries {
		for parent := path.Dir(e.name); parent != "." && !seen[parent]; parent = path.Dir(parent) {
			seen[parent] = true
			if there == nil || !there(parent) {
				out = append(out, dir(parent, 0o755, 0))
			}
		}
	}
	slices.SortFunc(out, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	return out, nil
}

// write makes the layer: the tar goes to plain and, compressed, to packed.
func (l *layer) write(plain, packed io.Writer) error {
	zip, err := gzip.NewWriterLevel(packed, gzip.BestSpeed)
	if err != nil {
		return err
	}
	out := tar.NewWriter(io.MultiWriter(plain, zip))
	for _, e := range l.entries {
		if err := e.write(out); err != nil {
			return fmt.Errorf("write /%s: %w", e.name, err)
		}
	}
	return errors.Join(out.Close(), zip.Close())
}

func (e entry) write(out *tar.Writer) error {
	h := &tar.Header{
		Name: e.name, Mode: int64(e.mode.Perm()), Uid: e.uid, Gid: e.uid,
		ModTime: time.Unix(0, 0), Typeflag: tar.TypeReg, Size: e.size,
	}
	if e.mode&fs.ModeSticky != 0 {
		h.Mode |= 0o1000
	}
	switch {
	case e.mode.IsDir():
		h.Typeflag, h.Name, h.Size = tar.TypeDir, e.name+"/", 0
	case e.mode&fs.ModeSymlink != 0:
		h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, e.link, 0
	}
	if err := out.WriteHeader(h); err != nil {
		return err
	}
	if h.Typeflag != tar.TypeReg {
		return nil
	}
	in, err := e.open()
	if err != nil {
		return err
	}
	defer in.Close()
	n, err := io.Copy(out, io.LimitReader(in, e.size))
	if err == nil && n < e.size {
		err = fmt.Errorf("the file became shorter while it was read: %d of %d bytes", n, e.size)
	}
	return err
}

// Digest is that of the compressed layer.
func (l *layer) Digest() (v1.Hash, error) { return l.digest, nil }

// DiffID is the digest of the layer's tar.
func (l *layer) DiffID() (v1.Hash, error) { return l.diff, nil }

// Size is that of the compressed layer in bytes.
func (l *layer) Size() (int64, error) { return l.size, nil }

// MediaType is a tar in gzip, as OCI names it.
func (l *layer) MediaType() (types.MediaType, error) { return types.OCILayer, nil }

// Compressed reads the layer as it is stored.
func (l *layer) Compressed() (io.ReadCloser, error) {
	if l.cached != nil {
		return io.NopCloser(bytes.NewReader(l.cached)), nil
	}
	return l.pipe(func(w io.Writer) error { return l.write(io.Discard, w) }), nil
}

// Uncompressed reads the layer's tar.
func (l *layer) Uncompressed() (io.ReadCloser, error) {
	return l.pipe(func(w io.Writer) error { return l.write(w, io.Discard) }), nil
}

func (l *layer) pipe(write func(io.Writer) error) io.ReadCloser {
	r, w := io.Pipe()
	go func() { _ = w.CloseWithError(write(w)) }() // ends when the reader closes
	return r
}

// spool keeps what is written until it is too much.
type spool struct {
	buf  bytes.Buffer
	most int
	over bool
}

func (s *spool) Write(p []byte) (int, error) {
	if s.over || s.buf.Len()+len(p) > s.most {
		s.over, s.buf = true, bytes.Buffer{}
		return len(p), nil
	}
	return s.buf.Write(p)
}

type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}
