package cli

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// progress shows how far something long has come: a bar on a terminal, else a line every few seconds.
type progress struct {
	out      io.Writer
	terminal bool
	what     string // "commits"
	done     atomic.Int64
	total    atomic.Int64 // 0 while it is not known
	began    time.Time
	now      func() time.Time
	stop     chan struct{}
	ended    sync.WaitGroup
}

const (
	barEvery  = 100 * time.Millisecond
	lineEvery = 3 * time.Second
	barWidth  = 24
)

// startProgress begins to show it; silent shows nothing.
func (g *globals) startProgress(what string, silent bool) *progress {
	p := &progress{out: g.Err, terminal: g.Terminal, what: what, began: g.Clock.Now(), now: g.Clock.Now, stop: make(chan struct{})}
	if silent {
		return p
	}
	every := lineEvery
	if p.terminal {
		every = barEvery
	}
	p.ended.Add(1)
	go func() {
		defer p.ended.Done()
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				p.show()
			case <-p.stop:
				if p.terminal {
					fmt.Fprint(p.out, "\r\x1b[K")
				}
				return
			}
		}
	}()
	return p
}

// end stops showing it and takes the bar away.
func (p *progress) end() {
	close(p.stop)
	p.ended.Wait()
}

func (p *progress) show() {
	line := p.line(p.now().Sub(p.began))
	if p.terminal {
		fmt.Fprint(p.out, "\r\x1b[K"+line)
		return
	}
	fmt.Fprintln(p.out, line)
}

// line is the state after a time: how many, of how many, how fast, how long still.
func (p *progress) line(elapsed time.Duration) string {
	done, total := p.done.Load(), p.total.Load()
	rate := 0.0
	if elapsed > 0 {
		rate = float64(done) / elapsed.Seconds()
	}
	if total <= 0 {
		return fmt.Sprintf("  %s  %s  %s/s  %s", p.what, humanCount(done), humanCount(int64(rate)), humanSeconds(elapsed.Seconds()))
	}
	shown := min(done, total)
	left := "–"
	if rate > 0 {
		left = humanSeconds(float64(total-shown) / rate)
	}
	bar := ""
	if p.terminal {
		full := int(shown * barWidth / total)
		bar = strings.Repeat("█", full) + strings.Repeat("░", barWidth-full) + "  "
	}
	return fmt.Sprintf("  %s  %s%s / %s  %d %%  %s/s  ETA %s", p.what, bar, humanCount(done), humanCount(total), shown*100/total, humanCount(int64(rate)), left)
}

// fetching shows what a fetch is doing: nothing is shown for a repository that need not be fetched.
type fetching struct {
	g    *globals
	last time.Time
	any  bool
}

func (g *globals) startFetch() *fetching { return &fetching{g: g} }

func (f *fetching) tell(line string) {
	now := f.g.Clock.Now()
	switch {
	case f.g.Terminal:
		fmt.Fprintf(f.g.Err, "\r\x1b[K  fetching  %s", printable(line))
		f.any = true
	case now.Sub(f.last) >= lineEvery:
		f.last = now
		fmt.Fprintf(f.g.Err, "  fetching  %s\n", printable(line))
	}
}

func (f *fetching) end() {
	if f.any {
		fmt.Fprint(f.g.Err, "\r\x1b[K")
	}
}
