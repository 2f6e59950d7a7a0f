package oci

import (
	"io/fs"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// UserNonroot is the user and the group that images made here run as.
const UserNonroot = "65532:65532"

// DefaultPath is the PATH of images made here.
const DefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// File is one file of an image.
type File struct {
	Source string      // on this machine; a regular file
	Target string      // absolute in the image
	Mode   fs.FileMode // permission bits; 0: 0755 when the source is executable, else 0644
	Link   string      // instead of Source: a symbolic link to this
}

// Folder is a folder of an image with all that is below it.
type Folder struct {
	Source  string   // on this machine
	Target  string   // absolute in the image
	Exclude []string // names ("__pycache__", "*.o") anywhere below, or paths from Source with a slash in them ("docs/*")
	// Follow puts what a link that leaves Source leads to in its place. It is for
	// folders of this machine's system; a folder that strangers wrote could make the
	// image hold any file of this machine.
	Follow bool
}

// ImageSpec is what Pack makes an image of.
type ImageSpec struct {
	Files   []File
	Folders []Folder // one layer each, in this order, below the one of the files
	// Inside, when set, is a folder that strangers write to: what lies below it is
	// opened in a way that no link on its path leads out of it.
	Inside string
	// Base is what the layers are laid over; nil for the minimal base made here.
	Base v1.Image
	// NoTimeZones leaves the time zones, some 600 small files, out of the minimal base: for programs that carry their
	// own, as Go programs built with the tag timetzdata do.
	NoTimeZones bool

	Entrypoint, Cmd, Env []string // Env without PATH gets DefaultPath
	WorkingDir           string   // empty: /
	User                 string   // empty: UserNonroot, or the base's
	Ports                []int    // TCP
	Labels               map[string]string
	Annotations          map[string]string // of the manifest
	Platform             string            // "linux/amd64"; empty: linux and this program's processor
	Created              time.Time         // zero: the epoch; of the image's configuration alone
}
