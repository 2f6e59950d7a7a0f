// Package pushes sends real pushes from the git server to the delivery metrics: what one says, the other must
// understand.
package pushes
