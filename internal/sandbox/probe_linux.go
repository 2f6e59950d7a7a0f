package sandbox

import (
	"context"
	"os"
)

// Probe says what this machine can do, by doing it: it makes the confinement of a program that it does not run.
func Probe() Report {
	report, err := try(Spec{Path: "/", Read: []string{"/"}, probe: true})
	if err != nil {
		return Report{Notes: []string{err.Error()}}
	}
	root, err := os.MkdirTemp("", "fawkes-probe-")
	if err != nil {
		report.Notes = append(report.Notes, err.Error())
		return report
	}
	defer func() { _ = os.RemoveAll(root) }()
	inside, err := try(Spec{Path: "/", Root: root, Network: true, probe: true})
	if err != nil {
		report.Notes = append(report.Notes, "no root folder of its own: it needs root's rights or a user namespace")
	}
	report.Chroot = inside.Chroot
	return report
}

func try(s Spec) (Report, error) {
	p, err := Start(context.Background(), s)
	if err != nil {
		return Report{}, err
	}
	if _, err := p.Wait(); err != nil {
		return Report{}, err
	}
	return p.Report(), nil
}
