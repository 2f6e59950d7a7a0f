package oci

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Check reads the configuration and every layer of an image and compares their digests and sizes with the manifest.
// The error is ErrTampered and names the digest.
func Check(ctx context.Context, img v1.Image) error {
	manifest, err := img.Manifest()
	if err != nil {
		return fmt.Errorf("read the manifest: %w", mismatch(err))
	}
	config, err := img.RawConfigFile()
	if err != nil {
		return fmt.Errorf("read the configuration %s: %w", manifest.Config.Digest, mismatch(err))
	}
	if got, err := hashOf(config); err != nil || got != manifest.Config.Digest {
		return fmt.Errorf("%w: the configuration %s has the digest %s", ErrTampered, manifest.Config.Digest, got)
	}
	for i, d := range manifest.Layers {
		if err := checkLayer(ctx, img, d); err != nil {
			return fmt.Errorf("layer %d of %d (%s): %w", i+1, len(manifest.Layers), d.Digest, err)
		}
	}
	return nil
}

func checkLayer(ctx context.Context, img v1.Image, d v1.Descriptor) error {
	layer, err := img.LayerByDigest(d.Digest)
	if err != nil {
		return mismatch(err)
	}
	in, err := layer.Compressed()
	if err != nil {
		return mismatch(known(err))
	}
	defer in.Close()
	w := &weighed{in: in, ctx: ctx, hash: sha256.New(), most: d.Size}
	if _, err := io.Copy(io.Discard, w); err != nil {
		return mismatch(err)
	}
	return w.matches(d)
}

// weighed counts and digests what is read through it, and ends with its context and at its limit.
type weighed struct {
	in   io.Reader
	ctx  context.Context //nolint:containedctx // a reader has no other way to end with its caller
	hash interface {
		io.Writer
		Sum([]byte) []byte
	}
	read int64
	most int64
	over func() error // what is wrong with more than most; nil: it was tampered with
}

func (w *weighed) Read(p []byte) (int, error) {
	if err := context.Cause(w.ctx); err != nil {
		return 0, err
	}
	n, err := w.in.Read(p)
	w.read += int64(n)
	_, _ = w.hash.Write(p[:n])
	if w.read > w.most {
		if w.over != nil {
			return n, w.over()
		}
		return n, fmt.Errorf("%w: it is longer than the %d bytes announced", ErrTampered, w.most)
	}
	return n, err
}

func (w *weighed) sum() string { return "sha256:" + hex.EncodeToString(w.hash.Sum(nil)) }

// matches compares what was read with what the manifest says.
func (w *weighed) matches(d v1.Descriptor) error {
	if got := w.sum(); got != d.Digest.String() {
		return fmt.Errorf("%w: its %d bytes have the digest %s", ErrTampered, w.read, got)
	}
	return nil
}

func hashOf(content []byte) (v1.Hash, error) {
	h, _, err := v1.SHA256(bytes.NewReader(content))
	return h, err
}

// mismatch marks the errors by which go-containerregistry says that content and digest differ, which have no type.
func mismatch(err error) error {
	if err == nil || errors.Is(err, ErrTampered) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	text := err.Error()
	for _, says := range []string{"error verifying", "does not match requested digest", "does not match expected size"} {
		if strings.Contains(text, says) {
			return fmt.Errorf("%w: %w", ErrTampered, err)
		}
	}
	return known(err)
}
