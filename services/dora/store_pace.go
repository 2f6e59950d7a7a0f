package dora

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// What one transaction writes of a projection is chosen so that it takes about
// this long: the write lock is then free for events again within a fraction of
// what a client notices.
const (
	chunkGoal            = 8 * time.Millisecond
	leastChunk, mostRows = 16 << 10, 256
	dropRows             = 64
	chunkBytes           = 1 << 20 // the most
)

// pace measures how long write transactions take, and how much one should write.
type pace struct {
	bytes   atomic.Int64 // of a chunk; 0 before the first
	events  atomic.Int64 // appends that wait or are under way
	last    atomic.Int64 // when the last append ended, in microseconds
	observe atomic.Pointer[func(work string, took time.Duration)]
}

// chunk is how many bytes the next transaction should write.
func (p *pace) chunk() int {
	if n := p.bytes.Load(); n > 0 {
		return int(n)
	}
	return chunkBytes / 4
}

// wrote takes in how long it took to write so many bytes.
func (p *pace) wrote(bytes int, took time.Duration) {
	p.measured("projection", took)
	size := int64(p.chunk())
	switch {
	case took > 2*chunkGoal:
		size /= 2
	case took > chunkGoal:
		size -= size / 4
	case bytes > int(size)/2: // a small one says little
		size += size / 4
	}
	p.bytes.Store(min(max(size, leastChunk), chunkBytes))
}

func (p *pace) measured(work string, took time.Duration) {
	if f := p.observe.Load(); f != nil {
		(*f)(work, took)
	}
}

// busy says whether events are being stored, or were a moment ago.
func (p *pace) busy() bool {
	return p.events.Load() > 0 || time.Since(time.UnixMicro(p.last.Load())) < 20*time.Millisecond
}

// storing notes that an append begins; the function that it returns, that it ended.
func (p *pace) storing() (end func()) {
	p.events.Add(1)
	return func() {
		p.last.Store(time.Now().UnixMicro()) //nolint:forbidigo // it measures
		p.events.Add(-1)
	}
}

// yield leaves the writer to events for as long as a chunk took, when there are any.
func (p *pace) yield(ctx context.Context, took time.Duration) {
	if p.busy() {
		sleep(ctx, min(took, 4*chunkGoal))
	}
}

// measure has somebody hear how long each write transaction took.
func (s *sqlStore) measure(observe func(work string, took time.Duration)) {
	s.pace.observe.Store(&observe)
	s.db.ObserveCheckpoints(func(held time.Duration) { observe("checkpoint", held) })
}

// writeSeconds is the histogram of write transactions; its bound of 50 ms is the
// one that is promised.
func writeSeconds() *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "fawkes_dora_write_seconds", Help: "How long a transaction that writes held the database, by what it wrote: events, projection, checkpoint (the end of SQLite's log, copied into the file).",
		Buckets: []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1},
	}, []string{"work"})
}

// bulkShare is the part of the time that bulk events have beside single ones,
// and mostWait the longest that one of their transactions waits for it.
const (
	bulkShare = 0.2
	mostWait  = 250 * time.Millisecond
)

// commitLive is commit for single events.
func (s *Service) commitLive(ctx context.Context, batch [][]Record) ([]appended, error) {
	defer s.live.storing()()
	return s.commit(ctx, batch)
}

// commitBulk is commit for bulk events: while single ones come in it leaves them
// most of the time, and goes on all the same.
func (s *Service) commitBulk(ctx context.Context, batch [][]Record) ([]appended, error) {
	begin := time.Now() //nolint:forbidigo // it measures
	out, err := s.commit(ctx, batch)
	if err == nil && s.live.busy() {
		sleep(ctx, min(time.Duration(float64(time.Since(begin))*(1/bulkShare-1)), mostWait))
	}
	return out, err
}
