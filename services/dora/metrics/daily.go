package metrics

import (
	"cmp"
	"slices"
)

// daily takes the median of each day in each place, by column. A place is a
// lane, or a service.
type daily struct {
	medians [columns][]Span
	rows    []dailyRow // of recoveries, which come in no order of places
	scratch []Span
}

type dailyRow struct {
	group int64 // day and place
	span  Span
}

func (d *daily) reset() {
	d.rows = d.rows[:0]
	for k := range d.medians {
		d.medians[k] = d.medians[k][:0]
	}
}

// add keeps one span of the first column for sum.
func (d *daily) add(place, day int32, span Span) {
	d.rows = append(d.rows, dailyRow{int64(day)<<32 | int64(place), span})
}

// sum takes the medians of what was added.
func (d *daily) sum(kind Percentile) {
	slices.SortFunc(d.rows, func(a, b dailyRow) int { return cmp.Compare(a.group, b.group) })
	for rows := d.rows; len(rows) > 0; {
		n := 0
		d.scratch = d.scratch[:0]
		for n < len(rows) && rows[n].group == rows[0].group {
			d.scratch = append(d.scratch, rows[n].span)
			n++
		}
		d.take(total, kind)
		rows = rows[n:]
	}
}

// take adds the median of the scratch to a column, unless there is nothing.
func (d *daily) take(column int, kind Percentile) {
	v := d.scratch
	if len(v) == 0 {
		return
	}
	slices.Sort(v)
	m := v[(len(v)-1)/2]
	if kind == Continuous {
		m += (v[len(v)/2] - m) / 2
	}
	d.medians[column] = append(d.medians[column], m)
}

// addLane takes the medians of what the deployments of a stretch delivered. They
// stand in the order in which they finished, so that a day is in one piece.
func (d *daily) addLane(s stretch, kind Percentile) {
	sp, rows := &s.lane.spans, s.lane.rows
	for from := s.from; from < s.to; {
		to := from + 1
		for to < s.to && rows[to].day == rows[from].day {
			to++
		}
		for k := range columns {
			d.scratch = append(d.scratch[:0], sp.values[k][sp.upTo[k][from]:sp.upTo[k][to]]...)
			d.take(k, kind)
		}
		from = to
	}
}

// addRequests takes the medians of deliveries to one lane, in the order in which
// they finished.
func (d *daily) addRequests(x *index, heads []int32, in []bool, kind Percentile) {
	r := x.requests
	for len(heads) > 0 {
		n := 1
		for n < len(heads) && x.days[heads[n]] == x.days[heads[0]] {
			n++
		}
		for k := range columns {
			d.scratch = d.scratch[:0]
			for _, h := range heads[:n] {
				l := &r.leads[h]
				v := [columns]Span{l.Total, l.Coding, l.Pickup, l.Review, l.Deploy}[k]
				if l.Total != Unknown && v != Unknown && r.counts(int(h), in, x.profile.Choices.Delivery) {
					d.scratch = append(d.scratch, v)
				}
			}
			d.take(k, kind)
		}
		heads = heads[n:]
	}
}

// summarize sums up a column of spans as the profile says.
func (e *engine) summarize(sets []set, column int, onlyMedian bool) summary {
	kind := Percentile(e.x.profile.Choices.Percentile)
	if e.x.profile.Choices.Aggregation != DailyMedians {
		return e.sel.summarize(sets, kind, onlyMedian)
	}
	medians := e.daily.medians[column]
	out := e.sel.summarize([]set{{values: medians}}, kind, onlyMedian)
	out.days = ptr(len(medians))
	return out
}
