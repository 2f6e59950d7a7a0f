package oci

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"
)

// UnpackLimits bound what an image may cost. A zero field means the value of DefaultUnpackLimits.
type UnpackLimits struct {
	Layers    int           // layers of the image
	Files     int           // entries of all layers together
	Bytes     int64         // of all layers together, uncompressed
	FileBytes int64         // of one file
	Time      time.Duration // for all of it
}

// DefaultUnpackLimits are generous for an application and far from filling a disk.
func DefaultUnpackLimits() UnpackLimits {
	return UnpackLimits{Layers: 128, Files: 200_000, Bytes: 4 << 30, FileBytes: 2 << 30, Time: 5 * time.Minute}
}

func (l UnpackLimits) filled() UnpackLimits {
	d := DefaultUnpackLimits()
	if l.Layers == 0 {
		l.Layers = d.Layers
	}
	if l.Files == 0 {
		l.Files = d.Files
	}
	if l.Bytes == 0 {
		l.Bytes = d.Bytes
	}
	if l.FileBytes == 0 {
		l.FileBytes = d.FileBytes
	}
	if l.Time == 0 {
		l.Time = d.Time
	}
	return l
}

// Unpacked is an image on disk.
type Unpacked struct {
	Dir      string    // the image's root folder
	Digest   string    // of the manifest
	Platform string    // "linux/amd64", as the image says
	Config   v1.Config // what to start, as whom, with what environment
	Files    int       // entries that were read
	Bytes    int64     // of the files' content
}

// Unpack lays the layers of an image over one another in dir, which must not exist and appears only when all is well.
// Owners are not kept: what is there belongs to who unpacks. Absolute links are made relative, so that they lead to
// the same place whether or not the folder becomes somebody's root.
//
// It trusts nothing: ErrTampered when content does not have the digest announced; ErrRefused, with the layer, the
// entry and the reason, for paths with "..", links that leave the root, devices, setuid and setgid programs, file
// capabilities, entries that are there twice, malformed whiteouts, and images beyond the limits.
func Unpack(ctx context.Context, img v1.Image, dir string, limits UnpackLimits) (*Unpacked, error) {
	limits = limits.filled()
	if _, err := os.Lstat(dir); err == nil {
		return nil, fmt.Errorf("unpack: %s is there already", dir)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limits.Time, fmt.Errorf("%w: it takes longer than %s", ErrRefused, limits.Time))
	defer cancel()
	partial, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+".partial-")
	if err != nil {
		return nil, fmt.Errorf("unpack: %w", err)
	}
	out, err := unpackInto(ctx, img, partial, limits)
	if err == nil {
		err = os.Chmod(partial, 0o755)
	}
	if err == nil {
		err = os.Rename(partial, dir)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("unpack: %w", err), os.RemoveAll(partial))
	}
	out.Dir = dir
	return out, nil
}

func unpackInto(ctx context.Context, img v1.Image, dir string, limits UnpackLimits) (*Unpacked, error) {
	manifest, config, digest, err := described(img)
	if err != nil {
		return nil, err
	}
	if n := len(manifest.Layers); n > limits.Layers {
		return nil, fmt.Errorf("%w: it has %d layers, the limit is %d", ErrRefused, n, limits.Layers)
	}
	if len(config.RootFS.DiffIDs) != len(manifest.Layers) {
		return nil, fmt.Errorf("%w: the configuration speaks of %d layers, the manifest of %d", ErrRefused, len(config.RootFS.DiffIDs), len(manifest.Layers))
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	u := &unpacker{ctx: ctx, root: root, limits: limits}
	for i, d := range manifest.Layers {
		if err := u.layer(img, d, config.RootFS.DiffIDs[i]); err != nil {
			return nil, fmt.Errorf("layer %d of %d (%s): %w", i+1, len(manifest.Layers), d.Digest, err)
		}
	}
	if err := u.checkLinks(); err != nil {
		return nil, err
	}
	p := v1.Platform{OS: config.OS, Architecture: config.Architecture, Variant: config.Variant}
	return &Unpacked{Digest: digest, Platform: p.String(), Config: config.Config, Files: u.files, Bytes: u.content}, nil
}

// described reads manifest and configuration and checks the digests of both.
func described(img v1.Image) (*v1.Manifest, *v1.ConfigFile, string, error) {
	raw, err := img.RawManifest()
	if err != nil {
		return nil, nil, "", fmt.Errorf("read the manifest: %w", mismatch(err))
	}
	digest, err := hashOf(raw)
	if err != nil {
		return nil, nil, "", fmt.Errorf("read the manifest: %w", err)
	}
	if said, err := img.Digest(); err != nil || said != digest {
		return nil, nil, "", fmt.Errorf("%w: the manifest %s has the digest %s", ErrTampered, said, digest)
	}
	manifest, err := img.Manifest()
	if err != nil {
		return nil, nil, "", fmt.Errorf("read the manifest %s: %w", digest, err)
	}
	text, err := img.RawConfigFile()
	if err != nil {
		return nil, nil, "", fmt.Errorf("read the configuration %s: %w", manifest.Config.Digest, mismatch(err))
	}
	if got, err := hashOf(text); err != nil || got != manifest.Config.Digest {
		return nil, nil, "", fmt.Errorf("%w: the configuration %s has the digest %s", ErrTampered, manifest.Config.Digest, got)
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, nil, "", fmt.Errorf("read the configuration %s: %w", manifest.Config.Digest, err)
	}
	return manifest, config, digest.String(), nil
}

// unpacker applies layers to a root folder.
type unpacker struct {
	ctx     context.Context //nolint:containedctx // one unpacking, one context
	root    *os.Root
	limits  UnpackLimits
	files   int
	stream  int64 // uncompressed bytes read
	content int64 // bytes of files

	made map[string]bool // what the layer at hand has put where; true: by an entry of its own, false: to hold one

	lastParent, lastReal string // the folder that was found last, and where it really is
}

// layer applies one layer and checks its digests.
func (u *unpacker) layer(img v1.Image, d v1.Descriptor, diff v1.Hash) error {
	if len(d.URLs) > 0 {
		return fmt.Errorf("%w: the layer is kept elsewhere", ErrRefused)
	}
	layer, err := img.LayerByDigest(d.Digest)
	if err != nil {
		return mismatch(err)
	}
	in, err := layer.Compressed()
	if err != nil {
		return mismatch(known(err))
	}
	defer in.Close()
	packed := &weighed{in: in, ctx: u.ctx, hash: sha256.New(), most: d.Size}
	got, err := u.entries(packed, d.MediaType)
	if cause := context.Cause(u.ctx); cause != nil {
		return cause
	}
	// Whatever was wrong inside: when the content is not what was announced, that is what is wrong.
	if _, drain := io.Copy(io.Discard, packed); drain != nil {
		return mismatch(drain)
	}
	if wrong := packed.matches(d); wrong != nil {
		return wrong
	}
	if err != nil {
		return err
	}
	if got != diff.String() {
		return fmt.Errorf("%w: unpacked it has the digest %s, the configuration says %s", ErrTampered, got, diff)
	}
	return nil
}

// entries applies the entries of a layer and returns the digest of its tar.
func (u *unpacker) entries(packed io.Reader, kind types.MediaType) (string, error) {
	plain, done, err := decompress(packed, kind)
	if err != nil {
		return "", err
	}
	defer done()
	tarred := &weighed{in: plain, ctx: u.ctx, hash: sha256.New(), most: u.limits.Bytes - u.stream, over: func() error {
		return fmt.Errorf("%w: it unpacks to more than %d bytes", ErrRefused, u.limits.Bytes)
	}}
	defer func() { u.stream += tarred.read }()
	u.made = map[string]bool{}
	u.lastParent, u.lastReal = "", ""
	list := tar.NewReader(tarred)
	for {
		h, err := list.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", unreadable(err)
		}
		if err := u.entry(h, list); err != nil {
			return "", fmt.Errorf("entry %.300q: %w", h.Name, err)
		}
	}
	if _, err := io.Copy(io.Discard, tarred); err != nil {
		return "", unreadable(err)
	}
	return tarred.sum(), nil
}

// unreadable marks a layer that is not what its media type says.
func unreadable(err error) error {
	if errors.Is(err, ErrRefused) || errors.Is(err, ErrTampered) {
		return err
	}
	return fmt.Errorf("%w: the layer cannot be read: %w", ErrRefused, err)
}

// maxWindow is the most memory that a layer in zstd may ask for.
const maxWindow = 64 << 20

func decompress(in io.Reader, kind types.MediaType) (io.Reader, func(), error) {
	switch kind {
	case types.OCIUncompressedLayer, types.DockerUncompressedLayer:
		return in, func() {}, nil
	case types.OCILayer, types.DockerLayer:
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, nil, unreadable(err)
		}
		return z, func() { _ = z.Close() }, nil
	case types.OCILayerZStd:
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, nil, unreadable(err)
		}
		return z, z.Close, nil
	}
	return nil, nil, fmt.Errorf("%w: a layer of the kind %.100q is not understood", ErrRefused, kind)
}
