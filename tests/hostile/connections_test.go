package hostile

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/tests/process"
)

func dial(p *process.Process) (net.Conn, error) {
	return net.DialTimeout("tcp", strings.TrimPrefix(p.URL, "http://"), 5*time.Second)
}

// trickles keeps hundreds of connections busy with headers and bodies that come
// a byte at a time, and with answers that nobody reads.
func trickles(t *testing.T, p *process.Process) {
	const clients, long = 300, 4 * time.Second
	end := time.Now().Add(long)
	var wg sync.WaitGroup
	for n := range clients {
		wg.Go(func() {
			c, err := dial(p)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close() //nolint:errcheck // it is cut in any case
			begin := ""
			switch n % 3 {
			case 0: // a header that never ends
				begin = "POST /api/dora/v1/events HTTP/1.1\r\nHost: x\r\nX-Slow: "
			case 1: // a body that never ends
				begin = fmt.Sprintf("POST /api/dora/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 1000000\r\n\r\n", p.Token)
			case 2: // answers that are not read
				begin = strings.Repeat("GET /api/dora/openapi.yaml HTTP/1.1\r\nHost: x\r\n\r\n", 50)
			}
			if _, err := c.Write([]byte(begin)); err != nil {
				return // cut already
			}
			pace := time.NewTicker(200 * time.Millisecond)
			defer pace.Stop()
			for time.Now().Before(end) {
				<-pace.C
				if n%3 != 2 {
					if _, err := c.Write([]byte("x")); err != nil {
						return // the server has cut it, as it may
					}
				}
			}
		})
	}
	wg.Wait()
}

// manyConnections opens ten thousand connections, or as many as the system lets
// this process have, and keeps them for a while. Some have sent a request.
func manyConnections(t *testing.T, p *process.Process) {
	want := 10_000
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		t.Fatal(err)
	}
	if files.Cur < files.Max {
		files.Cur = files.Max
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
			t.Fatal(err)
		}
	}
	if most := int(min(files.Cur, 1<<20)) - 500; most < want {
		t.Logf("this process may have %d files only (`ulimit -Hn`): %d connections instead of %d", files.Cur, most, want)
		want = most
	}
	var mu sync.Mutex
	var all []net.Conn
	defer func() {
		for _, c := range all {
			_ = c.Close() // most are cut by the server already
		}
	}()
	var wg sync.WaitGroup
	for worker := range 16 {
		wg.Go(func() {
			for n := worker; n < want; n += 16 {
				c, err := dial(p)
				if err != nil {
					continue // refused, as it may be
				}
				if n%2 == 0 {
					_, _ = c.Write([]byte("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")) // cut, perhaps
				}
				mu.Lock()
				all = append(all, c)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(all) < want*9/10 {
		t.Errorf("%d connections of %d could be opened", len(all), want)
	}
	hold := time.NewTimer(2 * time.Second)
	<-hold.C
}
