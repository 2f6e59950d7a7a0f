package metrics

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fawkes-idp/fawkes/services/dora/event"
)

// Names of the built-in profiles; the first is the default.
const (
	ProfileDORA2025    = "dora-2025"
	ProfileDevLake2023 = "devlake-2023"
	ProfileFourKeys    = "fourkeys"
	ProfileGitLab      = "gitlab"
)

// A Profile is a set of rules by which the same history becomes numbers: data,
// and nothing but data. The one engine asks its choices; it never sees a query.
type Profile struct {
	Name    string
	Summary string // one sentence
	// Base is the built-in profile that a user-defined one varies, "" for those
	// themselves; Version counts how often it was written.
	Base    string
	Version int64
	Choices Choices
	// Bounds are the levels of EditionOwn.
	Bounds []Table
	// Limits says, a sentence each, what of the original system our model of
	// history cannot give.
	Limits []string
}

// Rules lists the profile's rules, each with its id and a sentence.
func (p Profile) Rules() []Rule { return p.Choices.rules() }

// Unit is what a change is.
func (p Profile) Unit() Unit { return Unit(p.Choices.Unit) }

// LeadRule names the rule that links a change to its deployment.
func (p Profile) LeadRule() string {
	if p.Unit() == UnitPullRequest {
		return RuleCommitDifference
	}
	return RuleCommitGraph
}

// Rules that link a change to its deployment, and an incident to one.
const (
	RuleCommitGraph      = "commit_graph"
	RuleCommitDifference = "commit_difference" // the merge commit is new since the previous successful deployment
	RuleLatestDeployment = "latest_deployment" // the project's latest before the incident
)

// BuiltIn reports whether a name is that of a built-in profile.
func BuiltIn(name string) bool {
	return slices.ContainsFunc(Profiles(), func(p Profile) bool { return p.Name == name })
}

// fingerprint tells profiles apart by what they compute.
func (p Profile) fingerprint() string {
	return p.Choices.fingerprint() + fmt.Sprint(p.Bounds)
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

// Profiles lists the built-in profiles, the default first.
func Profiles() []Profile { return []Profile{DORA2025(), DevLake2023(), FourKeys(), GitLab()} }

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
