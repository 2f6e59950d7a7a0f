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
	stamp stamp
}

// stamp is when a field was reported, and whether it was reported at all and
// with a value. There are millions of fields, so it is one word: 0 is a field
// that was never reported.
type stamp int64

const (
	wasSet   = stamp(1)
	wasKnown = stamp(2)
)

func stampOf(at Time, known bool) stamp {
	s := stamp(at)<<2 | wasSet
	if known {
		s |= wasKnown
	}
	return s
}

func (s stamp) at() Time    { return Time(s >> 2) }
func (s stamp) set() bool   { return s&wasSet != 0 }
func (s stamp) known() bool { return s&wasKnown != 0 }

// known reports whether the field holds a value, which is not null.
func (r *register[T]) known() bool { return r.stamp.known() }

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
	was := r.stamp
	if was.set() {
		switch {
		case at < was.at():
			return false
		case at == was.at() && was.known() && (!o.Known || compare(o.V, r.v) <= 0):
			return false
		case at == was.at() && !was.known() && !o.Known:
			return false
		}
	}
	changed := !was.set() || was.known() != o.Known || (o.Known && compare(o.V, r.v) != 0)
	*r = register[T]{v: o.V, stamp: stampOf(at, o.Known)}
	return changed
}
