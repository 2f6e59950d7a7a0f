//go:build behavior

// Package behavior starts the built program and looks at it as its users do: over HTTP, from outside.
//
//	go test -tags behavior ./behavior
//
// The golden path names the program that it built in FAWKES_PROGRAM; without it, one is built here.
package behavior

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// program is a running copy of the service.
type program struct {
	url     string
	process *exec.Cmd
}

// start runs the program on a free port and waits for its log to say which.
func start(t *testing.T, env ...string) *program {
	t.Helper()
	binary := os.Getenv("FAWKES_PROGRAM")
	if binary == "" {
		binary = filepath.Join(t.TempDir(), "service")
		build := exec.Command("go", "build", "-o", binary, "..")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("build: %v\n%s", err, out)
		}
	}
	cmd := exec.Command(binary)
	cmd.Env = append(os.Environ(), append([]string{"PORT=0", "ENVIRONMENT=behavior"}, env...)...)
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		var line struct{ Msg, Address string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "serving" {
			go func() { _, _ = io.Copy(io.Discard, log) }()
			return &program{"http://127.0.0.1" + line.Address[strings.LastIndexByte(line.Address, ':'):], cmd}
		}
	}
	t.Fatalf("the program ended before it served: %v", cmd.Wait())
	return nil
}

func (p *program) get(t *testing.T, path string) (int, string) {
	t.Helper()
	client := http.Client{Timeout: 10 * time.Second}
	resp, err := client.Get(p.url + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestAVisitorSeesWhereTheyAre(t *testing.T) {
	p := start(t)
	code, page := p.get(t, "/")
	if code != 200 || !strings.Contains(page, "Hello from behavior") {
		t.Errorf("%d\n%s", code, page)
	}
}

func TestThePlatformSeesItsHealthAndItsRequests(t *testing.T) {
	p := start(t)
	for _, path := range []string{"/healthz", "/readyz"} {
		if code, body := p.get(t, path); code != 200 {
			t.Errorf("%s answers %d: %s", path, code, body)
		}
	}
	p.get(t, "/")
	if _, text := p.get(t, "/metrics"); !strings.Contains(text, `http_requests_total{route="/",method="GET",code="200"} 1`) {
		t.Errorf("metrics:\n%s", text)
	}
}

func TestTheSwitchMakesItUnhealthy(t *testing.T) {
	p := start(t, "HEALTH=failing")
	if code, _ := p.get(t, "/readyz"); code != 503 {
		t.Errorf("/readyz answers %d, want 503", code)
	}
}

func TestItStopsWhenItIsTold(t *testing.T) {
	p := start(t)
	if err := p.process.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- p.process.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("it ended with %v, want 0", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("it did not end")
	}
}
