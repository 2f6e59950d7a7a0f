//go:build linux

package kit

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/fawkes-idp/fawkes/internal/oci"
	"github.com/fawkes-idp/fawkes/tests/e2e/cluster"
)

// The forge's addresses, in the network of the cluster's first node. Images are named by the one on the loopback, which
// clients of registries trust without TLS; nodes pull them from the other.
const (
	forgePort    = "8080"
	registryHost = "127.0.0.1:" + forgePort
)

// Forge is the git server, the pipelines and the registry beside a cluster.
type Forge struct {
	// URL is how the cluster and people reach it. It has no slash at the end.
	URL string

	client
	node  *cluster.Node
	state string
	cmd   *exec.Cmd
	said  *tail
	ended chan struct{} // it says nothing more
	gone  chan struct{} // it is no more
	err   error         // how it ended; read it when gone is closed
}

// startForge starts the platform of one machine in the network of a node. It ends with Stop, and with this process.
func startForge(ctx context.Context, n *cluster.Node, program, state string) (*Forge, error) {
	f := &Forge{URL: "http://" + net.JoinHostPort(n.Address, forgePort), node: n, state: state, said: &tail{}, ended: make(chan struct{}), gone: make(chan struct{})}
	f.cmd = exec.Command("nsenter", "--target", strconv.Itoa(n.PID()), "--net", "--",
		program, "up", "--no-sample", "--listen", "0.0.0.0:"+forgePort, "--state", state, "-o", "json")
	f.cmd.Env = append(os.Environ(), "FAWKES_PUBLIC_URL="+f.URL)
	f.cmd.Stderr = f.said
	f.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setsid: true}
	out, err := f.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	started := make(chan error, 1)
	go func() {
		// The forge ends with the thread that started it, so this one stays.
		runtime.LockOSThread()
		err := f.cmd.Start()
		started <- err
		if err == nil {
			<-f.ended
			f.err = f.cmd.Wait()
			close(f.gone)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start the forge: %w", err)
	}
	ready := make(chan string, 1)
	go func() {
		defer close(f.ended)
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			fmt.Fprintf(f.said, "%s\n", lines.Bytes())
			var e struct{ Event, Token string }
			if json.Unmarshal(lines.Bytes(), &e) == nil && e.Event == "ready" {
				ready <- e.Token
			}
		}
	}()
	select {
	case token := <-ready:
		f.client = client{base: f.URL, token: token, http: &http.Client{
			Transport: &http.Transport{DialContext: n.DialContext, MaxIdleConnsPerHost: 8}, Timeout: time.Minute,
		}}
		return f, nil
	case <-f.ended:
	case <-ctx.Done():
	}
	return nil, errors.Join(fmt.Errorf("the forge did not come up: %s", f.said), ctx.Err(), f.Stop())
}

// Stop ends the forge as Ctrl-C does.
func (f *Forge) Stop() error {
	if err := f.cmd.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop the forge: %w", err)
	}
	<-f.gone
	if f.err != nil {
		return fmt.Errorf("the forge did not end well: %w: %s", f.err, f.said)
	}
	return nil
}

// Said is the end of what the forge said.
func (f *Forge) Said() string { return f.said.String() }

// Repository is the address of one of its repositories.
func (f *Forge) Repository(name string) string { return f.URL + "/git/" + name + ".git" }

// Authorization is what the owner's credential is as a header.
func (f *Forge) Authorization() string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte("fawkes:"+f.token))
}

// Registry is the forge's registry, for pushing to it. Images are named under [registryHost].
func (f *Forge) Registry() oci.Registry {
	return oci.Registry{Token: f.token, Insecure: true, Transport: &http.Transport{DialContext: f.node.DialContext, MaxIdleConnsPerHost: 8}}
}

// Git runs git in a folder, in the forge's network and with the owner's credential, and gives what it said.
func (f *Forge) Git(ctx context.Context, dir string, args ...string) (string, error) {
	words := append([]string{"--target", strconv.Itoa(f.node.PID()), "--net", "--", "git", "-C", dir}, args...)
	cmd := exec.CommandContext(ctx, "nsenter", words...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_TERMINAL_PROMPT=0",
		"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=http."+f.URL+"/.extraHeader", "GIT_CONFIG_VALUE_0=Authorization: "+f.Authorization(),
		"GIT_AUTHOR_NAME=Kit", "GIT_AUTHOR_EMAIL=kit@fawkes.test", "GIT_COMMITTER_NAME=Kit", "GIT_COMMITTER_EMAIL=kit@fawkes.test")
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(said.String()))
	}
	return strings.TrimSpace(out.String()), nil
}

// Publish makes the folder's files the only commit of a new repository's main branch, and gives the commit.
func (f *Forge) Publish(ctx context.Context, repository, dir, message string) (string, error) {
	body := map[string]any{"description": message, "default_branch": "main"}
	if err := f.send(ctx, http.MethodPut, "/api/git/v1/repositories/"+repository, body, nil); err != nil {
		return "", err
	}
	for _, args := range [][]string{
		{"init", "-q", "-b", "main"}, {"add", "--all", "--force", "."}, {"commit", "-q", "-m", message}, {"push", "-q", f.Repository(repository), "main"},
	} {
		if _, err := f.Git(ctx, dir, args...); err != nil {
			return "", fmt.Errorf("publish %s: %w", repository, err)
		}
	}
	return f.Git(ctx, dir, "rev-parse", "HEAD")
}

// Change commits to the main branch of a repository what edit does to a clone of it, and gives the commit.
func (f *Forge) Change(ctx context.Context, repository, message string, edit func(dir string) error) (string, error) {
	dir, err := os.MkdirTemp(f.state, "clone-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	clone := filepath.Join(dir, "clone")
	if _, err := f.Git(ctx, dir, "clone", "-q", f.Repository(repository), clone); err != nil {
		return "", err
	}
	if err := edit(clone); err != nil {
		return "", err
	}
	for _, args := range [][]string{{"add", "--all"}, {"commit", "-q", "-m", message}, {"push", "-q", "origin", "HEAD:main"}} {
		if _, err := f.Git(ctx, clone, args...); err != nil {
			return "", fmt.Errorf("change %s: %w", repository, err)
		}
	}
	return f.Git(ctx, clone, "rev-parse", "HEAD")
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
	if over := len(t.b) - 32<<10; over > 0 {
		t.b = t.b[over:]
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.b)
}
