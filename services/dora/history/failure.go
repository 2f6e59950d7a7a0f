package history

import "github.com/fawkes-idp/fawkes/services/dora/event"

// fail derives which deployments failed and when service was restored.
func (ln *lane) fail() {
	for _, r := range ln.rows {
		r.Failed, r.Failures = false, nil
		r.RestoredAt, r.RestoredBy, r.RestoredRef = 0, "", ""
		if r.FinishedAt == 0 || r.Outcome == event.OutcomeAborted {
			continue
		}
		if r.Outcome == event.OutcomeFailure {
			r.Failures = append(r.Failures, Failure{Rule: FailedOutcome})
		}
		if r.rollback != nil {
			r.Failures = append(r.Failures, Failure{Rule: FailedRolledBack, Ref: r.rollback.key})
		}
		for _, i := range r.incidents {
			r.Failures = append(r.Failures, Failure{Rule: FailedIncident, Ref: i.Key()})
		}
		r.Failed = len(r.Failures) > 0
	}
	var good, bad []*row // that succeeded and did not fail, and that failed, the latest first
	for n := len(ln.rows) - 1; n >= 0; n-- {
		r := ln.rows[n]
		switch {
		case r.Failed:
			r.restore(good, bad)
			bad = append(bad, r)
		case r.succeeded():
			good = append(good, r)
		}
	}
}

// restore finds what ended a failure first: the next good deployment, the
// rollback, the resolution of its incidents, or the end of the next failure: when
// service is restored after a follow-up that turned out bad, it is restored. A
// failure that only incidents tell of began with the first of them.
func (r *row) restore(good, bad []*row) {
	end := func(at Time, by, ref string) {
		if at >= r.FinishedAt && (r.RestoredAt == 0 || at < r.RestoredAt) {
			r.RestoredAt, r.RestoredBy, r.RestoredRef = at, by, ref
		}
	}
	began := r.FinishedAt
	if r.Outcome != event.OutcomeFailure && r.rollback == nil {
		began = r.incidents[0].OpenedAt
	}
	if r.rollback != nil {
		end(r.rollback.FinishedAt, RestoredRollback, r.rollback.key)
	}
	var last *Incident
	for _, i := range r.incidents {
		if i.ResolvedAt == 0 {
			last = nil
			break
		}
		if last == nil || i.ResolvedAt > last.ResolvedAt {
			last = i
		}
	}
	if last != nil {
		end(last.ResolvedAt, RestoredIncident, last.Key())
	}
	// good stands latest first: the next one is the last that is not too early.
	low, high := 0, len(good)
	for low < high {
		if mid := (low + high) / 2; good[mid].FinishedAt >= began {
			low = mid + 1
		} else {
			high = mid
		}
	}
	if low > 0 {
		end(good[low-1].FinishedAt, RestoredDeployment, good[low-1].key)
	}
	for n := len(bad) - 1; n >= 0; n-- {
		if next := bad[n]; next.RestoredAt != 0 && next.RestoredAt >= began {
			end(next.RestoredAt, next.RestoredBy, next.RestoredRef)
			break
		}
	}
}
