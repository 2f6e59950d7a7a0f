package git_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// raw sends a request as no git would.
func (p *platform) raw(method, path string, header map[string]string, body io.Reader) (status int, text string) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.url+path, body)
	if err != nil {
		p.t.Fatal(err)
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	if header["Authorization"] == "" {
		req.SetBasicAuth("x", p.write)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		p.t.Fatalf("%s %s: %v", method, path, err)
	}
	return resp.StatusCode, string(answer)
}

func zipped(text string) io.Reader {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, text) // a buffer takes everything
	_ = z.Close()
	return &b
}

func TestRequestsThatNoGitSends(t *testing.T) {
	p := start(t)
	dir := p.work("shop/api")
	p.git(dir, "push", "--quiet", "origin", "main")
	const at = "/git/shop/api.git/"
	upload := map[string]string{"Content-Type": "application/x-git-upload-pack-request"}
	receive := map[string]string{"Content-Type": "application/x-git-receive-pack-request"}
	with := func(m map[string]string, k, v string) map[string]string {
		out := map[string]string{k: v}
		for k, v := range m {
			out[k] = v
		}
		return out
	}
	for _, c := range []struct {
		name, method, path string
		header             map[string]string
		body               io.Reader
		least, most        int // status
		says               string
	}{
		{"no token", "GET", at + "info/refs?service=git-upload-pack", map[string]string{"Authorization": "Basic eDo="}, nil, 401, 401, "fawkes token create"},
		{"the old protocol", "GET", at + "info/refs", nil, nil, 403, 403, "smart protocol"},
		{"another service", "GET", at + "info/refs?service=git-upload-archive", nil, nil, 403, 403, ""},
		{"an option for a service", "GET", at + "info/refs?service=git---help", nil, nil, 403, 403, ""},
		{"objects by their files", "GET", at + "objects/info/packs", nil, nil, 404, 404, ""},
		{"the configuration", "GET", at + "config", nil, nil, 404, 404, ""},
		{"a way up", "GET", "/git/shop/..%2f..%2fepoch/info/refs?service=git-upload-pack", nil, nil, 404, 404, "cannot be a repository"},
		{"a name with NUL", "GET", "/git/shop/a%00b/info/refs?service=git-upload-pack", nil, nil, 400, 404, ""},
		{"a get that should post", "GET", at + "git-upload-pack", nil, nil, 405, 405, ""},
		{"a post that should get", "POST", at + "info/refs?service=git-upload-pack", nil, nil, 405, 405, ""},
		{"another type", "POST", at + "git-upload-pack", map[string]string{"Content-Type": "text/plain"}, strings.NewReader("0000"), 415, 415, ""},
		{"another compression", "POST", at + "git-upload-pack", with(upload, "Content-Encoding", "br"), strings.NewReader("0000"), 415, 415, ""},
		{"what is not gzip", "POST", at + "git-upload-pack", with(upload, "Content-Encoding", "gzip"), strings.NewReader("hello, this is no gzip"), 400, 400, ""},
		{"nonsense to fetch", "POST", at + "git-upload-pack", upload, strings.NewReader("zzzz nonsense"), 200, 500, ""},
		{"nonsense to push", "POST", at + "git-receive-pack", receive, strings.NewReader("zzzz nonsense"), 200, 500, ""},
		{"a packet without an end", "POST", at + "git-receive-pack", receive, strings.NewReader("ffff" + strings.Repeat("x", 100)), 200, 500, ""},
		{"a bomb", "POST", at + "git-upload-pack", with(with(upload, "Content-Encoding", "gzip"), "Git-Protocol", "version=2"), zipped(strings.Repeat("0032have "+strings.Repeat("a", 40)+"\n", 2_000_000)), 200, 500, ""},
		{"a protocol that is none", "GET", at + "info/refs?service=git-upload-pack", map[string]string{"Git-Protocol": "version=2\" --x"}, nil, 200, 200, "refs/heads/main"},
		{"gzip as git sends it", "POST", at + "git-upload-pack", with(with(upload, "Content-Encoding", "gzip"), "Git-Protocol", "version=2"), zipped("0014command=ls-refs\n00010000"), 200, 200, "refs/heads/main"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, text := p.raw(c.method, c.path, c.header, c.body)
			if status < c.least || status > c.most || !strings.Contains(text, c.says) {
				t.Fatalf("%d %.300s, want %d to %d with %q", status, text, c.least, c.most, c.says)
			}
		})
	}
	// After all this it serves as before.
	p.git(t.TempDir(), "clone", "--quiet", p.remote(p.read, "shop/api"), "c")
}

// Pushes to many branches at once are all kept and each is told once.
func TestPushesAtOnceAreEachToldOnce(t *testing.T) {
	p := start(t)
	h := receive(t, nil)
	p.hook("ci", h.URL, `"push"`)
	dir := p.work("shop/api")
	p.git(dir, "push", "--quiet", "origin", "main")
	h.wait(t, 1)
	const n = 6
	for i := range n {
		p.git(dir, "checkout", "--quiet", "-b", fmt.Sprint("b", i), "main")
		p.commit(dir, fmt.Sprint("f", i), "x", fmt.Sprint("Change ", i))
	}
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if out, err := p.try(dir, "push", "--quiet", "origin", fmt.Sprint("b", i)); err != nil {
				t.Errorf("push %d: %v\n%s", i, err, out)
			}
		})
	}
	wg.Wait()
	told := map[string]int{}
	for _, d := range h.wait(t, n+1) {
		told[d.body["ref"].(string)]++
	}
	if len(told) != n+1 {
		t.Fatalf("told of %v", told)
	}
	for ref, n := range told {
		if n != 1 {
			t.Errorf("%s was told %d times", ref, n)
		}
	}
	if got := len(items(p.want(200, p.read, "GET", "/deliveries", ""))); got != n+1 {
		t.Fatalf("%d deliveries are stored, want %d", got, n+1)
	}
}

// A client that is killed in the middle of a push leaves the repository as it was, and no process behind.
func TestAClientThatIsKilledInThePushChangesNothing(t *testing.T) {
	p := start(t)
	dir := p.work("shop/api")
	head := p.git(dir, "rev-parse", "HEAD")
	p.git(dir, "push", "--quiet", "origin", "main")
	p.git(dir, "config", "core.compression", "0")
	p.commit(dir, "big.bin", noise(60<<20), "A large file")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cmd := exec.CommandContext(ctx, "git", "push", "--quiet", "origin", "main")
	cmd.Dir, cmd.Env, cmd.SysProcAttr = dir, gitEnv(), &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "git takes the push", func() bool { return ownMemory(p.bare("shop/api")) > 0 })
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	eventually(t, "git has ended", func() bool { return ownMemory(p.bare("shop/api")) == 0 })
	if got := p.git(dir, "ls-remote", "origin", "refs/heads/main"); !strings.HasPrefix(got, head) {
		t.Fatalf("the branch is at %s, want %s", got, head)
	}
	p.git(dir, "push", "--quiet", "origin", "main")
}

func TestAStreamTellsPushes(t *testing.T) {
	p := start(t)
	dir := p.work("shop/api")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"/api/git/v1/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+p.read)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() && lines.Text() != ": following" {
	}
	p.git(dir, "push", "--quiet", "origin", "main")
	for lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			if !strings.Contains(data, `"repository":"shop/api"`) || !strings.Contains(data, `"ref":"refs/heads/main"`) {
				t.Fatalf("the stream told %s", data)
			}
			return
		}
	}
	t.Fatalf("the stream told nothing: %v", lines.Err())
}
