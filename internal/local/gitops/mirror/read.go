package mirror

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
	"time"
)

// Bounds of what is read of one repository and of one folder of it.
const (
	mostEntries = 50_000
	// MostFile is the greatest file that is read.
	MostFile = 512 << 10
	// MostFolder is the most bytes that the files of one folder may have together.
	MostFolder = 4 << 20
	// MostFiles is the most files of one folder.
	MostFiles = 500
)

// Entry is a file, a folder, or something that is neither, of a commit.
type Entry struct {
	Path string
	Mode string // 100644, 100755, 040000; 120000 is a symbolic link, 160000 a submodule
	ID   string // of the blob or the tree
	Size int64  // of a file
}

// File says whether the entry is a plain file.
func (e Entry) File() bool { return e.Mode == "100644" || e.Mode == "100755" }

// Folder says whether the entry is a folder.
func (e Entry) Folder() bool { return e.Mode == "040000" }

// List reads what a commit holds, folders among it, sorted by path.
func (m *Mirror) List(ctx context.Context, commit string) ([]Entry, error) {
	out, err := m.git(ctx, nil, "ls-tree", "-r", "-t", "-z", "--long", "--full-tree", commit)
	if err != nil {
		return nil, fmt.Errorf("list the environment repository: %w", err)
	}
	if n := bytes.Count(out, []byte{0}); n > mostEntries {
		return nil, fmt.Errorf("the environment repository holds %d files and folders, at most %d are read", n, mostEntries)
	}
	var all []Entry
	for line := range bytes.SplitSeq(out, []byte{0}) {
		head, name, ok := strings.Cut(string(line), "\t")
		fields := strings.Fields(head)
		if !ok || len(fields) != 4 {
			continue
		}
		size, err := strconv.ParseInt(fields[3], 10, 64)
		if err != nil {
			size = 0 // a folder has none
		}
		all = append(all, Entry{Path: name, Mode: fields[0], ID: fields[2], Size: size})
	}
	return all, nil
}

// Within are the entries below a folder of a listing.
func Within(all []Entry, folder string) []Entry {
	var out []Entry
	for _, e := range all {
		if strings.HasPrefix(e.Path, folder+"/") {
			out = append(out, e)
		}
	}
	return out
}

// Folder reads the files below a folder of a listing, by their paths in it. What
// is no plain file, too large or too much is refused by name.
func (m *Mirror) Folder(ctx context.Context, all []Entry, folder string) (map[string][]byte, error) {
	var wanted []Entry
	var sum int64
	for _, e := range Within(all, folder) {
		switch {
		case e.Folder():
			continue
		case e.Mode == "120000":
			return nil, fmt.Errorf("%s: is a symbolic link; only plain files are read", e.Path)
		case e.Mode == "160000":
			return nil, fmt.Errorf("%s: is a submodule; only plain files are read", e.Path)
		case !e.File():
			return nil, fmt.Errorf("%s: is no plain file", e.Path)
		case e.Size > MostFile:
			return nil, fmt.Errorf("%s: is %d KiB, at most %d KiB are read", e.Path, e.Size>>10, MostFile>>10)
		case path.Clean(e.Path) != e.Path || strings.ContainsRune(e.Path, '\\'):
			return nil, fmt.Errorf("%q: is not a path that is read", e.Path)
		}
		if sum += e.Size; sum > MostFolder {
			return nil, fmt.Errorf("%s: its files have more than %d MiB together", folder, MostFolder>>20)
		}
		wanted = append(wanted, e)
	}
	if len(wanted) > MostFiles {
		return nil, fmt.Errorf("%s: has %d files, at most %d are read", folder, len(wanted), MostFiles)
	}
	return m.blobs(ctx, wanted, folder+"/")
}

// Blob reads one file of a listing.
func (m *Mirror) Blob(ctx context.Context, e Entry) ([]byte, error) {
	if !e.File() {
		return nil, fmt.Errorf("%s: is no plain file", e.Path)
	}
	if e.Size > MostFile {
		return nil, fmt.Errorf("%s: is %d KiB, at most %d KiB are read", e.Path, e.Size>>10, MostFile>>10)
	}
	found, err := m.blobs(ctx, []Entry{e}, "")
	return found[e.Path], err
}

func (m *Mirror) blobs(ctx context.Context, wanted []Entry, prefix string) (map[string][]byte, error) {
	var ask bytes.Buffer
	for _, e := range wanted {
		ask.WriteString(e.ID + "\n")
	}
	out, err := m.git(ctx, &ask, "cat-file", "--batch")
	if err != nil {
		return nil, fmt.Errorf("read the environment repository: %w", err)
	}
	in := bufio.NewReader(bytes.NewReader(out))
	files := make(map[string][]byte, len(wanted))
	for _, e := range wanted {
		head, err := in.ReadString('\n')
		fields := strings.Fields(head)
		if err != nil || len(fields) != 3 || fields[1] != "blob" {
			return nil, fmt.Errorf("%s: the mirror holds no such file", e.Path)
		}
		size, err := strconv.Atoi(fields[2])
		if err != nil || size > MostFile {
			return nil, fmt.Errorf("%s: has an odd size", e.Path)
		}
		text := make([]byte, size+1)
		if _, err := io.ReadFull(in, text); err != nil {
			return nil, fmt.Errorf("%s: %w", e.Path, err)
		}
		files[strings.TrimPrefix(e.Path, prefix)] = text[:size]
	}
	return files, nil
}

// Commit is what a commit says of itself.
type Commit struct {
	ID       string
	Author   string
	At       time.Time // of the committer
	Subject  string
	Trailers map[string]string
}

// Last is the newest commit up to head that changed a folder.
func (m *Mirror) Last(ctx context.Context, head, folder string) (Commit, error) {
	found, err := m.log(ctx, "-1", head, "--", folder)
	if err != nil {
		return Commit{}, err
	}
	if len(found) == 0 {
		return Commit{}, fmt.Errorf("no commit changed %s", folder)
	}
	return found[0], nil
}

// Between are the commits after one commit, up to another, that changed a folder,
// newest first, at most a hundred.
func (m *Mirror) Between(ctx context.Context, after, upTo, folder string) ([]Commit, error) {
	return m.log(ctx, "-100", after+".."+upTo, "--", folder)
}

// WithTrailer is the newest commit among the last thousand up to head that has a
// trailer of a value, "" when none has.
func (m *Mirror) WithTrailer(ctx context.Context, head, name, value string) (string, error) {
	found, err := m.log(ctx, "-1000", "--fixed-strings", "--grep="+name+": "+value, head)
	if err != nil {
		return "", err
	}
	for _, c := range found {
		if c.Trailers[name] == value {
			return c.ID, nil
		}
	}
	return "", nil
}

// TreeOf is the tree of a folder in a commit; ErrNoFolder when there is none.
func (m *Mirror) TreeOf(ctx context.Context, commit, folder string) (string, error) {
	out, err := m.git(ctx, nil, "ls-tree", "-d", "-z", "--full-tree", commit, folder)
	if err != nil {
		return "", fmt.Errorf("read the environment repository: %w", err)
	}
	head, name, _ := strings.Cut(strings.TrimRight(string(out), "\x00"), "\t")
	fields := strings.Fields(head)
	if name != folder || len(fields) != 3 || fields[1] != "tree" {
		return "", fmt.Errorf("%w: %s in %.10s", ErrNoFolder, folder, commit)
	}
	return fields[2], nil
}

// ErrNoFolder says that a commit has no such folder.
var ErrNoFolder = errors.New("there is no such folder")

func (m *Mirror) log(ctx context.Context, args ...string) ([]Commit, error) {
	format := "--format=%H%x1f%an%x1f%ct%x1f%s%x1f%(trailers:only,unfold)%x1e"
	out, err := m.git(ctx, nil, append([]string{"log", "--no-show-signature", "--no-color", format}, args...)...)
	if err != nil {
		return nil, fmt.Errorf("read the history of the environment repository: %w", err)
	}
	var all []Commit
	for record := range strings.SplitSeq(string(out), "\x1e") {
		fields := strings.SplitN(strings.TrimLeft(record, "\n"), "\x1f", 5)
		if len(fields) != 5 {
			continue
		}
		seconds, err := strconv.ParseInt(fields[2], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("read the history of the environment repository: %w", err)
		}
		c := Commit{ID: fields[0], Author: fields[1], At: time.Unix(seconds, 0).UTC(), Subject: fields[3], Trailers: map[string]string{}}
		for line := range strings.SplitSeq(fields[4], "\n") {
			if name, value, ok := strings.Cut(line, ":"); ok {
				c.Trailers[strings.TrimSpace(name)] = strings.TrimSpace(value)
			}
		}
		all = append(all, c)
	}
	return all, nil
}

// Tree reads the files of a tree by its id, as Folder does; folder is its path in
// errors.
func (m *Mirror) Tree(ctx context.Context, tree, folder string) (map[string][]byte, error) {
	all, err := m.List(ctx, tree)
	if err != nil {
		return nil, err
	}
	for i := range all {
		all[i].Path = folder + "/" + all[i].Path
	}
	return m.Folder(ctx, all, folder)
}
