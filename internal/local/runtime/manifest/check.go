package manifest

// Problem is one thing in a manifest that is not done on one machine without containers.
type Problem struct {
	Kind, Name string
	Path       string // of the field, as in spec.template.spec.containers[0].image
	Why        string
	Mend       string
}

// String is the problem as one line.
func (p Problem) String() string {
	out := p.Kind + "/" + p.Name
	if p.Path != "" {
		out += " " + p.Path
	}
	out += ": " + p.Why
	if p.Mend != "" {
		out += " (" + p.Mend + ")"
	}
	return out
}

// Check is not there yet.
func Check(objs []Object) []Problem { return nil }
