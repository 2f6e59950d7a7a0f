package metrics

import (
	"slices"
	"strings"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/history"
)

// Names of the built-in profiles; the first is the default.
const (
	ProfileDORA2025    = "dora-2025"
	ProfileDevLake2023 = "devlake-2023"
)

// A Profile is a set of rules by which the same history becomes numbers: data
// and small pure functions that the one engine asks. It never sees a query.
type Profile struct {
	Name    string
	Summary string   // one sentence
	Rules   []string // each rule in one sentence, for people
	Edition string   // of the table of levels

	Unit       Unit
	Percentile Percentile
	// CommitLead is the lead time of one change of a deployment; for UnitCommit.
	// pr is nil when the change belongs to no pull request.
	CommitLead func(d *history.Deployment, c *history.Change, pr *history.PullRequestRef) Lead
	// PullRequestLead is the lead time of one delivery of a merged pull request;
	// for UnitPullRequest. The earliest started delivery counts.
	PullRequestLead func(pr *history.PullRequest, to *history.Delivery) Lead
	// LeadRule names the rule that links a change to its deployment.
	LeadRule string

	// Rated says whether a finished deployment stands in the denominator of the
	// rates: "" if it does, else the reason why not.
	Rated func(d *history.Deployment) string
	// Link gives the key of the deployment that caused an incident, and the rule.
	Link func(i *history.Incident) (deployment, rule string)
	// Failures lists why a deployment counts as failed, given its incidents.
	Failures func(d *history.Deployment, linked []*history.Incident) []history.Failure
	// Recoveries lists the failures to recover from, given the same.
	Recoveries func(d *history.Deployment, linked []*history.Incident) []Recovery
	// RecoveredInWindow asks for the end of a recovery, too, to lie in the window.
	RecoveredInWindow bool
	// MedianWeeks judges the frequency's level by the median over the weeks (and
	// months) of the window, instead of by the mean.
	MedianWeeks bool
}

// Unit is what a change is.
type Unit string

// The units.
const (
	UnitCommit      Unit = "commit"
	UnitPullRequest Unit = "pull_request"
)

// Percentile is a kind of percentile.
type Percentile string

// The kinds.
const (
	// Continuous interpolates between neighbors (type 7 of Hyndman and Fan).
	Continuous Percentile = "continuous"
	// Lower is the greatest value whose rank does not exceed the percentile: what
	// max(x) WHERE percent_rank() <= p gives in SQL.
	Lower Percentile = "lower"
)

// Span is a length of time in microseconds, or Unknown.
type Span int64

// Unknown is a span that is not known.
const Unknown Span = -1 << 63

// between is the span from a to b: Unknown when either is, or when it would be
// negative.
func between(a, b history.Time) Span {
	if a == 0 || b == 0 || b < a {
		return Unknown
	}
	return Span(b - a)
}

// Lead is the lead time of one change with its parts. Reason says why Total is
// unknown, PartReason why the first unknown part is.
type Lead struct {
	Total, Coding, Pickup, Review, Deploy Span
	Reason, PartReason                    string
}

// noLead is a lead of which nothing is known.
func noLead(reason string) Lead {
	return Lead{Unknown, Unknown, Unknown, Unknown, Unknown, reason, reason}
}

// Recovery is one failure and when service was restored.
type Recovery struct {
	Span Span         // Unknown while it is open
	End  history.Time // 0 while it is open
	// Reason says why Span is unknown: history.ReasonOpen, history.ReasonClockSkew.
	Reason   string
	Rule     string            // what restored service
	Ref      string            // key of that deployment or incident
	Incident *history.Incident // where the failure is an incident rather than the deployment's own
}

// Profiles lists the built-in profiles, the default first.
func Profiles() []Profile { return []Profile{DORA2025(), DevLake2023()} }

// ProfileNamed returns a built-in profile; "" is the default. The error is a
// *event.FieldError that names the known ones.
func ProfileNamed(name string) (Profile, error) {
	all := Profiles()
	if name == "" {
		return all[0], nil
	}
	i := slices.IndexFunc(all, func(p Profile) bool { return p.Name == name })
	if i < 0 {
		var names []string
		for _, p := range all {
			names = append(names, p.Name)
		}
		return Profile{}, event.Fault("profile", "%q is not one of %s", name, strings.Join(names, ", "))
	}
	return all[i], nil
}
