// Package helm renders the charts with Helm's own library and holds what comes out against the types of the
// Kubernetes API, against Pod Security, and against itself: what is referred to must be there.
//
// It is a module of its own because the platform needs none of Helm. The test of the folder above runs it.
package helm
