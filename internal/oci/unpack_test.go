package oci_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/fawkes-idp/fawkes/internal/oci"
)

// Entries of layers, in few words.
func reg(name, content string) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Linkname: content}
}
func folder(name string) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: 0o755}
}
func sym(name, target string) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: target, Mode: 0o777}
}
func hard(name, target string) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeLink, Linkname: target}
}
func gone(name string) tar.Header { return reg(name, "") }
func with(h tar.Header, change func(*tar.Header)) tar.Header {
	change(&h)
	return h
}

// tarOf writes entries as they are, however wrong; a file's content is in its Linkname.
func tarOf(t testing.TB, entries ...tar.Header) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, h := range entries {
		content := ""
		if h.Typeflag == tar.TypeReg {
			content, h.Linkname = h.Linkname, ""
			h.Size = int64(len(content))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// imageOf makes an image of layers that are tars as they are.
func imageOf(t testing.TB, layers ...[]byte) v1.Image {
	t.Helper()
	img := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	for _, l := range layers {
		var err error
		if img, err = mutate.AppendLayers(img, static.NewLayer(l, types.OCIUncompressedLayer)); err != nil {
			t.Fatal(err)
		}
	}
	return img
}

// tree lists what is in a folder: "path", "path/" for folders, "path -> target" for links, "path = content".
func tree(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			rel += "/"
		case d.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			rel += " -> " + target
		default:
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			rel += " = " + string(text)
		}
		out = append(out, rel)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestLayersLieOverOneAnother(t *testing.T) {
	for _, c := range []struct {
		name   string
		layers [][]tar.Header
		want   []string
	}{
		{"files, folders, links", [][]tar.Header{{folder("etc"), reg("etc/a", "1"), sym("etc/b", "a"), hard("c", "etc/a")}},
			[]string{"c = 1", "etc/", "etc/a = 1", "etc/b -> a"}},
		{"folders that no entry makes", [][]tar.Header{{reg("a/b/c", "1")}}, []string{"a/", "a/b/", "a/b/c = 1"}},
		{"absolute and dotted names", [][]tar.Header{{folder("./"), reg("/a", "1"), reg("./b//c", "2")}}, []string{"a = 1", "b/", "b/c = 2"}},
		{"a later layer wins", [][]tar.Header{{reg("a", "1")}, {reg("a", "2")}}, []string{"a = 2"}},
		{"a file replaces a folder", [][]tar.Header{{reg("a/b", "1")}, {reg("a", "2")}}, []string{"a = 2"}},
		{"a folder replaces a file", [][]tar.Header{{reg("a", "1")}, {folder("a"), reg("a/b", "2")}}, []string{"a/", "a/b = 2"}},
		{"a file replaces a link, not what it leads to", [][]tar.Header{{reg("a", "1"), sym("b", "a")}, {reg("b", "2")}}, []string{"a = 1", "b = 2"}},
		{"a file replaces one name of a hard link", [][]tar.Header{{reg("a", "1"), hard("b", "a")}, {reg("b", "2")}}, []string{"a = 1", "b = 2"}},
		{"a whiteout", [][]tar.Header{{reg("a/b", "1"), reg("a/c", "1")}, {gone("a/.wh.b")}}, []string{"a/", "a/c = 1"}},
		{"a whiteout of a folder", [][]tar.Header{{reg("a/b/c", "1")}, {gone("a/.wh.b")}}, []string{"a/"}},
		{"a whiteout of nothing", [][]tar.Header{{gone("a/.wh.b")}}, []string{"a/"}},
		{"a whiteout hides lower layers only", [][]tar.Header{{reg("a/b", "1")}, {reg("a/b", "2"), gone("a/.wh.b")}}, []string{"a/", "a/b = 2"}},
		{"a whiteout and a new folder of that name", [][]tar.Header{{reg("a/b/old", "1")}, {folder("a/b"), reg("a/b/new", "2"), gone("a/.wh.b")}},
			[]string{"a/", "a/b/", "a/b/new = 2"}},
		{"opaque before its entries", [][]tar.Header{{reg("a/b", "1"), reg("a/d/e", "1")}, {gone("a/.wh..wh..opq"), reg("a/c", "2")}}, []string{"a/", "a/c = 2"}},
		{"opaque after its entries", [][]tar.Header{{reg("a/b", "1"), reg("a/d/e", "1")}, {reg("a/c", "2"), reg("a/d/f", "2"), gone("a/.wh..wh..opq")}},
			[]string{"a/", "a/c = 2", "a/d/", "a/d/f = 2"}},
		{"opaque root", [][]tar.Header{{reg("a", "1"), reg("b/c", "1")}, {gone(".wh..wh..opq"), reg("d", "2")}}, []string{"d = 2"}},
		{"an absolute link becomes relative", [][]tar.Header{{folder("usr/bin"), reg("usr/bin/x", "1"), sym("a/b/c", "/usr/bin/x"), sym("bin", "/usr/bin")}},
			[]string{"a/", "a/b/", "a/b/c -> ../../usr/bin/x", "bin -> usr/bin", "usr/", "usr/bin/", "usr/bin/x = 1"}},
		{"a link to the root", [][]tar.Header{{sym("a/b", "/"), sym("c", "/")}}, []string{"a/", "a/b -> ../", "c -> ."}},
		{"writing through a link that stays inside", [][]tar.Header{{folder("usr/lib"), sym("lib", "usr/lib")}, {reg("lib/x", "1")}},
			[]string{"lib -> usr/lib", "usr/", "usr/lib/", "usr/lib/x = 1"}},
		{"a link to nothing", [][]tar.Header{{sym("a", "b")}}, []string{"a -> b"}},
		{"links in a circle", [][]tar.Header{{sym("a", "b"), sym("b", "a")}}, []string{"a -> b", "b -> a"}},
		{"a global header", [][]tar.Header{{{Typeflag: tar.TypeXGlobalHeader, Name: "pax_global_header", PAXRecords: map[string]string{"comment": "c"}}, reg("a", "1")}}, []string{"a = 1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var layers [][]byte
			for _, l := range c.layers {
				layers = append(layers, tarOf(t, l...))
			}
			dir := filepath.Join(t.TempDir(), "root")
			got, err := oci.Unpack(t.Context(), imageOf(t, layers...), dir, oci.UnpackLimits{})
			if err != nil {
				t.Fatal(err)
			}
			if got.Dir != dir {
				t.Errorf("it is in %s, want %s", got.Dir, dir)
			}
			if have := tree(t, dir); !slices.Equal(have, c.want) {
				t.Errorf("it holds %q\nwant %q", have, c.want)
			}
		})
	}
}

// Each of these tries to reach outside of the folder, or to smuggle something in.
func TestWhatIsHostileIsRefusedByName(t *testing.T) {
	device := func(kind byte) tar.Header {
		return tar.Header{Name: "dev/x", Typeflag: kind, Mode: 0o666, Devmajor: 1, Devminor: 3}
	}
	for _, c := range []struct {
		name    string
		entries []tar.Header
		says    []string
	}{
		{"..", []tar.Header{reg("../../evil", "x")}, []string{`entry "../../evil"`, `".."`}},
		{".. in the middle", []tar.Header{reg("a/../../evil", "x")}, []string{`".."`}},
		{".. that stays inside", []tar.Header{reg("a/../b", "x")}, []string{`".."`}},
		{"absolute ..", []tar.Header{reg("/../evil", "x")}, []string{`".."`}},
		{"a link out of the root", []tar.Header{sym("a", "../../outside")}, []string{`entry "a"`, "leads out of the root"}},
		{"an absolute link out of the root", []tar.Header{sym("a", "/../../etc/passwd")}, []string{"leads out of the root"}},
		{"a deep link out of the root", []tar.Header{sym("a/b/c", "../../../outside")}, []string{"leads out of the root"}},
		{"a link that looks harmless and leads out through another", []tar.Header{sym("here", "."), sym("a", "here/../outside")}, []string{"out of the root"}},
		{"two links, the second through the first", []tar.Header{folder("a/b"), sym("x", "a/b"), sym("y", "x/../../../outside")}, []string{"out of the root"}},
		{"writing through a link out of the root", []tar.Header{sym("here", "."), sym("a", "here/../outside"), reg("a/evil", "x")}, []string{"out of the root"}},
		{"a hard link to outside", []tar.Header{hard("a", "../outside/secret")}, []string{`".."`}},
		{"a hard link to an absolute path outside", []tar.Header{hard("a", "/etc/passwd")}, []string{`hard link to "/etc/passwd"`}},
		{"a hard link to a link", []tar.Header{sym("a", "/etc/passwd"), hard("b", "a")}, []string{"no file of the image"}},
		{"a hard link to itself", []tar.Header{hard("a", "a")}, []string{"hard link"}},
		{"a hard link over the folder of its target", []tar.Header{hard("a", "b/c")}, []string{"hard link"}},
		{"a character device", []tar.Header{device(tar.TypeChar)}, []string{`entry "dev/x"`, "device"}},
		{"a block device", []tar.Header{device(tar.TypeBlock)}, []string{"device"}},
		{"a named pipe", []tar.Header{device(tar.TypeFifo)}, []string{"named pipe"}},
		{"an unknown kind", []tar.Header{device('Z')}, []string{"unknown kind"}},
		{"setuid", []tar.Header{with(reg("bin/su", "x"), func(h *tar.Header) { h.Mode = 0o4755 })}, []string{`entry "bin/su"`, "setuid"}},
		{"setgid", []tar.Header{with(reg("bin/su", "x"), func(h *tar.Header) { h.Mode = 0o2755 })}, []string{"setgid"}},
		{"setuid by a hard link", []tar.Header{reg("a", "x"), with(hard("b", "a"), func(h *tar.Header) { h.Mode = 0o4755 })}, []string{"setuid"}},
		{"file capabilities", []tar.Header{with(reg("a", "x"), func(h *tar.Header) {
			h.PAXRecords = map[string]string{"SCHILY.xattr.security.capability": "\x01"}
		})}, []string{"capabilities"}},
		{"an entry twice", []tar.Header{reg("a", "1"), reg("b", "1"), reg("a", "2")}, []string{`entry "a"`, "twice"}},
		{"an entry twice under two spellings", []tar.Header{reg("a/b", "1"), reg("./a//b", "2")}, []string{"twice"}},
		{"an entry twice through a link", []tar.Header{reg("a/b", "1"), sym("l", "a"), reg("l/b", "2")}, []string{"twice"}},
		{"a link in place of a folder of the same layer", []tar.Header{reg("a/b", "1"), sym("a", "/etc")}, []string{"twice"}},
		{"a file on the way", []tar.Header{reg("a", "1"), reg("a/b", "2")}, []string{"is a file"}},
		{"a circle on the way", []tar.Header{sym("a", "b"), sym("b", "a"), reg("a/c", "1")}, []string{"links"}},
		{"the root as a link", []tar.Header{sym("./", "/etc")}, []string{"root folder"}},
		{"a whiteout of ..", []tar.Header{gone("a/.wh...")}, []string{"malformed whiteout"}},
		{"a whiteout of .", []tar.Header{gone("a/.wh..")}, []string{"malformed whiteout"}},
		{"a whiteout of nothing named", []tar.Header{gone("a/.wh.")}, []string{"malformed whiteout"}},
		{"a whiteout of another file system's", []tar.Header{gone("a/.wh..wh.plnk")}, []string{"malformed whiteout"}},
		{"a whiteout that is a folder", []tar.Header{folder("a/.wh.b")}, []string{"whiteout"}},
		{"an empty link", []tar.Header{sym("a", "")}, []string{"target"}},
		{"a long name", []tar.Header{reg(strings.Repeat("n", 256), "x")}, []string{"longer than 255"}},
		{"a long path", []tar.Header{reg(strings.Repeat("n/", 2100)+"n", "x")}, []string{"longer than 4096"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			home := t.TempDir()
			if err := os.MkdirAll(filepath.Join(home, "outside"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(home, "outside", "secret"), []byte("s"), 0o600); err != nil {
				t.Fatal(err)
			}
			before := tree(t, home)
			dir := filepath.Join(home, "root")
			// A harmless layer first, so that the error must say which one it is.
			_, err := oci.Unpack(t.Context(), imageOf(t, tarOf(t, reg("ok", "1")), tarOf(t, c.entries...)), dir, oci.UnpackLimits{})
			if !errors.Is(err, oci.ErrRefused) {
				t.Fatalf("it was not refused: %v", err)
			}
			for _, says := range c.says {
				if !strings.Contains(err.Error(), says) {
					t.Errorf("the error does not say %q: %v", says, err)
				}
			}
			if !strings.Contains(err.Error(), "layer 2 of 2 (sha256:") && !strings.Contains(err.Error(), "the link") {
				t.Errorf("the error does not name the layer: %v", err)
			}
			if after := tree(t, home); !slices.Equal(before, after) {
				t.Errorf("something is left, or was done outside: %q, before %q", after, before)
			}
		})
	}
}

func TestAnImageIsBounded(t *testing.T) {
	var many []tar.Header
	for i := range 50 {
		many = append(many, reg(fmt.Sprintf("f%d", i), "0123456789"))
	}
	zeros := func(n int) []byte {
		var buf bytes.Buffer
		z := gzip.NewWriter(&buf)
		if _, err := io.CopyN(z, zero{}, int64(n)); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return buf.Bytes()
	}
	bomb := mustAppend(t, static.NewLayer(zeros(64<<20), types.OCILayer))
	plain := imageOf(t, tarOf(t, many...))
	for _, c := range []struct {
		name   string
		img    v1.Image
		limits oci.UnpackLimits
		says   string
	}{
		{"entries", plain, oci.UnpackLimits{Files: 49}, "more than 49 entries"},
		{"bytes", plain, oci.UnpackLimits{Bytes: 499}, "more than 499 bytes"},
		{"bytes of one file", plain, oci.UnpackLimits{FileBytes: 9}, "the limit of one file is 9"},
		{"layers", imageOf(t, tarOf(t), tarOf(t, reg("a", ""))), oci.UnpackLimits{Layers: 1}, "2 layers, the limit is 1"},
		{"a bomb behind the end of the tar", bomb, oci.UnpackLimits{Bytes: 1 << 20}, "unpacks to more than 1048576 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "root")
			_, err := oci.Unpack(t.Context(), c.img, dir, c.limits)
			if !errors.Is(err, oci.ErrRefused) || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("got %v, want a refusal that says %q", err, c.says)
			}
			if left := tree(t, filepath.Dir(dir)); len(left) != 0 {
				t.Errorf("%q is left", left)
			}
		})
	}
	if _, err := oci.Unpack(t.Context(), plain, filepath.Join(t.TempDir(), "root"), oci.UnpackLimits{Files: 50, FileBytes: 10}); err != nil {
		t.Errorf("an image at its limits is refused: %v", err)
	}
}

type zero struct{}

func (zero) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func mustAppend(t *testing.T, layers ...v1.Layer) v1.Image {
	t.Helper()
	img, err := mutate.AppendLayers(empty.Image, layers...)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func TestUnpackingEndsWithItsTimeAndItsContext(t *testing.T) {
	img := imageOf(t, tarOf(t, reg("a", "1")))
	if _, err := oci.Unpack(t.Context(), img, filepath.Join(t.TempDir(), "r"), oci.UnpackLimits{Time: time.Nanosecond}); !errors.Is(err, oci.ErrRefused) {
		t.Errorf("past its time: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := oci.Unpack(ctx, img, filepath.Join(t.TempDir(), "r"), oci.UnpackLimits{}); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	dir := t.TempDir()
	if _, err := oci.Unpack(t.Context(), img, dir, oci.UnpackLimits{}); err == nil {
		t.Error("a folder that is there was unpacked into")
	}
}

// lying is an image whose layers are not what its manifest says.
type lying struct {
	v1.Image
	content []byte
}

func (l lying) LayerByDigest(v1.Hash) (v1.Layer, error) {
	return static.NewLayer(l.content, types.OCIUncompressedLayer), nil
}

func TestContentThatIsNotWhatWasAnnouncedIsTampered(t *testing.T) {
	img := imageOf(t, tarOf(t, reg("a", "good")))
	digest := manifestOf(t, img).Layers[0].Digest.String()
	for name, content := range map[string][]byte{
		"another content": tarOf(t, reg("a", "evil")),
		"cut off":         tarOf(t, reg("a", "good"))[:700],
		"longer":          append(tarOf(t, reg("a", "good")), make([]byte, 512)...),
		"hostile":         tarOf(t, reg("../a", "evil")),
		"empty":           {},
	} {
		dir := filepath.Join(t.TempDir(), "root")
		_, err := oci.Unpack(t.Context(), lying{img, content}, dir, oci.UnpackLimits{})
		if !errors.Is(err, oci.ErrTampered) || !strings.Contains(err.Error(), digest) {
			t.Errorf("%s: got %v, want ErrTampered that names %s", name, err, digest)
		}
		if _, err := os.Lstat(dir); err == nil {
			t.Errorf("%s: the folder is there", name)
		}
	}
}

func manifestOf(t *testing.T, img v1.Image) *v1.Manifest {
	t.Helper()
	m, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestModesAndTimesAreKeptWithoutPrivileges(t *testing.T) {
	at := time.Unix(1700000000, 0)
	layer := tarOf(t,
		with(folder("tmp"), func(h *tar.Header) { h.Mode = 0o1777 }),
		with(folder("closed"), func(h *tar.Header) { h.Mode = 0o2555 }),
		with(reg("closed/x", "1"), func(h *tar.Header) { h.Mode, h.ModTime, h.Uid = 0o755, at, 0 }),
		with(reg("secret", "1"), func(h *tar.Header) { h.Mode = 0 }),
	)
	dir := filepath.Join(t.TempDir(), "root")
	if _, err := oci.Unpack(t.Context(), imageOf(t, layer), dir, oci.UnpackLimits{}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{
		"tmp": fs.ModeDir | fs.ModeSticky | 0o777, "closed": fs.ModeDir | 0o755, "closed/x": 0o755, "secret": 0o400,
	} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode() != want {
			t.Errorf("%s has mode %v, %v; want %v", name, info.Mode(), err, want)
		}
	}
	info, err := os.Stat(dir + "/closed/x")
	if err != nil || !info.ModTime().Equal(at) {
		t.Errorf("the time is %v, want %v", info.ModTime(), at)
	}
	if s, ok := info.Sys().(*syscall.Stat_t); !ok || int(s.Uid) != os.Getuid() {
		t.Errorf("the owner is not who unpacked")
	}
}

// Whatever the layers, nothing happens outside of the folder, and nothing in it leads out.
func FuzzUnpack(f *testing.F) {
	for _, seed := range [][]tar.Header{
		{folder("a"), reg("a/b", "1"), sym("c", "a"), hard("d", "a/b")},
		{reg("../x", "1")}, {sym("a", "/"), reg("a/b", "1")}, {sym("h", "."), sym("a", "h/../o"), reg("a/x", "1")},
		{gone("a/.wh..wh..opq"), gone(".wh.b")}, {hard("a", "../o/secret")},
	} {
		f.Add(tarOf(f, seed...), tarOf(f, gone(".wh.a"), reg("a", "2")))
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		home := t.TempDir()
		if err := os.WriteFile(filepath.Join(home, "secret"), []byte("s"), 0o600); err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(home, "root")
		_, err := oci.Unpack(t.Context(), imageOf(t, first, second), dir, oci.UnpackLimits{Files: 200, Bytes: 1 << 20, FileBytes: 1 << 18, Time: 5 * time.Second})
		names, rerr := os.ReadDir(home)
		if rerr != nil {
			t.Fatal(rerr)
		}
		for _, n := range names {
			if n.Name() != "secret" && (n.Name() != "root" || err != nil) {
				t.Fatalf("%s is there after %v", n.Name(), err)
			}
		}
		if text, rerr := os.ReadFile(filepath.Join(home, "secret")); rerr != nil || string(text) != "s" {
			t.Fatalf("the file outside is %q, %v", text, rerr)
		}
		if err != nil {
			return
		}
		werr := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			if info.Mode()&(fs.ModeSetuid|fs.ModeSetgid|fs.ModeDevice|fs.ModeNamedPipe|fs.ModeSocket) != 0 {
				return fmt.Errorf("%s is %v", path, info.Mode())
			}
			if real, err := filepath.EvalSymlinks(path); err == nil && real != dir && !strings.HasPrefix(real, dir+"/") {
				return fmt.Errorf("%s leads to %s", path, real)
			}
			return nil
		})
		if werr != nil {
			t.Fatal(werr)
		}
	})
}
