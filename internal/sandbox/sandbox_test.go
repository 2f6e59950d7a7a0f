package sandbox_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/sandbox"
)

// run runs a shell script under a keeper and gives what it wrote.
func run(t *testing.T, s sandbox.Spec, script string) (string, sandbox.Exit, sandbox.Report) {
	t.Helper()
	var out bytes.Buffer
	s.Path, s.Args = "/bin/sh", []string{"-c", script}
	s.Stdout, s.Stderr = &out, &out
	if s.Env == nil {
		s.Env = []string{"PATH=/usr/bin:/bin"}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	p, err := sandbox.Start(ctx, s)
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	exit, err := p.Wait()
	if err != nil {
		t.Fatalf("wait: %v", err)
	}
	return strings.TrimSpace(out.String()), exit, p.Report()
}

func TestAProgramsEndIsReported(t *testing.T) {
	for _, c := range []struct {
		name, script, out string
		code              int
		signal            string
	}{
		{"success", "echo hello", "hello", 0, ""},
		{"failure", "echo oh >&2; exit 7", "oh", 7, ""},
		{"signal", "kill -9 $$", "", -1, "SIGKILL"},
		{"own signal", "kill -SEGV $$", "", -1, "SIGSEGV"},
		{"clean environment", "env | grep -v -e ^PWD -e ^_= -e ^SHLVL -e ^OLDPWD | sort", "FAWKES_KEPT=here|test|1\nPATH=/usr/bin:/bin", 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, exit, report := run(t, sandbox.Spec{Network: true, Marker: "here|test|1"}, c.script)
			if out != c.out || exit.Code != c.code || exit.Signal != c.signal {
				t.Fatalf("wrote %q and ended with %+v, want %q, code %d, signal %q (%+v)", out, exit, c.out, c.code, c.signal, report)
			}
		})
	}
}
