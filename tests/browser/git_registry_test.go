package browser

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/oci"
)

// A repository is pushed with plain git and read in the console: folders, files with their lines, commits with their
// differences, and who was told of the push.
func TestARepositoryIsBrowsed(t *testing.T) {
	p := start(t)
	var well atomic.Bool
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !well.Load() {
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(hook.Close)
	b := open(t, p.url, wide)
	b.signIn(p)

	b.visit("/git")
	b.reads("No repository yet")
	p.ask(t, http.MethodPut, "/api/git/v1/repositories/team/tool", "application/json", []byte(`{"description":"A tool of the team"}`))
	p.ask(t, http.MethodPut, "/api/git/v1/hooks/ci", "application/json", []byte(fmt.Sprintf(`{"url":%q,"secret":"s3cret-s3cret-s3cret","events":["push"],"repository":"*","active":true}`, hook.URL+"/hook")))
	b.visit("/git/team/tool")
	b.reads("Nothing was pushed yet", "git push "+p.url+"/git/team/tool.git HEAD:main")
	b.accessible("an empty repository")

	dir := t.TempDir()
	p.git(t, dir, "init", "-q", "-b", "main")
	p.git(t, dir, "remote", "add", "origin", p.url+"/git/team/tool.git")
	write(t, dir, "README.md", "# tool\n\n<img src=x onerror=alert(1)>\n")
	write(t, dir, "cmd/tool/main.go", "package main\n\nfunc main() {\n\tprintln(\"one\") // \u202e hidden\n}\n")
	p.commitAndPush(t, dir, "First <b>commit</b>")
	write(t, dir, "cmd/tool/main.go", "package main\n\nfunc main() {\n\tprintln(\"two\")\n}\n")
	if err := os.WriteFile(filepath.Join(dir, "logo.bin"), []byte{0, 1, 2, 3}, 0o600); err != nil {
		t.Fatal(err)
	}
	second := p.commitAndPush(t, dir, "Say two")
	p.git(t, dir, "checkout", "-q", "-b", "feature/three")
	write(t, dir, "three.txt", "three\n")
	p.git(t, dir, "add", "-A")
	p.git(t, dir, "commit", "-q", "-m", "Three")
	p.git(t, dir, "push", "-q", "origin", "feature/three")

	b.visit("/git")
	b.reads("1 repository", "team/tool", "A tool of the team", p.url+"/git/team/tool.git")
	b.shot("git-light-wide")
	b.accessible("git")
	b.click(".copy")
	b.until("the button's answer", `/Copied|Selected/.test(document.querySelector(".copy span").innerText)`)
	b.click(".repo h2 a")
	b.reads("README.md", "<img src=x onerror=alert(1)>", "Say two")
	b.shot("git-tree-light-wide")
	b.accessible("a folder")
	b.key("j")
	b.until("the first entry in focus", `document.activeElement.hasAttribute("data-open")`)
	b.click(".tree a")
	b.at("/git/team/tool/tree/cmd", nil)
	b.click(".tree a")
	b.at("/git/team/tool/tree/cmd/tool", nil)
	b.click(".tree a")
	b.at("/git/team/tool/file/cmd/tool/main.go", nil)
	b.reads("println(\"two\")", "5 lines")
	b.click("#L4 .line-number")
	b.until("the line in the address", `location.hash === "#L4"`)
	b.shot("git-file-light-wide")
	b.accessible("a file")
	b.click(".where-more a")
	b.at("/git/team/tool/log", map[string]string{"path": "cmd/tool/main.go"})
	b.reads("Say two", "First <b>commit</b>")
	b.accessible("commits")
	b.click(".commits a")
	b.at("/git/team/tool/commits/"+second, nil)
	b.reads("2 files changed", "println(\"one\") // ⟦U+202E⟧ hidden", "It is not text")
	b.shot("git-commit-light-wide")
	b.accessible("a commit")
	b.visit("/git/team/tool?ref=feature/three")
	b.reads("three.txt")
	b.visit("/git/team/tool/compare/main...feature/three")
	b.reads("What feature/three has that main lacks", "Three", "three.txt")
	b.visit("/git/team/tool.git")
	b.at("/git/team/tool", nil)

	b.visit("/git/deliveries?state=dead")
	b.within(delivery, "the given up delivery", `(async () => (await (await fetch("/git/deliveries?state=dead")).text()).includes("Send again"))()`)
	b.visit("/git/deliveries?state=dead")
	b.reads("Given up", "answered 404", "ci")
	b.shot("git-deliveries-light-wide")
	b.accessible("deliveries")
	well.Store(true)
	b.click("td form button")
	b.reads("The delivery is sent again")
	b.within(time.Minute, "it delivered", `(async () => (await (await fetch("/git/deliveries?state=delivered")).text()).includes("answered 200"))()`)
	if v := p.git(t, t.TempDir(), "ls-remote", p.url+"/git/team/tool.git"); !strings.Contains(v, "refs/heads/feature/three") {
		t.Errorf("git does not see the branch: %s", v)
	}
}

// An image that a client pushed is shown, deleted, and its space freed.
func TestAnImageIsShownAndDeleted(t *testing.T) {
	p := start(t)
	b := open(t, p.url, wide)
	b.signIn(p)
	b.visit("/registry")
	b.reads("No image yet", "crane push")
	host := strings.TrimPrefix(p.url, "http://")
	file := filepath.Join(t.TempDir(), "tool")
	if err := os.WriteFile(file, []byte("#!/bin/sh\necho tool\n"), 0o755); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	image, err := oci.Pack(oci.ImageSpec{
		Files: []oci.File{{Source: file, Target: "/app/tool", Mode: 0o755}}, Entrypoint: []string{"/app/tool"}, Platform: "linux/amd64",
		Annotations: map[string]string{"org.opencontainers.image.revision": strings.Repeat("ab", 20), "org.opencontainers.image.source": p.url + "/git/team/tool.git"},
	})
	if err != nil {
		t.Fatal(err)
	}
	digest, err := oci.Registry{Token: p.token, Insecure: true}.Push(t.Context(), host+"/team/tool:v1", image)
	if err != nil {
		t.Fatal(err)
	}
	short := strings.TrimPrefix(digest, "sha256:")[:10]

	b.visit("/registry?q=tool")
	b.reads("team/tool", "1 repository")
	b.accessible("the registry")
	b.shot("registry-light-wide")
	b.click("tbody [data-open]")
	b.reads("docker pull "+host+"/team/tool:v1", short, "not signed", "no SBOM", "abababa")
	b.accessible("a repository of images")
	b.click("tbody [data-open]")
	b.reads(digest, "/app/tool", "Layers", "org.opencontainers.image.revision", "No application declares it now")
	b.accessible("an image")
	b.click("#delete summary")
	b.click("#delete button")
	b.reads("The image was deleted")
	b.visit("/registry")
	b.click("#gc-try")
	b.reads("A garbage collection would delete")
	b.shot("registry-gc-light-wide")
	b.accessible("a garbage collection")
}
