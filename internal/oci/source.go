package oci

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
)

// openFile opens a regular file of this machine for reading; below inside, no link on the way leads out of it.
func openFile(source, inside string) (*os.File, fs.FileInfo, error) {
	f, err := openAny(source, inside)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", source)
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// A named pipe must not make the opening wait for its other end.
const readOnly = os.O_RDONLY | syscall.O_NONBLOCK

func openAny(source, inside string) (*os.File, error) {
	rel, below := within(source, inside)
	if !below {
		return os.OpenFile(source, readOnly, 0)
	}
	root, err := os.OpenRoot(inside)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }() // it was read only
	return root.OpenFile(rel, readOnly, 0)
}

func openFolder(source, inside string) (*os.Root, error) {
	rel, below := within(source, inside)
	if !below {
		return os.OpenRoot(source)
	}
	root, err := os.OpenRoot(inside)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }() // it was read only
	return root.OpenRoot(rel)
}

// within returns the path from inside to source, if it is below it.
func within(source, inside string) (string, bool) {
	if inside == "" {
		return "", false
	}
	rel, err := filepath.Rel(inside, source)
	if err != nil || rel == ".." || strings.HasPrefix(rel, "../") {
		return "", false
	}
	return rel, true
}

func fileEntries(files []File, inside string) ([]entry, error) {
	entries := make([]entry, 0, len(files))
	for _, file := range files {
		target, err := inImage(file.Target)
		if err == nil && target == "" {
			err = errors.New("the target is the root of the image")
		}
		if err != nil {
			return nil, fmt.Errorf("pack the file %s: %w", file.Source, err)
		}
		if file.Link != "" {
			entries = append(entries, entry{name: target, mode: fs.ModeSymlink | 0o777, link: file.Link})
			continue
		}
		f, info, err := openFile(file.Source, inside)
		if err != nil {
			return nil, fmt.Errorf("pack a file: %w", err)
		}
		f.Close()
		e := entry{name: target, mode: file.Mode.Perm(), size: info.Size(), open: func() (io.ReadCloser, error) {
			f, _, err := openFile(file.Source, inside)
			return f, err
		}}
		if e.mode == 0 {
			e.mode = plainMode(info.Mode())
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// plainMode keeps of a file's permissions only whether it is a program.
func plainMode(m fs.FileMode) fs.FileMode {
	if m&0o111 != 0 {
		return 0o755
	}
	return 0o644
}

// walker collects the entries of one folder.
type walker struct {
	folder  Folder
	inside  string
	source  string // absolute
	target  string
	root    *os.Root
	entries []entry
	depth   int // of links followed into folders
}

const maxDepth = 8

func folderEntries(folder Folder, inside string) ([]entry, error) {
	target, err := inImage(folder.Target)
	if err != nil {
		return nil, fmt.Errorf("pack the folder %s: %w", folder.Source, err)
	}
	source, err := filepath.Abs(folder.Source)
	if err != nil {
		return nil, fmt.Errorf("pack the folder %s: %w", folder.Source, err)
	}
	w := &walker{folder: folder, inside: inside, source: source, target: target}
	if err := w.walk(); err != nil {
		return nil, fmt.Errorf("pack the folder %s: %w", folder.Source, err)
	}
	return w.entries, nil
}

func (w *walker) walk() error {
	root, err := openFolder(w.source, w.inside)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // it was read only
	w.root = root
	return fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name != "." && w.excluded(name) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		return w.add(name, d)
	})
}

func (w *walker) excluded(name string) bool {
	for _, pattern := range w.folder.Exclude {
		subject := path.Base(name)
		if strings.Contains(pattern, "/") {
			subject, pattern = name, strings.Trim(pattern, "/")
		}
		if ok, err := path.Match(pattern, subject); err == nil && ok {
			return true
		}
	}
	return false
}

func (w *walker) at(name string) string { return strings.TrimPrefix(path.Join(w.target, name), "/") }

func (w *walker) add(name string, d fs.DirEntry) error {
	switch {
	case d.IsDir():
		if at := w.at(name); at != "" && at != "." {
			w.entries = append(w.entries, dir(at, 0o755, 0))
		}
		return nil
	case d.Type()&fs.ModeSymlink != 0:
		return w.addLink(name)
	case !d.Type().IsRegular():
		return fmt.Errorf("%s is neither a file nor a folder nor a link", name)
	}
	info, err := d.Info()
	if err != nil {
		return err
	}
	w.entries = append(w.entries, w.file(name, filepath.Join(w.source, name), w.source, info))
	return nil
}

// file is a regular file, which is opened below the folder again when the layer is written.
func (w *walker) file(name, source, below string, info fs.FileInfo) entry {
	if w.inside != "" {
		if _, ok := within(source, w.inside); ok {
			below = w.inside
		}
	}
	return entry{name: w.at(name), mode: plainMode(info.Mode()), size: info.Size(), open: func() (io.ReadCloser, error) {
		f, _, err := openFile(source, below)
		return f, err
	}}
}

// addLink keeps a link that stays in the folder. One that leaves it is followed where the folder says so, and
// refused otherwise.
func (w *walker) addLink(name string) error {
	link, err := w.root.Readlink(name)
	if err != nil {
		return err
	}
	if path.IsAbs(link) {
		if rel, below := within(link, w.source); below {
			if link, err = filepath.Rel(path.Dir("/"+name), "/"+rel); err != nil {
				return err
			}
			w.entries = append(w.entries, entry{name: w.at(name), mode: fs.ModeSymlink | 0o777, link: link})
			return nil
		}
	} else if _, err := w.root.Stat(name); err == nil || errors.Is(err, fs.ErrNotExist) {
		w.entries = append(w.entries, entry{name: w.at(name), mode: fs.ModeSymlink | 0o777, link: link})
		return nil
	}
	if !w.folder.Follow {
		return fmt.Errorf("the link %s -> %s leads out of the folder", name, link)
	}
	return w.follow(name)
}

// follow puts what a link leads to in its place; a link that leads nowhere is left out.
func (w *walker) follow(name string) error {
	real, err := filepath.EvalSymlinks(filepath.Join(w.source, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	info, err := os.Stat(real)
	if err != nil {
		return err
	}
	switch {
	case info.Mode().IsRegular():
		w.entries = append(w.entries, w.file(name, real, "", info))
		return nil
	case !info.IsDir():
		return nil // sockets and devices of the system have no place in an image
	case w.depth >= maxDepth:
		return fmt.Errorf("%s leads through too many links", name)
	}
	inner := &walker{folder: w.folder, source: real, target: w.at(name), depth: w.depth + 1}
	if err := inner.walk(); err != nil {
		return err
	}
	w.entries = append(w.entries, inner.entries...)
	return nil
}
