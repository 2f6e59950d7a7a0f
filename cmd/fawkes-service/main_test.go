package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// asProgram makes this test binary be the program itself.
const asProgram = "FAWKES_SERVICE_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

func program(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = []string{asProgram + "=1"}
	return cmd
}

func TestSIGTERMStopsItCleanly(t *testing.T) {
	state := t.TempDir()
	cmd := program("identity", "--listen", "127.0.0.1:0", "--state", state)
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		said.WriteString(lines.Text() + "\n")
		if strings.Contains(lines.Text(), `"msg":"ready"`) {
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("it ended with %v:\n%s", err, said.String())
	}
	if !strings.Contains(said.String(), `"msg":"stopping"`) {
		t.Errorf("it did not say that it stops:\n%s", said.String())
	}
	if _, err := os.Stat(filepath.Join(state, "identity.db-wal")); !os.IsNotExist(err) {
		t.Errorf("the database was not closed in order: %v", err)
	}
}

func TestHelpListsTheModules(t *testing.T) {
	out, err := program("--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"identity", "dora", "FAWKES_<MODULE>_DATABASE_URL"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the help lacks %q:\n%s", want, out)
		}
	}
}
