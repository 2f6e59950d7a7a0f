package view

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/ui/chart"
	"github.com/fawkes-idp/fawkes/ui/delivery"
	"github.com/fawkes-idp/fawkes/ui/units"
)

// shape is a deployment's sign with its meaning.
type shape struct{ Shape, Label string }

// shapes lists the signs in the order of the legend.
func shapes() []shape {
	return []shape{
		{"forward", "Successful"}, {"failed", "Failed"}, {"rollback", "Rollback"}, {"unplanned", "Unplanned fix"}, {"redeploy", "Redeploy"}, {"first", "First"},
	}
}

// KindShape chooses the sign of a deployment: a failure is shown before anything else, then what made it unusual.
func KindShape(d delivery.Deployment) string {
	switch {
	case d.Failed || (d.Outcome != "" && d.Outcome != "success"):
		return "failed"
	case d.Kind == "rollback":
		return "rollback"
	case d.Unplanned || d.Kind == "hotfix" || d.Kind == "rework":
		return "unplanned"
	case d.Kind == "redeploy":
		return "redeploy"
	case d.Kind == "first":
		return "first"
	}
	return "forward"
}

// kindMeaning says what a kind means, for the page of one deployment.
func kindMeaning(kind string) string {
	switch kind {
	case "first":
		return "The first deployment of this service to this environment; nothing came before it."
	case "forward":
		return "It brought commits that the deployment before it did not have."
	case "redeploy":
		return "The same commit as the deployment before it, deployed again."
	case "rollback":
		return "An earlier commit than the one it replaced."
	case "hotfix", "rework":
		return "Unplanned, to fix a bug that users met."
	}
	return ""
}

func partLabel(name string) string {
	switch name {
	case "coding":
		return "Coding"
	case "pickup":
		return "Pickup"
	case "review":
		return "Review"
	case "deploy":
		return "Deploy"
	}
	return sentence(strings.ReplaceAll(name, "_", " "))
}

// partMeaning says where a part of the lead time begins and ends.
func partMeaning(name string) string {
	switch name {
	case "coding":
		return "first commit → pull request opened"
	case "pickup":
		return "opened → first review"
	case "review":
		return "first review → merged"
	case "deploy":
		return "merged → deployed"
	}
	return ""
}

func partsText(parts []chart.Part) string {
	var b strings.Builder
	for i, p := range parts {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(partLabel(p.Name) + " ")
		if p.Seconds == nil {
			b.WriteString("unknown")
		} else {
			b.WriteString(units.Duration(*p.Seconds))
		}
	}
	return b.String()
}

// oneReason says that no part is known, all for the same reason.
func oneReason(parts []chart.Part) (reason string, all bool) {
	for i, p := range parts {
		if p.Seconds != nil || i > 0 && p.Reason != reason {
			return "", false
		}
		reason = p.Reason
	}
	return reason, len(parts) > 0 && reason != ""
}

// entities writes what was reported, the most first: 118 commits, 92 pull requests.
func entities(counts map[string]int) string {
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	var out []string
	for _, name := range names {
		if n := counts[name]; n > 0 {
			word := strings.ReplaceAll(name, "_", " ")
			out = append(out, units.Plural(n, word, word+"s"))
		}
	}
	return orUnknown(strings.Join(out, ", "))
}

// span writes a duration of the service's settings (24h0m0s) for people.
func span(text string) string {
	d, err := time.ParseDuration(text)
	if err != nil {
		return orUnknown(text)
	}
	return units.Duration(d.Seconds())
}

// chartParts turns the parts of a metric into the parts of a bar. How many changes know a part stands beside it.
func chartParts(parts []delivery.Part, whole int) []chart.Part {
	out := make([]chart.Part, 0, len(parts))
	for _, p := range parts {
		reason := p.Reason
		if p.Seconds != nil && whole > 0 && p.N > 0 && p.N < whole {
			reason = "known for " + units.Count(p.N) + " of " + units.Count(whole)
		}
		out = append(out, chart.Part{Name: p.Name, Seconds: p.Seconds, Reason: reason})
	}
	return out
}

// sentence makes a reason of the service read as a sentence.
func sentence(s string) string {
	s = strings.TrimSpace(s)
	if s == "" {
		return ""
	}
	s = strings.ToUpper(s[:1]) + s[1:]
	if !strings.HasSuffix(s, ".") && !strings.HasSuffix(s, "?") && !strings.HasSuffix(s, "!") {
		s += "."
	}
	return s
}

func clip(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}

// orUnknown writes a text or the sign of what is not known.
func orUnknown(s string) string {
	if s == "" {
		return units.Unknown
	}
	return s
}

// repoName shortens a repository's address to what tells it apart.
func repoName(repo string) string {
	s := strings.TrimSuffix(strings.TrimSuffix(repo, "/"), ".git")
	if i := strings.Index(s, "://"); i >= 0 {
		s = s[i+3:]
	}
	parts := strings.Split(s, "/")
	if len(parts) > 2 {
		parts = parts[len(parts)-2:]
	}
	return strings.Join(parts, "/")
}

// DeploymentTitle says a deployment in one line, for the dot that stands for it.
func DeploymentTitle(d delivery.Deployment, at time.Time) string {
	s := d.Service + " to " + d.Environment + ", " + units.Moment(at)
	for _, k := range shapes() {
		if k.Shape == KindShape(d) {
			s += " · " + k.Label
		}
	}
	if d.Changes > 0 {
		s += " · " + units.Plural(d.Changes, "change", "changes")
	}
	return s
}
