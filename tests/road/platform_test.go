package road

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/tests/process"
)

// patience is how long the longest step may take on a busy machine.
const patience = 4 * time.Minute

// platform is a running `fawkes up`.
type platform struct {
	t              *testing.T
	program, state string
	url, token     string
	cmd            *exec.Cmd
	events         chan map[string]any
	said           *tail
	ended          chan struct{}
}

// tail keeps the end of what is written to it.
type tail struct {
	mu sync.Mutex
	b  []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, b...)
	if over := len(t.b) - 64<<10; over > 0 {
		t.b = t.b[over:]
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.b)
}

// program builds fawkes and sees that the scanners which the road needs are there.
func program(t *testing.T) string {
	t.Helper()
	built := process.Build(t, "fawkes")
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(root, "scripts", "scanners.sh"))
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the scanners: %v\n%s", err, out)
	}
	// The scanners are looked for beside the program.
	if err := os.Symlink(filepath.Join(root, "bin", "tools"), filepath.Join(filepath.Dir(built), "tools")); err != nil {
		t.Fatal(err)
	}
	return built
}

// up starts the platform and waits until it is ready.
func up(t *testing.T, program, state string, args ...string) *platform {
	t.Helper()
	p := &platform{t: t, program: program, state: state, events: make(chan map[string]any, 1024), said: &tail{}, ended: make(chan struct{})}
	p.cmd = exec.Command(program, append([]string{"up", "--state", state, "-o", "json"}, args...)...)
	p.cmd.Stderr = p.said
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go p.read(out)
	t.Cleanup(p.kill)
	ready := p.await("ready")
	p.url, p.token = ready["api"].(string), ready["token"].(string)
	return p
}

func (p *platform) read(out io.Reader) {
	defer close(p.ended)
	scan := bufio.NewScanner(out)
	scan.Buffer(nil, 1<<20)
	for scan.Scan() {
		fmt.Fprintf(p.said, "%s\n", scan.Bytes())
		var e map[string]any
		if json.Unmarshal(scan.Bytes(), &e) == nil {
			select {
			case p.events <- e:
			default:
			}
		}
	}
}

// await waits for an event of `fawkes up`.
func (p *platform) await(name string) map[string]any {
	p.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case e := <-p.events:
			if e["event"] == name {
				return e
			}
			if e["event"] == "error" || e["event"] == "step" && e["status"] == "failed" {
				p.t.Fatalf("waiting for %q: %v\n%s", name, e, p.log())
			}
		case <-p.ended:
			p.t.Fatalf("fawkes up ended before %q:\n%s\n%s", name, p.said, p.log())
		case <-deadline:
			p.t.Fatalf("no %q after %s:\n%s\n%s", name, patience, p.said, p.log())
		}
	}
}

func (p *platform) log() string {
	text, err := os.ReadFile(filepath.Join(p.state, "fawkes.log"))
	if err != nil {
		return err.Error()
	}
	if over := len(text) - 16<<10; over > 0 {
		text = text[over:]
	}
	return string(text)
}

// kill ends the platform as a power failure would.
func (p *platform) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	_ = p.cmd.Wait()
	<-p.ended
}

// stop ends it as Ctrl-C does.
func (p *platform) stop() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil {
		p.t.Fatal(err)
	}
	<-p.ended
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("fawkes up did not end well: %v\n%s", err, p.said)
	}
}

// fawkes runs a command against the platform.
func (p *platform) fawkes(args ...string) (string, error) {
	cmd := exec.Command(p.program, append([]string{"--state", p.state}, args...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("fawkes %s: %w\n%s%s", strings.Join(args, " "), err, out.String(), errs.String())
	}
	return out.String(), nil
}

// get asks the API.
func (p *platform) get(path string, query url.Values, into any) error {
	r, err := http.NewRequest(http.MethodGet, p.url+path+"?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+p.token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s: %s", path, answer.Status, text)
	}
	return json.Unmarshal(text, into)
}

// put sends to the API.
func (p *platform) put(path string, body any) error { return p.send(http.MethodPut, path, body, nil) }

func (p *platform) send(method, path string, body, into any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	r, err := http.NewRequest(method, p.url+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+p.token)
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("%s %s: %s: %s", method, path, answer.Status, said)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(said, into)
}

func (p *platform) must(path string, query url.Values, into any) {
	p.t.Helper()
	if err := p.get(path, query, into); err != nil {
		p.t.Fatal(err)
	}
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() (bool, string)) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for {
		ok, last := holds()
		if ok {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("did not happen within %s: %s (%s)", patience, what, last)
		case <-tick.C:
		}
	}
}

// clone is a working copy of a repository of the platform.
type clone struct {
	t   *testing.T
	dir string
}

func (c clone) git(args ...string) string {
	c.t.Helper()
	out, err := c.try(args...)
	if err != nil {
		c.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(out)
}

func (c clone) try(args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), "GIT_TERMINAL_PROMPT=0", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.org", "GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.org")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// edit replaces a text of a file.
func (c clone) edit(name, old, text string) {
	c.t.Helper()
	full := filepath.Join(c.dir, name)
	before, err := os.ReadFile(full)
	if err != nil {
		c.t.Fatal(err)
	}
	if !bytes.Contains(before, []byte(old)) {
		c.t.Fatalf("%s does not hold %q", name, old)
	}
	c.write(name, strings.Replace(string(before), old, text, 1))
}

func (c clone) write(name, text string) {
	c.t.Helper()
	full := filepath.Join(c.dir, name)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// push commits everything and pushes it, and gives the commit.
func (c clone) push(message string) string {
	c.t.Helper()
	c.git("add", "-A")
	c.git("commit", "-q", "-m", message)
	c.git("push", "-q", "origin", "HEAD:main")
	return c.git("rev-parse", "HEAD")
}
