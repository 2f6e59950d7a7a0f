package runtime

import (
	"fmt"
	"time"
)

// Status is an application's health in Argo CD's words.
type Status string

// The states of health.
const (
	Healthy     Status = "Healthy"
	Progressing Status = "Progressing"
	Degraded    Status = "Degraded"
	Suspended   Status = "Suspended"
	Missing     Status = "Missing"
)

// Health is how an application does.
type Health struct {
	Status  Status
	Message string // why, "" when Healthy
	Since   time.Time
}

// Resource is the health of one object.
type Resource struct {
	Kind, Name string
	Status     Status
	Message    string
}

// worst orders as Argo CD does: the health of an application is its worst part's.
func (s Status) worst() int {
	switch s {
	case Healthy:
		return 0
	case Suspended:
		return 1
	case Progressing:
		return 2
	case Missing:
		return 3
	}
	return 4
}

// Health tells how an application does: Healthy once every Deployment has as many available instances as it wants,
// all of the wanted template; Degraded when a roll-out came no further within its deadline, or cannot come further
// because an image is refused; Missing when it is not applied.
func (r *Runtime) Health(name string) Health {
	a, err := r.app(name)
	if err != nil {
		return Health{Status: Missing, Message: "not applied"}
	}
	out := Health{Status: Healthy}
	a.mu.Lock()
	out.Since = a.saved.AppliedAt
	ds := make([]*deployment, 0, len(a.deployments))
	for _, d := range a.deployments {
		ds = append(ds, d)
	}
	a.mu.Unlock()
	for _, d := range ds {
		d.mu.Lock()
		h := d.health
		d.mu.Unlock()
		switch {
		case h.Status.worst() > out.Status.worst():
			out = h
		case h.Status == out.Status && h.Since.After(out.Since):
			out.Since = h.Since
		}
	}
	return out
}

// Resources tells the health of each object of an application. What runs nothing is healthy.
func (r *Runtime) Resources(name string) []Resource {
	a, err := r.app(name)
	if err != nil {
		return nil
	}
	a.mu.Lock()
	objects := a.saved.Objects
	ds := map[string]*deployment{}
	for n, d := range a.deployments {
		ds[n] = d
	}
	a.mu.Unlock()
	out := make([]Resource, 0, len(objects))
	for _, o := range objects {
		res := Resource{Kind: o.Kind(), Name: o.Name(), Status: Healthy}
		if d := ds[o.Name()]; d != nil && o.Kind() == "Deployment" {
			d.mu.Lock()
			res.Status, res.Message = d.health.Status, d.health.Message
			d.mu.Unlock()
		}
		out = append(out, res)
	}
	return out
}

// judge finds the Deployment's health, and how long until the roll-out's deadline; d.mu is held.
func (d *deployment) judge(members []member, now time.Time) time.Duration {
	available, current, old := 0, 0, 0
	for _, m := range members {
		switch {
		case !m.current:
			old++
		default:
			current++
			if m.available {
				available++
			}
		}
	}
	p := &d.progress
	if p.hash != d.current.Hash {
		*p = progress{hash: d.current.Hash, at: now, old: old}
	}
	complete := available >= d.strategy.replicas && current == d.strategy.replicas && old == 0
	if complete != p.complete || available > p.available || old < p.old {
		p.at = now
		p.available, p.old = max(p.available, available), min(p.old, old)
	}
	if complete != p.complete {
		p.complete, p.available, p.old = complete, available, old
	}
	deadline := progressDeadline
	if s := d.spec.Spec.ProgressDeadlineSeconds; s != nil {
		deadline = time.Duration(*s) * time.Second
	}
	left := deadline - now.Sub(p.at)
	cause, hopeless := d.cause()
	status, message := Healthy, ""
	switch {
	case d.spec.Spec.Paused:
		status, message, left = Suspended, "the Deployment is paused", 0
	case complete:
		left = 0
	case hopeless:
		status, message, left = Degraded, fmt.Sprintf("Deployment %s: %s", d.name, cause), 0
	case left <= 0:
		status, left = Degraded, 0
		message = fmt.Sprintf("Deployment %s: the roll-out came no further within %s", d.name, deadline)
		if cause != "" {
			message += ": " + cause
		}
	default:
		status = Progressing
		message = fmt.Sprintf("Deployment %s: %d of %d instances of the wanted template are available, %d old ones are left", d.name, available, d.strategy.replicas, old)
		if cause != "" {
			message += ": " + cause
		}
	}
	if status != d.health.Status {
		d.health.Since = now
	}
	d.health.Status, d.health.Message = status, message
	return left
}

// cause is what keeps the wanted instances from being ready, and whether waiting cannot help.
func (d *deployment) cause() (string, bool) {
	text := ""
	for _, p := range d.pods {
		s := p.snapshot()
		if p.set != d.current || s.terminating || s.Ready || s.Message == "" {
			continue
		}
		if text == "" || s.hopeless {
			text = fmt.Sprintf("%s: %s: %s", p.name, s.State, s.Message)
			if s.LastExit != nil && s.State == StateRunning {
				text += "; before: " + s.LastExit.Message
			}
		}
		if s.hopeless {
			return text, true
		}
	}
	return text, false
}
