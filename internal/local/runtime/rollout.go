package runtime

import (
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// strategy is how a Deployment goes from one template to the next.
type strategy struct {
	replicas    int
	surge       int // how many more than replicas there may be
	unavailable int // how many fewer than replicas may be available
	recreate    bool
}

// newStrategy resolves percentages as Kubernetes does: surge is rounded up, unavailable down, and when both
// come to nothing one may be unavailable.
func newStrategy(d appsv1.DeploymentSpec) strategy {
	s := strategy{replicas: 1}
	if d.Replicas != nil {
		s.replicas = int(*d.Replicas)
	}
	if d.Strategy.Type == appsv1.RecreateDeploymentStrategyType {
		s.recreate = true
		return s
	}
	surge, unavailable := intstr.FromString("25%"), intstr.FromString("25%")
	if r := d.Strategy.RollingUpdate; r != nil {
		if r.MaxSurge != nil {
			surge = *r.MaxSurge
		}
		if r.MaxUnavailable != nil {
			unavailable = *r.MaxUnavailable
		}
	}
	s.surge, _ = intstr.GetScaledValueFromIntOrPercent(&surge, s.replicas, true) // Check refuses what is no percentage
	s.unavailable, _ = intstr.GetScaledValueFromIntOrPercent(&unavailable, s.replicas, false)
	if s.surge == 0 && s.unavailable == 0 {
		s.unavailable = 1
	}
	return s
}

// member is what the plan knows of an instance that is not being stopped.
type member struct {
	name      string
	current   bool // of the template that is wanted
	available bool
	broken    bool // waits after a failure
	age       int  // the larger the younger
}

// plan says how many instances of the wanted template to start and which instances to stop now. stopping is how
// many are still on their way out.
func (s strategy) plan(members []member, stopping int) (start int, stop []string) {
	var current, old []member
	available := 0
	for _, m := range members {
		if m.current {
			current = append(current, m)
		} else {
			old = append(old, m)
		}
		if m.available {
			available++
		}
	}
	if excess := len(current) - s.replicas; excess > 0 { // scaled down
		for range excess {
			i := first(current)
			stop = append(stop, current[i].name)
			if current[i].available {
				available--
			}
			current = append(current[:i:i], current[i+1:]...)
		}
	}
	if s.recreate {
		for _, m := range old {
			stop = append(stop, m.name)
		}
		if len(old) == 0 && stopping == 0 {
			start = max(0, s.replicas-len(current))
		}
		return start, stop
	}
	start = min(s.replicas-len(current), s.replicas+s.surge-len(current)-len(old))
	if len(old) == 0 {
		start = s.replicas - len(current)
	}
	start = max(0, start)

	// Of the old ones those that do not answer go first: they cost nothing. But while new ones are not available
	// yet, as many stay as may become available again: after a restart of the platform none is at first.
	least := s.replicas - s.unavailable
	fresh := 0
	for _, m := range current {
		if !m.available {
			fresh++
		}
	}
	limit := len(current) + len(old) - least - fresh
	if limit <= 0 {
		return start, stop
	}
	spare := available - least
	for len(old) > 0 {
		i := first(old)
		if old[i].available {
			if spare <= 0 {
				break
			}
			spare--
		} else {
			if limit <= 0 {
				break
			}
			limit--
		}
		stop = append(stop, old[i].name)
		old = append(old[:i:i], old[i+1:]...)
	}
	return start, stop
}

// first is the one that is missed least: broken before unavailable before available, the youngest of these.
func first(members []member) int {
	best := 0
	cost := func(m member) int {
		switch {
		case m.broken:
			return 0
		case !m.available:
			return 1
		}
		return 2
	}
	for i, m := range members {
		if c, b := cost(m), cost(members[best]); c < b || c == b && m.age > members[best].age {
			best = i
		}
	}
	return best
}
