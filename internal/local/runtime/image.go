package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/fawkes-idp/fawkes/internal/oci"
)

// image is one that lies unpacked on this machine. Its folder is shared by all instances and never written to.
type image struct {
	Ref        string   `json:"ref"`
	Digest     string   `json:"digest"`
	VerifiedBy string   `json:"verified_by"` // the key's id; "" when no signature was checked
	Entrypoint []string `json:"entrypoint"`
	Cmd        []string `json:"cmd"`
	Env        []string `json:"env"`
	WorkingDir string   `json:"working_dir"`

	root string
}

// images is the folder of unpacked images, by digest.
type images struct {
	folder   string
	registry func(host string) oci.Registry
	local    func() string
	verifier func() *oci.Verifier
	unpack   func(ctx context.Context, img v1.Image, dir string, limits oci.UnpackLimits) (*oci.Unpacked, error)

	mu   sync.Mutex
	busy map[string]*sync.Mutex // by digest
}

// hopelessError is a fault that trying again does not mend.
type hopelessError struct{ error }

func (e hopelessError) Unwrap() error { return e.error }

// parseRef takes an image's reference apart. A reference without a digest is an error that names it.
func parseRef(ref string) (host, repository, digest string, err error) {
	name, digest, ok := strings.Cut(ref, "@")
	if !ok || !strings.HasPrefix(digest, "sha256:") || len(digest) != len("sha256:")+64 {
		return "", "", "", fmt.Errorf("image %q has no digest: write NAME@sha256:…", ref)
	}
	host, repository, ok = strings.Cut(name, "/")
	if !ok {
		return "", "", "", fmt.Errorf("image %q names no registry: write HOST/NAME@sha256:…", ref)
	}
	if i := strings.LastIndex(repository, ":"); i >= 0 {
		repository = repository[:i] // a tag beside the digest says nothing
	}
	return host, repository, digest, nil
}

// get is the image of a reference, pulled, verified and unpacked when it is not there yet.
func (c *images) get(ctx context.Context, ref string) (*image, error) {
	host, repository, digest, err := parseRef(ref)
	if err != nil {
		return nil, hopelessError{err}
	}
	lock := c.lock(digest)
	lock.Lock()
	defer lock.Unlock()

	reg := c.registry(host)
	if oci.Loopback(host) {
		if own := c.local(); own != "" {
			host = own
		}
	}
	at := host + "/" + repository + "@" + digest
	verifier := c.verifier()
	have := c.read(digest)
	if have != nil && (verifier == nil || have.VerifiedBy == verifier.KeyID()) {
		return have, nil
	}
	by := ""
	if verifier != nil {
		if _, err := reg.VerifySignature(ctx, at, verifier); err != nil {
			return nil, judged(fmt.Errorf("image %s: %w", digest, err))
		}
		by = verifier.KeyID()
	}
	if have != nil {
		have.VerifiedBy = by
		return have, c.write(filepath.Join(c.dir(digest), "image.json"), have)
	}
	return c.fetch(ctx, reg, at, digest, by)
}

func (c *images) fetch(ctx context.Context, reg oci.Registry, at, digest, by string) (*image, error) {
	img, err := reg.Pull(ctx, at)
	if err != nil {
		return nil, judged(fmt.Errorf("pull: %w", err))
	}
	next := c.dir(digest) + ".new"
	if err := errors.Join(os.RemoveAll(next), os.MkdirAll(next, 0o700)); err != nil {
		return nil, fmt.Errorf("unpack %s: %w", digest, err)
	}
	defer func() { _ = os.RemoveAll(next) }()
	un, err := c.unpack(ctx, img, filepath.Join(next, "root"), oci.DefaultUnpackLimits())
	if err != nil {
		return nil, judged(fmt.Errorf("unpack %s: %w", digest, err))
	}
	out := &image{
		Ref: at, Digest: digest, VerifiedBy: by, Entrypoint: un.Config.Entrypoint, Cmd: un.Config.Cmd,
		Env: un.Config.Env, WorkingDir: un.Config.WorkingDir,
	}
	if err := c.write(filepath.Join(next, "image.json"), out); err != nil {
		return nil, err
	}
	if err := errors.Join(os.RemoveAll(c.dir(digest)), os.Rename(next, c.dir(digest)), flush(c.folder)); err != nil {
		return nil, fmt.Errorf("unpack %s: %w", digest, err)
	}
	out.root = filepath.Join(c.dir(digest), "root")
	return out, nil
}

// judged marks what no second try mends: content that is not what was signed or announced, or is refused.
func judged(err error) error {
	for _, hopeless := range []error{oci.ErrUnsigned, oci.ErrTampered, oci.ErrRefused} {
		if errors.Is(err, hopeless) {
			return hopelessError{err}
		}
	}
	return err
}

func (c *images) lock(digest string) *sync.Mutex {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy[digest] == nil {
		c.busy[digest] = &sync.Mutex{}
	}
	return c.busy[digest]
}

func (c *images) dir(digest string) string {
	return filepath.Join(c.folder, strings.ReplaceAll(digest, ":", "-"))
}

// read is nil when the image is not there; what a crash left half done is not there.
func (c *images) read(digest string) *image {
	raw, err := os.ReadFile(filepath.Join(c.dir(digest), "image.json"))
	if err != nil {
		return nil
	}
	out := &image{}
	if json.Unmarshal(raw, out) != nil || out.Digest != digest {
		return nil
	}
	out.root = filepath.Join(c.dir(digest), "root")
	return out
}

func (c *images) write(path string, img *image) error {
	raw, err := json.Marshal(img)
	if err != nil {
		return fmt.Errorf("write image: %w", err)
	}
	return replace(path, raw, 0o600)
}

// collect removes the images whose digest is not wanted, and says how many.
func (c *images) collect(wanted map[string]bool) (int, error) {
	entries, err := os.ReadDir(c.folder)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("list images: %w", err)
	}
	removed := 0
	for _, e := range entries {
		digest := strings.Replace(strings.TrimSuffix(e.Name(), ".new"), "-", ":", 1)
		if wanted[digest] {
			continue
		}
		lock := c.lock(digest)
		if !lock.TryLock() {
			continue // being fetched
		}
		err := os.RemoveAll(filepath.Join(c.folder, e.Name()))
		lock.Unlock()
		if err != nil {
			return removed, fmt.Errorf("remove image: %w", err)
		}
		removed++
	}
	return removed, nil
}
