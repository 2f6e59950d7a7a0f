package peer_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/peer"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

// TestAFollowerSeesEachEventOnceInOrderThroughFaults follows a feed whose every
// third answer is a fault.
func TestAFollowerSeesEachEventOnceInOrderThroughFaults(t *testing.T) {
	const events = 25
	asked, faults := 0, 0
	mux := http.NewServeMux()
	mux.HandleFunc("GET /feed", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer t" || r.URL.Query().Get("type") != "x" || r.URL.Query().Get("wait") != "20" {
			t.Errorf("asked with %v %v", r.URL, r.Header)
		}
		switch asked++; asked % 4 {
		case 1:
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(503)
			fmt.Fprint(w, `{"code":"unavailable","detail":"not now"}`) //nolint:errcheck // a test's answer
			return
		case 2:
			fmt.Fprint(w, `{"items":[`) //nolint:errcheck // broken off
			return
		}
		var after int
		if _, err := fmt.Sscan(r.URL.Query().Get("after"), &after); err != nil {
			t.Error(err)
		}
		items, next := []int{}, after
		for n := after + 1; n <= events && len(items) < 4; n++ {
			if next = n; n%2 == 0 {
				items = append(items, n)
			}
		}
		text, err := json.Marshal(map[string]any{"items": items, "next": next})
		if err != nil {
			t.Error(err)
		}
		w.Write(text) //nolint:errcheck // a test's answer
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()
	network, err := peer.New(peer.Options{URLs: map[string]string{"dora": srv.URL}})
	if err != nil {
		t.Fatal(err)
	}
	feed := peer.Feed{Network: network, Service: "dora", Path: "/feed", Query: url.Values{"type": {"x"}}, Pause: time.Microsecond, MostPause: time.Microsecond,
		Authorize: func(_ context.Context, r *http.Request) error { r.Header.Set("Authorization", "Bearer t"); return nil },
		Failed:    func(error) { faults++ }}
	var got []int
	done := errors.New("enough")
	err = feed.Follow(t.Context(), func(_ context.Context, items []json.RawMessage, next int64) error {
		for _, raw := range items {
			var n int
			if err := json.Unmarshal(raw, &n); err != nil {
				return err
			}
			got = append(got, n)
		}
		if next == events {
			return done
		}
		return nil
	})
	if !errors.Is(err, done) || !slices.Equal(got, []int{2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24}) || faults == 0 {
		t.Errorf("%v; %d faults; got %v", err, faults, got)
	}
}

func TestAFollowerLearnsThatTheLogWasRestored(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		problem.Write(w, r, problem.New(problem.BeyondHead, "the log ends at 7").WithHead(7))
	}))
	defer srv.Close()
	network, err := peer.New(peer.Options{URLs: map[string]string{"dora": srv.URL}})
	if err != nil {
		t.Fatal(err)
	}
	feed := peer.Feed{Network: network, Service: "dora", Path: "/feed", After: 12, Failed: func(err error) { t.Error(err) }}
	err = feed.Follow(t.Context(), func(context.Context, []json.RawMessage, int64) error { t.Error("a page came"); return nil })
	var beyond *peer.BeyondHeadError
	if !errors.As(err, &beyond) || beyond.After != 12 || beyond.Head != 7 || beyond.Service != "dora" {
		t.Errorf("%v, want the end of the log", err)
	}
}

func TestAFollowerEndsWithItsContext(t *testing.T) {
	network, err := peer.New(peer.Options{URLs: map[string]string{"dora": "http://127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	feed := peer.Feed{Network: network, Service: "dora", Path: "/feed", Failed: func(error) { cancel() }}
	if err := feed.Follow(ctx, func(context.Context, []json.RawMessage, int64) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
