package runner

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"path/filepath"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/httpapi"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

const (
	mostStreams = 200              // of this process at once
	heartbeat   = 15 * time.Second // a comment when there was nothing for so long
	patience    = 10 * time.Second // a reader that takes nothing for so long is cut off
	settle      = 50 * time.Millisecond
	logPart     = 64 << 10 // of a log in one event
)

func (s *Service) registerStreams(api *httpapi.API) {
	guard := s.auth.Require(auth.ScopeRunnerRead)
	api.Mux().Handle("GET "+base+"/stream", guard(http.HandlerFunc(s.handleStream)))
	api.Mux().Handle("GET "+base+"/runs/{id}/stream", guard(http.HandlerFunc(s.handleRunStream)))
	doc := api.Huma().OpenAPI()
	describeStream(doc, "stream-runs", base+"/stream", "Runs as they change",
		"Server-sent events: run, a run after it changed, without its logs. It begins with those that wait and run.")
	describeStream(doc, "stream-run", base+"/runs/{id}/stream", "One run as it goes",
		"Server-sent events: run, the run; stage, a stage after it changed; log, {stage, text, next}; and last end, the run when it is over. It begins with what there is.",
		&huma.Param{Name: "id", In: "path", Required: true, Schema: &huma.Schema{Type: "string"}})
}

func describeStream(doc *huma.OpenAPI, id, path, summary, text string, params ...*huma.Param) {
	if doc.Paths == nil {
		doc.Paths = map[string]*huma.PathItem{}
	}
	item := doc.Paths[path]
	if item == nil {
		item = &huma.PathItem{}
		doc.Paths[path] = item
	}
	item.Get = &huma.Operation{
		OperationID: id, Method: http.MethodGet, Path: path, Tags: []string{"runs"}, Summary: summary, Description: text,
		Security: auth.Needs(auth.ScopeRunnerRead), Parameters: params,
		Responses: map[string]*huma.Response{
			"200": {Description: "The stream", Content: map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{Type: "string"}}}},
			"401": {Description: "No credential"}, "403": {Description: "The credential may not"}, "404": {Description: "No such run"},
			"503": {Description: "Too many streams; come again after Retry-After"},
		},
	}
}

// reader is one who follows a stream.
type reader struct {
	s       *Service
	w       http.ResponseWriter
	r       *http.Request
	control *http.ResponseController
	ctx     context.Context // ends with the reader and with the program
	checkAt time.Time
}

var errOver = errors.New("the stream is over")

// open makes a reader, unless there are too many; close ends it.
func (s *Service) open(w http.ResponseWriter, r *http.Request) (rd *reader, closeIt func(), ok bool) {
	select {
	case s.streams <- struct{}{}:
	default:
		w.Header().Set("Retry-After", "5")
		problem.Write(w, r, problem.New(problem.Unavailable, "this process serves %d streams already", cap(s.streams)).
			WithMend("come again after Retry-After"))
		return nil, nil, false
	}
	httpapi.Allow(r, httpapi.Limits{Timeout: -1})
	ctx, cancel := context.WithCancel(r.Context())
	stop := make(chan struct{})
	go func() {
		select {
		case <-httpapi.Closing(r.Context()):
			cancel()
		case <-stop:
		}
	}()
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	w.WriteHeader(http.StatusOK)
	rd = &reader{s: s, w: w, r: r, control: http.NewResponseController(w), ctx: ctx, checkAt: time.Now().Add(auth.MaxCache)}
	return rd, func() {
		close(stop)
		cancel()
		<-s.streams
	}, true
}

// handleStream tells of every run that changes.
func (s *Service) handleStream(w http.ResponseWriter, r *http.Request) {
	rd, done, ok := s.open(w, r)
	if !ok {
		return
	}
	defer done()
	f, leave := s.hub.follow()
	defer leave()
	if rd.send("retry: 2000\n\n") != nil || rd.begin() != nil {
		return
	}
	for rd.wait(f.wake) == nil {
		for _, id := range s.hub.take(f) {
			run, err := s.store.Run(rd.ctx, id)
			if errors.Is(err, ErrNotFound) {
				continue
			}
			if err != nil || rd.run("run", run) != nil {
				return
			}
		}
	}
}

// begin tells of what waits and runs.
func (rd *reader) begin() error {
	running, err := rd.s.store.Running(rd.ctx)
	if err != nil {
		return err
	}
	waiting, err := rd.s.store.Waiting(rd.ctx, 100)
	if err != nil {
		return err
	}
	for _, r := range append(running, waiting...) {
		if err := rd.run("run", r); err != nil {
			return err
		}
	}
	return nil
}

// handleRunStream tells of one run, from what there is to its end.
func (s *Service) handleRunStream(w http.ResponseWriter, r *http.Request) {
	run, err := s.store.Run(r.Context(), r.PathValue("id"))
	if err != nil {
		problem.Write(w, r, answer(err, "run", r.PathValue("id")))
		return
	}
	rd, done, ok := s.open(w, r)
	if !ok {
		return
	}
	defer done()
	if rd.send("retry: 2000\n\n") == nil {
		_ = rd.follow(run.ID) // the reader went, or the program stops
	}
}

// follow sends what changes until the run is over and all of it is sent.
func (rd *reader) follow(id string) error {
	told := map[string]string{} // by name, the last that was sent
	offsets := map[string]int64{}
	for {
		next := rd.s.hub.next(id) // before the reading: what changes meanwhile is seen next
		run, err := rd.s.store.Run(rd.ctx, id)
		if err != nil {
			return err
		}
		if err := rd.tell(run, told); err != nil {
			return err
		}
		if err := rd.logs(run, offsets); err != nil {
			return err
		}
		if run.Status.Final() {
			return rd.run("end", run)
		}
		if err := rd.wait(next); err != nil {
			return err
		}
	}
}

// tell sends the run and those of its stages that differ from what was sent.
func (rd *reader) tell(run Run, told map[string]string) error {
	for _, st := range run.Detail.Stages {
		text, err := json.Marshal(toStageInfo(st))
		if err != nil {
			return err
		}
		if told["stage "+st.Name] != string(text) {
			told["stage "+st.Name] = string(text)
			if err := rd.event("stage", text); err != nil {
				return err
			}
		}
	}
	info, err := rd.s.info(rd.ctx, run)
	if err != nil {
		return err
	}
	text, err := json.Marshal(info)
	if err != nil || told["run"] == string(text) {
		return err
	}
	told["run"] = string(text)
	return rd.event("run", text)
}

type logPiece struct {
	Stage string `json:"stage"`
	Text  string `json:"text"`
	Next  int64  `json:"next"`
}

// logs sends what the stages' logs have more than before.
func (rd *reader) logs(run Run, offsets map[string]int64) error {
	dir := filepath.Join(rd.s.folder(run.ID), "logs")
	for _, st := range run.Detail.Stages {
		for {
			text, next, err := readLog(dir, st.Name, offsets[st.Name], logPart)
			if err != nil {
				return err
			}
			if text == "" {
				break
			}
			offsets[st.Name] = next
			piece, err := json.Marshal(logPiece{st.Name, text, next})
			if err != nil {
				return err
			}
			if err := rd.event("log", piece); err != nil {
				return err
			}
		}
	}
	return nil
}

// wait waits for something to tell, keeps the stream alive meanwhile, and lets what comes close together come at once.
func (rd *reader) wait(something <-chan struct{}) error {
	for {
		if !time.Now().Before(rd.checkAt) {
			p, err := rd.s.auth.Authenticate(rd.r)
			if err != nil || !p.Can(auth.ScopeRunnerRead) {
				return errOver
			}
			rd.checkAt = time.Now().Add(auth.MaxCache)
		}
		beat := time.NewTimer(heartbeat)
		select {
		case <-something:
			beat.Reset(settle)
			select {
			case <-beat.C:
			case <-rd.ctx.Done():
			}
			beat.Stop()
			return rd.ctx.Err()
		case <-rd.ctx.Done():
			beat.Stop()
			return rd.ctx.Err()
		case <-beat.C:
			if err := rd.send(": still here\n\n"); err != nil {
				return err
			}
		}
	}
}

func (rd *reader) run(name string, r Run) error {
	info, err := rd.s.info(rd.ctx, r)
	if err != nil {
		return err
	}
	text, err := json.Marshal(info)
	if err != nil {
		return err
	}
	return rd.event(name, text)
}

func (rd *reader) event(name string, text []byte) error {
	return rd.send("event: " + name + "\ndata: " + string(text) + "\n\n")
}

// send writes and flushes; a reader that takes nothing within the bound is gone.
func (rd *reader) send(text string) error {
	if err := rd.control.SetWriteDeadline(time.Now().Add(patience)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := rd.w.Write([]byte(text)); err != nil {
		return err
	}
	if err := rd.control.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}
