package cli

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/fawkes-idp/fawkes/internal/kit/clock"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

// shelf is the part of the platform that an import meets: it keeps each event once, and the
// checkpoints. The real platform is in the scripts of testdata; here the server can be made to fail
// at will.
type shelf struct {
	*httptest.Server
	mu       sync.Mutex
	events   map[string]map[string]any // by content
	order    []string
	marks    map[string]json.RawMessage
	lines    int // received, duplicates too
	requests int
	before   func(n int, w http.ResponseWriter) bool // may answer the n-th batch itself
	refuse   func(event map[string]any) string       // a detail refuses the event
	project  string                                  // of the last batch
	packed   bool                                    // the last batch was compressed
	services []map[string]any
}

func newShelf(t *testing.T) *shelf {
	s := &shelf{events: map[string]map[string]any{}, marks: map[string]json.RawMessage{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/dora/v1/imports", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		items := []json.RawMessage{}
		for _, m := range s.marks {
			items = append(items, m)
		}
		writeJSON(t, w, map[string]any{"items": items})
	})
	mux.HandleFunc("PUT /api/dora/v1/imports/{key}", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		body, err := io.ReadAll(r.Body)
		if err != nil || r.URL.Query().Get("project") == "" {
			problem.Write(w, r, problem.New(problem.InvalidBody, "no project"))
			return
		}
		s.marks[r.PathValue("key")] = body
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /api/dora/v1/projects/{name}", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.events) == 0 && s.services == nil {
			problem.Write(w, r, problem.New(problem.UnknownProject, "the project %q is not known", r.PathValue("name")))
			return
		}
		writeJSON(t, w, map[string]any{"project": r.PathValue("name"), "services": s.services})
	})
	mux.HandleFunc("POST /api/dora/v1/events:batch", func(w http.ResponseWriter, r *http.Request) { s.batch(t, w, r) })
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func writeJSON(t *testing.T, w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		t.Errorf("answer: %v", err)
	}
}

func (s *shelf) batch(t *testing.T, w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	if s.before != nil && s.before(s.requests, w) {
		return
	}
	in := io.Reader(r.Body)
	if s.packed = r.Header.Get("Content-Encoding") == "gzip"; s.packed {
		unpacked, err := gzip.NewReader(r.Body)
		if err != nil {
			problem.Write(w, r, problem.New(problem.InvalidBody, "not gzip"))
			return
		}
		in = unpacked
	}
	body, err := io.ReadAll(in)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	s.project = r.URL.Query().Get("project")
	answer := batchAnswer{Errors: []rejectedLine{}}
	for i, text := range strings.Split(strings.TrimSuffix(string(body), "\n"), "\n") {
		s.lines++
		var event map[string]any
		if err := json.Unmarshal([]byte(text), &event); err != nil {
			answer.Rejected++
			answer.Errors = append(answer.Errors, rejectedLine{Line: i + 1, Detail: "not JSON", Code: "invalid_body"})
		} else if detail := s.refused(event); detail != "" {
			answer.Rejected++
			answer.Errors = append(answer.Errors, rejectedLine{Line: i + 1, Field: "sha", Detail: detail, Code: "invalid_field"})
		} else if _, there := s.events[text]; there {
			answer.Duplicates++
		} else {
			answer.Stored++
			s.events[text] = event
			s.order = append(s.order, text)
		}
		if answer.Rejected > 0 && r.URL.Query().Get("strict") == "true" {
			break
		}
	}
	writeJSON(t, w, answer)
}

func (s *shelf) refused(event map[string]any) string {
	if s.refuse == nil {
		return ""
	}
	return s.refuse(event)
}

// of gives one field of all events of a type, in the order of their arrival.
func (s *shelf) of(kind, field string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, text := range s.order {
		if e := s.events[text]; e["type"] == kind {
			out = append(out, fmt.Sprint(e[field]))
		}
	}
	return out
}

// answer is what one run of the program gave.
type answer struct {
	code     int
	out, err string
}

// run runs the program in this process, as a script would.
func run(t *testing.T, ctx context.Context, env map[string]string, in string, args ...string) answer {
	t.Helper()
	var out, complaint bytes.Buffer
	full := map[string]string{"HOME": t.TempDir()}
	for k, v := range env {
		full[k] = v
	}
	var environ []string
	for k, v := range full {
		environ = append(environ, k+"="+v)
	}
	world := IO{In: strings.NewReader(in), Out: &out, Err: &complaint, Env: func(k string) string { return full[k] }, Environ: environ, Clock: clock.System()}
	code := Run(ctx, "test", world, args)
	return answer{code, out.String(), complaint.String()}
}

// history is a real repository with merges and tags; each commit is a minute after the one before.
type history struct {
	t   *testing.T
	dir string
	now int64
}

func newHistory(t *testing.T) *history {
	h := &history{t: t, dir: filepath.Join(t.TempDir(), "shop"), now: 1_700_000_000}
	t.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	h.git("", "init", "--quiet", "--initial-branch=main", h.dir)
	return h
}

func (h *history) git(in string, args ...string) string {
	h.t.Helper()
	cmd := exec.Command("git", args...)
	if _, err := os.Stat(h.dir); err == nil {
		cmd.Dir = h.dir
	}
	date := fmt.Sprintf("%d +0000", h.now)
	cmd.Env = append(os.Environ(), "GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=C", "GIT_COMMITTER_EMAIL=c@d", "GIT_AUTHOR_DATE="+date, "GIT_COMMITTER_DATE="+date)
	cmd.Stdin = strings.NewReader(in)
	out, err := cmd.CombinedOutput()
	if err != nil {
		h.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// grow adds n commits to main by one fast-import, every tenth a merge of a side branch.
func (h *history) grow(n int) {
	h.t.Helper()
	var b strings.Builder
	from := ""
	if h.git("", "for-each-ref", "refs/heads/main") != "" {
		from = "from refs/heads/main^0\n"
	}
	for i := range n {
		h.now += 60
		file := fmt.Sprintf("M 100644 inline svc/%d.go\ndata %d\n%d\n", i%7, len(fmt.Sprint(h.now))+1, h.now)
		who := fmt.Sprintf("author A <a@b> %d +0000\ncommitter C <c@d> %d +0000\ndata 1\nx\n", h.now, h.now)
		fmt.Fprintf(&b, "commit refs/heads/main\n%s%s%s", who, from, file)
		if i%10 == 9 {
			fmt.Fprintf(&b, "reset refs/heads/side\nfrom refs/heads/main\n\ncommit refs/heads/side\n%s%s", who, file)
			h.now += 60
			fmt.Fprintf(&b, "commit refs/heads/main\nauthor A <a@b> %d +0000\ncommitter C <c@d> %d +0000\ndata 1\nm\nmerge refs/heads/side\n", h.now, h.now)
		}
		from = ""
	}
	h.git(b.String(), "fast-import", "--quiet", "--force")
}

func (h *history) shas() []string {
	return strings.Fields(h.git("", "rev-list", "--reverse", "--topo-order", "main"))
}
