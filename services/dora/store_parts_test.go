package dora

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/fawkes-idp/fawkes/services/dora/event"
)

// TestALargeBlockIsStoredInParts replaces blocks of one part and of many by each
// other: what is read is what was put last, in short transactions, and nothing is
// left of what was replaced.
func TestALargeBlockIsStoredInParts(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		ctx := context.Background()
		random := rand.New(rand.NewPCG(7, 7)) //nolint:gosec // any will do
		l := claim(t, s, "one", "p")
		partsLeft := func() (n int) {
			if err := s.(*sqlStore).db.Read.QueryRow(`SELECT count(*) FROM block_part`).Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		sizes := []int{1, 700, partBytes - 1, partBytes, partBytes + 1, 3 * partBytes, 3*partBytes + 1, 10 * partBytes}
		want := map[string][]byte{}
		for rev := range int64(12) {
			next := map[string][]byte{}
			for k := range 6 {
				if random.IntN(3) == 0 && rev > 0 {
					continue
				}
				body := make([]byte, sizes[random.IntN(len(sizes))])
				for i := range body {
					body[i] = byte(random.Uint32())
				}
				next[fmt.Sprint("d/a/", k)] = body
			}
			var gone []string
			if rev > 2 && rev%3 == 0 {
				gone = []string{"d/a/0"}
				delete(next, "d/a/0")
			}
			if err := s.PutBlocks(ctx, l, Head{Project: "p", Rev: rev + 1, Began: 1, Format: blockFormat}, fixed(next, gone)); err != nil {
				t.Fatal(err)
			}
			maps.Copy(want, next)
			for _, k := range gone {
				delete(want, k)
			}
			got := map[string][]byte{}
			if _, err := s.Follow(ctx, "p", func(Head) int64 { return 0 }, func(key string, body []byte) error {
				delete(got, key)
				if body != nil {
					got[key] = bytes.Clone(body)
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			if !maps.EqualFunc(got, want, bytes.Equal) {
				t.Fatalf("revision %d is not what was put", rev+1)
			}
			parts := 0
			for _, body := range want {
				parts += (len(body)+partBytes-1)/partBytes - 1
			}
			if n := partsLeft(); n != parts {
				t.Fatalf("revision %d: %d parts are there, want %d", rev+1, n, parts)
			}
		}
		if err := s.DropProjection(ctx, l); err != nil {
			t.Fatal(err)
		}
		if n := partsLeft(); n != 0 {
			t.Errorf("%d parts are left of a projection that was dropped", n)
		}
	})
}

// TestALongOriginIsReadInPieces has more events than one query reads.
func TestALongOriginIsReadInPieces(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		ctx := context.Background()
		const all = 2*spanEvents + 1
		var chunk []Record
		for n := range all {
			r := rec(3 * n)
			r.Key = event.Key{byte(n), byte(n >> 8), byte(n >> 16)}
			chunk = append(chunk, r)
			if len(chunk) == 1000 || n == all-1 {
				if _, err := s.Append(ctx, chunk); err != nil {
					t.Fatal(err)
				}
				chunk = chunk[:0]
			}
		}
		origins, err := s.Origins(ctx)
		if err != nil || len(origins) != 1 {
			t.Fatal(origins, err)
		}
		for _, upTo := range []int64{1, spanEvents - 1, spanEvents, spanEvents + 1, 2 * spanEvents, all, all + 5} {
			n, last := int64(0), int64(-1)
			if err := s.EventsOf(ctx, []int64{origins[0].ID}, upTo, func(e Entry) error {
				if int64(e.At) <= last {
					t.Fatalf("event of %d after that of %d", e.At, last)
				}
				n, last = n+1, int64(e.At)
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			if n != min(upTo, all) {
				t.Errorf("up to %d: %d events", upTo, n)
			}
		}
	})
}
