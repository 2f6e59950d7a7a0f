package dora

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/pprof"
	"strings"
	"testing"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
)

const batchPath = "/api/dora/v1/events:batch"

// zipped is a body as gzip.
func zipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// numbered is a line that nobody sent before.
func numbered(n int) string {
	return deploymentLine(fmt.Sprintf("n-%d", n), "a", "2026-03-02T10:00:00Z")
}

func TestBulkEvents(t *testing.T) {
	bad := `{"type":"deployment","id":"1","service":"api","outcome":"success","finished_at":"2026-03-02T10:00:00Z","colour":"red"}`
	deep := `{"type":"commit","repo":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`
	n := 0
	next := func() string { n++; return numbered(n) }
	zip := []string{"Content-Encoding", "gzip"}
	each(t, func(t *testing.T, s *server) {
		first := next()
		for _, c := range []struct {
			name, query, body            string
			header                       []string
			stored, duplicates, rejected int
			lines                        []int
			texts                        []string
		}{
			{name: "one", body: first, stored: 1},
			{name: "again", body: first, duplicates: 1},
			{name: "twice in one batch", body: next() + "\n" + numbered(n), stored: 1, duplicates: 1},
			{name: "nothing", body: ""},
			{name: "empty lines", body: "\n\n\r\n \n"},
			{name: "ends of Windows", body: next() + "\r\n" + next() + "\r\n", stored: 2},
			{name: "a mark of the byte order", body: "\xef\xbb\xbf" + next(), stored: 1},
			{name: "bad lines do not stop the rest", body: next() + "\n" + bad + "\n{\n" + next(), stored: 2, rejected: 2, lines: []int{2, 3}, texts: []string{"colour", "unknown_field", "invalid_body"}},
			{name: "strict stops", query: "?strict=true", body: next() + "\n" + bad + "\n" + next(), stored: 1, rejected: 1, lines: []int{2}},
			{name: "an unknown type", body: `{"type":"party"}`, rejected: 1, lines: []int{1}, texts: []string{`"field":"type"`}},
			{name: "no object", body: `[1,2]`, rejected: 1, lines: []int{1}},
			{name: "not UTF-8", body: strings.Replace(next(), `"api"`, "\"a\xffpi\"", 1), rejected: 1, lines: []int{1}, texts: []string{"UTF-8"}},
			{name: "a NUL", body: strings.Replace(next(), `"api"`, `"a\u0000pi"`, 1), rejected: 1, lines: []int{1}, texts: []string{`"field":"service"`}},
			{name: "deep", body: deep + "\n" + next(), stored: 1, rejected: 1, lines: []int{1}},
			{name: "a line that is too long", body: next() + "\n{\"type\":\"" + strings.Repeat("x", 2*maxLine) + "\"}\n" + next(), stored: 2, rejected: 1, lines: []int{2}, texts: []string{"too_large", "longer than"}},
			{name: "gzip", body: zipped(t, next()+"\n"+next()), header: zip, stored: 2},
			{name: "a project for lines that name none", query: "?project=named", body: line(object{"type": "incident", "id": "I", "service": "x", "opened_at": "2026-03-02T10:00:00Z"}), stored: 1},
		} {
			code, text := s.call(http.MethodPost, batchPath+c.query, c.body, c.header...)
			var got batchResult
			if err := json.Unmarshal([]byte(text), &got); code != 200 || err != nil {
				t.Errorf("%s: %d %.300s", c.name, code, text)
				continue
			}
			if got.Stored != c.stored || got.Duplicates != c.duplicates || got.Rejected != c.rejected || got.Errors == nil {
				t.Errorf("%s: %.300s, want %d stored, %d duplicates, %d rejected", c.name, text, c.stored, c.duplicates, c.rejected)
			}
			var lines []int
			for _, e := range got.Errors {
				lines = append(lines, e.Line)
				if e.Code == "" || e.Detail == "" {
					t.Errorf("%s: the fault %+v says too little", c.name, e)
				}
			}
			if fmt.Sprint(lines) != fmt.Sprint(c.lines) {
				t.Errorf("%s: faults in lines %v, want %v", c.name, lines, c.lines)
			}
			for _, want := range c.texts {
				if !strings.Contains(text, want) {
					t.Errorf("%s: %.300s lacks %q", c.name, text, want)
				}
			}
		}
		if p := get[projectBody](s, "/api/dora/v1/projects/named"); p.Entities["incident"] != 1 {
			t.Errorf("the project of lines that name none holds %v", p.Entities)
		}
		if _, kept := s.kept(); kept != 9 {
			t.Errorf("%d lines in quarantine, want the 9 that were rejected", kept)
		}
		for _, c := range []struct {
			name, query, body string
			header            []string
			status            int
			text              string
		}{
			{"no gzip", "", "plain", zip, 400, "not gzip"},
			{"half of a gzip", "", zipped(t, next())[:30], zip, 400, "broke off"},
			{"another encoding", "", "x", []string{"Content-Encoding", "br"}, 415, "br"},
			{"strict or not", "?strict=perhaps", "", nil, 422, "query.strict"},
			{"an unknown parameter", "?projet=p", "", nil, 422, "query.projet"},
		} {
			s.want(c.status, http.MethodPost, batchPath+c.query, c.body, c.header, c.text)
		}
	})
}

func TestOneEvent(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		const path = "/api/dora/v1/events"
		s.want(202, http.MethodPost, path, numbered(1), nil, `{"status":"stored"}`)
		s.want(200, http.MethodPost, path, numbered(1), nil, `{"status":"duplicate"}`)
		s.want(202, http.MethodPost, path+"?project=p", zipped(t, numbered(2)), []string{"Content-Encoding", "gzip"})
		s.want(422, http.MethodPost, path, strings.Replace(numbered(3), `"id"`, `"ID"`, 1), nil, "unknown_field")
		s.want(422, http.MethodPost, path, strings.Replace(numbered(3), "2026-03-02T10:00:00Z", "noon", 1), nil, `"field":"`)
		s.want(400, http.MethodPost, path, "", nil, "invalid_body")
		s.want(422, http.MethodPost, path, numbered(3)+numbered(4), nil, "more than one")
		s.want(422, http.MethodPost, path+"?strict=true", numbered(3), nil, "query.strict")
		s.want(413, http.MethodPost, path, strings.Repeat("x", 2<<20), nil, "too_large")
		s.want(413, http.MethodPost, path, zipped(t, strings.Repeat(" ", 3<<20)), []string{"Content-Encoding", "gzip"}, "too_large")
		if events, kept := s.kept(); events != 2 || kept != 4 {
			t.Errorf("%d events and %d quarantined, want 2 and 4", events, kept)
		}
	})
}

// endless gives one line again and again, up to a number of bytes.
type endless struct {
	line []byte
	left int
	at   int
}

func (e *endless) Read(p []byte) (int, error) {
	if e.left <= 0 {
		return 0, io.EOF
	}
	n := 0
	for n < len(p) && e.left > 0 {
		c := copy(p[n:], e.line[e.at:])
		n, e.left, e.at = n+c, e.left-c, (e.at+c)%len(e.line)
	}
	return n, nil
}

// TestALargeBodyIsRefusedInBoundedMemory sends 100 MB, and a small gzip that
// unpacks to more than is read.
func TestALargeBodyIsRefusedInBoundedMemory(t *testing.T) {
	onSQLite(t, func(t *testing.T, s *server) {
		// Each line is long, which tells as much of the memory and takes less of the time.
		text := []byte(line(object{"type": "commit", "repo": testRepo, "sha": hash("a"), "author": "a", "authored_at": "2026-03-02T08:00:00Z",
			"paths": []string{strings.Repeat("p", 4000)}}) + "\n")
		send := func(name string, body io.Reader, header ...string) {
			t.Helper()
			var before, after runtime.MemStats
			r := httptest.NewRequest(http.MethodPost, batchPath, body)
			r.Header.Set("Authorization", "Bearer "+operatorToken)
			for i := 0; i < len(header); i += 2 {
				r.Header.Set(header[i], header[i+1])
			}
			runtime.GC()
			runtime.ReadMemStats(&before)
			w := httptest.NewRecorder()
			s.handler.ServeHTTP(w, r)
			runtime.GC()
			runtime.ReadMemStats(&after)
			if w.Code != http.StatusRequestEntityTooLarge || !strings.Contains(w.Body.String(), "are stored") {
				t.Errorf("%s: %d %s, want 413 that says what is stored", name, w.Code, w.Body)
			}
			if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > 64<<20 {
				t.Errorf("%s: the heap grew by %d MiB", name, grown>>20)
			}
		}
		send("100 MB", &endless{line: text, left: 100 << 20})
		var member bytes.Buffer // of a gzip, which may have many
		z := gzip.NewWriter(&member)
		if _, err := z.Write(bytes.Repeat([]byte(" "), 1<<20)); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		bomb := bytes.NewReader(bytes.Repeat(member.Bytes(), maxUnpacked>>20+1))
		send("a gzip bomb", bomb, "Content-Encoding", "gzip")
		if events, _ := s.kept(); events != 1 {
			t.Errorf("%d events, want the one that came thousands of times", events)
		}
	})
}

// TestLongLinesAreStoredAFewAtATime bounds what is held in memory by its bytes,
// not by the number of lines alone.
func TestLongLinesAreStoredAFewAtATime(t *testing.T) {
	onSQLite(t, func(t *testing.T, s *server) {
		most, appends := 0, 0
		measured := serve(t, s.db, measuring{s.store, func(records []Record) {
			size := 0
			for _, r := range records {
				size += len(r.Body)
			}
			most, appends = max(most, size), appends+1
		}})
		path := strings.Repeat("p", 4000)
		var lines []string
		for n := range 12 {
			var paths []string
			for i := range 200 {
				paths = append(paths, fmt.Sprint(path, n, i))
			}
			lines = append(lines, line(object{"type": "commit", "repo": testRepo, "sha": hash(fmt.Sprint("l", n)), "author": "a", "authored_at": "2026-03-02T08:00:00Z", "paths": paths}))
		}
		if res := measured.post(lines...); res.Stored != len(lines) {
			t.Errorf("%+v", res)
		}
		if most > batchBytes+maxLine || appends < 2 {
			t.Errorf("%d bytes were stored at once, in %d parts", most, appends)
		}
	})
}

type measuring struct {
	Store
	see func([]Record)
}

func (m measuring) Append(ctx context.Context, records []Record) ([]bool, error) {
	m.see(records)
	return m.Store.Append(ctx, records)
}

// failing is a store whose appends fail after a number of them.
type failing struct {
	Store
	left int
	err  error
}

func (f *failing) Append(ctx context.Context, records []Record) ([]bool, error) {
	if f.left--; f.left < 0 {
		return nil, f.err
	}
	return f.Store.Append(ctx, records)
}

// TestABatchWhoseStoringFailsEndsAtOnce and leaves nobody behind: finish has
// been called for every chunk when the answer goes out.
func TestABatchWhoseStoringFailsEndsAtOnce(t *testing.T) {
	onSQLite(t, func(t *testing.T, s *server) {
		f := &failing{Store: s.store, left: 1, err: errors.New("the disk is full")}
		broken := serve(t, s.db, f)
		var body strings.Builder
		for n := range 3*batchChunk + 10 {
			fmt.Fprintln(&body, numbered(n))
		}
		code, text := broken.call(http.MethodPost, batchPath, body.String())
		if code != 500 || strings.Contains(text, "disk") {
			t.Errorf("%d %s, want a 500 that tells no internals", code, text)
		}
		var running bytes.Buffer
		if err := pprof.Lookup("goroutine").WriteTo(&running, 1); err != nil || strings.Contains(running.String(), "takeBulk") {
			t.Errorf("somebody still stores a chunk: %v\n%s", err, &running)
		}
		f.left = 1 << 30
		var got batchResult
		if _, text := broken.call(http.MethodPost, batchPath, body.String()); json.Unmarshal([]byte(text), &got) != nil || got.Stored != 2*batchChunk+10 || got.Duplicates != batchChunk {
			t.Errorf("sent again: %s, want the first %d as duplicates", text, batchChunk)
		}
	})
}

func TestABatchOfSomebodyWhoLeftIsNotAnswered(t *testing.T) {
	onSQLite(t, func(t *testing.T, s *server) {
		ctx, cancel := context.WithCancel(context.Background())
		in, out := io.Pipe()
		r := httptest.NewRequest(http.MethodPost, batchPath, in).WithContext(ctx)
		r.Header.Set("Authorization", "Bearer "+operatorToken)
		w, done := httptest.NewRecorder(), make(chan struct{})
		go func() {
			defer close(done)
			s.handler.ServeHTTP(w, r)
		}()
		for n := range batchChunk + 1 {
			if _, err := fmt.Fprintln(out, numbered(n)); err != nil {
				t.Fatal(err)
			}
		}
		cancel()
		out.CloseWithError(context.Canceled)
		<-done
		if w.Code < 400 || w.Code == 500 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}

// TestABusyCommitterSaysWhenToComeAgain on every way in.
func TestABusyCommitterSaysWhenToComeAgain(t *testing.T) {
	onSQLite(t, func(t *testing.T, s *server) {
		busy := serve(t, s.db, &failing{Store: s.store, err: sqlstore.ErrBusy})
		c := s.connect("shop")
		for path, body := range map[string]string{
			"/api/dora/v1/events": numbered(1), batchPath: numbered(1), githubPath: "",
			fmt.Sprintf("%s/connections/%d/deployments", devlakeBase, c.ID): devlakeDeployment("1", "2026-03-02T09:00:00Z", "a"),
		} {
			r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
			r.Header.Set("Authorization", "Bearer "+operatorToken)
			if path == githubPath {
				r = githubRequest(delivery{"push", "d", pushOf(pushed("a", "2026-03-02T08:00:00Z"))})
			}
			w := httptest.NewRecorder()
			busy.handler.ServeHTTP(w, r)
			if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
				t.Errorf("POST %s: %d %v %s, want 503 and Retry-After", path, w.Code, w.Header(), w.Body)
			}
		}
	})
}

// TestOneCallersFaultIsNotAnothers has two callers in one commit, one of which
// the database refuses.
func TestOneCallersFaultIsNotAnothers(t *testing.T) {
	onSQLite(t, func(t *testing.T, s *server) {
		poison := errors.New("refused")
		svc := &Service{store: refusing{s.store, poison}}
		good, bad := rec(1), rec(2)
		bad.Origin.Service = "poison"
		got, err := svc.commit(context.Background(), [][]Record{{good}, {bad}})
		if err != nil || got[0].err != nil || len(got[0].fresh) != 1 || !got[0].fresh[0] || !errors.Is(got[1].err, poison) {
			t.Errorf("%+v %v, want the first stored and the second refused", got, err)
		}
	})
}

type refusing struct {
	Store
	err error
}

func (r refusing) Append(ctx context.Context, records []Record) ([]bool, error) {
	for _, v := range records {
		if v.Origin.Service == "poison" {
			return nil, r.err
		}
	}
	return r.Store.Append(ctx, records)
}
