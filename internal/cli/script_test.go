package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/fawkes-idp/fawkes/internal/sandbox"
)

// TestMain makes the scripts run the real program, as a process of its own.
func TestMain(m *testing.M) {
	sandbox.Init()
	testscript.Main(m, map[string]func(){
		"fawkes": func() {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			context.AfterFunc(ctx, stop)
			os.Exit(Run(ctx, "test", System(), os.Args[1:]))
		},
	})
}

// TestScripts runs testdata/*.txtar: the program as a person uses it.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			home := filepath.Join(e.WorkDir, "home")
			e.Setenv("HOME", home)
			cache, err := exec.Command("go", "env", "GOCACHE").Output() // the standard library is compiled once for all
			if err != nil {
				return err
			}
			e.Setenv("FAWKES_GO_CACHE", strings.TrimSpace(string(cache)))
			e.Setenv("GIT_CONFIG_NOSYSTEM", "1")
			e.Setenv("GIT_AUTHOR_NAME", "Ada")
			e.Setenv("GIT_AUTHOR_EMAIL", "ada@example.org")
			e.Setenv("GIT_COMMITTER_NAME", "Ada")
			e.Setenv("GIT_COMMITTER_EMAIL", "ada@example.org")
			return os.MkdirAll(home, 0o700)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"until": until, "visit": visit, "json": jsonField, "platform": platformEnv, "commit": commit, "fill": fill, "appears": appears,
		},
	})
}

// until runs a program again and again until it succeeds (or fails, with !), within a deadline.
func until(ts *testscript.TestScript, neg bool, args []string) {
	deadline := time.Now().Add(2 * time.Minute)
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ts.Exec(args[0], args[1:]...)
		if (err == nil) != neg {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("until %s: still %v after two minutes", strings.Join(args, " "), err)
		}
		<-tick.C
	}
}

// visit opens the address that stands alone in the last standard output, and wants a status.
func visit(ts *testscript.TestScript, _ bool, args []string) {
	address := strings.TrimSpace(ts.ReadFile("stdout"))
	client := &http.Client{Timeout: 10 * time.Second}
	resp, err := client.Get(address)
	ts.Check(err)
	ts.Check(resp.Body.Close())
	if got := fmt.Sprint(resp.StatusCode); got != args[0] {
		ts.Fatalf("visit %s: want %s, got %s", address, args[0], got)
	}
}

// jsonField wants a field of a JSON file (or of stdout) to hold a value: json stdout metrics.1.n 3.
// With one argument less, the field has to be there.
func jsonField(ts *testscript.TestScript, neg bool, args []string) {
	var v any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &v))
	for _, key := range strings.Split(args[1], ".") {
		switch c := v.(type) {
		case map[string]any:
			v = c[key]
		case []any:
			var i int
			if key == "len" {
				v = len(c)
				continue
			}
			if _, err := fmt.Sscan(key, &i); err != nil || i >= len(c) {
				ts.Fatalf("json: no element %s of %d in %s", key, len(c), args[1])
			}
			v = c[i]
		default:
			v = nil
		}
	}
	got, err := json.Marshal(v)
	ts.Check(err)
	text := strings.Trim(string(got), `"`)
	want := strings.Join(args[2:], " ")
	if (text == want) == neg {
		ts.Fatalf("json %s: want %s%q, got %q", args[1], map[bool]string{true: "anything but ", false: ""}[neg], want, text)
	}
}

// platformEnv sets FAWKES_API and FAWKES_TOKEN from a run file.
func platformEnv(ts *testscript.TestScript, _ bool, args []string) {
	var r running
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &r))
	ts.Setenv("FAWKES_API", r.API)
	ts.Setenv("FAWKES_TOKEN", r.Token)
}

// commit makes a commit at a time: commit DIR TIME FILE.
func commit(ts *testscript.TestScript, _ bool, args []string) {
	dir, at, file := ts.MkAbs(args[0]), args[1], args[2]
	ts.Setenv("GIT_AUTHOR_DATE", at)
	ts.Setenv("GIT_COMMITTER_DATE", at)
	ts.Check(os.MkdirAll(filepath.Dir(filepath.Join(dir, file)), 0o755))
	ts.Check(os.WriteFile(filepath.Join(dir, file), []byte(at+"\n"), 0o644))
	ts.Check(ts.Exec("git", "-C", dir, "add", "--all"))
	ts.Check(ts.Exec("git", "-C", dir, "commit", "--quiet", "-m", file))
}

// appears waits until a file of the pattern is there; ! appears wants none now.
func appears(ts *testscript.TestScript, neg bool, args []string) {
	deadline := time.Now().Add(2 * time.Minute)
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		found, err := filepath.Glob(ts.MkAbs(args[0]))
		ts.Check(err)
		switch {
		case neg && len(found) > 0:
			ts.Fatalf("there is %s", strings.Join(found, ", "))
		case neg || len(found) > 0:
			return
		case time.Now().After(deadline):
			ts.Fatalf("no %s after two minutes", args[0])
		}
		<-tick.C
	}
}

// fill replaces a word in a file: fill FILE WORD TEXT.
func fill(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	text, err := os.ReadFile(path)
	ts.Check(err)
	ts.Check(os.WriteFile(path, []byte(strings.ReplaceAll(string(text), args[1], args[2])), 0o644))
}
