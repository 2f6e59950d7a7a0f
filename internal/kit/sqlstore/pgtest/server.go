// Package pgtest runs a real PostgreSQL server for tests.
//
// One server is started for a test binary and shared by its tests, each of which
// asks for a database of its own:
//
//	url := pgtest.Start(t).Database(t)
//
// A test that stops or restarts the server takes a private one with New. The
// server listens on a Unix socket in a folder of its own, with fsync on, so that
// what a test proves of durability holds. A guard process ends the server and
// removes its folder when the test binary is gone, however it went.
//
// Missing programs fail the test by the name of the package to install; nothing
// is ever skipped.
package pgtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

const startWithin = 30 * time.Second

// Server is a running PostgreSQL.
type Server struct {
	bin, dir string
	owner    owner
	guard    *guard

	mu      sync.Mutex // guards the process
	process *exec.Cmd
	exited  chan struct{}

	databases atomic.Int64
}

var shared struct {
	once   sync.Once
	server *Server
	err    error
}

// Start returns the server that the tests of this binary share, and starts it
// for the first of them. It lives until the binary ends.
func Start(t testing.TB) *Server {
	t.Helper()
	shared.once.Do(func() { shared.server, shared.err = launch() })
	if shared.err != nil {
		t.Fatalf("start PostgreSQL for tests: %v", shared.err)
	}
	return shared.server
}

// New starts a server for this test alone, which may stop and restart it. It is
// removed when the test ends.
func New(t testing.TB) *Server {
	t.Helper()
	s, err := launch()
	if err != nil {
		t.Fatalf("start PostgreSQL for tests: %v", err)
	}
	t.Cleanup(func() {
		if err := s.remove(); err != nil {
			t.Errorf("remove PostgreSQL: %v", err)
		}
	})
	return s
}

func launch() (*Server, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	who, err := serverOwner()
	if err != nil {
		return nil, err
	}
	// Not below a test's own folder: a socket's path must be short.
	dir, err := os.MkdirTemp("/tmp", "fawkes-pg-")
	if err != nil {
		return nil, err
	}
	s := &Server{bin: bin, dir: dir, owner: who}
	if s.guard, err = newGuard(dir); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := s.initialize(); err != nil {
		return nil, errors.Join(err, s.guard.release())
	}
	if err := s.start(); err != nil {
		return nil, errors.Join(err, s.guard.release())
	}
	return s, nil
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }
func (s *Server) log() string  { return filepath.Join(s.dir, "log") }

func (s *Server) initialize() error {
	if err := os.Chown(s.dir, s.owner.uid, s.owner.gid); err != nil {
		return err
	}
	// --no-sync concerns only these first files; the server itself runs with fsync.
	cmd := exec.Command(filepath.Join(s.bin, "initdb"), "-D", s.data(), "-U", s.owner.name, "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
	cmd.Dir = s.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.owner.credential}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

// start runs the server and waits until it answers. A server that was killed may
// leave its memory behind for a moment, so that the first attempts fail.
func (s *Server) start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	deadline := time.Now().Add(startWithin)
	for {
		err := s.run()
		if err == nil {
			if err = s.await(deadline); err == nil {
				return nil
			}
		}
		if time.Now().After(deadline) {
			log, rerr := os.ReadFile(s.log())
			return errors.Join(fmt.Errorf("postgres did not answer within %s: %w\n%s", startWithin, err, log), rerr)
		}
		wait(50 * time.Millisecond)
	}
}

func (s *Server) run() error {
	out, err := os.OpenFile(s.log(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.Command(filepath.Join(s.bin, "postgres"), "-D", s.data(), "-k", s.dir, "-c", "listen_addresses=",
		"-c", "max_connections=200", "-c", "shared_buffers=64MB", "-c", "fsync=on", "-c", "synchronous_commit=on")
	cmd.Dir = s.dir
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.owner.credential, Setpgid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	go func() {
		// How it ended is in its log; that it ended is what callers wait for.
		_ = cmd.Wait()
		close(exited)
	}()
	s.process, s.exited = cmd, exited
	return nil
}

func (s *Server) await(deadline time.Time) error {
	for {
		err := s.exec(s.DSN("postgres"), "SELECT 1")
		if err == nil {
			return nil
		}
		select {
		case <-s.exited:
			return errors.New("postgres ended while starting")
		default:
		}
		if time.Now().After(deadline) {
			return err
		}
		wait(20 * time.Millisecond)
	}
}

// wait is the pause between two looks at a process that tells nothing by itself.
func wait(d time.Duration) { <-time.After(d) }

// DSN is the URL of a database of this server.
func (s *Server) DSN(database string) string {
	return fmt.Sprintf("postgres://%s@/%s?host=%s&sslmode=disable", s.owner.name, url.PathEscape(database), url.QueryEscape(s.dir))
}

// Log is what the server has logged since it was made.
func (s *Server) Log(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(s.log())
	if err != nil {
		t.Fatalf("read the log of PostgreSQL: %v", err)
	}
	return string(text)
}

// Database makes an empty database and returns its URL; it is dropped when the
// test ends.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	return s.passing(t, s.create(t, ""))
}

// Lasting makes an empty database that stays as long as the server, and returns
// its name: a pattern for Copy.
func (s *Server) Lasting(t testing.TB) string {
	t.Helper()
	return s.create(t, "")
}

// Copy is Database with what another database holds, which nobody may be
// connected to.
func (s *Server) Copy(t testing.TB, of string) string {
	t.Helper()
	return s.passing(t, s.create(t, " TEMPLATE "+of))
}

func (s *Server) create(t testing.TB, as string) (name string) {
	t.Helper()
	name = fmt.Sprintf("test_%d", s.databases.Add(1))
	if err := s.exec(s.DSN("postgres"), "CREATE DATABASE "+name+as); err != nil {
		t.Fatalf("create database %s%s: %v", name, as, err)
	}
	return name
}

// passing drops a database when the test ends.
func (s *Server) passing(t testing.TB, name string) (url string) {
	t.Helper()
	t.Cleanup(func() {
		if !s.running() {
			return // its folder goes with the server
		}
		if err := s.exec(s.DSN("postgres"), "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("drop database %s: %v", name, err)
		}
	})
	return s.DSN(name)
}

func (s *Server) exec(dsn, statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, statement)
	return errors.Join(err, db.Close())
}

func (s *Server) running() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.exited:
		return false
	default:
		return true
	}
}

// Stop ends the server and waits until it is gone. Mode "fast" breaks off
// transactions and shuts down in order; "immediate" aborts every process, so that
// the next start recovers from the log as after a crash.
func (s *Server) Stop(mode string) error {
	sig, ok := map[string]syscall.Signal{"fast": syscall.SIGINT, "immediate": syscall.SIGQUIT}[mode]
	if !ok {
		return fmt.Errorf(`stop PostgreSQL: mode %q is neither "fast" nor "immediate"`, mode)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.exited:
		return nil
	default:
	}
	if err := s.process.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop PostgreSQL: %w", err)
	}
	select {
	case <-s.exited:
		return nil
	case <-time.After(startWithin):
		return fmt.Errorf("PostgreSQL did not stop within %s", startWithin)
	}
}

// Resume starts a stopped server again.
func (s *Server) Resume() error {
	if s.running() {
		return nil
	}
	return s.start()
}

// Restart stops the server in the given mode and starts it again.
func (s *Server) Restart(mode string) error {
	if err := s.Stop(mode); err != nil {
		return err
	}
	return s.start()
}

func (s *Server) remove() error {
	return errors.Join(s.Stop("immediate"), s.guard.release())
}
