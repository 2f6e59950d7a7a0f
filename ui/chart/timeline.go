package chart

import (
	"sort"
	"time"
)

// Moment is one deployment on a timeline. Shape is how it is drawn; see Shapes.
type Moment struct {
	At    time.Time
	Lane  string
	Shape string
	Href  string
	Title string
}

// Dot is a moment in place: X is a percentage, Lane the index of its lane.
type Dot struct {
	Moment
	X    float64
	Lane int
}

// Timeline is a set of moments in lanes over a span of time.
type Timeline struct {
	From, To time.Time
	Lanes    []string
	Dots     []Dot
	Labels   []Label
	// Dense says that the dots are so many that they are drawn small.
	Dense bool
}

// OtherLane gathers what does not fit in the lanes.
const OtherLane = "others"

// NewTimeline places moments over [from, to); the busiest lanes come by name, the rest in one lane at the end.
// Dots are drawn in order of time, failures last, so that none is hidden under a success.
func NewTimeline(moments []Moment, from, to time.Time, maxLanes int) Timeline {
	t := Timeline{From: from, To: to, Labels: TimeLabels(from, to), Dense: len(moments) > 150}
	count := map[string]int{}
	for _, m := range moments {
		count[m.Lane]++
	}
	names := make([]string, 0, len(count))
	for name := range count {
		names = append(names, name)
	}
	sort.Slice(names, func(i, j int) bool {
		if count[names[i]] != count[names[j]] {
			return count[names[i]] > count[names[j]]
		}
		return names[i] < names[j]
	})
	rest := false
	if len(names) > maxLanes {
		names, rest = names[:maxLanes-1], true
	}
	sort.Strings(names)
	lane := map[string]int{}
	for i, name := range names {
		lane[name] = i
	}
	t.Lanes = names
	if rest {
		t.Lanes = append(t.Lanes, OtherLane)
	}
	span := to.Sub(from).Seconds()
	for _, m := range moments {
		if span <= 0 || m.At.Before(from) || m.At.After(to) {
			continue
		}
		i, ok := lane[m.Lane]
		if !ok {
			i = len(t.Lanes) - 1
		}
		t.Dots = append(t.Dots, Dot{Moment: m, X: m.At.Sub(from).Seconds() / span * 100, Lane: i})
	}
	sort.SliceStable(t.Dots, func(i, j int) bool {
		fi, fj := t.Dots[i].Shape == "failed", t.Dots[j].Shape == "failed"
		if fi != fj {
			return fj
		}
		return t.Dots[i].At.Before(t.Dots[j].At)
	})
	return t
}

// Part is one stretch of a lead time; nil seconds are unknown.
type Part struct {
	Name    string
	Seconds *float64
	Reason  string
}

// Segment is a part in place. An unknown part has a fixed narrow width of its own and is not to scale.
type Segment struct {
	Part
	X, Width float64
	Known    bool
}

// unknownWidth is the share of the bar that an unknown part takes.
const unknownWidth = 8.0

// NewBreakdown places the parts side by side: the known to scale in the room that the unknown leave.
func NewBreakdown(parts []Part) []Segment {
	total, room := 0.0, 100.0
	for _, p := range parts {
		if p.Seconds == nil {
			room -= unknownWidth
		} else if *p.Seconds > 0 {
			total += *p.Seconds
		}
	}
	if total == 0 && room < 100 {
		room = 0
	}
	unknown := 0
	for _, p := range parts {
		if p.Seconds == nil {
			unknown++
		}
	}
	x := 0.0
	out := make([]Segment, 0, len(parts))
	for _, p := range parts {
		s := Segment{Part: p, X: x, Known: p.Seconds != nil}
		switch {
		case !s.Known && room == 0:
			s.Width = 100 / float64(unknown)
		case !s.Known:
			s.Width = unknownWidth
		case total > 0 && *p.Seconds > 0:
			s.Width = *p.Seconds / total * room
		}
		x += s.Width
		out = append(out, s)
	}
	return out
}
