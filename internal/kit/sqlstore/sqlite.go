package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

const (
	// busyTimeout is how long a connection waits for another process's lock (or
	// for the restart of the write-ahead log) before it reports "busy".
	busyTimeout = 10 * time.Second
	// checkpointEvery is how often the log is looked at.
	checkpointEvery = 250 * time.Millisecond
	// passivePages is the size of the log, in pages of 4 KiB, from which its pages
	// are copied back into the database file.
	passivePages = 500
	// restartPages is the size from which the writer stands still for a moment while
	// the rest is copied, so that the log begins again from its start; without it
	// the log would grow for as long as writes never pause.
	restartPages = 8192
	// What the copying left in the system's memory is written to the disk before
	// the writer stands still, again and again until it took no longer than shortSync,
	// at most mostPasses times.
	shortSync  = 4 * time.Millisecond
	mostPasses = 6
	// writerCache and readerCache are the pages each connection keeps, as SQLite
	// counts: a negative number of KiB. They lie outside Go's heap and beside the
	// system's own cache of the file, from which a page comes in a microsecond.
	writerCache = -8000
	readerCache = -2000
)

func openSQLite(ctx context.Context, path string, opts Options) (*DB, error) {
	path = strings.TrimPrefix(path, "//")
	if !filepath.IsAbs(path) {
		return nil, fmt.Errorf("open database: %q is not an absolute path; use sqlite:/path/file.db", path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("open database: make its folder: %w", err)
	}
	here, err := attend(path)
	if err != nil {
		return nil, err
	}
	file, err := syscall.Open(path, syscall.O_RDWR|syscall.O_CREAT|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open database: %s: %w", path, err), here.file.Close())
	}
	db, err := openPools(ctx, path, file, opts)
	if err != nil {
		return nil, errors.Join(err, here.leave(file))
	}
	db.presence = here
	end := db.close
	db.close = sync.OnceValue(func() error { return errors.Join(end(), here.leave(file)) })
	return db, nil
}

func openPools(ctx context.Context, path string, file int, opts Options) (*DB, error) {
	readers := opts.MaxConns
	if readers <= 0 {
		readers = 4
	}
	write, err := sqlitePool(path, 1, "_txlock=immediate", pragma("wal_autocheckpoint(0)"), pragma("cache_size(%d)", writerCache))
	if err != nil {
		return nil, err
	}
	// The writer comes first: it makes the file a WAL database, which a reader must
	// not have to do.
	if err := write.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open database %s: %w", path, err), write.Close())
	}
	read, err := sqlitePool(path, readers, "_query_only=1", pragma("cache_size(%d)", readerCache))
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	if err := read.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open database %s: %w", path, err), read.Close(), write.Close())
	}
	keeper, err := sqlitePool(path, 1, pragma("wal_autocheckpoint(0)"))
	if err != nil {
		return nil, errors.Join(err, read.Close(), write.Close())
	}

	db := &DB{Engine: SQLite, Write: write, Read: read, log: opts.Logger}
	cp := newCheckpointer(keeper, write, file, path+"-wal", opts, &db.checkpoints)
	db.close = func() error {
		cp.stop()
		// The writer goes last: the last connection to close folds the log into
		// the file, and only the writer may.
		return errors.Join(keeper.Close(), read.Close(), write.Close())
	}
	return db, nil
}

func pragma(format string, args ...any) string {
	return "_pragma=" + url.QueryEscape(fmt.Sprintf(format, args...))
}

// sqlitePool opens a pool whose every connection has the house's settings. The
// driver applies _busy_timeout before all others, so that a locked file makes
// the others wait instead of fail.
func sqlitePool(path string, conns int, params ...string) (*sql.DB, error) {
	all := append([]string{
		fmt.Sprintf("_busy_timeout=%d", busyTimeout.Milliseconds()),
		"_journal_mode=WAL", "_synchronous=FULL", "_foreign_keys=1",
		pragma("temp_store(MEMORY)"), "_time_integer_format=unix_micro", "_dqs=0",
	}, params...)
	u := url.URL{Scheme: "file", Path: path, RawQuery: strings.Join(all, "&")}
	pool, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	pool.SetMaxOpenConns(conns)
	pool.SetMaxIdleConns(conns)
	return pool, nil
}

// checkpointer copies the write-ahead log back into the database file, away from
// the writer, so that no write waits for the copying.
type checkpointer struct {
	db, write *sql.DB
	file      int // descriptor of the database file
	wal       string
	opts      Options
	observe   *atomic.Pointer[func(time.Duration)]
	cancel    context.CancelFunc
	done      chan struct{}
}

func newCheckpointer(db, write *sql.DB, file int, wal string, opts Options, observe *atomic.Pointer[func(time.Duration)]) *checkpointer {
	ctx, cancel := context.WithCancel(context.Background())
	c := &checkpointer{db: db, write: write, file: file, wal: wal, opts: opts, observe: observe, cancel: cancel, done: make(chan struct{})}
	go c.run(ctx)
	return c
}

func (c *checkpointer) stop() {
	c.cancel()
	<-c.done
}

func (c *checkpointer) run(ctx context.Context) {
	defer close(c.done)
	tick := time.NewTicker(checkpointEvery)
	defer tick.Stop()
	var seen time.Time // the log's change time after which nothing is left to copy
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		info, err := os.Stat(c.wal)
		if err != nil || info.ModTime().Equal(seen) || info.Size() < passivePages*4096 {
			continue // no log, no news, or too little to be worth an fsync
		}
		left, err := c.checkpoint(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			c.opts.Logger.Warn("checkpoint of the write-ahead log failed; it is tried again", "file", c.wal, "error", err)
		case left == 0:
			seen = info.ModTime()
		}
	}
}

// checkpoint copies what no reader still needs, and returns how many pages of
// the log are left. A writer that never pauses adds to the log while it is
// copied, so that it is never copied whole and never begins again. When it has
// become long the last pages are therefore copied on the writer's own connection:
// its pool hands connections out in turn, while a lock on the file would hardly
// ever be won from such a writer. The next transaction then begins the log again.
//
// SQLite writes the file through to the disk only when it has copied all, which
// here is while the writer stands still; so that there is little left to write
// then, it is done beforehand. While a reader needs what the log says as of some
// moment, no more than that can be copied; the writer is then left alone, and the
// log grows until the reader has ended.
func (c *checkpointer) checkpoint(ctx context.Context) (left int, err error) {
	logged, copied, err := passive(ctx, c.db)
	if err != nil || logged < restartPages || copied < logged {
		return logged - copied, err
	}
	for range mostPasses {
		begin := time.Now() //nolint:forbidigo // it measures
		if err := syscall.Fsync(c.file); err != nil {
			return logged - copied, fmt.Errorf("write the database through: %w", err)
		}
		took := time.Since(begin)
		if logged, copied, err = passive(ctx, c.db); err != nil || copied < logged {
			return logged - copied, err // a reader needs the rest: another try after the next tick
		}
		if took <= shortSync {
			break
		}
	}
	err = c.held(ctx, func(conn *sql.Conn) error {
		logged, copied, err = passive(ctx, conn)
		return err
	})
	return logged - copied, err
}

// held runs fn on the writer's connection, and tells how long the writer stood
// still.
func (c *checkpointer) held(ctx context.Context, fn func(*sql.Conn) error) error {
	conn, err := c.write.Conn(ctx)
	if err != nil {
		return err
	}
	begin := time.Now() //nolint:forbidigo // it measures, and not the wait for the connection
	err = fn(conn)
	took := time.Since(begin)
	err = errors.Join(err, conn.Close())
	if observe := c.observe.Load(); observe != nil {
		(*observe)(took)
	}
	return err
}

func passive(ctx context.Context, db interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}) (logged, copied int, err error) {
	var busy int
	err = db.QueryRowContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)").Scan(&busy, &logged, &copied)
	return logged, copied, err
}
