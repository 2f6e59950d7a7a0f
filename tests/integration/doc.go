// Package integration holds tests of several modules of the platform together, over the protocols that they speak to
// each other: what one says, the other must understand.
package integration
