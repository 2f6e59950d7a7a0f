package registry

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
)

// storageFolder holds what distribution writes, damagedFolder what was found not to match its digest.
const (
	storageFolder = "storage"
	damagedFolder = "damaged"
)

// layout knows where distribution's filesystem driver keeps things:
//
//	blobs/<algorithm>/<two digits>/<hex>/data
//	repositories/<name>/_layers/<algorithm>/<hex>/link
//	repositories/<name>/_manifests/revisions/<algorithm>/<hex>/link
//	repositories/<name>/_manifests/tags/<tag>/current/link
//	repositories/<name>/_uploads/<id>/{data,startedat,hashstates}
type layout struct {
	folder string // the module's
}

func (l layout) root() string {
	return filepath.Join(l.folder, storageFolder, "docker", "registry", "v2")
}
func (l layout) repositories() string { return filepath.Join(l.root(), "repositories") }
func (l layout) blobs() string        { return filepath.Join(l.root(), "blobs") }

func (l layout) repository(name string) string {
	return filepath.Join(l.repositories(), filepath.FromSlash(name))
}

func (l layout) blob(d digest.Digest) string {
	return filepath.Join(l.blobs(), d.Algorithm().String(), d.Encoded()[:2], d.Encoded(), "data")
}

func (l layout) revision(name string, d digest.Digest) string {
	return filepath.Join(l.repository(name), "_manifests", "revisions", d.Algorithm().String(), d.Encoded())
}

func (l layout) tag(name, tag string) string {
	return filepath.Join(l.repository(name), "_manifests", "tags", tag)
}

func (l layout) layerLink(name string, d digest.Digest) string {
	return filepath.Join(l.repository(name), "_layers", d.Algorithm().String(), d.Encoded())
}

func (l layout) upload(name, id string) string {
	return filepath.Join(l.repository(name), "_uploads", id)
}

// size is that of a stored blob; fs.ErrNotExist when there is none.
func (l layout) size(d digest.Digest) (int64, error) {
	info, err := os.Stat(l.blob(d))
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// touch makes a blob young, so that a garbage collection leaves it to the push that counts on it.
func (l layout) touch(d digest.Digest, now time.Time) error {
	return os.Chtimes(l.blob(d), now, now)
}

// intact reads a stored blob and compares it with its digest.
func (l layout) intact(d digest.Digest) (bool, error) {
	f, err := os.Open(l.blob(d))
	if err != nil {
		return false, err
	}
	defer f.Close()
	v := d.Verifier()
	if _, err := io.Copy(v, f); err != nil {
		return false, err
	}
	return v.Verified(), nil
}

// setAside moves a blob that does not match its digest out of the way, so that it is asked for and pushed again.
func (l layout) setAside(d digest.Digest) error {
	to := filepath.Join(l.folder, damagedFolder)
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	err := os.Rename(l.blob(d), filepath.Join(to, d.Algorithm().String()+"-"+d.Encoded()))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// sync makes sure that the names on the way to path outlive a loss of power; the content was synced by distribution.
func (l layout) sync(path string) error {
	for dir := filepath.Dir(path); strings.HasPrefix(dir, l.folder); dir = filepath.Dir(dir) {
		if err := syncFolder(dir); err != nil {
			return fmt.Errorf("sync %s: %w", dir, err)
		}
	}
	return nil
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// link reads a file that holds a digest.
func link(file string) (digest.Digest, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	return digest.Parse(strings.TrimSpace(string(text)))
}
