package cli

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestHumanSeconds(t *testing.T) {
	for in, want := range map[float64]string{
		0: "0s", 0.25: "0.2s", 5: "5s", 9.8: "9.8s", 42.4: "42s", 59.6: "1m", 60: "1m", 90: "1m 30s", 3599.6: "1h", 3600: "1h", 7325: "2h 2m",
		86400: "1d", 187200: "2d 4h", 86400*365 - 1: "1y", 86400 * 400: "1y 35d", -7200: "-2h", 86399: "1d",
	} {
		if got := humanSeconds(in); got != want {
			t.Errorf("humanSeconds(%v): want %q, got %q", in, want, got)
		}
	}
}

func TestHumanValue(t *testing.T) {
	for _, tc := range []struct {
		value      float64
		unit, want string
	}{
		{0.1234, "ratio", "12.3 %"}, {0, "ratio", "0 %"}, {1, "ratio", "100 %"}, {0.5, "per_day", "0.5 / day"}, {0.0107, "per_day", "0.011 / day"},
		{12, "per_day", "12 / day"}, {7200, "seconds", "2h"}, {1, "count", "1"},
	} {
		if got := humanValue(tc.value, tc.unit); got != tc.want {
			t.Errorf("humanValue(%v, %s): want %q, got %q", tc.value, tc.unit, tc.want, got)
		}
	}
}

func TestHumanCount(t *testing.T) {
	for in, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1234: "-1,234"} {
		if got := humanCount(in); got != want {
			t.Errorf("humanCount(%d): want %q, got %q", in, want, got)
		}
	}
}

// lister writes items in a form and gives the text.
func lister(t *testing.T, form string, items ...string) string {
	t.Helper()
	var out bytes.Buffer
	l := newListing(form, &out, []string{"id", "n", "why", "list"}, []column{field("ID", "id"), field("N", "n"), secondsField("TOOK", "n")})
	for _, item := range items {
		if err := l.add(json.RawMessage(item)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestListingsInEachForm(t *testing.T) {
	items := []string{"{\"id\":\"a\",\"n\":7200,\n \"why\":null,\"list\":[\"x\"]}", `{"id":"=cmd()","n":12345678901234567890,"extra":1}`}
	for _, tc := range []struct {
		form  string
		items []string
		want  string
	}{
		{"json", items, "[{\"id\":\"a\",\"n\":7200,\"why\":null,\"list\":[\"x\"]},\n {\"id\":\"=cmd()\",\"n\":12345678901234567890,\"extra\":1}]\n"},
		{"json", nil, "[]\n"},
		{"csv", items, "id,n,why,list\na,7200,,\"[\"\"x\"\"]\"\n'=cmd(),12345678901234567890,,\n"},
		{"csv", nil, "id,n,why,list\n"},
		{"table", items[:1], "ID  N     TOOK\na   7200  2h\n"},
		{"table", []string{`{"id":"\u001b[2J"}`}, "ID    N  TOOK\n [2J  –  –\n"},
		{"table", nil, "nothing to list\n"},
	} {
		if diff := cmp.Diff(tc.want, lister(t, tc.form, tc.items...)); diff != "" {
			t.Errorf("%s of %d items (-want +got):\n%s", tc.form, len(tc.items), diff)
		}
	}
}

func TestProgressLine(t *testing.T) {
	p := &progress{what: "commits"}
	p.done.Store(41_200)
	if got, want := p.line(2*time.Second), "  commits  41,200  20,600/s  2s"; got != want {
		t.Errorf("without a total: want %q, got %q", want, got)
	}
	p.total.Store(100_000)
	if got, want := p.line(2*time.Second), "  commits  41,200 / 100,000  41 %  20,600/s  ETA 2.9s"; got != want {
		t.Errorf("plain: want %q, got %q", want, got)
	}
	p.terminal = true
	if got := p.line(2 * time.Second); strings.Count(got, "█") != 9 || strings.Count(got, "░") != 15 {
		t.Errorf("bar: want 9 of 24 full, got %q", got)
	}
	p.done.Store(100_001) // the count was taken a moment before
	if got := p.line(2 * time.Second); !strings.Contains(got, "100 %") || strings.Count(got, "░") != 0 {
		t.Errorf("past the end: want a full bar, got %q", got)
	}
}

func TestFieldsOfAnObject(t *testing.T) {
	var out bytes.Buffer
	g := &globals{IO: IO{Out: &out}}
	err := g.printFields([]byte(`{"id":"v1","lead_time_seconds":7200,"none":null,"empty":[],"notes":[{"rule":"kind","detail":"x"}],"deep":{"a_b":true}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := "id: v1\nlead time seconds: 2h\nnone: –\nempty: –\nnotes:\n  1:\n    rule: kind\n    detail: x\ndeep:\n  a b: true\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
