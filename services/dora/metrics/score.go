package metrics

// The DORA quick check (dora.dev/quickcheck) asks for one of six categories per
// duration or frequency, and for a percentage otherwise, and scores each from 0
// to 10. Here the categories are read off the measured value:
//
//	category      1          2           3           4         5       6
//	score         0          2           4           6         8       10
//	durations     > 6 months > 1 month   > 1 week    >= 1 day  < 1 day < 1 hour
//	frequency     < 1 in six >= 1 in six >= 1 a      >= 1 a    >= 1 a  >= 2 a
//	              months     months      month       week      day     day
//
// Percentages run from 100 % (0) to 0 % (10). A month is 30 days. "On demand
// (multiple deploys per day)" is read as two a day or more.

// durationScore scores a lead or recovery time in seconds.
func durationScore(seconds float64) float64 {
	switch {
	case seconds < hour:
		return 10
	case seconds < dayLong:
		return 8
	case seconds <= week:
		return 6
	case seconds <= month:
		return 4
	case seconds <= sixMonths:
		return 2
	}
	return 0
}

// frequencyScore scores deployments per day.
func frequencyScore(perDay float64) float64 {
	switch {
	case perDay >= 2:
		return 10
	case perDay >= 1:
		return 8
	case perDay >= dayLong/week:
		return 6
	case perDay >= dayLong/month:
		return 4
	case perDay >= dayLong/sixMonths:
		return 2
	}
	return 0
}

// ratioScore scores a share, 0 to 1.
func ratioScore(ratio float64) float64 { return 10 * (1 - ratio) }
