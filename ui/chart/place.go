package chart

import "time"

// At is where a moment stands in the trend, in percent of its width; ok is false outside of it.
func (t Trend) At(at time.Time) (x float64, ok bool) {
	for _, m := range t.Marks {
		if at.Before(m.From) || !at.Before(m.To) {
			continue
		}
		return m.Slot + m.Width*float64(at.Sub(m.From))/float64(m.To.Sub(m.From)), true
	}
	return 0, false
}
