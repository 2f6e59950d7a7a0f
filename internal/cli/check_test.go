package cli

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore/pgtest"
)

func wantCheck(t *testing.T, c check, status, detail, mend string) {
	t.Helper()
	if c.Status != status || !strings.Contains(c.Detail, detail) || !strings.Contains(c.Mend, mend) {
		t.Errorf("%s: want %s with %q and the mend %q, got %+v", c.Name, status, detail, mend, c)
	}
}

func TestGitIsFoundAndIsNewEnough(t *testing.T) {
	wantCheck(t, checkGit(context.Background()), checkOK, "2.", "")
	bin := t.TempDir()
	t.Setenv("PATH", bin)
	wantCheck(t, checkGit(context.Background()), checkFailed, "not found in PATH", "install git")
	fake := func(text string) {
		if err := os.WriteFile(filepath.Join(bin, "git"), []byte("#!/bin/sh\necho '"+text+"'\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	fake("git version 1.8.3.1")
	wantCheck(t, checkGit(context.Background()), checkFailed, "1.8.3 is too old", "install git 2.31")
	fake("git version 2.30.9")
	wantCheck(t, checkGit(context.Background()), checkFailed, "2.30.9 is too old", "install git 2.31")
	fake("git version 2.47.1 (Apple Git-1)")
	wantCheck(t, checkGit(context.Background()), checkOK, "2.47.1", "")
	fake("hello")
	wantCheck(t, checkGit(context.Background()), checkFailed, "is no version", "install git")
}

func TestPortFaultsAreNamed(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	taken := listener.Addr().String()
	wantCheck(t, checkPort(taken), checkFailed, taken+" is taken by another program", "--listen 127.0.0.1:0")
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	wantCheck(t, checkPort(taken), checkOK, "is free", "")
	wantCheck(t, checkPort("192.0.2.1:80"), checkFailed, "not an address of this machine", "--listen 127.0.0.1:8080")
	wantCheck(t, checkPort("8080"), checkFailed, `"8080" is not an address`, "host:port")
	wantCheck(t, checkPort("127.0.0.1:http"), checkFailed, `"http" is not a port`, "host:port")
}

func TestStateFaultsAreNamed(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	wantCheck(t, checkState(dir)[0], checkOK, dir, "")
	wantCheck(t, checkState(filepath.Join(dir, "a", "b"))[0], checkOK, "will be made", "")
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("the check left something behind: %v, %v", entries, err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	wantCheck(t, checkState(dir)[0], checkWarning, "can be read by others", "chmod 700")
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wantCheck(t, checkState(file)[0], checkFailed, "is a file", "--state")
	wantCheck(t, checkState("/proc/fawkes")[0], checkFailed, "cannot be written", "--state")
}

func TestPostgresIsReachedOrNot(t *testing.T) {
	server := pgtest.Start(t)
	wantCheck(t, checkPostgres(context.Background(), "FAWKES_DORA_DATABASE_URL", server.Database(t)), checkOK, "PostgreSQL ", "")
	c := checkPostgres(context.Background(), "FAWKES_DORA_DATABASE_URL", "postgres://u:secret@127.0.0.1:1/db")
	wantCheck(t, c, checkFailed, "cannot be reached", "postgres://")
	if strings.Contains(c.Detail, "secret") {
		t.Errorf("the password is shown: %s", c.Detail)
	}
	wantCheck(t, checkPostgres(context.Background(), "X", "sqlite:/tmp/x.db"), checkOK, "sqlite:", "")
}

func TestReachable(t *testing.T) {
	for in, want := range map[string]string{"0.0.0.0:80": "127.0.0.1:80", "[::]:80": "127.0.0.1:80", "127.0.0.1:80": "127.0.0.1:80", "[::1]:80": "[::1]:80"} {
		if got := reachable(in); got != want {
			t.Errorf("reachable(%s): want %s, got %s", in, want, got)
		}
	}
}

func TestALinkThatNamesNoAddressIsMadeClickable(t *testing.T) {
	for in, want := range map[string]string{
		"http://[::]:8080/signin?code=a":     "http://127.0.0.1:8080/signin?code=a",
		"http://0.0.0.0:8080/signin?code=a":  "http://127.0.0.1:8080/signin?code=a",
		"https://fawkes.example/signin?code": "https://fawkes.example/signin?code",
	} {
		if got := clickable(in, "http://127.0.0.1:8080"); got != want {
			t.Errorf("clickable(%s): want %s, got %s", in, want, got)
		}
	}
}
