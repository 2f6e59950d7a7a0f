//go:build linux

package cluster

import (
	"fmt"
	"os"
	"path/filepath"
)

// Mirror lets every node pull the images of a registry from somewhere else, without TLS, as a machine's own registry
// usually is: host is how images name it, at is where it answers, and authorization, when it is not empty, is that header of each
// request. It counts for all pulls from now on.
func (c *Cluster) Mirror(host, at, authorization string) error {
	text := fmt.Sprintf("server = %[1]q\n\n[host.%[1]q]\n  capabilities = [\"pull\", \"resolve\"]\n", "http://"+at)
	if authorization != "" {
		text += fmt.Sprintf("  [host.%q.header]\n    authorization = %q\n", "http://"+at, authorization)
	}
	for _, n := range c.Nodes {
		dir := c.file(n.Name, "config", "registry", host)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "hosts.toml"), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}
