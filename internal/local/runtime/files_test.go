package runtime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/local/runtime/manifest"
)

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), mode)); err != nil {
		t.Fatal(err)
	}
}

func TestNothingLeadsOutOfARoot(t *testing.T) {
	root := t.TempDir()
	write(t, root+"/usr/bin/prog", "x", 0o755)
	for link, to := range map[string]string{
		"bin": "usr/bin", "abs": "/usr/bin", "out": "../../../../etc", "far": "/etc/passwd", "loop": "loop", "two": "bin/prog",
	} {
		if err := os.Symlink(to, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	for at, want := range map[string]string{
		"/bin/prog": "usr/bin/prog", "/abs/prog": "usr/bin/prog", "/two": "usr/bin/prog", "../../../etc/passwd": "etc/passwd",
		"/out/passwd": "etc/passwd", "/far": "etc/passwd", "/": "", "/new/file": "new/file",
	} {
		got, err := within(root, at)
		if err != nil || got != filepath.Join(root, want) {
			t.Errorf("within(%q) = %q, %v; want %q below the root", at, got, err, want)
		}
	}
	if _, err := within(root, "/loop/x"); err == nil {
		t.Error("a link to itself has an end")
	}
	for name, want := range map[string]string{"prog": "/bin/prog", "/abs/prog": "/abs/prog", "./prog": "/usr/bin/prog"} {
		if got, err := lookup(root, name, "/usr/bin", "/nowhere:/bin"); err != nil || got != want {
			t.Errorf("lookup(%q) = %q, %v; want %q", name, got, err, want)
		}
	}
	for _, name := range []string{"/far", "sh", "/bin"} {
		if got, err := lookup(root, name, "/", "/bin"); err == nil {
			t.Errorf("lookup(%q) finds %q", name, got)
		}
	}
}

func FuzzWithin(f *testing.F) {
	f.Add("/a/../b", "c")
	f.Add("../..", "/x/y")
	f.Add("l/l/l", "../l")
	f.Fuzz(func(t *testing.T, at, target string) {
		root := t.TempDir()
		if err := os.Symlink(target, filepath.Join(root, "l")); err != nil {
			return // no target of a link
		}
		got, err := within(root, at)
		if err == nil && got != root && !strings.HasPrefix(got, root+"/") {
			t.Fatalf("within(%q) with a link to %q leads to %q", at, target, got)
		}
	})
}

func TestARootSharesFilesAndHasItsOwn(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "root")
	write(t, from+"/app/server", "program", 0o755)
	write(t, from+"/etc/motd", "of the image", 0o644)
	write(t, from+"/tmp/left", "over", 0o644)
	if err := os.Symlink("/etc", filepath.Join(from, "conf")); err != nil {
		t.Fatal(err)
	}
	tm := manifest.Template{
		Scratch: []string{"/cache"},
		Files: []manifest.File{
			{Path: "/etc/motd", Data: []byte("of the manifest"), Mode: 0o644},
			{Path: "/conf/link", Data: []byte("through a link"), Mode: 0o600},
		},
	}
	writable, err := makeRoot(to, &image{root: from}, tm, "hello-1", true)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(writable), fmt.Sprint([]string{to + "/tmp", to + "/cache"}); got != want {
		t.Errorf("%s may be written to, want %s", got, want)
	}
	for path, want := range map[string]string{
		to + "/app/server": "program", to + "/etc/motd": "of the manifest", to + "/etc/link": "through a link",
		from + "/etc/motd": "of the image", to + "/etc/hostname": "hello-1\n",
	} {
		if got := readAll(path); got != want {
			t.Errorf("%s holds %q, want %q", path, got, want)
		}
	}
	if _, err := os.Stat(to + "/tmp/left"); err == nil {
		t.Error("/tmp begins with what the image left in it")
	}
	a, errA := os.Stat(from + "/app/server")
	b, errB := os.Stat(to + "/app/server")
	if errA != nil || errB != nil || !os.SameFile(a, b) {
		t.Error("the program is a copy, want the shared file")
	}
	if _, err := makeRoot(to, &image{root: from}, tm, "hello-1", false); err != nil {
		t.Fatal(err)
	}
	if b, err := os.Stat(to + "/app/server"); err != nil || os.SameFile(a, b) {
		t.Error("the program is the shared file where nothing keeps an instance from writing to it")
	}
}

func TestALogIsBoundedAndFollowed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "logs", "a.log")
	l, err := openLog(path)
	if err != nil {
		t.Fatal(err)
	}
	line := strings.Repeat("x", 1023) + "\n"
	for i := range 4 * logHalf / 1024 {
		if _, err := fmt.Fprintf(l, "%07d %s", i, line[8:]); err != nil {
			t.Fatal(err)
		}
	}
	size := int64(0)
	for _, p := range []string{path, path + ".1"} {
		info, err := os.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	if size > 2*logHalf+1024 || size < logHalf {
		t.Errorf("the log takes %d bytes, want between %d and %d", size, logHalf, 2*logHalf)
	}
	text, err := lastLines(path, 1500)
	if err != nil || strings.Count(string(text), "\n") != 1500 || !strings.HasPrefix(string(text), "0002596 ") {
		t.Errorf("the last 1500 lines are %d, beginning %.10q, %v", strings.Count(string(text), "\n"), text, err)
	}
	if text, err := lastLines(path, 2); err != nil || strings.Count(string(text), "\n") != 2 {
		t.Errorf("the last two lines are %q, %v", text, err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var mu sync.Mutex
	var seen strings.Builder
	ready := make(chan struct{}, 1)
	done := make(chan error, 1)
	go func() {
		done <- l.follow(ctx, 1, func(b []byte) error {
			mu.Lock()
			defer mu.Unlock()
			seen.Write(b)
			select {
			case ready <- struct{}{}:
			default:
			}
			return nil
		})
	}()
	<-ready
	for i := range 100 {
		fmt.Fprintln(l, "line", i)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(seen.String(), "\n")
	var want strings.Builder
	for i := range 100 {
		fmt.Fprintln(&want, "line", i)
	}
	if after != want.String() {
		t.Errorf("what was followed is %q", after)
	}
}

func TestStateIsReplacedWhole(t *testing.T) {
	s := store{t.TempDir()}
	if err := os.MkdirAll(s.apps(), 0o700); err != nil {
		t.Fatal(err)
	}
	a := &savedApp{Name: "hello", Ports: map[string]int{"hello/80": 20001}}
	if err := s.save(a); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(s.apps(), ".new-123"), "{half", 0o600) // a crash in the middle of writing
	apps, _, err := s.load()
	if err != nil || len(apps) != 1 || apps["hello"].Ports["hello/80"] != 20001 {
		t.Errorf("load = %v, %v", apps, err)
	}
	write(t, filepath.Join(s.apps(), "bad.json"), "{half", 0o600)
	if _, _, err := s.load(); err == nil || !strings.Contains(err.Error(), "bad.json") {
		t.Errorf("state that cannot be read is %v, want an error that names the file", err)
	}
}

func TestImagesAreNamedByDigest(t *testing.T) {
	digest := "sha256:" + strings.Repeat("0", 64)
	host, repository, got, err := parseRef("127.0.0.1:8080/a/b:v1@" + digest)
	if err != nil || host != "127.0.0.1:8080" || repository != "a/b" || got != digest {
		t.Errorf("parseRef = %s %s %s, %v", host, repository, got, err)
	}
	for _, bad := range []string{"a/b:v1", "a/b@sha256:12", "b@" + digest, ""} {
		if _, _, _, err := parseRef(bad); err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("parseRef(%q) = %v, want an error that names it", bad, err)
		}
	}
}
