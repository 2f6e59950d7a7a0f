package hostile

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/fawkes-idp/fawkes/tests/process"
)

// mostRSS bounds the server's memory whatever is thrown at it: what bodies may
// take (64 MiB), twice for what is made of them, beside the program itself.
const mostRSS = 224 << 20

func TestHostileClients(t *testing.T) {
	p := process.Service(t, process.Build(t, "fawkes-service"), "dora", "FAWKES_DORA_DATABASE_URL=sqlite:"+filepath.Join(t.TempDir(), "dora.db"))
	honest := startHonest(t, p)
	for _, attack := range []struct {
		name string
		run  func(*testing.T, *process.Process)
	}{
		{"bodies of 100 MB", hugeBodies},
		{"bodies that unpack to gigabytes", bombs},
		{"many large bodies at once", flood},
		{"endless nesting, at every operation", deepJSON},
		{"wrong types, at every operation", wrongTypes},
		{"absurd dates", absurdDates},
		{"hundreds of clients that trickle", trickles},
		{"ten thousand connections", manyConnections},
	} {
		t.Run(attack.name, func(t *testing.T) {
			attack.run(t, p)
			honest.check(t)
			usage, err := p.Usage()
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("server: %d MiB, at most %d MiB so far", usage.RSS>>20, usage.PeakRSS>>20)
			if usage.PeakRSS > mostRSS {
				t.Errorf("the server took %d MiB, want at most %d", usage.PeakRSS>>20, int64(mostRSS)>>20)
			}
		})
	}
	honest.stop(t)
	p.Stop()
}

// answer sends one hostile request. A connection that the server cuts is an
// answer, too: it must not read on for ever.
func answer(t *testing.T, p *process.Process, method, path string, body io.Reader, length int64, header ...string) (status int, text string) {
	t.Helper()
	req, err := http.NewRequest(method, p.URL+path, body)
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = length
	req.Header.Set("Authorization", "Bearer "+p.Token)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	raw, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	decent(t, method+" "+path, resp, string(raw))
	return resp.StatusCode, string(raw)
}

// decent fails on answers that no client should ever see.
func decent(t *testing.T, what string, resp *http.Response, text string) {
	t.Helper()
	switch {
	case resp.StatusCode < 500:
	case resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") != "":
	default:
		t.Errorf("%s: %d %.300s", what, resp.StatusCode, text)
	}
}

// places take bodies of every kind: an operation, single events, the bulk format
// and webhooks.
var places = []string{
	"/api/dora/v1/events", "/api/dora/v1/events:batch", "/webhooks/dora/github", "/api/rest/plugins/webhook/connections",
}

// endless is n bytes of one letter.
type endless struct{ left int64 }

func (e *endless) Read(p []byte) (int, error) {
	if e.left <= 0 {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), e.left))
	for i := range p[:n] {
		p[i] = 'x'
	}
	e.left -= int64(n)
	return n, nil
}

func hugeBodies(t *testing.T, p *process.Process) {
	const size = 100 << 20
	var wg sync.WaitGroup
	for _, path := range places {
		for _, length := range []int64{size, -1} {
			wg.Go(func() {
				status, text := answer(t, p, http.MethodPost, path, io.NopCloser(&endless{left: size}), length, "Content-Type", "application/json")
				if status != 0 && status != 413 && status != 429 && status != 401 {
					t.Errorf("%s with length %d: %d %.200s, want 413", path, length, status, text)
				}
			})
		}
	}
	wg.Wait()
}

func bombs(t *testing.T, p *process.Process) {
	var bomb bytes.Buffer
	z, err := gzip.NewWriterLevel(&bomb, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(z, &endless{left: 600 << 20}); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	for _, path := range places {
		status, text := answer(t, p, http.MethodPost, path, bytes.NewReader(bomb.Bytes()), int64(bomb.Len()), "Content-Encoding", "gzip", "Content-Type", "application/json")
		if status < 400 || status >= 500 {
			t.Errorf("%s: %d %.200s, want a refusal", path, status, text)
		}
	}
}

// flood sends bodies of 25 MB by one client, as many at once as would take ten
// times the memory there is for them.
func flood(t *testing.T, p *process.Process) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	got := map[int]int{}
	for n := range 40 {
		wg.Go(func() {
			length := int64(24 << 20)
			if n%2 == 0 {
				length = -1
			}
			status, _ := answer(t, p, http.MethodPost, "/webhooks/dora/github", io.NopCloser(&endless{left: 24 << 20}), length,
				"X-GitHub-Event", "push", "X-Hub-Signature-256", "sha256="+strings.Repeat("0", 64))
			mu.Lock()
			got[status]++
			mu.Unlock()
		})
	}
	wg.Wait()
	if got[429]+got[503] == 0 {
		t.Errorf("nobody was told to come again: %v", got)
	}
	t.Log("answers:", fmt.Sprint(got))
}
