//go:build linux

package cluster

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/fawkes-idp/fawkes/internal/oci"
	"github.com/fawkes-idp/fawkes/tests/e2e/cluster/machine"
)

// The images of the cluster's own pods. No registry has them.
const (
	pauseImage = "fawkes.test/pause:1"
	dnsImage   = "fawkes.test/coredns:1"
)

// systemImages packs the cluster's own images and returns the names of their files.
func (c *Cluster) systemImages() ([]string, error) {
	var out []string
	for ref, program := range map[string]string{pauseImage: c.file("own", "pause"), dnsImage: c.programs + "/coredns"} {
		img, err := oci.Pack(oci.ImageSpec{
			Files: []oci.File{{Source: program, Target: "/program", Mode: 0o755}}, Entrypoint: []string{"/program"}, NoTimeZones: true,
		})
		if err != nil {
			return nil, fmt.Errorf("pack %s: %w", ref, err)
		}
		file, err := c.save(ref, img)
		if err != nil {
			return nil, err
		}
		out = append(out, file)
	}
	return out, nil
}

// Load puts an image on every node that is up, under the name ref, so that no registry is asked for it. Pods name it
// with imagePullPolicy Never or IfNotPresent.
func (c *Cluster) Load(ctx context.Context, ref string, img v1.Image) error {
	file, err := c.save(ref, img)
	if err != nil {
		return err
	}
	for _, n := range c.Nodes {
		if !n.up() {
			continue
		}
		if err := n.load(ctx, file); err != nil {
			return err
		}
	}
	return nil
}

// save writes an image where nodes find it, and returns the file's name.
func (c *Cluster) save(ref string, img v1.Image) (string, error) {
	tag, err := name.NewTag(ref)
	if err != nil {
		return "", fmt.Errorf("load an image: %w", err)
	}
	if err := os.MkdirAll(c.file("images"), 0o755); err != nil {
		return "", err
	}
	file := strings.NewReplacer("/", "_", ":", "_").Replace(ref) + ".tar"
	if err := tarball.WriteToFile(c.file("images", file), tag, img); err != nil {
		return "", fmt.Errorf("write %s: %w", ref, err)
	}
	return file, nil
}

func (n *Node) load(ctx context.Context, file string) error {
	_, err := n.ctr(ctx, "images", "import", machine.ClusterDir+"/images/"+file)
	return err
}

// Running says whether the node has not been killed.
func (n *Node) Running() bool { return n.up() }

// up says whether the node runs.
func (n *Node) up() bool {
	select {
	case <-n.gone:
		return false
	default:
		return true
	}
}
