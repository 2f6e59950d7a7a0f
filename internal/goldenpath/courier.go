package goldenpath

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/fawkes-idp/fawkes/internal/events"
)

// How long is waited, at the end, for events that are not delivered yet.
const (
	lastWait  = 30 * time.Second
	abortWait = 5 * time.Second // a runner kills a pipeline that takes long to stop
	stageWait = 5 * time.Second // the next stage goes on with it
)

// courier keeps every event in a file and delivers it, in order, beside the work of the stages. What it
// cannot deliver it names.
type courier struct {
	file   string
	sender *events.Sender // nil: nobody is to be told
	mask   mask

	mu      sync.Mutex
	queue   []parcel
	last    error // of the last try
	refused []string
	wake    chan struct{}
	stop    context.CancelFunc
	ended   chan struct{}
	idle    chan struct{} // closed when the queue has run empty after closing
	closing bool
}

type parcel struct {
	id, kind string
	line     []byte
}

func newCourier(artifacts string, sender *events.Sender, m mask) *courier {
	ctx, stop := context.WithCancel(context.Background())
	c := &courier{file: filepath.Join(artifacts, FileEvents), sender: sender, mask: m, wake: make(chan struct{}, 1), stop: stop, ended: make(chan struct{}), idle: make(chan struct{})}
	go c.work(ctx)
	return c
}

// carryOn takes up what an earlier stage could not deliver.
func (c *courier) carryOn(ids []string) error {
	if len(ids) == 0 || c.sender == nil {
		return nil
	}
	f, err := os.Open(c.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the events: %w", err)
	}
	defer f.Close()
	return events.ReadLines(f, func(_ int, line []byte) error {
		var head struct{ ID, Type string }
		if json.Unmarshal(line, &head) == nil && slices.Contains(ids, head.ID) {
			c.enqueue(parcel{head.ID, head.Type, slices.Clone(line)})
		}
		return nil
	})
}

// add keeps an event and has it delivered.
func (c *courier) add(e events.Event) error {
	line, err := e.Line()
	if err != nil {
		return err
	}
	f, err := os.OpenFile(c.file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("keep the event: %w", err)
	}
	_, err = f.Write(append(slices.Clone(line), '\n'))
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("keep the event: %w", err)
	}
	if c.sender != nil {
		c.enqueue(parcel{e.ID, e.Type, line})
	}
	return nil
}

func (c *courier) enqueue(p parcel) {
	c.mu.Lock()
	c.queue = append(c.queue, p)
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// work delivers the head of the queue, again and again, until it is taken or refused.
func (c *courier) work(ctx context.Context) {
	defer close(c.ended)
	for {
		c.mu.Lock()
		var head *parcel
		if len(c.queue) > 0 {
			head = &c.queue[0]
		} else if c.closing {
			c.mu.Unlock()
			close(c.idle)
			return
		}
		c.mu.Unlock()
		if head == nil {
			select {
			case <-ctx.Done():
				return
			case <-c.wake:
			}
			continue
		}
		err := c.sender.Send(ctx, head.line)
		var refused *events.RefusedError
		c.mu.Lock()
		switch {
		case err == nil:
			c.queue = c.queue[1:]
		case errors.As(err, &refused):
			c.refused = append(c.refused, head.id)
			c.last = err
			c.queue = c.queue[1:]
		default:
			c.last = err
		}
		c.mu.Unlock()
		if ctx.Err() != nil {
			return
		}
	}
}

// finish waits, within a bound, until everything is delivered, and names what is not.
func (c *courier) finish(bound time.Duration) (pending []string, why string) {
	c.mu.Lock()
	c.closing = true
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
	limit := time.NewTimer(bound)
	defer limit.Stop()
	select {
	case <-c.idle:
	case <-limit.C:
	}
	c.stop()
	<-c.ended
	c.mu.Lock()
	defer c.mu.Unlock()
	pending = slices.Clone(c.refused)
	for _, p := range c.queue {
		pending = append(pending, p.id)
	}
	if len(pending) > 0 && c.last != nil {
		why = c.mask.text(c.last.Error())
	}
	return pending, why
}

// sender is made from the surroundings; nil where nobody is to be told.
func (p *pipeline) sender() *events.Sender {
	url := p.o.Env("FAWKES_EVENTS_URL")
	if url == "" {
		return nil
	}
	return &events.Sender{URL: url, Token: p.o.Env("FAWKES_EVENTS_TOKEN"), Bound: time.Hour}
}

// SendEvents delivers every event of a file, one a line, in order. It gives how many were taken; the error is of
// the first that was not.
func SendEvents(ctx context.Context, file string, sender events.Sender) (sent int, err error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, failf(ExitUsage, "give the events.jsonl of a run's artifacts", "open the events: %v", err)
	}
	defer f.Close()
	err = events.ReadLines(f, func(n int, line []byte) error {
		if !json.Valid(line) {
			return failf(ExitUsage, "", "line %d of %s is not JSON", n, file)
		}
		if err := sender.Send(ctx, line); err != nil {
			return failf(ExitUnreachable, "send the file again later: what was taken is kept once", "line %d of %s was not delivered: %v", n, file, err)
		}
		sent++
		return nil
	})
	return sent, err
}

// ExitOf gives the exit code and the mend of an error of this package.
func ExitOf(err error) (exit int, mend string) {
	if err == nil {
		return ExitOK, ""
	}
	exit, _, mend = verdictOf(context.Background(), err)
	return exit, mend
}
