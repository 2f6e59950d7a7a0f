// Package scaffoldtest checks a repository that was written out by package scaffold: that its programs build and
// pass their own tests, and that Kubernetes would take its manifests.
//
// A toolchain may be absent on a machine. A test must not be skipped in silence, and installing Node.js, Java and
// Python for it would be heavy; so [Has] names what is absent in the test's log, as scripts/prereqs.sh does before
// `make test`, and fails where FAWKES_EVERY_TOOLCHAIN=1 says that the machine is meant to have everything.
package scaffoldtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Has says whether a program is installed. One that is not is named, and is a failure where all are wanted.
func Has(t *testing.T, program string) bool {
	t.Helper()
	if _, err := exec.LookPath(program); err == nil {
		return true
	}
	if slices.Contains(os.Environ(), "FAWKES_EVERY_TOOLCHAIN=1") {
		t.Errorf("%s is not installed, and FAWKES_EVERY_TOOLCHAIN=1 wants every toolchain", program)
	} else {
		t.Logf("NOT TESTED: %s is not installed, and what needs it was not run", program)
	}
	return false
}

// Run runs a program of a repository to its end and returns what it printed. It fails the test when the program
// fails. The environment is that of the test, without what it says of Go, and without any way to download.
func Run(t *testing.T, dir, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	if strings.HasPrefix(program, "./") {
		cmd.Path = filepath.Join(dir, program)
	}
	cmd.Dir = dir
	cmd.Env = Offline(os.Environ())
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// Offline is an environment in which nothing is downloaded: the first build of a new repository needs no network.
func Offline(environ []string) []string {
	var out []string
	for _, e := range environ {
		switch name, _, _ := strings.Cut(e, "="); name {
		case "GOFLAGS", "GOWORK", "GOPROXY", "GOTOOLCHAIN", "CGO_ENABLED", "NODE_OPTIONS", "NODE_TEST_CONTEXT":
		default:
			out = append(out, e)
		}
	}
	return append(out, "GOFLAGS=-buildvcs=false", "GOWORK=off", "GOPROXY=off", "GOTOOLCHAIN=local", "CGO_ENABLED=0", "npm_config_offline=true", "PIP_NO_INDEX=1", "MAVEN_ARGS=-o")
}

// Go builds, vets and tests a Go repository, and runs its behavior tests.
func Go(t *testing.T, dir string) {
	t.Helper()
	Run(t, dir, "go", "build", "-o", filepath.Join(t.TempDir(), "program"), ".")
	Run(t, dir, "go", "vet", "./...")
	Run(t, dir, "go", "vet", "-tags=behavior", "./...")
	Run(t, dir, "go", "test", "./...")
	Run(t, dir, "go", "test", "-count=1", "-tags=behavior", "./behavior")
	if out := Run(t, dir, "gofmt", "-l", "."); out != "" {
		t.Errorf("not formatted: %s", out)
	}
	if out := Run(t, dir, "go", "mod", "tidy", "-diff"); out != "" {
		t.Errorf("go.mod is not tidy:\n%s", out)
	}
}
