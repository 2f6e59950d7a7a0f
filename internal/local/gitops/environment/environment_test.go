package environment

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestTheDefaultIsRead(t *testing.T) {
	all, err := Parse([]byte(Default))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range all {
		got = append(got, fmt.Sprint(e.Name, " ", e.From, " ", e.Promote, " ", e.Sync, " ", e.Rollback))
	}
	if want := "dev   automatic automatic; staging dev automatic automatic automatic; production staging approval automatic automatic"; strings.Join(got, "; ") != want {
		t.Errorf("%q, want %q", strings.Join(got, "; "), want)
	}
	if next := all.Next("dev"); len(next) != 1 || next[0].Name != "staging" {
		t.Errorf("%+v", next)
	}
}

func TestFaultsNameFileAndLine(t *testing.T) {
	for text, want := range map[string]string{
		"":                          "environments.yaml:1: the file is empty",
		"environments: []\n":        "environments.yaml:1: names no environments",
		"environments:\n- nme: x\n": "environments.yaml:2: unknown key \"nme\"",
		"environments:\n- name: x\n  kind: production\nsync: often\n":                                                                          "environments.yaml:4: sync: \"often\" is not one of automatic, manual",
		"environments:\n- name: x\n  kind: prod\n":                                                                                             "environments.yaml:2: kind: \"prod\" is not one of",
		"environments:\n- {name: X, kind: production}\n":                                                                                       "environments.yaml:2: \"X\" cannot name",
		"environments:\n- {name: a, kind: production}\n- {name: a, kind: staging}\n":                                                           "environments.yaml:3: the environment \"a\" is declared twice",
		"environments:\n- {name: a, kind: production, from: b}\n":                                                                              "environments.yaml:2: from: \"b\" is no environment above",
		"environments:\n- {name: a, kind: production, promote: automatic}\n":                                                                   "environments.yaml:2: promote:",
		"environments:\n- {name: a, kind: production, windows: [{kind: deny, from: \"9\", to: \"10:00\", zone: UTC}]}\n":                       "environments.yaml:2: from: \"9\" is not a time",
		"environments:\n- {name: a, kind: production, windows: [{kind: deny, from: \"09:00\", to: \"10:00\"}]}\n":                              "environments.yaml:2: zone: is required",
		"environments:\n- {name: a, kind: production, windows: [{kind: deny, from: \"09:00\", to: \"10:00\", zone: Nowhere}]}\n":               "environments.yaml:2: zone: \"Nowhere\" is not known",
		"environments:\n- name: a\n  kind: production\n  windows:\n  - {kind: deny, days: [fry], from: \"09:00\", to: \"10:00\", zone: UTC}\n": "environments.yaml:5: days: \"fry\" is not a day",
		"environments: [\n":                                         "environments.yaml:",
		"more: true\n":                                              "environments.yaml:1: field more not found",
		"a: &a [x]\nenvironments: [*a, *a]\n":                       "environments.yaml:2: an alias is not taken",
		strings.Repeat("#", mostBytes+1):                            "bytes, at most",
		"environments:\n- {name: a, kind: production}\n---\nx: y\n": "want one document",
	} {
		if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %q", text, err, want)
		}
	}
}

func at(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return t
}

// TestWindowsGoByTheClockOnTheWall has times around the days on which Berlin's
// clock jumps: 2026-03-29 from 02:00 to 03:00, 2026-10-25 from 03:00 back to 02:00.
func TestWindowsGoByTheClockOnTheWall(t *testing.T) {
	parse := func(windows string) Environment {
		t.Helper()
		all, err := Parse([]byte("environments:\n- name: production\n  kind: production\n  windows: [" + windows + "]\n"))
		if err != nil {
			t.Fatal(err)
		}
		return all[0]
	}
	const night = `{kind: deny, days: [sun], from: "02:00", to: "03:00", zone: Europe/Berlin}`
	const late = `{kind: deny, days: [fri], from: "22:00", to: "06:00", zone: Europe/Berlin}`
	const office = `{kind: allow, days: [mon-fri], from: "09:00", to: "17:00", zone: Europe/Berlin}`
	for _, c := range []struct {
		windows, at string
		open        bool
	}{
		{"", "2026-03-29T01:30:00Z", true},
		{office, "2026-03-27T08:00:00Z", true},  // Friday 09:00, winter
		{office, "2026-03-27T07:59:59Z", false}, // 08:59:59
		{office, "2026-03-27T15:59:59Z", true},  // 16:59:59
		{office, "2026-03-27T16:00:00Z", false}, // 17:00
		{office, "2026-03-30T07:00:00Z", true},  // Monday 09:00, summer: an hour earlier in UTC
		{office, "2026-03-30T15:00:00Z", false}, // 17:00
		{office, "2026-03-28T10:00:00Z", false}, // Saturday
		{night, "2026-03-29T00:59:59Z", true},   // 01:59:59, and then it is 03:00: the window never was
		{night, "2026-03-29T01:00:00Z", true},
		{night, "2026-10-25T00:00:00Z", false}, // 02:00 summer
		{night, "2026-10-25T00:59:59Z", false},
		{night, "2026-10-25T01:30:00Z", false}, // 02:30 again, winter: two hours long
		{night, "2026-10-25T02:00:00Z", true},  // 03:00
		{late, "2026-03-27T21:00:00Z", false},  // Friday 22:00
		{late, "2026-03-28T04:59:59Z", false},  // Saturday 05:59:59
		{late, "2026-03-28T05:00:00Z", true},   // Saturday 06:00
		{late, "2026-03-26T22:00:00Z", true},   // Thursday
		{late, "2026-03-28T22:00:00Z", true},   // Saturday 23:00
		{office + ", " + `{kind: deny, days: [fri], from: "12:00", to: "24:00", zone: Europe/Berlin}`, "2026-03-27T11:00:00Z", false}, // deny wins
		{`{kind: deny, from: "00:00", to: "24:00", zone: UTC}`, "2026-03-27T23:59:59Z", false},
		{`{kind: deny, days: [sat-mon], from: "00:00", to: "24:00", zone: Asia/Kathmandu}`, "2026-03-27T18:15:00Z", false}, // +05:45: Saturday 00:00
		{`{kind: deny, days: [sat-mon], from: "00:00", to: "24:00", zone: Asia/Kathmandu}`, "2026-03-27T18:14:59Z", true},
	} {
		if got, why := parse(c.windows).Open(at(c.at)); got != c.open {
			t.Errorf("%s at %s: open %v (%s), want %v", c.windows, c.at, got, why, c.open)
		}
	}
	if next, ok := parse(office).NextOpen(at("2026-03-27T16:00:30Z")); !ok || !next.Equal(at("2026-03-30T07:00:00Z")) {
		t.Errorf("after Friday it opens at %v", next)
	}
	if _, ok := parse(`{kind: deny, from: "00:00", to: "24:00", zone: UTC}`).NextOpen(at("2026-03-27T16:00:30Z")); ok {
		t.Error("what never opens opens")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(Default))
	f.Add([]byte("environments:\n- {name: a, kind: production, windows: [{kind: deny, days: [mon-fri], from: \"09:00\", to: \"24:00\", zone: UTC}]}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		all, err := Parse(text)
		if err != nil {
			if !strings.HasPrefix(err.Error(), File+":") {
				t.Errorf("%v names no place", err)
			}
			return
		}
		for _, e := range all {
			if !ValidName(e.Name) {
				t.Errorf("%+v", e)
			}
			e.Open(at("2026-03-27T16:00:30Z"))
		}
	})
}

// A window is said as it was written.
func TestAWindowThatEndsAtMidnightSaysSo(t *testing.T) {
	w, err := (windowShape{Kind: Deny, Days: []string{"fri"}, From: "16:00", To: "24:00", Zone: "UTC"}).window()
	if err != nil || w.String() != "deny fri 16:00 to 24:00 UTC" {
		t.Errorf("%q, %v", w, err)
	}
}
