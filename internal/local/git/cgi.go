package git

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// net/http/cgi refuses bodies without a length, which is how git sends every push above a megabyte, and waits for a
// body that nobody reads any more. This is a CGI host for the one program that is run here.

const (
	copyPiece  = 32 << 10        // of a body or an answer in memory
	mostHeader = 16 << 10        // of what the program says before its answer
	patience   = 2 * time.Minute // a client that takes nothing for so long is cut off
	restWithin = 2 * time.Second // the rest of a body that nobody wanted must come
)

// backendRun is one request to `git http-backend`.
type backendRun struct {
	env  []string
	body io.Reader // nil: none
	// drain says that a body is heard to its end, also after the program has ended.
	drain bool
}

// runBackend runs the program and sends its answer. The error is nil once an answer has begun, however it went on.
func (g program) runBackend(ctx context.Context, w http.ResponseWriter, run backendRun) error {
	cmd := exec.CommandContext(ctx, g.path, "http-backend") //nolint:gosec // found once, by its name
	cmd.Dir, cmd.Env = g.home, run.env
	apart(cmd)
	stderr := &beginning{most: 4 << 10}
	cmd.Stderr = stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("run git: %w", err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("run git: %w", err)
	}
	control := http.NewResponseController(w)
	// git answers while it still reads: progress of a push.
	if err := control.EnableFullDuplex(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("run git: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run git: %w", err)
	}
	fed := make(chan error, 1)
	go func() { fed <- pour(in, run.body) }()

	began, aerr := answer(w, control, out)
	if aerr != nil {
		// What git still has to say nobody hears; it must not wait for that.
		_, _ = io.Copy(io.Discard, out)
	}
	werr := cmd.Wait()
	ferr := settle(control, run, fed)
	switch {
	case began:
		return nil
	case ferr != nil:
		return ferr // the body was at fault
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return &gitError{op: "serve git", stderr: stderr.String(), err: errors.Join(aerr, werr)}
}

// pour gives the body to the program and closes its input. That the program reads no more is no fault of the body.
func pour(in io.WriteCloser, body io.Reader) error {
	defer in.Close()
	if body == nil {
		return nil
	}
	buf := make([]byte, copyPiece)
	for {
		n, rerr := body.Read(buf)
		if n > 0 {
			if _, err := in.Write(buf[:n]); err != nil {
				return nil //nolint:nilerr // the program has read all that it wants
			}
		}
		if errors.Is(rerr, io.EOF) {
			return nil
		}
		if rerr != nil {
			return rerr
		}
	}
}

// settle waits for the feeder after the program has ended. A client that still sends is heard to its end, so that it
// reads the answer instead of finding the connection cut.
func settle(control *http.ResponseController, run backendRun, fed <-chan error) error {
	if run.body == nil {
		return <-fed
	}
	if run.drain {
		err := <-fed
		_, _ = io.Copy(io.Discard, run.body) // bounded by the limit of the body
		return err
	}
	select {
	case err := <-fed:
		return err
	default:
	}
	_ = control.SetReadDeadline(time.Now()) // nothing of the body is wanted any more
	_ = <-fed                               // what became of the rest is of no interest
	return nil
}

// finish takes what is left of a body before the handler returns. net/http takes it afterwards where answers and bodies
// overlap, and then reads the connection twice at once ("invalid concurrent Body.Read call"), which cuts it off.
func finish(control *http.ResponseController, body io.Closer) {
	_ = control.SetReadDeadline(time.Now().Add(restWithin)) // some writers have none; the server sets its own for the next request
	_ = body.Close()                                        // a body that cannot be read to its end ends the connection
}

// answer reads the program's header and sends its answer piece by piece.
func answer(w http.ResponseWriter, control *http.ResponseController, out io.Reader) (began bool, err error) {
	r := bufio.NewReaderSize(out, copyPiece)
	header, err := textproto.NewReader(bufio.NewReader(&headerReader{r: r, left: mostHeader})).ReadMIMEHeader()
	if err != nil {
		return false, fmt.Errorf("read git's header: %w", err)
	}
	status := http.StatusOK
	if text := header.Get("Status"); text != "" {
		if status, err = strconv.Atoi(strings.SplitN(text, " ", 2)[0]); err != nil || status < 200 || status > 599 {
			return false, fmt.Errorf("read git's header: the status %q", clip(text, 40))
		}
		header.Del("Status")
	}
	for name, values := range header {
		w.Header()[name] = values
	}
	w.WriteHeader(status)
	buf := make([]byte, copyPiece)
	for {
		n, rerr := r.Read(buf)
		if n > 0 {
			if err := control.SetWriteDeadline(time.Now().Add(patience)); err != nil && !errors.Is(err, http.ErrNotSupported) {
				return true, err
			}
			if _, err := w.Write(buf[:n]); err != nil {
				return true, err
			}
			if err := control.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
				return true, err
			}
		}
		if rerr != nil {
			return true, nil //nolint:nilerr // the end, or the end of the program
		}
	}
}

// headerReader hands on bytes up to the empty line that ends a header, and not one more.
type headerReader struct {
	r     *bufio.Reader
	left  int
	ended bool
	line  []byte
}

func (h *headerReader) Read(p []byte) (int, error) {
	if len(h.line) == 0 {
		if h.ended {
			return 0, io.EOF
		}
		line, err := h.r.ReadSlice('\n')
		if err != nil {
			return 0, io.ErrUnexpectedEOF
		}
		if h.left -= len(line); h.left < 0 {
			return 0, errors.New("it is too long")
		}
		h.ended = len(strings.TrimRight(string(line), "\r\n")) == 0
		h.line = append(h.line[:0], line...)
	}
	n := copy(p, h.line)
	h.line = h.line[n:]
	return n, nil
}
