package cli

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// What one request of an import carries.
const (
	batchLines = 1000
	batchBytes = 768 << 10
	inFlight   = 3
	lineBytes  = 1 << 20 // the server takes no longer line
)

// batch is a run of lines on its way to the server.
type batch struct {
	body    []byte
	numbers []int // each line's number in its file; nil when the lines are not a file's
	lines   int
	stored  func() // called when this batch and all before it are durable
	answer  chan batchAnswer
	taken   chan struct{} // closed when its answer has been taken
}

// batchAnswer is the server's verdict on a batch.
type batchAnswer struct {
	Stored     int            `json:"stored"`
	Duplicates int            `json:"duplicates"`
	Rejected   int            `json:"rejected"`
	Errors     []rejectedLine `json:"errors"`
	err        error
}

// rejectedLine says what is wrong with one line.
type rejectedLine struct {
	Line   int    `json:"line"`
	Field  string `json:"field"`
	Detail string `json:"detail"`
	Code   string `json:"code"`
}

// importer sends lines in batches, several at once, and learns their fate in order. Add and Close
// belong to one goroutine.
type importer struct {
	ctx      context.Context // the requests': it outlives an interruption long enough to end what is on its way
	client   *api
	query    url.Values
	compress bool
	strict   bool
	current  *batch
	queue    chan *batch
	done     chan struct{}
	free     sync.Pool

	mu     sync.Mutex
	totals importTotals
	err    error
}

// importTotals is what has become of the lines so far.
type importTotals struct {
	Stored, Duplicates, Rejected int
	Errors                       []rejectedLine // the first of them
}

// keptErrors is how many rejected lines are kept word for word.
const keptErrors = 1000

func newImporter(ctx context.Context, client *api, query url.Values, strict bool) *importer {
	if strict {
		query.Set("strict", "true")
	}
	im := &importer{ctx: ctx, client: client, query: query, compress: !client.loopback(), strict: strict,
		queue: make(chan *batch, inFlight-1), done: make(chan struct{})}
	im.free.New = func() any { return make([]byte, 0, batchBytes+64<<10) }
	go im.collect()
	return im
}

// room gives the buffer to which the next line is to be appended.
func (im *importer) room() *batch {
	if im.current == nil {
		im.current = &batch{body: im.free.Get().([]byte)[:0], answer: make(chan batchAnswer, 1), taken: make(chan struct{})}
	}
	return im.current
}

// added counts the line that was appended to room's buffer, and sends the batch when it is full.
// stored is called when all lines up to this one are durable.
func (im *importer) added(stored func()) error {
	im.current.lines++
	if stored != nil {
		im.current.stored = stored
	}
	if im.current.lines >= batchLines || len(im.current.body) >= batchBytes {
		return im.flush()
	}
	return nil
}

// flush sends what is there.
func (im *importer) flush() error {
	b := im.current
	im.current = nil
	if b == nil || b.lines == 0 {
		return im.failure()
	}
	if err := im.failure(); err != nil {
		return err
	}
	go im.post(b)
	select {
	case im.queue <- b:
	case <-im.done:
	}
	if im.strict { // nothing is sent behind a line that may be wrong
		select {
		case <-b.taken:
		case <-im.done:
		}
	}
	return im.failure()
}

// reject counts a line that need not be sent to be refused.
func (im *importer) reject(e rejectedLine) error {
	im.mu.Lock()
	defer im.mu.Unlock()
	im.totals.Rejected++
	if len(im.totals.Errors) < keptErrors {
		im.totals.Errors = append(im.totals.Errors, e)
	}
	if im.strict && im.err == nil {
		im.err = errStrict
	}
	return im.err
}

// mark sends what is there, and calls stored once all of it is durable.
func (im *importer) mark(stored func()) error {
	if err := im.flush(); err != nil {
		return err
	}
	b := &batch{stored: stored, answer: make(chan batchAnswer, 1), taken: make(chan struct{})}
	b.answer <- batchAnswer{}
	select {
	case im.queue <- b:
	case <-im.done:
	}
	return im.failure()
}

func (im *importer) failure() error {
	im.mu.Lock()
	defer im.mu.Unlock()
	return im.err
}

// close sends the rest and waits for all answers.
func (im *importer) close() error {
	err := im.flush()
	close(im.queue)
	<-im.done
	if failure := im.failure(); failure != nil {
		return failure
	}
	return err
}

func (im *importer) post(b *batch) {
	r := request{method: http.MethodPost, path: doraBase + "/events:batch", query: im.query, body: b.body, again: true, limit: 2 * time.Minute,
		header: map[string]string{"Content-Type": "application/x-ndjson"}}
	if im.compress {
		var packed bytes.Buffer
		w, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
		if err == nil {
			if _, err = w.Write(b.body); err == nil {
				err = w.Close()
			}
		}
		if err != nil {
			b.answer <- batchAnswer{err: fmt.Errorf("compress: %w", err)}
			return
		}
		r.body = packed.Bytes()
		r.header["Content-Encoding"] = "gzip"
	}
	var a batchAnswer
	a.err = im.client.do(im.ctx, r, &a)
	b.answer <- a
}

// collect takes the answers in the order of the batches.
func (im *importer) collect() {
	defer close(im.done)
	for b := range im.queue {
		a := <-b.answer
		goOn := im.take(b, a)
		if b.body != nil {
			im.free.Put(b.body) //nolint:staticcheck // the slice header's allocation is nothing beside the buffer
		}
		close(b.taken)
		if !goOn {
			return
		}
		if b.stored != nil {
			b.stored()
		}
	}
}

// take adds an answer to the totals and says whether to go on.
func (im *importer) take(b *batch, a batchAnswer) bool {
	im.mu.Lock()
	defer im.mu.Unlock()
	if a.err != nil {
		im.err = a.err
		return false
	}
	t := &im.totals
	t.Stored += a.Stored
	t.Duplicates += a.Duplicates
	t.Rejected += a.Rejected
	for _, e := range a.Errors {
		if e.Line >= 1 && e.Line <= len(b.numbers) {
			e.Line = b.numbers[e.Line-1]
		} else if b.numbers == nil {
			e.Detail, e.Line = subject(b.body, e.Line)+e.Detail, 0
		}
		if len(t.Errors) < keptErrors {
			t.Errors = append(t.Errors, e)
		}
	}
	if im.strict && a.Rejected > 0 {
		im.err = errStrict
		return false
	}
	return true
}

// subject names what a line that stands in no file is about: "commit 3f2ab1c: ".
func subject(body []byte, line int) string {
	for ; line > 1; line-- {
		_, body, _ = bytes.Cut(body, []byte{'\n'})
	}
	text, _, _ := bytes.Cut(body, []byte{'\n'})
	var e struct{ Type, SHA, ID string }
	if err := json.Unmarshal(text, &e); err != nil || e.Type == "" {
		return ""
	}
	if e.ID != "" {
		return e.Type + " " + e.ID + ": "
	}
	return e.Type + " " + e.SHA + ": "
}

var errStrict = fmt.Errorf("stopped at the first rejected line")

// sofar gives the totals.
func (im *importer) sofar() importTotals {
	im.mu.Lock()
	defer im.mu.Unlock()
	return im.totals
}
