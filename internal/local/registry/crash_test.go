package registry_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/clock"
	"github.com/fawkes-idp/fawkes/internal/oci"
)

// A registry in a process of its own, to be killed.
const childVariable = "FAWKES_TEST_REGISTRY_FOLDER"

func TestMain(m *testing.M) {
	if folder := os.Getenv(childVariable); folder != "" {
		child(folder)
	}
	os.Exit(m.Run())
}

func child(folder string) {
	s, tokens, err := start(context.Background(), folder, nil, clock.System(), os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	server := httptest.NewServer(s.Handler)
	if err := json.NewEncoder(os.Stdout).Encode([]string{server.URL, tokens[1]}); err != nil {
		os.Exit(1)
	}
	select {} // until it is killed
}

func startChild(t *testing.T, folder string) (cmd *exec.Cmd, host, token string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), childVariable+"="+folder)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	var said []string
	if err != nil || json.Unmarshal(line, &said) != nil || len(said) != 2 {
		t.Fatalf("the child says %q, %v", line, err)
	}
	return cmd, strings.TrimPrefix(said[0], "http://"), said[1]
}

// Whatever was acknowledged before kill -9 is there, whole, and nothing that is listed is broken.
func TestWhatWasAcknowledgedSurvivesAKill(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "registry")
	acknowledged := map[string]string{} // digest by reference without the host
	for round := range 4 {
		cmd, host, token := startChild(t, folder)
		var mu sync.Mutex
		var wg sync.WaitGroup
		enough := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		count := 0
		for worker := range 4 {
			wg.Go(func() {
				for n := 0; ctx.Err() == nil; n++ {
					at := fmt.Sprintf("app%d:r%d-%d", worker, round, n)
					r := oci.Registry{Token: token, Transport: &http.Transport{DisableKeepAlives: true}}
					d, err := r.Push(ctx, host+"/"+at, randomImage(t))
					if err != nil {
						return
					}
					mu.Lock()
					acknowledged[at] = d
					if count++; count == 6 {
						close(enough)
					}
					mu.Unlock()
				}
			})
		}
		select {
		case <-enough:
		case <-time.After(time.Minute):
			t.Error("nothing was pushed within a minute")
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		cancel()
		wg.Wait()
	}
	p := openAt(t, folder, nil)
	if len(acknowledged) < 24 {
		t.Fatalf("only %d pushes were acknowledged", len(acknowledged))
	}
	r := p.as(p.reader)
	for at, digest := range acknowledged {
		got, err := r.Pull(t.Context(), p.ref(at))
		if err != nil {
			t.Errorf("%s: %v", at, err)
			continue
		}
		if d, err := got.Digest(); err != nil || d.String() != digest {
			t.Errorf("%s is %v, %v; %s was acknowledged", at, d, err, digest)
		}
		if err := oci.Check(t.Context(), got); err != nil {
			t.Errorf("%s: %v", at, err)
		}
	}
	for worker := range 4 {
		var list struct{ Items []struct{ Digest string } }
		name := fmt.Sprintf("app%d", worker)
		p.call("GET", "/api/registry/v1/manifests?limit=500&repository="+name, p.reader, nil, &list)
		for _, m := range list.Items {
			got, err := r.Pull(t.Context(), p.ref(name+"@"+m.Digest))
			if err == nil {
				err = oci.Check(t.Context(), got)
			}
			if err != nil {
				t.Errorf("%s@%s is listed and broken: %v", name, m.Digest, err)
			}
		}
	}
	if text := p.log.String(); text != "" {
		t.Errorf("the registry complains:\n%s", text)
	}
}
