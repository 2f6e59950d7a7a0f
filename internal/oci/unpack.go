package oci

import (
	"context"
	"errors"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
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

// Unpacked is an image on disk.
type Unpacked struct {
	Dir    string    // the image's root folder
	Digest string    // of the manifest
	Config v1.Config // what to start, as whom, with what environment
	Files  int       // entries that were read
	Bytes  int64     // uncompressed
}

// Unpack lays the layers of an image over one another in dir, which must not exist and appears only when all is well.
// Owners are not kept: what is there belongs to who unpacks.
//
// It trusts nothing: ErrTampered when content does not have the digest announced; ErrRefused, with the layer, the
// entry and the reason, for paths with "..", links that leave the root, devices, setuid and setgid programs, file
// capabilities, entries that are there twice, malformed whiteouts, and images beyond the limits.
func Unpack(ctx context.Context, img v1.Image, dir string, limits UnpackLimits) (*Unpacked, error) {
	return nil, errors.New("not there yet")
}
