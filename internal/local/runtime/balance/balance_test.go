package balance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

func instance(t *testing.T, h http.HandlerFunc) *Backend {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return NewBackend(strings.TrimPrefix(srv.URL, "http://"))
}

func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprint(w, text, string(body))
	}
}

// dying takes a request and ends the connection without an answer.
func dying(w http.ResponseWriter, _ *http.Request) {
	panic(http.ErrAbortHandler)
}

func front(t *testing.T, p *Pool, speaksHTTP bool) *Front {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := NewFront(l, p, speaksHTTP)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		f.Close(ctx)
	})
	return f
}

func do(t *testing.T, method, url, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestInstancesTakeTurns(t *testing.T) {
	p := &Pool{}
	for i := range 3 {
		p.Add(instance(t, says(fmt.Sprint(i))))
	}
	url := "http://" + front(t, p, true).Addr().String()
	seen := map[string]int{}
	for range 30 {
		_, text := do(t, http.MethodGet, url, "")
		seen[text]++
	}
	for i := range 3 {
		if seen[fmt.Sprint(i)] != 10 {
			t.Errorf("instances answered %v, want each 10 times", seen)
		}
	}
}

func TestTheInstanceWithLessAtHandIsTaken(t *testing.T) {
	p := &Pool{}
	busy, free := NewBackend("a"), NewBackend("b")
	p.Add(busy)
	p.Add(free)
	p.pick(map[*Backend]bool{free: true})
	for range 1 {
		if got := p.pick(nil); got != free {
			t.Errorf("%s is taken, want the free one", got.Addr())
		}
	}
}

func TestWhatMayBeSentTwiceGoesToAnotherInstance(t *testing.T) {
	gone := NewBackend("127.0.0.1:1") // nobody listens there
	for _, c := range []struct {
		method, body string
		bad          *Backend
		want         int
	}{
		{http.MethodGet, "", gone, 200},
		{http.MethodPost, "body", gone, 200}, // never reached it
		{http.MethodPost, strings.Repeat("x", replayed+1), gone, 200},
		{http.MethodGet, "", instance(t, dying), 200},
		{http.MethodPut, "body", instance(t, dying), 200},
		{http.MethodPost, "body", instance(t, dying), 502}, // may have been done
		{http.MethodPut, strings.Repeat("x", replayed+1), instance(t, dying), 502},
	} {
		for range 2 { // the bad one is first in one of them
			p := &Pool{}
			p.Add(c.bad)
			p.Add(instance(t, says("good:")))
			p.next = 0
			status, text := do(t, c.method, "http://"+front(t, p, true).Addr().String(), c.body)
			if status != c.want || status == 200 && text != "good:"+c.body {
				t.Errorf("%s with %d bytes after a failure is answered %d %.60q, want %d", c.method, len(c.body), status, text, c.want)
			}
		}
	}
}

func TestARequestWaitsForAnInstanceThatIsComing(t *testing.T) {
	p := &Pool{}
	url := "http://" + front(t, p, true).Addr().String()
	good := instance(t, says("good"))
	go func() {
		<-time.After(100 * time.Millisecond)
		p.Add(good)
	}()
	if status, text := do(t, http.MethodGet, url, ""); status != 200 || text != "good" {
		t.Errorf("the answer is %d %q, want that of the one that came", status, text)
	}
	p.Remove(good)
	if status, text := do(t, http.MethodGet, url, ""); status != 503 || !strings.Contains(text, ErrNone.Error()) {
		t.Errorf("without any instance the answer is %d %q", status, text)
	}
}

func TestDrainWaitsForRequestsAndNotForStreams(t *testing.T) {
	release := make(chan struct{})
	reached := make(chan struct{}, 2)
	b := instance(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/events" {
			w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
			w.WriteHeader(200)
			w.(http.Flusher).Flush()
			reached <- struct{}{}
			<-r.Context().Done()
			return
		}
		reached <- struct{}{}
		<-release
		fmt.Fprint(w, "done")
	})
	p := &Pool{}
	p.Add(b)
	url := "http://" + front(t, p, true).Addr().String()
	events, err := http.Get(url + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer events.Body.Close()
	<-reached
	p.Remove(b)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	b.Drain(ctx) // returns though the stream is open
	if ctx.Err() != nil {
		t.Fatal("Drain waits for a stream")
	}
	p.Add(b)
	answer := make(chan string, 1)
	go func() {
		resp, err := http.Get(url)
		if err != nil {
			answer <- err.Error()
			return
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		answer <- string(text)
	}()
	<-reached
	p.Remove(b)
	drained := make(chan struct{})
	go func() {
		b.Drain(ctx)
		close(drained)
	}()
	select {
	case <-drained:
		t.Fatal("Drain does not wait for a request")
	case <-time.After(50 * time.Millisecond):
	}
	close(release)
	<-drained
	if got := <-answer; got != "done" {
		t.Errorf("the request is answered %q", got)
	}
	b.Close()
	if _, err := io.ReadAll(events.Body); err == nil {
		t.Error("the stream ends as if it were complete")
	}
}

func TestBytesPassBothWaysAndEndsToo(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				all, _ := io.ReadAll(c) // until the client's end
				fmt.Fprintf(c, "got %d", len(all))
			}()
		}
	}()
	p := &Pool{}
	p.Add(NewBackend("127.0.0.1:1"))
	p.Add(NewBackend(l.Addr().String()))
	f := front(t, p, false)
	var work sync.WaitGroup
	for range 20 {
		work.Go(func() {
			c, err := net.Dial("tcp", f.Addr().String())
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			_, err = io.Copy(c, strings.NewReader(strings.Repeat("x", 1<<20)))
			err = errors.Join(err, c.(*net.TCPConn).CloseWrite())
			text, errRead := io.ReadAll(c)
			if err != nil || errRead != nil || string(text) != "got 1048576" {
				t.Errorf("the answer is %q, %v, %v", text, err, errRead)
			}
		})
	}
	work.Wait()
}

func TestTheMostSpecificRuleCounts(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := NewRouter(l)
	defer r.Close(t.Context())
	r.Set([]Rule{
		{Host: "", Path: "/", To: says("any")},
		{Host: "*.example.org", Path: "/", To: says("wild")},
		{Host: "a.example.org", Path: "/", To: says("a")},
		{Host: "a.example.org", Path: "/api", To: says("api")},
		{Host: "a.example.org", Path: "/api/v1/", To: says("v1")},
		{Host: "a.example.org", Path: "/api", Exact: true, To: says("exact")},
		{Host: "only.example.org", Path: "/x", To: says("x")},
	})
	for _, c := range []struct{ host, path, want string }{
		{"a.example.org", "/", "a"}, {"A.Example.org:8081", "/index", "a"}, {"a.example.org", "/api", "exact"},
		{"a.example.org", "/api/", "api"}, {"a.example.org", "/apis", "a"}, {"a.example.org", "/api/v1", "v1"},
		{"a.example.org", "/api/v1/x", "v1"}, {"b.example.org", "/", "wild"}, {"b.c.example.org", "/", "any"},
		{"example.org", "/", "any"}, {"only.example.org", "/y", "wild"}, {"127.0.0.1:8081", "/", "any"}, {"", "/", "any"},
	} {
		req := httptest.NewRequest(http.MethodGet, c.path, nil)
		req.Host = c.host
		rec := httptest.NewRecorder()
		r.ServeHTTP(rec, req)
		if got := rec.Body.String(); got != c.want {
			t.Errorf("%s%s leads to %q, want %q", c.host, c.path, got, c.want)
		}
	}
	r.Set(nil)
	rec := httptest.NewRecorder()
	r.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/", nil))
	if rec.Code != http.StatusNotFound {
		t.Errorf("without rules the answer is %d, want 404", rec.Code)
	}
}
