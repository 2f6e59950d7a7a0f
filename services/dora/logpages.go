package dora

import (
	"context"

	"github.com/fawkes-idp/fawkes/services/dora/event"
)

// Reading the log and applying what it says take about as long as each other,
// so that a whole history is read on one processor and applied on another. What
// is read goes over in pages, which are used again.
const (
	pageEvents = 512
	pageBytes  = 128 << 10
	pagesAhead = 4
)

// logPage is some entries of the log, their bodies behind one another.
type logPage struct {
	rows   []pageRow
	bodies []byte
}

type pageRow struct {
	origin int64
	at     event.Time
	end    int // of its body
}

func (p *logPage) reset() { p.rows, p.bodies = p.rows[:0], p.bodies[:0] }

func (p *logPage) add(e Entry) (full bool) {
	p.bodies = append(p.bodies, e.Body...)
	p.rows = append(p.rows, pageRow{e.Origin, e.At, len(p.bodies)})
	return len(p.rows) == pageEvents || len(p.bodies) >= pageBytes
}

// each applies the entries of a page. The body that apply is given is its own
// only until it returns.
func (p *logPage) each(apply func(origin int64, at event.Time, body []byte) error) error {
	begin := 0
	for _, r := range p.rows {
		if err := apply(r.origin, r.at, p.bodies[begin:r.end]); err != nil {
			return err
		}
		begin = r.end
	}
	return nil
}

// readAll applies all that the log holds of some origins, up to a number. apply
// is called by this goroutine alone, and between two pages rest.
func readAll(ctx context.Context, store Store, origins []int64, upTo int64, rest func(), apply func(origin int64, at event.Time, body []byte) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	read, free := make(chan *logPage, pagesAhead), make(chan *logPage, pagesAhead)
	for range pagesAhead {
		free <- &logPage{}
	}
	done := make(chan error, 1)
	go func() {
		defer close(read)
		var page *logPage
		next := func() error {
			select {
			case page = <-free:
				page.reset()
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		err := next()
		if err == nil {
			err = store.EventsOf(ctx, origins, upTo, func(e Entry) error {
				if !page.add(e) {
					return nil
				}
				read <- page
				return next()
			})
		}
		if err == nil {
			read <- page
		}
		done <- err
	}()
	var fault error
	for page := range read {
		if fault == nil {
			if fault = page.each(apply); fault != nil {
				cancel()
			}
			rest()
		}
		free <- page
	}
	if err := <-done; fault == nil {
		fault = err
	}
	return fault
}
