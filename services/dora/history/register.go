package history

import (
	"cmp"

	"github.com/fawkes-idp/fawkes/services/dora/event"
)

// register is one field of an entity that several reports may carry. It keeps
// the report with the greatest time; at one time a value wins over a null, and
// between two values the greater wins, so that no order of arrival shows.
type register[T any] struct {
	v     T
	at    Time
	known bool
	set   bool
}

// put merges one report's field and says whether the register changed.
func put[T cmp.Ordered](r *register[T], at Time, o event.Opt[T]) bool {
	return merge(r, at, o, cmp.Compare[T])
}

// putFlag is put for booleans; true is the greater.
func putFlag(r *register[bool], at Time, o event.Opt[bool]) bool {
	return merge(r, at, o, func(a, b bool) int {
		switch {
		case a == b:
			return 0
		case b:
			return -1
		}
		return 1
	})
}

func merge[T any](r *register[T], at Time, o event.Opt[T], compare func(a, b T) int) bool {
	if !o.Present {
		return false
	}
	if r.set {
		switch {
		case at < r.at:
			return false
		case at == r.at && r.known && (!o.Known || compare(o.V, r.v) <= 0):
			return false
		case at == r.at && !r.known && !o.Known:
			return false
		}
	}
	changed := !r.set || r.known != o.Known || (o.Known && compare(o.V, r.v) != 0)
	*r = register[T]{v: o.V, at: at, known: o.Known, set: true}
	return changed
}
