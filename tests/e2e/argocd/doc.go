// Package argocd installs the real Argo CD on a test cluster: its programs, built from its Go module, in its own
// manifests of the same version. Nothing else is taken from it or put in its place, but for what the test cluster cannot have,
// which [Install] names.
package argocd
