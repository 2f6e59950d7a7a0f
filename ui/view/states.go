package view

import (
	"strconv"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/ui/road"
	"github.com/fawkes-idp/fawkes/ui/units"
)

// state is how something stands: the sign, the class of its color, and the word.
type state struct{ Sign, Word string }

// tone is the class of the state's color.
func (s state) tone() string { return "tone-" + s.Sign }

// runState is a run's.
func runState(status string) state {
	switch status {
	case road.RunQueued:
		return state{"wait", "Queued"}
	case road.RunRunning:
		return state{"run", "Running"}
	case road.RunSucceeded:
		return state{"good", "Succeeded"}
	case road.RunFailed:
		return state{"bad", "Failed"}
	case road.RunCanceled:
		return state{"stop", "Canceled"}
	case road.RunSuperseded:
		return state{"skip", "Superseded"}
	case road.RunInterrupted:
		return state{"stop", "Interrupted"}
	}
	return state{"wait", orUnknown(status)}
}

// stageState is a stage's.
func stageState(status string) state {
	switch status {
	case road.StagePending:
		return state{"wait", "Not begun"}
	case road.StageRunning:
		return state{"run", "Running"}
	case road.StagePassed:
		return state{"good", "Passed"}
	case road.StageFailed:
		return state{"bad", "Failed"}
	case road.StageSkipped:
		return state{"skip", "Skipped"}
	case road.StageCanceled:
		return state{"stop", "Canceled"}
	}
	return state{"wait", orUnknown(status)}
}

// healthState is an application's or a resource's health.
func healthState(health string) state {
	switch health {
	case road.Healthy:
		return state{"good", health}
	case road.Progressing:
		return state{"run", health}
	case road.Degraded:
		return state{"bad", health}
	case road.Missing:
		return state{"wait", health}
	case road.Suspended:
		return state{"hold", health}
	}
	return state{"wait", "Unknown"}
}

// syncState says whether live is what the repository declares.
func syncState(sync string) state {
	switch sync {
	case road.Synced:
		return state{"good", "Synced"}
	case road.OutOfSync:
		return state{"drift", "Out of sync"}
	}
	return state{"wait", "Unknown"}
}

// phaseState is an operation's.
func phaseState(phase string) state {
	switch phase {
	case road.PhaseRunning:
		return state{"run", "Running"}
	case road.PhaseSucceeded:
		return state{"good", "Succeeded"}
	case road.PhaseFailed, road.PhaseError:
		return state{"bad", phase}
	}
	return state{"wait", orUnknown(phase)}
}

func promotionState(s string) state {
	switch s {
	case road.PromotionWaitsApproval:
		return state{"hold", "Waits for approval"}
	case road.PromotionWaitsHealth:
		return state{"run", "Waits for health"}
	case road.PromotionGoesOn:
		return state{"run", "Being promoted"}
	case road.PromotionDone:
		return state{"good", "Done"}
	case road.PromotionRejected:
		return state{"bad", "Rejected"}
	case road.PromotionSuperseded:
		return state{"skip", "Superseded"}
	}
	return state{"wait", strings.ReplaceAll(orUnknown(s), "_", " ")}
}

func deliveryState(s string) state {
	switch s {
	case road.DeliveryDelivered:
		return state{"good", "Delivered"}
	case road.DeliveryPending:
		return state{"run", "Pending"}
	case road.DeliveryDead:
		return state{"bad", "Given up"}
	}
	return state{"wait", orUnknown(s)}
}

// stageName is a stage for people: unit test.
func stageName(name string) string { return strings.ReplaceAll(name, "-", " ") }

// stageAt is the stage that a run is in or ended in: the running one, the failed one, the last that has ended.
func stageAt(r road.Run) (road.Stage, bool) {
	var at road.Stage
	found := false
	for _, s := range r.Stages {
		switch s.Status {
		case road.StageRunning, road.StageFailed, road.StageCanceled:
			return s, true
		case road.StagePassed:
			at, found = s, true
		}
	}
	return at, found
}

// runWhere says in a few words how a run stands and where.
func runWhere(r road.Run) string {
	at, ok := stageAt(r)
	switch {
	case r.Status == road.RunQueued && r.Position > 0:
		return ordinal(r.Position) + " in the queue"
	case r.Status == road.RunRunning && ok:
		return stageName(at.Name)
	case r.Status == road.RunFailed && ok:
		return "in " + stageName(at.Name)
	case r.Status == road.RunSucceeded && len(r.PromotedTo) > 0:
		return "promoted to " + strings.Join(r.PromotedTo, ", ")
	}
	return ""
}

func ordinal(n int) string {
	suffix := "th"
	if n%100 < 11 || n%100 > 13 {
		switch n % 10 {
		case 1:
			suffix = "st"
		case 2:
			suffix = "nd"
		case 3:
			suffix = "rd"
		}
	}
	return strconv.Itoa(n) + suffix
}

// bytesText writes a size: 812 B, 4.2 MB.
func bytesText(n int64) string {
	const k = 1000
	switch {
	case n < 0:
		return units.Unknown
	case n < k:
		return strconv.FormatInt(n, 10) + "\u00a0B"
	case n < k*k:
		return units.Number(float64(n)/k) + "\u00a0kB"
	case n < k*k*k:
		return units.Number(float64(n)/(k*k)) + "\u00a0MB"
	}
	return units.Number(float64(n)/(k*k*k)) + "\u00a0GB"
}

// versionText is a version for people: the beginning of a commit's SHA or of a digest.
func versionText(v string) string {
	if v == "" {
		return units.Unknown
	}
	s := units.Short(v)
	if len(s) > 7 && !strings.Contains(v, ":") {
		return s[:7]
	}
	return s
}

// clockText is a moment's time of day, with its day when that is another than now's.
func (f Frame) clockText(t *time.Time) string {
	if t == nil {
		return units.Unknown
	}
	at, now := t.In(f.zone()), f.Now.In(f.zone())
	if at.YearDay() == now.YearDay() && at.Year() == now.Year() {
		return at.Format("15:04:05")
	}
	return at.Format("2 Jan 15:04:05")
}

// firstTime is the first moment that is known.
func firstTime(times ...*time.Time) *time.Time {
	for _, t := range times {
		if t != nil {
			return t
		}
	}
	return nil
}

// RunWord is a run's state in one word.
func RunWord(status string) string { return runState(status).Word }

// StageAt is the stage that a run is in, or ended in; false before any began.
func StageAt(r road.Run) (road.Stage, bool) { return stageAt(r) }
