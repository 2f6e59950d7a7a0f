package dora

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore/storetest"
	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/project"
)

func eachStore(t *testing.T, run func(t *testing.T, s Store)) {
	t.Helper()
	storetest.Each(t, Migrations(), func(t *testing.T, db *sqlstore.DB) { run(t, NewStore(db)) })
}

func rec(n int) Record {
	return Record{
		Origin: Origin{Project: fmt.Sprintf("p%d", n%3), Source: "events", Type: event.TypeDeployment, Service: "api"},
		Key:    event.Key{byte(n), byte(n >> 8)}, At: event.Time(n), ReceivedAt: event.Time(n), Body: []byte(fmt.Sprint(n)),
	}
}

func TestAppendStoresEachKeyOnce(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		ctx := context.Background()
		var batch []Record
		for n := range 150 { // more than two statements on SQLite
			batch = append(batch, rec(n))
		}
		batch = append(batch, rec(7)) // twice in one call
		got, err := s.Append(ctx, batch)
		if err != nil {
			t.Fatal(err)
		}
		for n, stored := range got {
			if stored != (n < 150) {
				t.Errorf("record %d: stored = %v", n, stored)
			}
		}
		got, err = s.Append(ctx, []Record{rec(149), rec(150)})
		if err != nil || got[0] || !got[1] {
			t.Errorf("again: %v %v, want the second alone stored", got, err)
		}
		entries, err := s.Events(ctx, 0, 1000)
		if err != nil || len(entries) != 151 {
			t.Fatalf("%d entries, %v; want 151", len(entries), err)
		}
		for i, e := range entries {
			if want := rec(i); !bytes.Equal(e.Body, want.Body) || e.Key != want.Key || e.At != want.At {
				t.Fatalf("entry %d is %+v, want the record %+v", i, e, want)
			}
			if i > 0 && e.Seq <= entries[i-1].Seq {
				t.Fatalf("entry %d has number %d after %d", i, e.Seq, entries[i-1].Seq)
			}
		}
		head, err := s.LogHead(ctx)
		if err != nil || head != entries[150].Seq {
			t.Errorf("head %d %v, want %d", head, err, entries[150].Seq)
		}
	})
}

// TestAFollowerOfTheLogMissesNothing reads the log by number while many write:
// whoever has seen a number must never find a smaller one later.
func TestAFollowerOfTheLogMissesNothing(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		ctx := context.Background()
		const writers, each = 8, 60
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for n := range each {
					if _, err := s.Append(ctx, []Record{rec(w*each + n)}); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		finished := make(chan struct{})
		go func() { wg.Wait(); close(finished) }()
		seen, last := 0, int64(0)
		for ended := false; ; {
			entries, err := s.Events(ctx, last, 100)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				seen, last = seen+1, e.Seq
			}
			if ended && len(entries) == 0 {
				break
			}
			select {
			case <-finished:
				ended = true
			default:
			}
		}
		if seen != writers*each {
			t.Errorf("the follower saw %d of %d events", seen, writers*each)
		}
	})
}

func TestARevisionIsSeenWholeOrNotAtAll(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		ctx := context.Background()
		large := bytes.Repeat([]byte("x"), chunkBytes) // each fills a transaction, and is stored in parts
		read := func(from, to int64) map[string]int {
			out := map[string]int{}
			if err := s.Blocks(ctx, "p", from, to, func(key string, body []byte) error {
				out[key] = len(body)
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			return out
		}
		l := claim(t, s, "one", "p")
		h := Head{Project: "p", Rev: 1, Seq: 5, Began: 1, Format: blockFormat}
		if err := s.PutBlocks(ctx, l, h, fixed(map[string][]byte{"a": large, "b": large, "c": []byte("1")}, nil)); err != nil {
			t.Fatal(err)
		}
		h.Rev, h.Seq = 2, 9
		if err := s.PutBlocks(ctx, l, h, fixed(map[string][]byte{"c": []byte("22")}, []string{"a"})); err != nil {
			t.Fatal(err)
		}
		if got := read(1, 2); len(got) != 2 || got["c"] != 2 || got["a"] != 0 {
			t.Errorf("what revision 2 changed: %v", got)
		}
		if got, err := s.Head(ctx, "p"); err != nil || got != h {
			t.Errorf("head %+v %v, want %+v", got, err, h)
		}
		// A process that ends before the head moves leaves blocks that nobody reads.
		s.(*sqlStore).halfRevision(t, "p", 3, "b")
		claim(t, s, "two", "p")
		if got := read(0, 99); got["b"] != chunkBytes {
			t.Errorf("after an unfinished revision: %v", got)
		}
	})
}

// TestAFollowerSeesOneMoment has readers follow while every revision replaces
// the blocks of the one before, which are dropped at once, and while the
// projection is dropped and begun anew: what a reader holds is always of one
// revision, with nothing missing.
func TestAFollowerSeesOneMoment(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		ctx := context.Background()
		const revisions, keys = 60, 5
		l := claim(t, s, "one", "p")
		put := func(n int) {
			blocks := map[string][]byte{}
			for k := range keys {
				blocks[fmt.Sprint(k)] = []byte(fmt.Sprint(n))
			}
			h := Head{Project: "p", Rev: int64(n%20) + 1, Began: int64(n/20) + 1}
			if h.Rev == 1 && n > 0 {
				if err := s.DropProjection(ctx, l); err != nil {
					t.Error(err)
				}
			}
			if err := s.PutBlocks(ctx, l, h, fixed(blocks, nil)); err != nil {
				t.Error(err)
			}
		}
		put(0)
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				var have Head
				blocks := map[string]string{}
				for {
					select {
					case <-stop:
						return
					default:
					}
					head, err := s.Follow(ctx, "p", func(h Head) int64 {
						if h.Began != have.Began {
							clear(blocks)
							have = Head{}
						}
						return have.Rev
					}, func(key string, body []byte) error {
						blocks[key] = string(body)
						return nil
					})
					if errors.Is(err, ErrNotFound) {
						continue // dropped, and not begun anew yet
					}
					if err != nil {
						t.Error(err)
						return
					}
					have = head
					want := fmt.Sprint((head.Began-1)*20 + head.Rev - 1)
					for k := range keys {
						if blocks[fmt.Sprint(k)] != want {
							t.Errorf("at revision %d of %d block %d is %q, want %s", head.Rev, head.Began, k, blocks[fmt.Sprint(k)], want)
							return
						}
					}
				}
			})
		}
		for n := 1; n < revisions; n++ {
			put(n)
		}
		close(stop)
		wg.Wait()
	})
}

// TestEventsAboutOneEntity are found by their hash, the newest first.
func TestEventsAboutOneEntity(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		ctx := context.Background()
		var batch []Record
		for n := range 30 {
			r := rec(n)
			r.Origin.Project, r.Entity = "p", int64(n%3)
			batch = append(batch, r)
		}
		if _, err := s.Append(ctx, batch); err != nil {
			t.Fatal(err)
		}
		all, err := s.Origins(ctx)
		if err != nil || len(all) != 1 {
			t.Fatalf("origins %+v %v", all, err)
		}
		about := func(entity int64, limit int) (out []string) {
			if err := s.EventsAbout(ctx, []int64{all[0].ID}, entity, limit, func(e Entry) error {
				out = append(out, string(e.Body))
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			return out
		}
		if got := about(2, 4); fmt.Sprint(got) != "[29 26 23 20]" {
			t.Errorf("the newest four: %v", got)
		}
		if got := about(1, 100); len(got) != 10 {
			t.Errorf("all of one: %v", got)
		}
		if got := about(0, 100); len(got) != 0 {
			t.Errorf("what is about nothing is found: %v", got)
		}
	})
}

func (s *sqlStore) halfRevision(t *testing.T, project string, rev int64, key string) {
	t.Helper()
	if _, err := s.db.Write.Exec(`INSERT INTO block (project, key, rev, body) VALUES ($1, $2, $3, $4)`, project, key, rev, []byte("half")); err != nil {
		t.Fatal(err)
	}
}

func TestDeclarationsNeverRepeatAVersion(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		ctx := context.Background()
		first, err := s.PutProject(ctx, project.Spec{Project: "p", TimeZone: "Europe/Berlin"}, 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.PutBlocks(ctx, claim(t, s, "one", "p"), Head{Project: "p", Rev: 1, Began: 1, SpecVersion: first.Version}, fixed(nil, nil)); err != nil {
			t.Fatal(err)
		}
		if err := s.DeleteProject(ctx, "p"); err != nil {
			t.Fatal(err)
		}
		if err := s.DeleteProject(ctx, "p"); !errors.Is(err, ErrNotFound) {
			t.Errorf("withdrawn twice: %v, want ErrNotFound", err)
		}
		second, err := s.PutProject(ctx, project.Spec{Project: "p"}, 2)
		if err != nil || second.Version <= first.Version {
			t.Errorf("declared again: version %d after %d, %v", second.Version, first.Version, err)
		}
		got, err := s.Project(ctx, "p")
		if err != nil || got.Spec.TimeZone != "" || got.Version != second.Version {
			t.Errorf("got %+v %v", got, err)
		}
	})
}

func TestSourcesQuarantineAndImportsAreKept(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		ctx := context.Background()
		src, err := s.AddSource(ctx, Source{Kind: "github", Name: "a", Project: "p", Secret: "s", CreatedAt: 1})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.AddSource(ctx, Source{Kind: "github", Name: "a"}); !errors.Is(err, ErrExists) {
			t.Errorf("the same name twice: %v, want ErrExists", err)
		}
		if all, err := s.Sources(ctx); err != nil || len(all) != 1 || all[0] != src {
			t.Errorf("sources %+v %v", all, err)
		}
		if err := errors.Join(s.DeleteSource(ctx, src.ID)); err != nil {
			t.Error(err)
		}
		if err := s.DeleteSource(ctx, src.ID); !errors.Is(err, ErrNotFound) {
			t.Errorf("removed twice: %v", err)
		}
		for n := range 3 {
			if _, _, err := s.Quarantine(ctx, Quarantined{Source: "github", Project: "p", Field: fmt.Sprint(n), Body: []byte{0xff, 0}, Size: 2}, Space{1 << 30, 1 << 30}); err != nil {
				t.Fatal(err)
			}
		}
		rows, err := s.Quarantined(ctx, QuarantineFilter{Project: "p"}, 0, 2)
		if err != nil || len(rows) != 2 || rows[0].Field != "2" {
			t.Fatalf("newest two: %+v %v", rows, err)
		}
		rows, err = s.Quarantined(ctx, QuarantineFilter{Project: "p"}, rows[1].ID, 2)
		if err != nil || len(rows) != 1 || rows[0].Field != "0" {
			t.Errorf("the rest: %+v %v", rows, err)
		}
		if one, err := s.QuarantinedOne(ctx, rows[0].ID); err != nil || !bytes.Equal(one.Body, []byte{0xff, 0}) {
			t.Errorf("one: %+v %v", one, err)
		}
		for n := range 2 {
			if err := s.PutImport(ctx, Import{Project: "p", Key: "k", Repo: "r", State: fmt.Sprintf(`{"deployments":%d}`, n)}); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := s.Imports(ctx, "p", "r"); err != nil || len(got) != 1 || got[0].State != `{"deployments":1}` {
			t.Errorf("imports %+v %v", got, err)
		}
		one, err := s.Salt(ctx)
		two, err2 := s.Salt(ctx)
		if err := errors.Join(err, err2); err != nil || !bytes.Equal(one, two) || len(one) != 32 {
			t.Errorf("salt %x, then %x: %v", one, two, err)
		}
	})
}

// claim takes a project for a replica, whoever holds it.
func claim(t *testing.T, s Store, replica, project string) Lease {
	t.Helper()
	got, err := s.Claim(context.Background(), replica, []string{project}, true)
	if err != nil || len(got) != 1 {
		t.Fatalf("claim %s: %v %v", project, got, err)
	}
	return got[0]
}

// fixed are blocks that are there already.
func fixed(changed map[string][]byte, deleted []string) blockSource {
	return func(put func(string, []byte) error) ([]string, error) {
		for _, key := range slices.Sorted(maps.Keys(changed)) {
			if err := put(key, changed[key]); err != nil {
				return nil, err
			}
		}
		return deleted, nil
	}
}
