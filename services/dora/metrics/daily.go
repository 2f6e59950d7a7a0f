package metrics

import (
	"cmp"
	"slices"
)

// daily gathers spans by place and day, to take the median of each.
type daily struct {
	rows    [columns][]dailyRow
	medians []Span
}

type dailyRow struct {
	group int64 // day and place
	span  Span
}

func (d *daily) reset() {
	for k := range d.rows {
		d.rows[k] = d.rows[k][:0]
	}
}

// add gathers one span; place is a lane, or the number of a service.
func (d *daily) add(place, day int32, column int, span Span) {
	d.rows[column] = append(d.rows[column], dailyRow{int64(day)<<32 | int64(place), span})
}

// addLane gathers what the deployments of a stretch delivered.
func (d *daily) addLane(place int32, s stretch) {
	sp := &s.lane.spans
	for k := range columns {
		for i := s.from; i < s.to; i++ {
			for _, v := range sp.values[k][sp.upTo[k][i]:sp.upTo[k][i+1]] {
				d.add(place, s.lane.rows[i].day, k, v)
			}
		}
	}
}

// take gives the medians of a column, a day and place after the other. Rows come
// by day mostly, and then each day is sorted by itself.
func (d *daily) take(column int, kind Percentile) []Span {
	rows := d.rows[column]
	if !slices.IsSortedFunc(rows, func(a, b dailyRow) int { return cmp.Compare(a.group>>32, b.group>>32) }) {
		slices.SortFunc(rows, compareDaily)
	}
	d.medians = d.medians[:0]
	for len(rows) > 0 {
		n := 1
		for n < len(rows) && rows[n].group>>32 == rows[0].group>>32 {
			n++
		}
		slices.SortFunc(rows[:n], compareDaily)
		d.takeDay(rows[:n], kind)
		rows = rows[n:]
	}
	return d.medians
}

func compareDaily(a, b dailyRow) int {
	if a.group != b.group {
		return cmp.Compare(a.group, b.group)
	}
	return cmp.Compare(a.span, b.span)
}

// takeDay takes the median of each place of one day.
func (d *daily) takeDay(rows []dailyRow, kind Percentile) {
	for len(rows) > 0 {
		n := 1
		for n < len(rows) && rows[n].group == rows[0].group {
			n++
		}
		m := rows[(n-1)/2].span
		if kind == Continuous {
			m += (rows[n/2].span - m) / 2
		}
		d.medians = append(d.medians, m)
		rows = rows[n:]
	}
}

// summarize sums up a column of spans as the profile says.
func (e *engine) summarize(sets []set, column int, onlyMedian bool) summary {
	kind := Percentile(e.x.profile.Choices.Percentile)
	if e.x.profile.Choices.Aggregation != DailyMedians {
		return e.sel.summarize(sets, kind, onlyMedian)
	}
	medians := e.daily.take(column, kind)
	out := e.sel.summarize([]set{{values: medians}}, kind, onlyMedian)
	out.days = ptr(len(medians))
	return out
}
