package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
)

// Folders within a state folder while it is being restored. What is in the first
// is unfinished. Renaming it to the second is the moment from which the new state
// counts; whoever comes next moves its files into place.
const (
	unfinished = "restore.unfinished"
	finished   = "restore.finished"
)

// Restore puts a copy into databases: those among the given that it holds. The
// copy is verified first, and what was written is counted before it takes the
// place of anything. SQLite files are made anew and swapped in together; a
// PostgreSQL database changes in one transaction.
func Restore(ctx context.Context, file string, databases []Database, force bool) (Manifest, error) {
	m, err := verifyFile(file)
	if err != nil {
		return Manifest{}, err
	}
	var chosen []Database
	for _, d := range databases {
		if _, held := m.Schemas[d.Name]; held {
			chosen = append(chosen, d)
		}
	}
	if len(chosen) == 0 {
		return Manifest{}, errors.New("the backup holds no database of these services")
	}
	for _, d := range chosen {
		if err := vacant(ctx, d, force); err != nil {
			return Manifest{}, fmt.Errorf("%s: %w", d.Name, err)
		}
	}
	folders := map[string]bool{}
	for _, d := range chosen {
		if err := place(ctx, file, d, m, folders); err != nil {
			return Manifest{}, fmt.Errorf("restore %s: %w", d.Name, err)
		}
	}
	for dir := range folders {
		if err := os.Rename(filepath.Join(dir, unfinished), filepath.Join(dir, finished)); err != nil {
			return Manifest{}, err
		}
		if err := errors.Join(syncFolder(dir), Finish(dir)); err != nil {
			return Manifest{}, err
		}
	}
	return m, nil
}

func verifyFile(file string) (Manifest, error) {
	f, err := os.Open(file)
	if err != nil {
		return Manifest{}, err
	}
	m, err := Verify(f)
	return m, errors.Join(err, f.Close())
}

// vacant says whether a database may be filled.
func vacant(ctx context.Context, d Database, force bool) (err error) {
	if path, ok := sqlitePath(d.URL); ok {
		if _, err := os.Stat(path); err == nil && !force {
			return errNotEmpty(path)
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		used, err := sqlstore.InUse(path)
		if err == nil && used {
			err = fmt.Errorf("%w: a process has %s open", ErrInUse, path)
		}
		return err
	}
	db, err := d.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var others int
	if err := db.Read.QueryRowContext(ctx, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
		AND application_name LIKE 'fawkes-%' AND application_name <> '`+appName+`'`).Scan(&others); err != nil {
		return err
	}
	if others > 0 {
		return fmt.Errorf("%w: %d connections of services are open", ErrInUse, others)
	}
	tables, err := tablesOf(ctx, db.Read, db.Engine)
	if err != nil || force {
		return err
	}
	for _, t := range tables {
		var some bool
		if err := db.Read.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM `+quote(t)+`)`).Scan(&some); err != nil {
			return err
		}
		if some {
			return errNotEmpty("the table " + t + " has rows")
		}
	}
	return nil
}

func sqlitePath(url string) (string, bool) {
	rest, ok := strings.CutPrefix(url, "sqlite:")
	return strings.TrimPrefix(rest, "//"), ok
}

// place fills a PostgreSQL database, or a new SQLite file beside the old one,
// noting the folder in which that waits.
func place(ctx context.Context, file string, d Database, m Manifest, folders map[string]bool) (err error) {
	if path, ok := sqlitePath(d.URL); ok {
		dir := filepath.Dir(path)
		waiting := filepath.Join(dir, unfinished)
		if !folders[dir] {
			// Once for a folder: it also removes what waits there, which by the second database is the first one.
			if err := Finish(dir); err != nil {
				return err
			}
			if err := errors.Join(os.RemoveAll(waiting), os.MkdirAll(waiting, 0o700)); err != nil {
				return err
			}
			folders[dir] = true
		}
		d.URL = "sqlite:" + filepath.Join(waiting, filepath.Base(path))
	}
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	db, err := d.open(ctx)
	if err != nil {
		return err
	}
	return errors.Join(load(ctx, in, d, db, m), db.Close())
}

// Finish completes in a state folder what a restoration that was interrupted at
// its very end had begun, and removes what one left that never got so far.
func Finish(dir string) error {
	from := filepath.Join(dir, finished)
	entries, err := os.ReadDir(from)
	if errors.Is(err, fs.ErrNotExist) {
		return os.RemoveAll(filepath.Join(dir, unfinished))
	}
	if err != nil {
		return err
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), "-lock") {
			continue // of the file while it was made
		}
		names = append(names, e.Name())
	}
	slices.Sort(names)
	for _, name := range names {
		target := filepath.Join(dir, name)
		// A log of the old file must never be read into the new one.
		for _, tail := range []string{"-wal", "-shm"} {
			if err := os.Remove(target + tail); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		if err := os.Rename(filepath.Join(from, name), target); err != nil {
			return err
		}
	}
	if err := syncFolder(dir); err != nil {
		return err
	}
	return os.RemoveAll(from)
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Save writes a copy to a file that is readable by its owner only. The file is
// there whole, under its name, or not at all.
func Save(file string, write func(io.Writer) (Manifest, error)) (m Manifest, err error) {
	f, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".*") // mode 0600
	if err != nil {
		return Manifest{}, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	m, err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return Manifest{}, err
	}
	if err := os.Rename(f.Name(), file); err != nil {
		return Manifest{}, err
	}
	return m, syncFolder(filepath.Dir(file))
}
