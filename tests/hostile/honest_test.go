package hostile

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/tests/process"
)

// mostWait is the p99 that honest clients may see while a service is attacked,
// on a machine where server, attackers and honest clients share two processors.
const mostWait = 1500 * time.Millisecond

// honest are a few clients that report one small event after the other.
type honest struct {
	end  chan struct{}
	done sync.WaitGroup

	mu       sync.Mutex
	took     []time.Duration // since the last check
	faults   []string
	answered int
}

func startHonest(t *testing.T, p *process.Process) *honest {
	t.Helper()
	h := &honest{end: make(chan struct{})}
	for c := range 4 {
		h.done.Go(func() {
			client := &http.Client{Transport: &http.Transport{}, Timeout: 20 * time.Second}
			defer client.CloseIdleConnections()
			pace := time.NewTicker(25 * time.Millisecond)
			defer pace.Stop()
			for n := 0; ; n++ {
				select {
				case <-h.end:
					return
				case <-pace.C:
				}
				h.report(client, p, fmt.Sprintf("honest-%d-%d", c, n))
			}
		})
	}
	t.Cleanup(func() { h.halt() })
	return h
}

// report sends one event until it is taken, as a client does that heeds
// Retry-After and sends again when a connection breaks.
func (h *honest) report(client *http.Client, p *process.Process, id string) {
	body := fmt.Sprintf(`{"type":"deployment","id":%q,"project":"honest","service":"api","environment":"production","outcome":"success","finished_at":"2026-01-31T09:30:00Z"}`, id)
	begin := time.Now()
	for attempt := 1; ; attempt++ {
		req, err := http.NewRequest(http.MethodPost, p.URL+"/api/dora/v1/events", strings.NewReader(body))
		if err != nil {
			h.fault(err.Error())
			return
		}
		req.Header.Set("Authorization", "Bearer "+p.Token)
		resp, err := client.Do(req)
		if err == nil {
			text, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close() // read to its end
			if resp.StatusCode == http.StatusAccepted || resp.StatusCode == http.StatusOK {
				break
			}
			err = fmt.Errorf("%d %.200s", resp.StatusCode, text)
		}
		select {
		case <-h.end:
			return // the server may be stopping
		default:
		}
		if attempt == 3 {
			h.fault(fmt.Sprintf("event %s: %v", id, err))
			return
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.took = append(h.took, time.Since(begin))
	h.answered++
}

func (h *honest) fault(text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.faults = append(h.faults, text)
}

// check judges what honest clients have seen since the last check.
func (h *honest) check(t *testing.T) {
	t.Helper()
	h.mu.Lock()
	took, faults := h.took, h.faults
	h.took, h.faults = nil, nil
	h.mu.Unlock()
	if len(faults) > 0 {
		t.Errorf("honest clients were refused %d times, first: %s", len(faults), faults[0])
	}
	if len(took) == 0 {
		return // the attack was over in a moment
	}
	slices.Sort(took)
	p99 := took[min(len(took)*99/100, len(took)-1)]
	t.Logf("honest: %d events, p50 %s, p99 %s", len(took), took[len(took)/2].Round(time.Millisecond), p99.Round(time.Millisecond))
	if p99 > mostWait {
		t.Errorf("p99 of honest clients is %s, want at most %s", p99, mostWait)
	}
}

func (h *honest) halt() {
	h.mu.Lock()
	select {
	case <-h.end:
	default:
		close(h.end)
	}
	h.mu.Unlock()
	h.done.Wait()
}

func (h *honest) stop(t *testing.T) {
	t.Helper()
	h.halt()
	if h.answered == 0 {
		t.Error("no honest client was ever answered")
	}
}
