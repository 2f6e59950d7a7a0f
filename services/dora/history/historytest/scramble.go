package historytest

import (
	"math/rand/v2"
	"reflect"
	"strings"

	"github.com/fawkes-idp/fawkes/services/dora/event"
)

// Scramble is another way of hearing the same history: some events are cut
// into several reports that each carry a part of the fields, some arrive more
// than once, and all arrive in another order. Every event stays valid, and the
// log may hold their union beside the originals without a difference.
func Scramble(seed int64, events []event.Event) []event.Event {
	rng := rand.New(rand.NewPCG(uint64(seed), 0x7363))
	out := make([]event.Event, 0, 2*len(events))
	for _, e := range events {
		switch n := rng.IntN(10); {
		case n < 3:
			parts := split(rng, e)
			out = append(out, parts...)
			if n == 0 {
				out = append(out, e)
			}
		case n < 5:
			out = append(out, e, e)
		default:
			out = append(out, e)
		}
	}
	rng.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// Groups cuts events into groups of random length, as they would be committed
// together.
func Groups(seed int64, events []event.Event) [][]event.Event {
	rng := rand.New(rand.NewPCG(uint64(seed), 0x6772))
	var out [][]event.Event
	for len(events) > 0 {
		n := 1 + rng.IntN(12)
		if rng.IntN(8) == 0 {
			n += rng.IntN(200)
		}
		n = min(n, len(events))
		out = append(out, events[:n])
		events = events[n:]
	}
	return out
}

// needed are the fields that a report cannot go without. A deployment's
// outcome and end belong together.
var needed = map[event.Type][]string{
	event.TypeCommit:      {"AuthoredAt"},
	event.TypePullRequest: {"CreatedAt"},
	event.TypeReview:      {"SubmittedAt"},
	event.TypeBuild:       {"StartedAt", "Attempt"},
	event.TypeDeployment:  {"Service", "Repo", "StartedAt", "FinishedAt", "Outcome"},
	event.TypeIncident:    {"OpenedAt"},
}

// split deals the optional fields of an event out to two or three reports of
// the same time.
func split(rng *rand.Rand, e event.Event) []event.Event {
	parts := make([]event.Event, 2+rng.IntN(2))
	full := reflect.ValueOf(e.Body).Elem()
	bodies := make([]reflect.Value, len(parts))
	for i := range parts {
		b := reflect.New(full.Type())
		b.Elem().Set(full)
		bodies[i] = b.Elem()
		parts[i] = e
		parts[i].Body = b.Interface().(event.Body)
	}
	keep := map[string]bool{}
	for _, name := range needed[e.Body.Type()] {
		keep[name] = true
	}
	for f := range full.NumField() {
		field := full.Type().Field(f)
		if keep[field.Name] || !strings.HasPrefix(field.Type.Name(), "Opt[") {
			continue
		}
		at := rng.IntN(len(parts))
		for i := range bodies {
			if i != at {
				bodies[i].Field(f).SetZero()
			}
		}
	}
	return parts
}
