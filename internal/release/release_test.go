package main

import (
	"bytes"
	"debug/elf"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/fawkes-idp/fawkes/internal/goldenpath/report"
	"github.com/fawkes-idp/fawkes/internal/oci"
)

const secret = "a password"

// tree commits a copy of the repository, as it lies here, in a folder of its own. Every copy has the same commit.
func tree(t *testing.T) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "tree")
	command(t, "../..", "bash", "-c", `git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' f; do if [ -f "$f" ]; then printf '%s\0' "$f"; fi; done | tar --null -T - -cf `+folder+`.tar`)
	if err := os.Mkdir(folder, 0o750); err != nil {
		t.Fatal(err)
	}
	command(t, folder, "tar", "-xf", folder+".tar")
	command(t, folder, "git", "init", "-q")
	command(t, folder, "git", "add", "-A")
	command(t, folder, "git", "-c", "user.name=t", "-c", "user.email=t@example.test", "commit", "-q", "-m", "all")
	return folder
}

func command(t *testing.T, folder, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "GIT_AUTHOR_DATE=2026-01-02T03:04:05Z", "GIT_COMMITTER_DATE=2026-01-02T03:04:05Z", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// makeImage runs the program on the tree; vars are its environment beside that of the test.
func makeImage(t *testing.T, folder string, vars map[string]string, args ...string) (layout, said string) {
	t.Helper()
	layout = filepath.Join(t.TempDir(), "image")
	var out bytes.Buffer
	if err := run(t.Context(), append([]string{"--root", folder, "--out", layout}, args...), func(k string) string { return vars[k] }, &out); err != nil {
		t.Fatal(err)
	}
	return layout, out.String()
}

// line is the value that the program printed behind a name.
func line(t *testing.T, said, name string) string {
	t.Helper()
	for l := range strings.Lines(said) {
		if v, ok := strings.CutPrefix(l, name+" "); ok {
			return strings.TrimSpace(v)
		}
	}
	t.Fatalf("there is no %q in:\n%s", name, said)
	return ""
}

// TestTheImage makes the image twice from a clean tree, in two folders; one of them signed and pushed.
func TestTheImage(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(true)))
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	private, public, err := oci.GenerateKeys([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(t.TempDir(), "cosign.key")
	if err := os.WriteFile(key, private, 0o600); err != nil {
		t.Fatal(err)
	}
	first, second := tree(t), tree(t)
	_, one := makeImage(t, first, nil)
	if os.Getenv("FAWKES_SOAK") != "" { // nothing of the first build helps the second
		t.Setenv("GOCACHE", filepath.Join(t.TempDir(), "cache"))
	}
	layout, two := makeImage(t, second, map[string]string{"FAWKES_SIGNING_KEY": key, "FAWKES_SIGNING_PASSWORD": secret}, "--repository", host+"/made/fawkes", "--push")
	digest, version := line(t, two, "digest"), line(t, two, "version")

	t.Run("has the same digest each time", func(t *testing.T) {
		if got := line(t, one, "digest"); got != digest {
			t.Errorf("the digests are %s and %s", got, digest)
		}
		if commit := command(t, first, "git", "rev-parse", "HEAD"); version != "sha-"+commit[:12] {
			t.Errorf("the version is %s, the commit %s", version, commit)
		}
	})
	opened, err := oci.OpenLayout(layout)
	if err != nil {
		t.Fatal(err)
	}
	img, err := opened.Image(version)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("says how it runs", func(t *testing.T) {
		file, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		c := file.Config
		if c.User != "65532:65532" || !slices.Equal(c.Entrypoint, []string{"/fawkes-service"}) || len(c.Cmd) > 0 {
			t.Errorf("user %q, entrypoint %q, arguments %q", c.User, c.Entrypoint, c.Cmd)
		}
		if _, ok := c.ExposedPorts["8080/tcp"]; !ok || len(c.ExposedPorts) != 1 {
			t.Errorf("ports %v", c.ExposedPorts)
		}
		if got := file.Created.UTC().Format("2006-01-02T15:04:05Z"); got != "2026-01-02T03:04:05Z" {
			t.Errorf("made at %s, want the commit's time", got)
		}
		if got := c.Labels["org.opencontainers.image.revision"]; got != command(t, first, "git", "rev-parse", "HEAD") {
			t.Errorf("the revision is %q", got)
		}
	})
	t.Run("holds a program that needs nothing else", func(t *testing.T) {
		root := filepath.Join(t.TempDir(), "root")
		if _, err := oci.Unpack(t.Context(), img, root, oci.UnpackLimits{}); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(root, "fawkes-service")
		program, err := elf.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer program.Close()
		for _, p := range program.Progs {
			if p.Type == elf.PT_INTERP {
				t.Error("the program asks for a dynamic loader")
			}
		}
		if got := command(t, root, file, "--version"); got != "fawkes-service "+version {
			t.Errorf("it says %q", got)
		}
	})
	t.Run("has a bill of materials and a signature in the registry", func(t *testing.T) {
		v, err := oci.LoadVerifier(public)
		if err != nil {
			t.Fatal(err)
		}
		s, err := oci.Registry{}.Verify(t.Context(), host+"/made/fawkes:"+version, v)
		if err != nil || s.Digest != digest || s.Annotations["version"] != version {
			t.Fatalf("the signature says %+v, %v", s, err)
		}
		blobs, err := oci.Registry{}.Attached(t.Context(), host+"/made/fawkes@"+digest, oci.TypeCycloneDX)
		if err != nil || len(blobs) != 1 {
			t.Fatalf("attached: %d, %v", len(blobs), err)
		}
		bill, err := report.ReadSBOM(bytes.NewReader(blobs[0].Content))
		if err != nil {
			t.Fatal(err)
		}
		has := func(name string) bool {
			return slices.ContainsFunc(bill.Components, func(c report.Component) bool { return c.Name == name && c.Version != "" })
		}
		if bill.Main.Name != program || bill.Main.Version != version || "sha256:"+bill.Main.Hashes["SHA-256"] != digest || !has("std") || !has("github.com/jackc/pgx/v5") {
			t.Errorf("the bill is of %+v, with %d components", bill.Main, len(bill.Components))
		}
	})
	t.Run("is pushed by another client", func(t *testing.T) {
		if _, err := exec.LookPath("skopeo"); err != nil {
			t.Fatal("this test needs skopeo: apt-get install skopeo, or run scripts/prereqs.sh test")
		}
		beside := strings.Replace(digest, ":", "-", 1)
		for _, name := range []string{version, beside + ".sbom", beside + ".sig"} {
			command(t, ".", "skopeo", "--insecure-policy", "copy", "-q", "--dest-tls-verify=false", "oci:"+layout+":"+name, "docker://"+host+"/carried/fawkes:"+name)
		}
		v, err := oci.LoadVerifier(public)
		if err != nil {
			t.Fatal(err)
		}
		if s, err := (oci.Registry{}).Verify(t.Context(), host+"/carried/fawkes:"+version, v); err != nil || s.Digest != digest {
			t.Errorf("the carried image: %+v, %v", s, err)
		}
		blobs, err := oci.Registry{}.Attached(t.Context(), host+"/carried/fawkes@"+digest, oci.TypeCycloneDX)
		if err != nil || len(blobs) != 1 {
			t.Errorf("the carried bill of materials: %d, %v", len(blobs), err)
		}
	})
}

func TestWhatCannotBeMadeSaysWhy(t *testing.T) {
	empty, committed := t.TempDir(), t.TempDir()
	command(t, committed, "git", "init", "-q")
	command(t, committed, "git", "-c", "user.name=t", "-c", "user.email=t@example.test", "commit", "-q", "--allow-empty", "-m", "none")
	bad := filepath.Join(empty, "key")
	if err := os.WriteFile(bad, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		vars map[string]string
		want string
	}{
		{[]string{"more"}, nil, `"more" is one argument too many`},
		{[]string{"--root", empty}, nil, "git log"},
		{[]string{"--root", committed, "--platform", "windows/amd64"}, nil, `"windows/amd64"`},
		{[]string{"--root", committed, "--platform", "linux"}, nil, `"linux"`},
		{[]string{"--root", committed}, nil, "build the program"},
		{[]string{"--root", committed}, map[string]string{"SOURCE_DATE_EPOCH": "today"}, `"today" is not a time`},
		{[]string{"--root", committed}, map[string]string{"FAWKES_SIGNING_KEY": bad}, "FAWKES_SIGNING_KEY"},
		{[]string{"--root", committed}, map[string]string{"FAWKES_SIGNING_KEY": bad + "gone"}, "FAWKES_SIGNING_KEY"},
	} {
		out := filepath.Join(t.TempDir(), "image")
		err := run(t.Context(), append(c.args, "--out", out), func(k string) string { return c.vars[k] }, io.Discard)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.args, err, c.want)
		}
		if _, err := os.Stat(out); !os.IsNotExist(err) {
			t.Errorf("%v left a layout: %v", c.args, err)
		}
	}
}

func TestATreeThatIsNoCommitSaysSo(t *testing.T) {
	folder := t.TempDir()
	command(t, folder, "git", "init", "-q")
	command(t, folder, "git", "-c", "user.name=t", "-c", "user.email=t@example.test", "commit", "-q", "--allow-empty", "-m", "none")
	o := options{root: folder, env: func(string) string { return "" }}
	clean, err := sourceOf(t.Context(), o)
	if err != nil || clean.revision == "" || clean.version != "sha-"+clean.revision[:12] {
		t.Errorf("a clean tree: %+v, %v", clean, err)
	}
	if err := os.WriteFile(filepath.Join(folder, "new"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	changed, err := sourceOf(t.Context(), o)
	if err != nil || changed.revision != "" || changed.version != clean.version+"-changed" {
		t.Errorf("a changed tree: %+v, %v", changed, err)
	}
	o.version = "1.2.3"
	if named, err := sourceOf(t.Context(), o); err != nil || named.version != "1.2.3" {
		t.Errorf("a named version: %+v, %v", named, err)
	}
}
