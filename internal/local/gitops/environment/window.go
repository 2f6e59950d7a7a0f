package environment

import (
	"fmt"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // zones are known on a machine that has no files of them
)

// The kinds of window.
const (
	Allow = "allow"
	Deny  = "deny"
)

// Window is a time of the week, by the clock on the wall of its zone: where the
// clock jumps, the window is as much shorter or longer as the day is.
type Window struct {
	Kind     string         // Allow or Deny
	Days     []time.Weekday // on which it begins
	From, To int            // minutes of the day; To <= From ends on the day after
	Zone     *time.Location
}

// String is the window in words.
func (w Window) String() string {
	days := make([]string, len(w.Days))
	for i, d := range w.Days {
		days[i] = strings.ToLower(d.String()[:3])
	}
	if len(days) == 7 {
		days = []string{"every day"}
	}
	to := w.To
	if to == 0 {
		to = 24 * 60 // the end of the day, as it is written
	}
	return fmt.Sprintf("%s %s %02d:%02d to %02d:%02d %s", w.Kind, strings.Join(days, " "), w.From/60, w.From%60, to/60, to%60, w.Zone)
}

// Holds says whether a time lies in the window.
func (w Window) Holds(at time.Time) bool {
	local := at.In(w.Zone)
	minute, day := local.Hour()*60+local.Minute(), local.Weekday()
	if w.From < w.To {
		return slices.Contains(w.Days, day) && minute >= w.From && minute < w.To
	}
	yesterday := (day + 6) % 7
	return slices.Contains(w.Days, day) && minute >= w.From || slices.Contains(w.Days, yesterday) && minute < w.To
}

// openAt is the rule of all windows of an environment, as Argo CD has it: in a
// window that denies nothing is changed; where there are windows that allow, only
// in one of them; without any window, always.
func openAt(windows []Window, at time.Time) (open bool, reason string) {
	allowing, allowed := 0, false
	for _, w := range windows {
		switch holds := w.Holds(at); {
		case w.Kind == Deny && holds:
			return false, "the window " + w.String() + " is in force"
		case w.Kind == Allow:
			allowing++
			allowed = allowed || holds
		}
	}
	if allowing > 0 && !allowed {
		return false, "no window that allows is in force"
	}
	return true, ""
}

func (s windowShape) window() (Window, error) {
	w := Window{Kind: s.Kind}
	if err := word(s.line, "kind", s.Kind, Allow, Deny); err != nil {
		return w, err
	}
	var err error
	if w.Days, err = days(s.line, s.Days); err != nil {
		return w, err
	}
	if w.From, err = minutes(s.line, "from", s.From, false); err != nil {
		return w, err
	}
	if w.To, err = minutes(s.line, "to", s.To, true); err != nil {
		return w, err
	}
	if s.Zone == "" || s.Zone == "Local" {
		return w, fault(s.line, "zone: is required, for example Europe/Berlin or UTC")
	}
	if w.Zone, err = time.LoadLocation(s.Zone); err != nil {
		return w, fault(s.line, "zone: %q is not known: use a name such as Europe/Berlin", s.Zone)
	}
	return w, nil
}

// days reads "mon", "mon-fri" and "daily"; none means every day.
func days(line int, words []string) ([]time.Weekday, error) {
	names := map[string]time.Weekday{}
	for d := time.Sunday; d <= time.Saturday; d++ {
		names[strings.ToLower(d.String()[:3])], names[strings.ToLower(d.String())] = d, d
	}
	if len(words) == 0 {
		words = []string{"daily"}
	}
	var out []time.Weekday
	add := func(d time.Weekday) {
		if !slices.Contains(out, d) {
			out = append(out, d)
		}
	}
	for _, word := range words {
		lower := strings.ToLower(strings.TrimSpace(word))
		if lower == "daily" {
			lower = "mon-sun"
		}
		first, last, ranged := strings.Cut(lower, "-")
		if !ranged {
			last = first
		}
		from, ok := names[first]
		to, ok2 := names[last]
		if !ok || !ok2 {
			return nil, fault(line, "days: %q is not a day: use mon … sun, mon-fri or daily", word)
		}
		for d := from; ; d = (d + 1) % 7 {
			add(d)
			if d == to {
				break
			}
		}
	}
	return out, nil
}

// minutes reads "HH:MM".
func minutes(line int, key, s string, end bool) (int, error) {
	if end && s == "24:00" {
		return 0, nil // midnight, where the next day begins
	}
	t, err := time.Parse("15:04", s)
	if err != nil {
		return 0, fault(line, "%s: %q is not a time of the day such as \"16:30\"", key, s)
	}
	return t.Hour()*60 + t.Minute(), nil
}
