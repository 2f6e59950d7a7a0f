// Package e2e holds the scenarios that need a real Kubernetes. They are run by "make e2e" and have the build tag e2e, so
// that "make test" needs neither root nor containerd.
package e2e
