package bench

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/tests/process"
)

// BenchmarkRoadRegistry pushes a large blob by the distribution API and pulls it into a file. The baseline copies the
// same bytes to a file, to the disk.
func BenchmarkRoadRegistry(b *testing.B) {
	const size, times = 128 << 20, 3
	p := process.Up(b, process.Build(b, "fawkes"), b.TempDir())
	dir := b.TempDir()
	source, target := filepath.Join(dir, "blob"), filepath.Join(dir, "copy")
	rate := func(d []time.Duration) float64 { return float64(size) / 1e6 / quantile(d, 0.5).Seconds() }
	var copied, pushed, pulled []time.Duration
	for n := range times {
		content := make([]byte, size)
		_, _ = rand.NewChaCha8([32]byte{byte(n)}).Read(content) // it never fails
		if err := os.WriteFile(source, content, 0o600); err != nil {
			b.Fatal(err)
		}
		sum := sha256.Sum256(content)
		digest := "sha256:" + hex.EncodeToString(sum[:])
		copied = append(copied, toDisk(b, target, opened(b, source)))
		began := time.Now()
		pushBlob(b, p, source, digest)
		pushed = append(pushed, time.Since(began))
		pulled = append(pulled, pullBlob(b, p, digest, target))
		got, err := os.ReadFile(target)
		if err != nil || !bytes.Equal(got, content) {
			b.Fatalf("what was pulled is not what was pushed: %v", err)
		}
	}
	copies := rate(copied)
	beside := fmt.Sprintf("%.0f MB/s", copies)
	row(b, fmt.Sprintf("registry, push of %s", mebibytes(size)), fmt.Sprintf("%.0f MB/s (x%.2f)", rate(pushed), rate(pushed)/copies), "copy with fsync", beside)
	row(b, fmt.Sprintf("registry, pull of %s to the disk", mebibytes(size)), fmt.Sprintf("%.0f MB/s (x%.2f)", rate(pulled), rate(pulled)/copies), "copy with fsync", beside)
	p.Stop()
}

func opened(b *testing.B, name string) io.ReadCloser {
	b.Helper()
	f, err := os.Open(name)
	if err != nil {
		b.Fatal(err)
	}
	return f
}

// toDisk writes a file anew, until it is on the disk.
func toDisk(b *testing.B, name string, from io.ReadCloser) time.Duration {
	b.Helper()
	defer from.Close() //nolint:errcheck // read to its end
	if err := os.RemoveAll(name); err != nil {
		b.Fatal(err)
	}
	begin := time.Now()
	f, err := os.Create(name)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := io.Copy(f, from); err != nil {
		b.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		b.Fatal(err)
	}
	took := time.Since(begin)
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	return took
}

const blobs = "/v2/bench/blob/blobs/"

func pushBlob(b *testing.B, p *process.Process, file, digest string) {
	b.Helper()
	resp := registry(b, p, http.MethodPost, p.URL+blobs+"uploads/", nil, 0, http.StatusAccepted)
	place, err := url.Parse(resp.Header.Get("Location"))
	if err != nil {
		b.Fatal(err)
	}
	_ = resp.Body.Close() // it is empty
	base, err := url.Parse(p.URL)
	if err != nil {
		b.Fatal(err)
	}
	place = base.ResolveReference(place)
	query := place.Query()
	query.Set("digest", digest)
	place.RawQuery = query.Encode()
	f := opened(b, file)
	info, err := os.Stat(file)
	if err != nil {
		b.Fatal(err)
	}
	_ = registry(b, p, http.MethodPut, place.String(), f, info.Size(), http.StatusCreated).Body.Close() // it is empty
}

func pullBlob(b *testing.B, p *process.Process, digest, target string) time.Duration {
	b.Helper()
	return toDisk(b, target, registry(b, p, http.MethodGet, p.URL+blobs+digest, nil, 0, http.StatusOK).Body)
}

func registry(b *testing.B, p *process.Process, method, address string, body io.Reader, size int64, want int) *http.Response {
	b.Helper()
	req, err := http.NewRequest(method, address, body)
	if err != nil {
		b.Fatal(err)
	}
	req.SetBasicAuth("fawkes", p.Token)
	if body != nil {
		req.ContentLength = size
		req.Header.Set("Content-Type", "application/octet-stream")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	if resp.StatusCode != want {
		text, _ := io.ReadAll(resp.Body)
		b.Fatalf("%s %s: %s %s", method, address, resp.Status, text)
	}
	return resp
}

// BenchmarkRoadKilledApplication kills the only process of an application and asks for its page until it is there
// again. Between two kills the application is restarted in good order, because a copy that ends again and again is
// made to wait. The baseline starts the same program by hand and asks in the same way.
func BenchmarkRoadKilledApplication(b *testing.B) {
	const kills = 10
	state := b.TempDir()
	p := process.Up(b, roadProgram(b), state)
	a := newApp(b, p, "victim")
	a.push()
	page := a.healthy(p, a.git("rev-parse", "HEAD")).URL
	own := filepath.Join(b.TempDir(), "program")
	run(b, a.dir, []string{"CGO_ENABLED=0"}, "go", "build", "-o", own, ".")
	var again, plain []time.Duration
	for range kills {
		plain = append(plain, startedByHand(b, own))
		pid := processOf(b, state, a.name)
		begin := time.Now()
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			b.Fatal(err)
		}
		until(b, "the process to be gone", time.Minute, time.Millisecond, func() bool { return gone(pid) })
		until(b, "the page to be there again", 2*time.Minute, time.Millisecond, func() bool { return answers(page) })
		again = append(again, time.Since(begin))
		fresh := processOf(b, state, a.name)
		send(b, p, http.MethodPost, "/api/gitops/v1/applications/"+a.name+"-production/restart", "{}", nil)
		until(b, "another copy to be alone", 2*time.Minute, 20*time.Millisecond, func() bool {
			pids := processesOf(state, a.name)
			return len(pids) == 1 && pids[0] != fresh && answers(page)
		})
	}
	row(b, fmt.Sprintf("application killed to serving again, %d times", kills), fmt.Sprintf("p50 %s, max %s", ms(quantile(again, 0.5)), ms(quantile(again, 1))),
		"the program started by hand", fmt.Sprintf("p50 %s, max %s", ms(quantile(plain, 0.5)), ms(quantile(plain, 1))))
	p.Stop()
}

// startedByHand is the time from the start of a program to its first answer.
func startedByHand(b *testing.B, program string) time.Duration {
	b.Helper()
	const port = "38471"
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), "PORT="+port)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	until(b, "the program to answer", time.Minute, time.Millisecond, func() bool { return answers("http://127.0.0.1:" + port + "/") })
	took := time.Since(begin)
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // that it was killed is no news
	return took
}

// answers asks for a page by way of the loopback interface, over a connection of its own.
func answers(page string) bool {
	req, err := http.NewRequest(http.MethodGet, page, nil)
	if err != nil {
		return false
	}
	req.Host = req.URL.Host
	req.URL.Host = "127.0.0.1:" + req.URL.Port()
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close() // nothing of it is wanted
	return resp.StatusCode == http.StatusOK
}

// processOf is the one process of an application.
func processOf(b *testing.B, state, name string) (pid int) {
	b.Helper()
	until(b, "one process of "+name, time.Minute, 20*time.Millisecond, func() bool {
		pids := processesOf(state, name)
		if len(pids) == 1 {
			pid = pids[0]
		}
		return len(pids) == 1
	})
	return pid
}

// processesOf are the programs of an application that run, without the keepers around them.
func processesOf(state, name string) (pids []int) {
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil
	}
	for _, dir := range all {
		argv, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err != nil {
			continue // it has ended
		}
		program, _, _ := strings.Cut(string(argv), "\x00")
		env, err := os.ReadFile(filepath.Join(dir, "environ"))
		if err != nil || filepath.Base(program) != name || !strings.Contains(string(env), "FAWKES_KEPT="+state) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(dir)); err == nil && !gone(pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// gone says whether a process has ended, even if nobody has taken note of it.
func gone(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return true
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(rest, "Z") || strings.HasPrefix(rest, "X")
}
