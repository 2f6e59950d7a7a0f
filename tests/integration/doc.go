// Package integration holds tests of parts of the platform together, each part being the real one.
package integration
