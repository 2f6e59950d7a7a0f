package sandbox_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/sandbox"
)

// The same tests run as root and, by setpriv, as a user without rights.
func TestConfinement(t *testing.T) {
	report := sandbox.Probe()
	t.Logf("uid %d: %+v", os.Geteuid(), report)
	if !report.Landlock {
		t.Fatalf("this machine has no Landlock (needed by this test): %v", report.Notes)
	}
	work, state := t.TempDir(), t.TempDir()
	write(t, filepath.Join(state, "secret"), "the token")
	system := []string{"/usr", "/bin", "/lib", "/lib64"}
	confined := sandbox.Spec{Dir: work, Read: system, Write: []string{work}}

	t.Run("it works in its folder", func(t *testing.T) {
		out, exit, _ := run(t, confined, "echo x > a && mkdir d && mv a d/b && ln -s b d/c && cat d/c && rm -r d && cat /dev/null && echo y > /dev/null && ls /")
		if !exit.Success() && !strings.Contains(out, "ls:") {
			t.Fatalf("%q %+v", out, exit)
		}
	})
	t.Run("the state cannot be read", func(t *testing.T) {
		out, exit, _ := run(t, confined, "cat "+state+"/secret")
		if exit.Success() || strings.Contains(out, "the token") || !strings.Contains(out, "denied") {
			t.Fatalf("%q %+v", out, exit)
		}
		out, exit, _ = run(t, confined, "ls "+state)
		if exit.Success() {
			t.Fatalf("%q %+v", out, exit)
		}
	})
	t.Run("nothing is written outside", func(t *testing.T) {
		out, exit, _ := run(t, confined, "echo gone > "+state+"/secret; rm "+state+"/secret; : > "+state+"/new; ln -s x "+state+"/l; mv ./* "+state+"/")
		if exit.Success() {
			t.Fatalf("%q %+v", out, exit)
		}
		if got, _ := os.ReadFile(filepath.Join(state, "secret")); string(got) != "the token" {
			t.Fatalf("the secret is now %q", got)
		}
	})
	t.Run("no other process's environment", func(t *testing.T) {
		out, _, r := run(t, confined, "cat /proc/[0-9]*/environ | tr '\\0' '\\n'; cat /proc/"+fmt.Sprint(os.Getpid())+"/environ")
		if strings.Contains(out, "HOME=") || strings.Contains(out, "GOCACHE") {
			t.Fatalf("%q %+v", out, r)
		}
	})
	t.Run("its keeper cannot be traced", func(t *testing.T) {
		out, exit, r := run(t, confined, "cat /proc/$PPID/mem > /dev/null || exit 3; exit 0")
		if exit.Code != 3 {
			t.Fatalf("%q %+v %+v", out, exit, r)
		}
	})
	t.Run("a loopback of its own", func(t *testing.T) {
		out, exit, r := run(t, confined, "cat /proc/net/route /proc/net/fib_trie")
		if !r.NetworkNamespace || !strings.Contains(out, "127.0.0.1") || strings.Contains(out, "eth0") {
			t.Fatalf("%q %+v %+v", out, exit, r)
		}
	})
	t.Run("no capabilities", func(t *testing.T) {
		out, _, _ := run(t, confined, "grep -E 'CapEff|CapPrm|CapBnd|CapAmb' /proc/self/status | tr -d '\\n'")
		if !strings.Contains(out, "CapEff:\t0000000000000000") || !strings.Contains(out, "CapPrm:\t0000000000000000") {
			t.Fatalf("%q", out)
		}
	})
}

func TestRoot(t *testing.T) {
	root := t.TempDir()
	for _, d := range []string{"bin", "etc"} {
		if err := os.Mkdir(filepath.Join(root, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	busy := filepath.Join(root, "bin", "app")
	write(t, filepath.Join(root, "main.go"), `package main
import ("fmt";"os")
func main() {
	for _, p := range []string{"/etc/passwd", "/proc/1/environ", "/proc/self/status", "/dev/null", "/dev/sda", "/usr", "/etc"} {
		_, err := os.ReadFile(p); fmt.Println(p, err)
	}
	fmt.Println(os.Getwd())
}`)
	build := exec.Command("go", "build", "-o", busy, filepath.Join(root, "main.go"))
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	var out strings.Builder
	p, err := sandbox.Start(t.Context(), sandbox.Spec{Path: "/bin/app", Root: root, Read: []string{root}, Stdout: &out, Stderr: &out})
	if err != nil {
		t.Fatal(err)
	}
	exit, err := p.Wait()
	t.Logf("%v %+v %+v\n%s", err, exit, p.Report(), out.String())
}

func TestUnprivileged(t *testing.T) {
	if os.Geteuid() != 0 {
		return // this is the inner run
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	if err := os.Chmod(home, 0o777); err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(home, "sandbox.test")
	text, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bin, text, 0o755); err != nil {
		t.Fatal(err)
	}
	for dir := home; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		_ = os.Chmod(dir, 0o777)
	}
	cmd := exec.Command("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all", bin, "-test.v")
	cmd.Dir = home
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + home, "HOME=" + home}
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

var _ = context.Background
var _ = json.Marshal
var _ = time.Second
