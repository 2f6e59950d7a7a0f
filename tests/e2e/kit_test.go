//go:build e2e && linux

package e2e

import (
	"testing"

	"github.com/fawkes-idp/fawkes/tests/e2e/cluster"
	"github.com/fawkes-idp/fawkes/tests/e2e/kit"
)

// TestTheKit goes from nothing to the profile "kit" on two nodes, brought by Argo CD, and down the whole road on it.
func TestTheKit(t *testing.T) {
	c := cluster.Up(t, cluster.Options{Nodes: 2})
	kit.Up(t, c)
}
