package pgtest_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore/pgtest"
)

func query(t *testing.T, dsn, text string) (string, error) {
	t.Helper()
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var v string
	err = db.QueryRowContext(context.Background(), text).Scan(&v)
	return v, err
}

func TestEachTestHasADatabaseOfItsOwn(t *testing.T) {
	server := pgtest.Start(t)
	if pgtest.Start(t) != server {
		t.Fatal("a second Start gave another server, want the shared one")
	}
	var first string
	t.Run("inner", func(t *testing.T) {
		first = server.Database(t)
		if _, err := query(t, first, "SELECT 'there'"); err != nil {
			t.Fatal(err)
		}
	})
	if second := server.Database(t); second == first {
		t.Fatalf("two databases have the URL %s", second)
	}
	if _, err := query(t, first, "SELECT 'there'"); err == nil {
		t.Fatal("the database of a test that ended is still there")
	}
}

func TestItIsDurableAndStopsAndStarts(t *testing.T) {
	server := pgtest.New(t)
	dsn := server.Database(t)
	if v, err := query(t, dsn, "SHOW fsync"); err != nil || v != "on" {
		t.Fatalf("fsync = %s, %v; want on", v, err)
	}
	for _, mode := range []string{"fast", "immediate"} {
		if err := server.Stop(mode); err != nil {
			t.Fatal(err)
		}
		if _, err := query(t, dsn, "SELECT 'there'"); err == nil {
			t.Fatalf("it answers after Stop(%s)", mode)
		}
		if err := server.Resume(); err != nil {
			t.Fatal(err)
		}
		if err := server.Restart(mode); err != nil {
			t.Fatal(err)
		}
		if _, err := query(t, dsn, "SELECT 'there'"); err != nil {
			t.Fatalf("after Restart(%s): %v", mode, err)
		}
	}
	if err := server.Stop("slowly"); err == nil || !strings.Contains(err.Error(), "slowly") {
		t.Fatalf("Stop(slowly) = %v, want the mode refused by name", err)
	}
}

// childEnv makes this test binary start a server, name its folder, and wait.
const childEnv = "PGTEST_CHILD"

func TestNothingIsLeftOfAKilledTest(t *testing.T) {
	if os.Getenv(childEnv) != "" {
		u, err := url.Parse(pgtest.Start(t).DSN("postgres"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stdout.WriteString("folder " + u.Query().Get("host") + "\n"); err != nil {
			t.Fatal(err)
		}
		select {} // until killed
	}
	child := exec.Command(os.Args[0], "-test.run", "^TestNothingIsLeftOfAKilledTest$", "-test.timeout", "60s")
	child.Env = append(os.Environ(), childEnv+"=1")
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	folder := ""
	for lines := bufio.NewScanner(out); folder == "" && lines.Scan(); {
		folder, _ = strings.CutPrefix(lines.Text(), "folder ")
	}
	if folder == "" {
		t.Fatal("the child named no folder")
	}
	text, err := os.ReadFile(filepath.Join(folder, "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.SplitN(string(text), "\n", 2)[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	// That it was killed is what Wait reports, and no fault here.
	_ = child.Wait()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		_, statErr := os.Stat(folder)
		gone := errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
		if errors.Is(statErr, os.ErrNotExist) && gone {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("20 s after the kill: folder %v, server gone: %v", statErr, gone)
		case <-tick.C:
		}
	}
}
