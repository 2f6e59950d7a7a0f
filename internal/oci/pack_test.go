package oci_test

import (
	"archive/tar"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/fawkes-idp/fawkes/internal/oci"
)

// write makes files in dir from "path" to content; a path that ends in "*" is executable.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		name, program := strings.CutSuffix(name, "*")
		mode := fs.FileMode(0o600)
		if program {
			mode = 0o700
		}
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
	}
}

func link(t *testing.T, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}

func app(t *testing.T) oci.ImageSpec {
	dir := t.TempDir()
	write(t, dir, map[string]string{"bin/app*": "program", "web/index.html": "page", "web/a/b.txt": "b", "web/node_modules/x.o": "left out"})
	link(t, "index.html", dir+"/web/home.html")
	return oci.ImageSpec{
		NoTimeZones: true,
		Files:       []oci.File{{Source: dir + "/bin/app", Target: "/app"}, {Target: "/usr/bin/app", Link: "/app"}},
		Folders:     []oci.Folder{{Source: filepath.Join(dir, "web"), Target: "/web", Exclude: []string{"*.o"}}},
		Entrypoint:  []string{"/app"}, Env: []string{"MODE=test"}, Ports: []int{8080},
		Labels:      map[string]string{"org.opencontainers.image.revision": "abc"},
		Annotations: map[string]string{"org.opencontainers.image.revision": "abc"},
	}
}

func digestOf(t *testing.T, img v1.Image) string {
	t.Helper()
	d, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return d.String()
}

func pack(t *testing.T, spec oci.ImageSpec) v1.Image {
	t.Helper()
	img, err := oci.Pack(spec)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func TestTheSameContentGivesTheSameDigest(t *testing.T) {
	spec, again := app(t), app(t)
	first := pack(t, spec)
	if err := validate.Image(first); err != nil {
		t.Fatalf("the image contradicts itself: %v", err)
	}
	old := time.Unix(1, 0)
	if err := os.Chtimes(again.Files[0].Source, old, old); err != nil {
		t.Fatal(err)
	}
	if got, want := digestOf(t, pack(t, again)), digestOf(t, first); got != want {
		t.Errorf("the same content in another folder, with other times, gives %s, want %s", got, want)
	}
	write(t, again.Folders[0].Source, map[string]string{"a/b.txt": "c"})
	if digestOf(t, pack(t, again)) == digestOf(t, first) {
		t.Error("another content gives the same digest")
	}
	spec.Created = time.Unix(1700000000, 0)
	if a, b := manifestOf(t, pack(t, spec)), manifestOf(t, first); a.Layers[0].Digest != b.Layers[0].Digest || a.Layers[2].Digest != b.Layers[2].Digest {
		t.Error("the time of making reaches into the layers")
	}
}

func TestAnImageHoldsWhatItWasMadeOf(t *testing.T) {
	img := pack(t, app(t))
	dir := filepath.Join(t.TempDir(), "root")
	got, err := oci.Unpack(t.Context(), img, dir, oci.UnpackLimits{})
	if err != nil {
		t.Fatal(err)
	}
	if got.Digest != digestOf(t, img) || got.Config.User != oci.UserNonroot || !slices.Equal(got.Config.Entrypoint, []string{"/app"}) ||
		!slices.Contains(got.Config.Env, "MODE=test") || !slices.Contains(got.Config.Env, "PATH="+oci.DefaultPath) {
		t.Errorf("the image says %+v", got)
	}
	if _, ok := got.Config.ExposedPorts["8080/tcp"]; !ok {
		t.Errorf("the ports are %v", got.Config.ExposedPorts)
	}
	have := tree(t, dir)
	for _, want := range []string{"app = program", "web/index.html = page", "web/home.html -> index.html", "web/a/b.txt = b", "usr/bin/app -> ../../app", "tmp/", "etc/nsswitch.conf = hosts: files dns\n"} {
		if !slices.Contains(have, want) {
			t.Errorf("the image has no %q", want)
		}
	}
	if slices.ContainsFunc(have, func(s string) bool { return strings.Contains(s, "x.o") }) {
		t.Error("what was excluded is there")
	}
	for name, want := range map[string]fs.FileMode{"app": 0o755, "web/index.html": 0o644, "tmp": fs.ModeDir | fs.ModeSticky | 0o777} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode() != want {
			t.Errorf("%s is %v, %v; want %v", name, info, err, want)
		}
	}
}

func TestAnImageCanStandOnAnother(t *testing.T) {
	base := imageOf(t, tarOf(t, folder("usr/lib"), sym("lib", "usr/lib"), reg("usr/lib/a", "1")))
	spec := app(t)
	spec.Base = base
	spec.Files = append(spec.Files, oci.File{Source: spec.Files[0].Source, Target: "/lib/app"})
	dir := filepath.Join(t.TempDir(), "root")
	if _, err := oci.Unpack(t.Context(), pack(t, spec), dir, oci.UnpackLimits{}); err != nil {
		t.Fatal(err)
	}
	have := tree(t, dir)
	for _, want := range []string{"lib -> usr/lib", "usr/lib/a = 1", "usr/lib/app = program"} {
		if !slices.Contains(have, want) {
			t.Errorf("there is no %q in %q", want, have)
		}
	}
}

func TestWhatCannotBePackedIsRefused(t *testing.T) {
	for name, change := range map[string]func(dir string, s *oci.ImageSpec){
		"a target with ..":         func(_ string, s *oci.ImageSpec) { s.Files[0].Target = "/a/../../b" },
		"a relative target":        func(_ string, s *oci.ImageSpec) { s.Files[0].Target = "a" },
		"the root as a file":       func(_ string, s *oci.ImageSpec) { s.Files[0].Target = "/" },
		"a file that is not there": func(dir string, s *oci.ImageSpec) { s.Files[0].Source = dir + "/nothing" },
		"a folder as a file":       func(dir string, s *oci.ImageSpec) { s.Files[0].Source = dir },
		"a device as a file":       func(_ string, s *oci.ImageSpec) { s.Files[0].Source = "/dev/null" },
		"a pipe as a file": func(dir string, s *oci.ImageSpec) {
			s.Files[0].Source = dir + "/pipe"
			if err := syscall.Mkfifo(dir+"/pipe", 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"a file twice": func(_ string, s *oci.ImageSpec) { s.Files = append(s.Files, s.Files[0]) },
		"a platform":   func(_ string, s *oci.ImageSpec) { s.Platform = "amd64" },
		"a link out of the folder": func(_ string, s *oci.ImageSpec) {
			link(t, "../../secret", filepath.Join(s.Folders[0].Source, "leak"))
		},
		"an absolute link out of the folder": func(_ string, s *oci.ImageSpec) {
			link(t, "/etc/passwd", filepath.Join(s.Folders[0].Source, "leak"))
		},
		"a file that strangers made a link out": func(dir string, s *oci.ImageSpec) {
			s.Inside = dir
			link(t, "/etc/passwd", dir+"/leak")
			s.Files[0].Source = dir + "/leak"
		},
		"a file in a folder that strangers made a link out": func(dir string, s *oci.ImageSpec) {
			s.Inside = dir
			link(t, "/etc", dir+"/leak")
			s.Files[0].Source = dir + "/leak/passwd"
		},
		"a folder that strangers made a link out": func(dir string, s *oci.ImageSpec) {
			s.Inside = dir
			link(t, "/etc", dir+"/leak")
			s.Folders[0].Source = dir + "/leak"
		},
	} {
		spec := app(t)
		change(t.TempDir(), &spec)
		if _, err := oci.Pack(spec); err == nil {
			t.Errorf("%s: it was packed", name)
		}
	}
}

// A layer that is too large to be kept is made again when it is read; a file that changed meanwhile must not pass.
func TestALargeLayerIsMadeAgainAndChecked(t *testing.T) {
	dir := t.TempDir()
	noise := make([]byte, 40<<20)
	seed := uint32(1)
	for i := range noise {
		seed = seed*1664525 + 1013904223
		noise[i] = byte(seed >> 24)
	}
	write(t, dir, map[string]string{"big": string(noise)})
	img := pack(t, oci.ImageSpec{Files: []oci.File{{Source: dir + "/big", Target: "/big"}}})
	if err := oci.Check(t.Context(), img); err != nil {
		t.Fatal(err)
	}
	noise[0]++
	write(t, dir, map[string]string{"big": string(noise)})
	if err := oci.Check(t.Context(), img); !errors.Is(err, oci.ErrTampered) {
		t.Errorf("a file that changed after it was packed gives %v", err)
	}
	if err := os.Truncate(dir+"/big", 100); err != nil {
		t.Fatal(err)
	}
	if err := oci.Check(t.Context(), img); err == nil {
		t.Error("a file that was cut off after it was packed is taken")
	}
}

func TestTheTimeZonesAreThisMachines(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "root")
	if _, err := oci.Unpack(t.Context(), pack(t, oci.ImageSpec{}), dir, oci.UnpackLimits{}); err != nil {
		t.Fatal(err)
	}
	for _, zone := range []string{"Europe/Berlin", "UTC"} {
		_, here := os.Stat("/usr/share/zoneinfo/" + zone)
		_, there := os.Stat(dir + "/usr/share/zoneinfo/" + zone)
		if (here == nil) != (there == nil) {
			t.Errorf("the zone %s: %v on this machine, %v in the image", zone, here, there)
		}
	}
}

// A real program of this machine, with its libraries, runs where nothing else is.
func TestAProgramWithItsLibrariesRunsUnderAnotherRoot(t *testing.T) {
	root, err := oci.CollectRoot([]string{"/bin/ls", "/bin/sh"})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "root")
	img := pack(t, oci.ImageSpec{NoTimeZones: true, Files: root.Files, Folders: root.Folders, Entrypoint: root.Programs[:1]})
	if _, err := oci.Unpack(t.Context(), img, dir, oci.UnpackLimits{}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		argv []string
		want string
	}{
		{[]string{root.Programs[0], "-a", "/"}, "usr"},
		{[]string{"/bin/ls", "/etc"}, "passwd"},
		{[]string{"/bin/sh", "-c", "echo here; echo /*"}, "here\n/bin /dev /etc"},
	} {
		out, err := chrooted(t, dir, c.argv)
		if err != nil || !strings.Contains(out, c.want) {
			t.Errorf("%v under the other root: %v, %s", c.argv, err, out)
		}
	}
}

func chrooted(t *testing.T, dir string, argv []string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = "/", []string{"PATH=" + oci.DefaultPath}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: dir}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestALibraryThatIsMissingIsNamed(t *testing.T) {
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := oci.CollectRoot([]string{script}); err == nil || !strings.Contains(err.Error(), "interpreter") {
		t.Errorf("a script: %v", err)
	}
	if _, err := oci.CollectRoot([]string{filepath.Join(t.TempDir(), "nothing")}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing: %v", err)
	}
}

// The layers are plain tars in gzip that any tool reads, owned by root, without a time.
func TestTheEntriesNameNobodyAndNoTime(t *testing.T) {
	layers, err := pack(t, app(t)).Layers()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range layers {
		in, err := l.Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		var last string
		for r := tar.NewReader(in); ; {
			h, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if h.ModTime.Unix() != 0 || h.Uid != 0 && h.Uid != 65532 || h.Uname != "" {
				t.Errorf("%s has the time %v and the owner %d %q", h.Name, h.ModTime, h.Uid, h.Uname)
			}
			if strings.TrimSuffix(h.Name, "/") <= last {
				t.Errorf("%s comes after %s", h.Name, last)
			}
			last = strings.TrimSuffix(h.Name, "/")
		}
		in.Close()
	}
}
