package history_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history"
	"github.com/fawkes-idp/fawkes/services/dora/history/historytest"
)

// Indented JSON means the same and takes the other way through the ledger.
func TestReadingQuicklyIsReadingRight(t *testing.T) {
	for seed := range int64(10) {
		spec, events := specOf(seed), historytest.Generate(seed, 100)
		l, got := history.NewLedger(spec, []byte("salt")), blocks{}
		for _, e := range events {
			packed, err := event.Pack(e.Body)
			if err != nil {
				t.Fatal(err)
			}
			if e.Body.Type() != event.TypeCommit {
				var out bytes.Buffer
				if err := json.Indent(&out, packed, "", " "); err != nil {
					t.Fatal(err)
				}
				packed = out.Bytes()
			}
			if err := l.ApplyPacked(e.Body.Type(), e.Source, e.At, packed); err != nil {
				t.Fatal(err)
			}
		}
		got.take(t, l.Settle())
		if d := differences(t, fromScratch(t, spec, events), got); d != "" {
			t.Fatalf("seed %d (-quickly +fully)\n%s", seed, d)
		}
	}
}

func TestTextsWithEscapesAndOddTimesAreReadToo(t *testing.T) {
	l := history.NewLedger(historytest.Spec(), []byte("salt"))
	for _, packed := range []string{
		`{"repo":"https://h/r.git","number":"7","title":"a \"quoted\" & <b>é","created_at":"2026-01-31T23:59:59.123456Z"}`,
		`{"repo":"https://h/r.git","number":"8","title":"offset","created_at":"2026-02-01T00:59:59+01:00"}`,
	} {
		if err := l.ApplyPacked(event.TypePullRequest, "github", 1, []byte(packed)); err != nil {
			t.Fatal(err)
		}
	}
	p := read(t, l.Settle())
	if len(p.PullRequests) != 2 {
		t.Fatalf("%d pull requests, want 2", len(p.PullRequests))
	}
	for i, want := range []struct {
		title string
		at    string
	}{{"offset", "2026-01-31T23:59:59Z"}, {`a "quoted" & <b>é`, "2026-01-31T23:59:59.123456Z"}} {
		at, err := event.ParseTime(want.at)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.PullRequests[i]; got.Title != want.title || got.CreatedAt != at {
			t.Errorf("pull request %d: title %q created %v, want %q %v", i, got.Title, got.CreatedAt.Std(), want.title, at.Std())
		}
	}
}

func TestDamagedReportsAreRefused(t *testing.T) {
	l := history.NewLedger(historytest.Spec(), nil)
	for typ, packed := range map[event.Type]string{
		event.TypePullRequest: `{"repo":"https://h/r.git","number":"7","created_at":"yesterday"}`,
		event.TypeReview:      `{"repo":"https://h/r.git","number":`,
		event.TypeDeployment:  `{"id":"1","unplanned":"yes"}`,
		event.TypeCommit:      "\x01",
		"rumour":              `{}`,
	} {
		if err := l.ApplyPacked(typ, "x", 1, []byte(packed)); err == nil {
			t.Errorf("%s %q was taken", typ, packed)
		}
	}
}
