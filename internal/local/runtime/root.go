package runtime

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/fawkes-idp/fawkes/internal/local/runtime/manifest"
)

// makeRoot makes the root folder of an instance at dir: the image's files as hard links to the shared ones, which
// the instance may not write to, and what is its own: /tmp, empty folders, ConfigMaps, names and addresses. Where
// nothing keeps the instance from writing (share is false) files are copied.
func makeRoot(dir string, img *image, t manifest.Template, pod string, share bool) (writable []string, err error) {
	if err := os.RemoveAll(dir); err != nil {
		return nil, fmt.Errorf("make root: %w", err)
	}
	if err := mirror(img.root, dir, share); err != nil {
		return nil, fmt.Errorf("make root: %w", err)
	}
	own := func(at string, mode fs.FileMode) error {
		where, err := within(dir, at)
		if err != nil {
			return err
		}
		if err := os.RemoveAll(where); err != nil {
			return err
		}
		if err := os.MkdirAll(where, 0o755); err != nil {
			return err
		}
		writable = append(writable, where)
		return os.Chmod(where, mode)
	}
	put := func(at string, data []byte, mode fs.FileMode) error {
		where, err := within(dir, at)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(where), 0o755); err != nil {
			return err
		}
		if err := os.RemoveAll(where); err != nil { // a link to the shared file, which stays as it is
			return err
		}
		return os.WriteFile(where, data, mode)
	}
	if !t.ReadOnly {
		if err := own("/tmp", fs.ModeSticky|0o777); err != nil {
			return nil, fmt.Errorf("make /tmp: %w", err)
		}
	}
	for _, at := range t.Scratch {
		if err := own(at, 0o777); err != nil {
			return nil, fmt.Errorf("make the empty folder %s: %w", at, err)
		}
	}
	for _, f := range t.Files {
		if err := put(f.Path, f.Data, fs.FileMode(f.Mode)&0o555|0o400); err != nil {
			return nil, fmt.Errorf("write the ConfigMap's file %s: %w", f.Path, err)
		}
	}
	resolv, err := os.ReadFile("/etc/resolv.conf")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the resolver's configuration: %w", err)
	}
	for name, text := range map[string]string{
		"/etc/hosts":       "127.0.0.1\tlocalhost " + pod + "\n::1\tlocalhost\n",
		"/etc/hostname":    pod + "\n",
		"/etc/resolv.conf": string(resolv),
	} {
		if err := put(name, []byte(text), 0o444); err != nil {
			return nil, fmt.Errorf("write %s: %w", name, err)
		}
	}
	return writable, nil
}

// mirror makes to a copy of from whose files are hard links.
func mirror(from, to string, share bool) error {
	return filepath.WalkDir(from, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, p)
		if err != nil {
			return err
		}
		at := filepath.Join(to, rel)
		switch {
		case e.IsDir():
			return os.MkdirAll(at, 0o755)
		case e.Type()&fs.ModeSymlink != 0:
			link, err := os.Readlink(p)
			if err != nil {
				return err
			}
			return os.Symlink(link, at)
		case e.Type().IsRegular():
			if share && os.Link(p, at) == nil {
				return nil
			}
			return copyFile(p, at)
		}
		return nil
	})
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, info.Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// within is where a path leads when root is "/": links are followed, but never out of the root.
func within(root, at string) (string, error) {
	rest := strings.Split(strings.Trim(path.Clean("/"+at), "/"), "/")
	done := "/"
	for links := 0; len(rest) > 0; {
		part := rest[0]
		rest = rest[1:]
		if part == "" || part == "." {
			continue
		}
		if part == ".." {
			done = path.Dir(done)
			continue
		}
		next := path.Join(done, part)
		link, err := os.Readlink(filepath.Join(root, filepath.FromSlash(next)))
		if err != nil { // no link, or not there
			done = next
			continue
		}
		if links++; links > 40 {
			return "", fmt.Errorf("%s: too many links", at)
		}
		if path.IsAbs(link) {
			done = "/"
		}
		rest = append(strings.Split(strings.Trim(link, "/"), "/"), rest...)
	}
	return filepath.Join(root, filepath.FromSlash(done)), nil
}

// lookup finds a program in a root: a path as it is, from the working folder when it is relative, a bare name in
// PATH. The answer is in terms of the root.
func lookup(root, name, dir, pathVariable string) (string, error) {
	runnable := func(at string) bool {
		where, err := within(root, at)
		if err != nil {
			return false
		}
		info, err := os.Stat(where)
		return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
	}
	if strings.Contains(name, "/") {
		at := name
		if !path.IsAbs(at) {
			at = path.Join("/", dir, at)
		}
		if !runnable(at) {
			return "", fmt.Errorf("the image has no program %s", name)
		}
		return at, nil
	}
	for _, folder := range strings.Split(pathVariable, ":") {
		if folder == "" {
			continue
		}
		if at := path.Join("/", folder, name); runnable(at) {
			return at, nil
		}
	}
	return "", fmt.Errorf("the image has no program %q in PATH %q", name, pathVariable)
}
