package dora

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/httpapi"
	"github.com/fawkes-idp/fawkes/internal/kit/peer"
)

// said is one event of a stream, or a comment.
type said struct{ event, id, data, comment string }

// reading is a stream that is read as it comes.
type reading struct {
	t    *testing.T
	what chan said // closed at the end of the stream
	stop context.CancelFunc
	code int
	head http.Header
}

// streaming serves the service over real connections; close ends as the program's
// stop does.
func (s *server) streaming() (address string, closing chan struct{}) {
	s.t.Helper()
	closing = make(chan struct{})
	srv := httptest.NewUnstartedServer(s.handler)
	srv.Config.BaseContext = func(net.Listener) context.Context { return httpapi.WithClosing(context.Background(), closing) }
	srv.Start()
	s.t.Cleanup(srv.Close)
	return srv.URL, closing
}

// follow opens a stream.
func (s *server) follow(address, query, token string, header ...string) *reading {
	s.t.Helper()
	return s.followBy(http.DefaultClient, address, query, token, header...)
}

func (s *server) followBy(client *http.Client, address, query, token string, header ...string) *reading {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/api/dora/v1/stream"+query, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	f := &reading{t: s.t, what: make(chan said, 1000), stop: cancel, code: resp.StatusCode, head: resp.Header}
	s.t.Cleanup(cancel)
	go func() {
		defer close(f.what)
		defer resp.Body.Close() //nolint:errcheck // read to its end
		lines := bufio.NewScanner(resp.Body)
		lines.Buffer(nil, 4<<20)
		var now said
		for lines.Scan() {
			key, value, _ := strings.Cut(lines.Text(), ":")
			value = strings.TrimPrefix(value, " ")
			switch {
			case lines.Text() == "":
				if now != (said{}) {
					f.what <- now
				}
				now = said{}
			case key == "":
				now.comment = value
			case key == "event":
				now.event = value
			case key == "id":
				now.id = value
			case key == "data":
				now.data = value
			}
		}
	}()
	return f
}

// want gives the next event of a kind; comments and others are stepped over.
func (f *reading) want(event string) said {
	f.t.Helper()
	for s := range f.what {
		if s.event == event {
			return s
		}
	}
	f.t.Fatalf("the stream ended before an event %q", event)
	return said{}
}

// end reads to the end and gives the last comment.
func (f *reading) end() (comment string) {
	f.t.Helper()
	for s := range f.what {
		if s.comment != "" {
			comment = s.comment
		}
	}
	return comment
}

func TestAStreamTellsWhatHappensInOrder(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		address, _ := s.streaming()
		s.post(deploymentLine("1", "a", "2026-03-02T10:00:00Z"))
		f := s.follow(address, "?project=shop", operatorToken)
		if f.code != 200 || f.head.Get("Content-Type") != "text/event-stream" || f.head.Get("Cache-Control") != "no-store" {
			t.Fatalf("%d %v", f.code, f.head)
		}
		var first, moved projectionBody
		if err := json.Unmarshal([]byte(f.want("projection").data), &first); err != nil || first.Project != "shop" || len(first.Metrics) != 5 {
			t.Fatalf("at the beginning it tells where the project stands: %v %+v", err, first)
		}
		s.post(strings.ReplaceAll(deploymentLine("x", "a", "2026-03-03T10:00:00Z"), `"shop"`, `"other"`), deploymentLine("2", "b", "2026-03-03T10:00:00Z"))
		d := f.want("delivery")
		var item feedItem
		if err := json.Unmarshal([]byte(d.data), &item); err != nil || item.Project != "shop" || d.id != fmt.Sprint(item.Seq) || !strings.Contains(string(item.Event), `"id":"2"`) {
			t.Fatalf("%v %+v", err, d)
		}
		for moved.Revision <= first.Revision {
			if err := json.Unmarshal([]byte(f.want("projection").data), &moved); err != nil {
				t.Fatal(err)
			}
		}
		if moved.Metrics[0].Metric != "deployment_frequency" || moved.Metrics[0].N != 2 {
			t.Errorf("after the second deployment: %+v", moved)
		}
		feed := get[feedBody](s, fmt.Sprintf("/api/dora/v1/events?after=%d&project=shop", item.Seq-1))
		if len(feed.Items) != 1 || string(feed.Items[0].Event) != string(item.Event) {
			t.Errorf("the feed tells %s, the stream %s", feed.Items[0].Event, item.Event)
		}
	})
}

// TestAStreamGoesOnWhereItWas reads events in pieces, coming again with the last id.
func TestAStreamGoesOnWhereItWas(t *testing.T) {
	onSQLite(t, func(t *testing.T, s *server) {
		address, _ := s.streaming()
		var lines []string
		for n := range 350 { // more than three batches
			lines = append(lines, numbered(n))
		}
		f := s.follow(address, "?type=commit,deployment&after=0", operatorToken)
		s.post(lines...)
		var ids []string
		for len(ids) < 350 {
			if len(ids)%120 == 100 {
				f.stop()
				f = s.follow(address, "", operatorToken, "Last-Event-ID", ids[len(ids)-1])
			}
			ids = append(ids, f.want("delivery").id)
		}
		entries, err := s.store.Events(context.Background(), 0, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for i, e := range entries {
			if ids[i] != fmt.Sprint(e.Seq) {
				t.Fatalf("event %d has the id %s, want %d", i, ids[i], e.Seq)
			}
		}
	})
}

// TestAStreamTellsThatTheLogWasRestored has a browser come again with an id of a
// log that is no more.
func TestAStreamTellsThatTheLogWasRestored(t *testing.T) {
	onSQLite(t, func(t *testing.T, s *server) {
		s.post(numbered(1))
		head := get[feedBody](s, eventsPath).Head
		address, _ := s.streaming()
		f := s.follow(address, "?type=deployment", operatorToken, "Last-Event-ID", "500")
		if got := f.want("reset"); got.id != fmt.Sprint(head) || got.data != fmt.Sprintf(`{"after":500,"head":%d}`, head) {
			t.Errorf("%+v, want the end of the log", got)
		}
		s.post(deploymentLine("1", "a", "2026-03-02T10:00:00Z"))
		if got := f.want("delivery"); got.id != fmt.Sprint(head+1) {
			t.Errorf("%+v, want what came after it", got)
		}
	})
}

func TestAStreamEndsWithTheProgramAndWithTheCredential(t *testing.T) {
	onSQLite(t, func(t *testing.T, s *server) {
		s.post(deploymentLine("1", "a", "2026-03-02T10:00:00Z"))
		address, closing := s.streaming()
		token := s.token(auth.ScopeDoraRead)
		s.svc.streams.recheck, s.svc.streams.heartbeat = 20*time.Millisecond, 5*time.Millisecond
		leaving := s.follow(address, "", token)
		leaving.want("projection")
		s.clock.Advance(auth.MaxExchanged + time.Second)
		if why := leaving.end(); !strings.Contains(why, "expired") {
			t.Errorf("the token expired, and the stream ended with %q", why)
		}
		staying := s.follow(address, "", operatorToken)
		for alive := false; !alive; {
			alive = (<-staying.what).comment == "still here"
		}
		close(closing)
		if why := staying.end(); why != "the program is stopping; come again" {
			t.Errorf("the program stopped, and the stream ended with %q", why)
		}
	})
}

// oneStream is the service begun anew, with a place for one stream.
func (s *server) oneStream() *server {
	s.t.Helper()
	s.stop()
	return serveAs(s.t, s.db, s.store, Config{GitHubSecret: githubSecret, GitHubIncidentLabels: []string{"incident"}, Streams: 1})
}

func TestStreamsAreBoundedAndRefuseNonsense(t *testing.T) {
	onSQLite(t, func(t *testing.T, s *server) {
		s = s.oneStream()
		s.post(deploymentLine("1", "a", "2026-03-02T10:00:00Z"))
		address, _ := s.streaming()
		first := s.follow(address, "?project=shop", operatorToken)
		first.want("projection")
		if second := s.follow(address, "", operatorToken); second.code != 503 || second.head.Get("Retry-After") == "" {
			t.Errorf("one too many: %d %v", second.code, second.head)
		}
		first.stop()
		for code := 503; code != 200; { // the place is free once the first is gone
			code = s.follow(address, "", operatorToken).code
		}
		const path = "/api/dora/v1/stream"
		s.want(422, http.MethodGet, path+"?after=x", "", nil, "query.after")
		s.want(422, http.MethodGet, path+"?after=-1", "", nil, "query.after")
		s.want(422, http.MethodGet, path, "", []string{"Last-Event-ID", "9e9"}, "Last-Event-ID")
		s.want(422, http.MethodGet, path+"?type=thing", "", nil, "query.type")
		s.want(422, http.MethodGet, path+"?speed=1", "", nil, "query.speed")
		s.want(404, http.MethodGet, path+"?project=nothing", "", nil, "unknown_project")
		s.want(401, http.MethodGet, path, "", as(""))
		s.want(401, http.MethodGet, path, "", as("nonsense"))
		s.want(403, http.MethodGet, path, "", as(s.token(auth.ScopeDoraWrite)), auth.ScopeDoraRead)
		s.want(403, http.MethodGet, path+"?project=shop", "", as(s.token(auth.ScopeDoraRead, "mine")))
	})
}

// TestAStreamPassesBetweenTheServicesOfOneProcess has no network between the two.
func TestAStreamPassesBetweenTheServicesOfOneProcess(t *testing.T) {
	onSQLite(t, func(t *testing.T, s *server) {
		memory := peer.NewListener()
		srv := &http.Server{Handler: s.handler, ReadHeaderTimeout: time.Second}
		go srv.Serve(memory) //nolint:errcheck // ends with the test
		defer srv.Close()    //nolint:errcheck // the test's own
		network, err := peer.New(peer.Options{Local: []string{"dora"}, Listener: memory})
		if err != nil {
			t.Fatal(err)
		}
		base, client := network.Client("dora")
		f := s.followBy(client, base, "?after=0", operatorToken)
		defer f.stop()
		s.post(numbered(1))
		if d := f.want("delivery"); !strings.Contains(d.data, `"id":"n-1"`) {
			t.Errorf("%+v", d)
		}
		feed := peer.Feed{Network: network, Service: "dora", Path: eventsPath,
			Authorize: func(_ context.Context, r *http.Request) error {
				r.Header.Set("Authorization", "Bearer "+operatorToken)
				return nil
			}}
		enough := errors.New("enough")
		err = feed.Follow(t.Context(), func(_ context.Context, items []json.RawMessage, next int64) error {
			if len(items) != 1 || next == 0 || !strings.Contains(string(items[0]), `"id":"n-1"`) {
				t.Errorf("the feed: %s, next %d", items, next)
			}
			return enough
		})
		if !errors.Is(err, enough) {
			t.Error(err)
		}
	})
}

// TestAStreamTellsNobodyOfTheProjectsOfOthers has all projects moving, of which the
// caller may see one.
func TestAStreamTellsNobodyOfTheProjectsOfOthers(t *testing.T) {
	onSQLite(t, func(t *testing.T, s *server) {
		address, _ := s.streaming()
		s.post(strings.ReplaceAll(deploymentLine("1", "a", "2026-03-02T10:00:00Z"), `"shop"`, `"theirs"`))
		f := s.follow(address, "?after=0", s.token(auth.ScopeDoraRead, "mine"))
		s.post(strings.ReplaceAll(deploymentLine("2", "a", "2026-03-02T10:00:00Z"), `"shop"`, `"mine"`))
		for seen := map[string]bool{}; !seen["delivery"] || !seen["projection"]; {
			what, open := <-f.what
			if !open || strings.Contains(what.data, "theirs") {
				t.Fatalf("open %v: %+v", open, what)
			}
			seen[what.event] = true
		}
	})
}

// TestASlowReaderIsCutOff opens a stream and never reads: what it is sent must
// not pile up.
func TestASlowReaderIsCutOff(t *testing.T) {
	onSQLite(t, func(t *testing.T, s *server) {
		s = s.oneStream()
		s.svc.streams.patience = 50 * time.Millisecond
		s.post(numbered(1), numbered(2))
		here, there := net.Pipe()
		defer here.Close() //nolint:errcheck // the test's own
		srv := &http.Server{Handler: s.handler, ReadHeaderTimeout: time.Second}
		defer srv.Close()               //nolint:errcheck // the test's own
		go srv.Serve(newOneConn(there)) //nolint:errcheck // ends with the test
		if _, err := fmt.Fprintf(here, "GET /api/dora/v1/stream?after=0 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", operatorToken); err != nil {
			t.Fatal(err)
		}
		deadline := time.After(10 * time.Second)
		for began := false; ; {
			if n := len(s.svc.streams.places); n == 1 {
				began = true
			} else if began {
				return // its place is free again
			}
			select {
			case <-deadline:
				t.Fatalf("the reader that does not read was not cut off (began %v)", began)
			case <-time.After(time.Millisecond):
			}
		}
	})
}

// oneConn is a listener that gives one connection, and then none until it is closed.
type oneConn struct {
	conns  chan net.Conn
	closed chan struct{}
}

func newOneConn(c net.Conn) *oneConn {
	l := &oneConn{make(chan net.Conn, 1), make(chan struct{})}
	l.conns <- c
	return l
}

func (l *oneConn) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}
func (l *oneConn) Close() error   { close(l.closed); return nil }
func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }

func TestWaitersShareOnePoller(t *testing.T) {
	onSQLite(t, func(t *testing.T, s *server) {
		counted := &watched{Store: s.store}
		looks := make(chan struct{}, 10_000)
		counted.before = func(method string) error {
			if method == "LogHead" {
				looks <- struct{}{}
			}
			return nil
		}
		tail := newTail(counted, s.svc.log)
		tail.every = 20 * time.Millisecond
		state, err := tail.look(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error)
		const waiters = 50
		for range waiters {
			go func() { _, err := tail.wait(ctx, state.version); done <- err }()
		}
		for range 6 { // one look, and then five periods
			<-looks
		}
		if n := len(looks); n > 5 {
			t.Errorf("%d looks more than periods", n)
		}
		cancel()
		for range waiters {
			if err := <-done; err == nil {
				t.Error("a waiter was told of something")
			}
		}
		// Nobody waits: nobody looks. Whoever waits next becomes the poller.
		for len(looks) > 0 {
			<-looks
		}
		go func() { _, err := tail.wait(context.Background(), state.version); done <- err }()
		<-looks
		s.post(numbered(1))
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
