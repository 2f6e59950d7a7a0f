package dora

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"
)

// TestAChunkFollowsTheTimeItTakes has writing become slow and fast again.
func TestAChunkFollowsTheTimeItTakes(t *testing.T) {
	var p pace
	settle := func(perByte float64) time.Duration {
		took := time.Duration(0)
		for range 60 {
			n := p.chunk()
			took = time.Duration(perByte * float64(n))
			p.wrote(n, took)
		}
		return took
	}
	for _, c := range []struct {
		name        string
		perByte     float64 // nanoseconds
		least, most int
	}{
		{"a fast disk", 5, chunkBytes, chunkBytes},
		{"a slow one", 200, 28_000, 55_000},
		{"one that stands still", 1e6, leastChunk, leastChunk},
		{"a fast one again", 5, chunkBytes, chunkBytes},
	} {
		took := settle(c.perByte)
		if n := p.chunk(); n < c.least || n > c.most {
			t.Errorf("%s: a transaction writes %d bytes, want %d to %d", c.name, n, c.least, c.most)
		}
		if c.perByte < 1000 && took > 2*chunkGoal {
			t.Errorf("%s: a transaction takes %s", c.name, took)
		}
	}
}

// TestEventsGetInBetweenTheBlocks writes a large revision on SQLite while events
// are appended. The promise is that no transaction holds the writer for 50 ms; a
// machine that is busy with other things may stop one in the middle, so of a
// hundred transactions ninety must keep it.
func TestEventsGetInBetweenTheBlocks(t *testing.T) {
	onSQLite(t, func(t *testing.T, s *server) {
		s.stop()
		store := s.store.(*sqlStore)
		var mu sync.Mutex
		all, long := 0, 0
		store.measure(func(work string, took time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			if work == "projection" {
				all++
				if took > 50*time.Millisecond {
					long++
				}
			}
		})
		blocks := map[string][]byte{}
		for n := range 300 {
			blocks[fmt.Sprintf("k%04d", n)] = bytes.Repeat([]byte{byte(n), 1, 2, byte(n >> 8)}, 32<<10)
		}
		ctx, cancel := context.WithCancel(t.Context())
		appended := make(chan int)
		go func() {
			n := 0
			for ; ctx.Err() == nil; n++ {
				s.append(deploymentLine(fmt.Sprint(n), "a", "2026-03-02T10:00:00Z"))
			}
			appended <- n
		}()
		l := claim(t, store, "one", "p")
		for rev := range int64(2) {
			if err := store.PutBlocks(t.Context(), l, Head{Project: "p", Rev: rev + 1, Began: 1, Format: blockFormat}, fixed(blocks, nil)); err != nil {
				t.Error(err)
			}
		}
		cancel()
		n := <-appended
		mu.Lock()
		defer mu.Unlock()
		if all < 60 || n < 20 {
			t.Errorf("%d transactions with %d events in between: the revisions were not cut", all, n)
		}
		if long*10 > all {
			t.Errorf("%d of %d transactions held the writer for more than 50 ms", long, all)
		}
	})
}
