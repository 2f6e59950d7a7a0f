package oci

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
)

const (
	maxPath    = 4096 // bytes of a path or of a link's target
	maxName    = 255  // bytes of one name in it
	maxFollow  = 40   // links on the way to one entry
	whiteout   = ".wh."
	opaque     = ".wh..wh..opq"
	capability = "SCHILY.xattr.security.capability"

	setBits = 0o6000 // setuid and setgid, as tar writes them
)

func refused(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrRefused}, args...)...)
}

// entry applies one entry of a layer.
func (u *unpacker) entry(h *tar.Header, content io.Reader) error {
	if u.files++; u.files > u.limits.Files {
		return refused("the image has more than %d entries", u.limits.Files)
	}
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	name, err := clean(h.Name)
	if err != nil {
		return err
	}
	if name == "" {
		if h.Typeflag != tar.TypeDir {
			return refused("it takes the place of the root folder")
		}
		return nil
	}
	parent, err := u.folder(path.Dir(name))
	if err != nil {
		return err
	}
	last := path.Base(name)
	if strings.HasPrefix(last, whiteout) {
		return u.whiteout(h, parent, last)
	}
	at := path.Join(parent, last)
	if err := u.once(at, h.Typeflag == tar.TypeDir); err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return u.mkdir(h, at)
	case tar.TypeReg, tar.TypeGNUSparse:
		return u.file(h, at, content)
	case tar.TypeSymlink:
		return u.symlink(h, parent, at)
	case tar.TypeLink:
		return u.hardlink(h, at)
	case tar.TypeChar, tar.TypeBlock:
		return refused("it is a device")
	case tar.TypeFifo:
		return refused("it is a named pipe")
	}
	return refused("it is of an unknown kind %q", h.Typeflag)
}

// clean makes a path relative to the root: "/a//./b/" is "a/b". A path that has ".." anywhere is refused, even if it
// would stay inside.
func clean(name string) (string, error) {
	switch {
	case len(name) > maxPath:
		return "", refused("its path is longer than %d bytes", maxPath)
	case strings.ContainsRune(name, 0):
		return "", refused("its path holds a NUL")
	}
	var parts []string
	for _, p := range strings.Split(name, "/") {
		switch {
		case p == "" || p == ".":
		case p == "..":
			return "", refused("its path has \"..\" in it")
		case len(p) > maxName:
			return "", refused("a name in its path is longer than %d bytes", maxName)
		default:
			parts = append(parts, p)
		}
	}
	return strings.Join(parts, "/"), nil
}

// once refuses what a layer has twice: what a scanner sees and what runs could differ. A folder may come again.
func (u *unpacker) once(at string, isDir bool) error {
	if _, made := u.made[at]; made {
		info, err := u.root.Lstat(at)
		if !isDir || err != nil || !info.IsDir() {
			return refused("it is in the layer twice")
		}
	}
	u.made[at] = true
	return nil
}

// folder finds where a folder really is, through links that stay inside, and makes what is missing of it.
func (u *unpacker) folder(name string) (string, error) {
	if name == "." {
		return ".", nil
	}
	if name == u.lastParent {
		return u.lastReal, nil
	}
	real, err := u.walk(name, true)
	if err != nil {
		return "", err
	}
	u.lastParent, u.lastReal = name, real
	return real, nil
}

// walk follows name part by part. Links are resolved here and not by the system, so that none is followed unseen.
func (u *unpacker) walk(name string, create bool) (string, error) {
	todo := strings.Split(name, "/")
	at, links := ".", 0
	for len(todo) > 0 {
		part := todo[0]
		todo = todo[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			if at == "." {
				return "", refused("a link on its path leads out of the root")
			}
			at = path.Dir(at)
			continue
		}
		next := path.Join(at, part)
		info, err := u.root.Lstat(next)
		switch {
		case errors.Is(err, fs.ErrNotExist) && create:
			if err := u.root.Mkdir(next, 0o755); err != nil {
				return "", err
			}
			u.holds(next)
			at = next
		case err != nil:
			return "", fmt.Errorf("%w: %s on its path cannot be entered: %w", ErrRefused, next, plain(err))
		case info.IsDir():
			if create {
				u.holds(next)
			}
			at = next
		case info.Mode()&fs.ModeSymlink != 0:
			if links++; links > maxFollow {
				return "", refused("its path leads through more than %d links", maxFollow)
			}
			target, err := u.root.Readlink(next)
			if err != nil {
				return "", err
			}
			todo = append(strings.Split(target, "/"), todo...) // made relative when it was unpacked
		default:
			return "", refused("%s on its path is a file", next)
		}
	}
	return at, nil
}

// holds notes that a folder holds something of the layer at hand.
func (u *unpacker) holds(dir string) {
	if _, made := u.made[dir]; !made {
		u.made[dir] = false
	}
}

// plain takes the path, which may be of this machine, out of an error.
func plain(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// clear takes away what is at a place, which is of a lower layer.
func (u *unpacker) clear(at string) error {
	u.lastParent, u.lastReal = "", "" // it may have been on the way
	return u.root.RemoveAll(at)
}

func (u *unpacker) mkdir(h *tar.Header, at string) error {
	mode := fs.FileMode(h.Mode).Perm() | 0o700
	if h.Mode&0o1000 != 0 {
		mode |= fs.ModeSticky
	}
	info, err := u.root.Lstat(at)
	if err == nil && !info.IsDir() {
		if err := u.clear(at); err != nil {
			return err
		}
	}
	if err != nil || !info.IsDir() {
		if err := u.root.Mkdir(at, 0o700); err != nil {
			return err
		}
	}
	return u.root.Chmod(at, mode)
}

func (u *unpacker) file(h *tar.Header, at string, content io.Reader) error {
	if err := u.affordable(h); err != nil {
		return err
	}
	if err := u.clear(at); err != nil {
		return err
	}
	f, err := u.root.OpenFile(at, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	n, err := io.Copy(f, io.LimitReader(content, h.Size))
	u.content += n
	if err == nil && n != h.Size {
		err = refused("it is cut off after %d of %d bytes", n, h.Size)
	} else if err != nil {
		err = unreadable(err)
	}
	if err == nil {
		err = f.Chmod(fs.FileMode(h.Mode).Perm() | 0o400)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return u.root.Chtimes(at, h.ModTime, h.ModTime)
}

func (u *unpacker) affordable(h *tar.Header) error {
	switch {
	case h.Mode&setBits != 0:
		return refused("it is a setuid or setgid program")
	case h.PAXRecords[capability] != "":
		return refused("it has file capabilities")
	case h.Size < 0:
		return refused("it has a negative size")
	case h.Size > u.limits.FileBytes:
		return refused("it has %d bytes, the limit of one file is %d", h.Size, u.limits.FileBytes)
	case h.Size > u.limits.Bytes-u.content:
		return refused("with it the image has more than %d bytes", u.limits.Bytes)
	}
	return nil
}

// symlink makes a link that stays inside. Whether what it leads through does so too is checked when all is there.
func (u *unpacker) symlink(h *tar.Header, parent, at string) error {
	target := h.Linkname
	switch {
	case target == "" || len(target) > maxPath:
		return refused("its target has %d bytes", len(target))
	case strings.ContainsRune(target, 0):
		return refused("its target holds a NUL")
	}
	depth := depthOf(parent)
	if path.IsAbs(target) {
		depth = 0
	}
	for _, p := range strings.Split(target, "/") {
		switch p {
		case "", ".":
		case "..":
			if depth--; depth < 0 {
				return refused("it leads out of the root, to %.200q", target)
			}
		default:
			depth++
		}
	}
	if path.IsAbs(target) {
		target = strings.Repeat("../", depthOf(parent)) + strings.TrimLeft(target, "/")
		if target == "" {
			target = "."
		}
	}
	if err := u.clear(at); err != nil {
		return err
	}
	return u.root.Symlink(target, at)
}

func depthOf(dir string) int {
	if dir == "." {
		return 0
	}
	return strings.Count(dir, "/") + 1
}

// hardlink gives a file of the image another name.
func (u *unpacker) hardlink(h *tar.Header, at string) error {
	if h.Mode&setBits != 0 {
		return refused("it is a setuid or setgid program")
	}
	target, err := clean(h.Linkname)
	if err != nil {
		return fmt.Errorf("its target %.200q: %w", h.Linkname, err)
	}
	if target == "" {
		return refused("it is a hard link to the root folder")
	}
	var info fs.FileInfo
	dir, err := u.walk(path.Dir(target), false)
	from := path.Join(dir, path.Base(target))
	if err == nil {
		info, err = u.root.Lstat(from)
	}
	if err != nil || !info.Mode().IsRegular() {
		return refused("it is a hard link to %.200q, which is no file of the image", h.Linkname)
	}
	if from == at {
		return refused("it is a hard link to itself")
	}
	if err := u.clear(at); err != nil {
		return err
	}
	if _, err := u.root.Lstat(from); err != nil {
		return refused("it is a hard link to what it takes the place of")
	}
	return u.root.Link(from, at)
}

// whiteout takes away what lower layers have: one entry, or all that is in a folder.
func (u *unpacker) whiteout(h *tar.Header, parent, last string) error {
	if h.Typeflag != tar.TypeReg {
		return refused("it is a whiteout and no empty file")
	}
	if last == opaque {
		return u.hide(parent)
	}
	name := strings.TrimPrefix(last, whiteout)
	if name == "" || name == "." || name == ".." || strings.HasPrefix(name, whiteout) {
		return refused("it is a malformed whiteout")
	}
	at := path.Join(parent, name)
	if _, made := u.made[at]; made {
		return u.hide(at)
	}
	return u.clear(at)
}

// hide removes from a folder what the layer at hand did not put there.
func (u *unpacker) hide(at string) error {
	info, err := u.root.Lstat(at)
	if err != nil || !info.IsDir() {
		return nil //nolint:nilerr // it is a file of this layer
	}
	dir, err := u.root.Open(at)
	if err != nil {
		return err
	}
	names, err := dir.Readdirnames(-1)
	if err := errors.Join(err, dir.Close()); err != nil {
		return err
	}
	for _, name := range names {
		child := path.Join(at, name)
		if _, made := u.made[child]; made {
			err = u.hide(child)
		} else {
			err = u.clear(child)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// checkLinks follows every link to its end: one that looks harmless may lead out through another.
func (u *unpacker) checkLinks() error {
	return fs.WalkDir(u.root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.Type()&fs.ModeSymlink == 0 {
			return u.ctx.Err()
		}
		_, err = u.root.Stat(name)
		switch {
		case err == nil, errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ELOOP), errors.Is(err, syscall.ENOTDIR):
			return nil
		}
		target, _ := u.root.Readlink(name)
		return refused("the link %.300q leads to %.200q, out of the root: %w", "/"+name, target, plain(err))
	})
}
