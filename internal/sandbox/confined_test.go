package sandbox_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fawkes-idp/fawkes/internal/sandbox"
)

// worldVariable says in which world this test binary was started again; empty is the world of who started it.
const worldVariable = "SANDBOX_TEST_WORLD"

const (
	ordinaryUser = "a user without rights"
	noNamespaces = "no rights and no namespaces"
)

func world() string { return os.Getenv(worldVariable) }

// TestOtherWorlds runs every test of this package again where less can be had. Both worlds can only be made by root;
// where this is not root, the tests have run in one of them already.
func TestOtherWorlds(t *testing.T) {
	if world() != "" || os.Geteuid() != 0 {
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	for name, by := range map[string][]string{
		ordinaryUser: {"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all"},
		noNamespaces: {"unshare", "-Ur", "sh", "-c",
			`echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --bounding-set=-all --inh-caps=-all "$@"`, "sh"},
	} {
		t.Run(name, func(t *testing.T) {
			home := t.TempDir()
			bin := filepath.Join(home, "sandbox.test")
			if err := os.WriteFile(bin, text, 0o755); err != nil {
				t.Fatal(err)
			}
			for dir := home; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
				_ = os.Chmod(dir, 0o777)
			}
			args := append(append([]string{}, by[1:]...), bin, "-test.v", "-test.timeout=5m")
			cmd := exec.Command(by[0], args...)
			cmd.Dir = home
			app := filepath.Join(home, "app")
			buildServing(t, app)
			cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + home, "HOME=" + home, worldVariable + "=" + name, appVariable + "=" + app}
			out, err := cmd.CombinedOutput()
			if err != nil || strings.Contains(string(out), "--- FAIL") {
				t.Fatalf("%v\n%s", err, out)
			}
			for _, line := range strings.Split(string(out), "\n") {
				if strings.Contains(line, "here:") {
					t.Log(strings.TrimSpace(line))
				}
			}
		})
	}
}

func TestConfinement(t *testing.T) {
	report := sandbox.Probe()
	t.Logf("here: uid %d: %+v", os.Geteuid(), report)
	if !report.Landlock {
		t.Fatalf("this machine has no Landlock (needed by this test): %v", report.Notes)
	}
	if weak := world() == noNamespaces; report.PIDNamespace == weak || report.NetworkNamespace == weak || report.Chroot == weak || (len(report.Notes) > 0) != weak {
		t.Fatalf("%+v", report)
	}
	work, state := t.TempDir(), t.TempDir()
	write(t, filepath.Join(state, "secret"), "the token")
	system := []string{"/usr", "/bin", "/lib", "/lib64"}
	confined := sandbox.Spec{Dir: work, Read: system, Write: []string{work}}

	t.Run("it works in its folder", func(t *testing.T) {
		out, exit, _ := run(t, confined, "echo x > a && mkdir d && mv a d/b && ln -s b d/c && cat d/c && rm -r d && cat /dev/null && echo y > /dev/null && head -c 4 /dev/urandom | wc -c && cat /proc/self/status > /dev/null")
		if !exit.Success() || out != "x\n4" {
			t.Fatalf("%q %+v", out, exit)
		}
	})
	t.Run("the state cannot be read", func(t *testing.T) {
		out, exit, _ := run(t, confined, "cat "+state+"/secret")
		if exit.Success() || strings.Contains(out, "the token") || !strings.Contains(out, "denied") {
			t.Fatalf("%q %+v", out, exit)
		}
		for _, script := range []string{
			"ls " + state, "ln " + state + "/secret here && cat here", "ln -s " + state + "/secret there && cat there",
			"cp " + state + "/secret .", "cat /proc/self/root" + state + "/secret", "cd " + state + " && cat secret",
			"exec 3< " + state + "/secret && cat <&3",
		} {
			if out, exit, _ := run(t, confined, script); exit.Success() || strings.Contains(out, "the token") {
				t.Errorf("%s: %q %+v", script, out, exit)
			}
		}
	})
	t.Run("nothing is written outside", func(t *testing.T) {
		for _, script := range []string{
			"echo gone > $S/secret", ": > $S/secret", "rm $S/secret", "mv $S/secret x", ": > $S/new", "mkdir $S/new", "ln -s x $S/l",
			"mkfifo $S/f", "touch m && mv m $S/", "echo x >> /etc/passwd", "echo x > /usr/bin/true", "mknod null c 1 3 && echo > null",
		} {
			if out, exit, _ := run(t, confined, "S="+state+"; "+script); exit.Success() {
				t.Errorf("%s: %q", script, out)
			}
		}
		if got, _ := os.ReadFile(filepath.Join(state, "secret")); string(got) != "the token" {
			t.Fatalf("the secret is now %q", got)
		}
	})
	t.Run("no other process's environment", func(t *testing.T) {
		out, _, r := run(t, confined, "cat /proc/[0-9]*/environ | tr '\\0' '\\n'; cat /proc/"+fmt.Sprint(os.Getpid())+"/environ")
		if strings.Contains(out, "HOME=") || strings.Contains(out, worldVariable) {
			t.Fatalf("%q %+v", out, r)
		}
	})
	t.Run("its keeper cannot be traced", func(t *testing.T) {
		for _, file := range []string{"mem", "environ", "fd/3", "maps"} {
			out, exit, _ := run(t, confined, "head -c 1 /proc/$PPID/"+file+" > /dev/null || exit 3; exit 0")
			if exit.Code != 3 {
				t.Errorf("%s: %q %+v", file, out, exit)
			}
		}
	})
	t.Run("nobody else is killed", func(t *testing.T) {
		victim := exec.Command("sleep", "100")
		if err := victim.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = victim.Process.Kill(); _ = victim.Wait() }()
		out, exit, _ := run(t, confined, fmt.Sprintf("kill -9 %d", victim.Process.Pid))
		if exit.Success() {
			t.Fatalf("%q", out)
		}
	})
	t.Run("a loopback of its own", func(t *testing.T) {
		out, exit, r := run(t, confined, "cat /proc/net/dev")
		if r.NetworkNamespace && (!strings.Contains(out, "lo:") || strings.Count(out, ":") != 1) {
			t.Fatalf("%q %+v %+v", out, exit, r)
		}
		if !r.NetworkNamespace && !strings.Contains(strings.Join(r.Notes, ";"), "reaches the network") {
			t.Fatalf("%+v", r)
		}
	})
	t.Run("no capabilities", func(t *testing.T) {
		out, _, _ := run(t, confined, "grep -E 'Cap(Eff|Prm|Amb|Inh)|NoNewPrivs' /proc/self/status")
		for _, line := range strings.Split(out, "\n") {
			if name, value, _ := strings.Cut(line, ":\t"); name == "NoNewPrivs" && value != "1" || name != "NoNewPrivs" && strings.Trim(value, "0") != "" {
				t.Fatalf("%q", out)
			}
		}
	})
	t.Run("nothing can be mounted", func(t *testing.T) {
		if out, exit, _ := run(t, confined, "mount -t tmpfs x "+work+" || unshare -Urm mount -t tmpfs x "+work); exit.Success() {
			t.Fatalf("%q", out)
		}
	})
}

// serving is a program that looks around, and serves on its loopback.
const serving = `package main
import ("fmt"; "net"; "os")
func main() {
	for _, p := range []string{"/etc/passwd", "/proc/1/environ", "/proc/self/status", "/dev/null", "/dev/sda", "/usr", "/../../etc/shadow"} {
		_, err := os.ReadFile(p)
		fmt.Println(p, err == nil)
	}
	fmt.Println(os.Getwd())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil { fmt.Println(err); return }
	go func() { c, err := l.Accept(); if err == nil { c.Write([]byte("hello")); c.Close() } }()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil { fmt.Println(err); return }
	b := make([]byte, 5); c.Read(b); fmt.Println(string(b))
	f := os.NewFile(3, "listener"); _, err = net.FileListener(f); fmt.Println("listener", err == nil)
}`

// appVariable is where the other worlds find the program, which only the first builds.
const appVariable = "SANDBOX_TEST_APP"

func buildServing(t *testing.T, to string) {
	t.Helper()
	if built := os.Getenv(appVariable); built != "" {
		text, err := os.ReadFile(built)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, text, 0o755); err != nil {
			t.Fatal(err)
		}
		return
	}
	source := filepath.Join(t.TempDir(), "main.go")
	write(t, source, serving)
	build := exec.Command("go", "build", "-o", to, source)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
}

func TestARootOfItsOwn(t *testing.T) {
	if world() == noNamespaces {
		_, err := sandbox.Start(t.Context(), sandbox.Spec{Path: "/bin/app", Root: t.TempDir()})
		if err == nil || !strings.Contains(err.Error(), "needs root's rights or a user namespace") {
			t.Fatalf("%v", err)
		}
		return
	}
	root := t.TempDir()
	for _, d := range []string{"bin", "etc"} {
		if err := os.Mkdir(filepath.Join(root, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	buildServing(t, filepath.Join(root, "bin", "app"))
	open, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	listener, err := open.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	var out strings.Builder
	p, err := sandbox.Start(t.Context(), sandbox.Spec{Path: "/bin/app", Root: root, Read: []string{root}, Stdout: &out, Stderr: &out, Listener: listener})
	if err != nil {
		t.Fatal(err)
	}
	exit, err := p.Wait()
	want := `/etc/passwd false
/proc/1/environ false
/proc/self/status true
/dev/null true
/dev/sda false
/usr false
/../../etc/shadow false
/ <nil>
hello
listener true
`
	if r := p.Report(); err != nil || !exit.Success() || out.String() != want || !r.Chroot || !r.Landlock {
		t.Fatalf("%v %+v %+v\n%s", err, exit, r, out.String())
	}
	// What an image says of its own /proc or /dev is not followed out of it.
	odd := t.TempDir()
	if err := os.Symlink("/etc", filepath.Join(odd, "dev")); err != nil {
		t.Fatal(err)
	}
	if _, err := sandbox.Start(t.Context(), sandbox.Spec{Path: "/bin/app", Root: odd}); err == nil || !strings.Contains(err.Error(), "no folder") {
		t.Fatalf("%v", err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
