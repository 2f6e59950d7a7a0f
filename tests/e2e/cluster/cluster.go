//go:build linux

package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/tests/e2e/cluster/machine"
)

// Options say what cluster is wanted.
type Options struct {
	// Nodes is how many; 0: 1. The first holds the control plane, and runs pods as the others do.
	Nodes int
	// Say is told of each step, with the time since the beginning. Nil: nobody is.
	Say func(line string)
}

// Cluster is a Kubernetes that runs.
type Cluster struct {
	Nodes []*Node

	dir      string // everything of this cluster, see files
	programs string // the folder of what scripts/cluster.sh built
	plugins  string // the folder of the network plugins
	pki      *pki
	say      func(string)
	began    time.Time

	lifelineRead, lifelineWrite *os.File
	sweeper                     *exec.Cmd
	stop                        sync.Once
	stopped                     error
}

// Up starts a cluster that ends with the test. When the test has failed, the ends of the cluster's logs are in its log.
func Up(t testing.TB, options Options) *Cluster {
	t.Helper()
	if options.Say == nil {
		options.Say = func(line string) { t.Log(line) }
	}
	c, err := Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(c.Tails())
		}
		if err := c.Down(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// Start starts a cluster that lives until Down, and no longer than this process.
func Start(ctx context.Context, options Options) (*Cluster, error) {
	if options.Nodes == 0 {
		options.Nodes = 1
	}
	if options.Nodes < 1 || options.Nodes > mostNodes {
		return nil, fmt.Errorf("a cluster of %d nodes: there may be 1 to %d", options.Nodes, mostNodes)
	}
	plugins, err := requirements()
	if err != nil {
		return nil, err
	}
	if err := sweepStale(RunsFolder()); err != nil {
		return nil, err
	}
	programs, err := built(ctx)
	if err != nil {
		return nil, err
	}
	c := &Cluster{programs: programs, plugins: plugins, began: time.Now(), say: options.Say}
	if err := c.begin(ctx); err != nil {
		return nil, err
	}
	if err := c.bringUp(ctx, options.Nodes); err != nil {
		tails := c.Tails()
		return nil, errors.Join(fmt.Errorf("bring the cluster up: %w\n%s", err, tails), c.Down())
	}
	return c, nil
}

// begin makes the folder and what clears it away again; from here on Down must be called.
func (c *Cluster) begin(ctx context.Context) error {
	if err := os.MkdirAll(RunsFolder(), 0o700); err != nil {
		return err
	}
	lock, err := c.claim()
	if err != nil {
		return err
	}
	defer lock.Close()
	own := c.file("own")
	if err := buildOwn(ctx, own); err != nil {
		return errors.Join(err, os.RemoveAll(c.dir))
	}
	if c.lifelineRead, c.lifelineWrite, err = os.Pipe(); err != nil {
		return errors.Join(err, os.RemoveAll(c.dir))
	}
	c.sweeper = exec.Command(filepath.Join(own, "machined"), "sweep", c.dir)
	// The sweeper holds the lock after this process, and is not of its terminal.
	c.sweeper.ExtraFiles = []*os.File{c.lifelineRead, lock}
	c.sweeper.SysProcAttr = ownSession()
	c.sweeper.Stderr = os.Stderr
	if err := c.sweeper.Start(); err != nil {
		return errors.Join(fmt.Errorf("start what clears up: %w", err), os.RemoveAll(c.dir))
	}
	return nil
}

func (c *Cluster) bringUp(ctx context.Context, nodes int) error {
	var err error
	if c.pki, err = newPKI(nodes, time.Now()); err != nil {
		return err
	}
	if err := c.pki.write(c.file("pki")); err != nil {
		return err
	}
	for i := 1; i <= nodes; i++ {
		n, err := c.newNode(i)
		if err != nil {
			return err
		}
		c.Nodes = append(c.Nodes, n)
		if err := n.boot(ctx); err != nil {
			return err
		}
	}
	if err := c.cable(ctx); err != nil {
		return err
	}
	c.mark("%d machines with a network", nodes)
	if err := c.controlPlane(ctx); err != nil {
		return err
	}
	images, err := c.systemImages()
	if err != nil {
		return err
	}
	for _, n := range c.Nodes {
		if err := n.join(ctx, images); err != nil {
			return err
		}
	}
	for _, n := range c.Nodes {
		if err := n.untilReady(ctx); err != nil {
			return err
		}
	}
	return c.dns(ctx)
}

// Down ends the cluster and waits until nothing of it is left. What could not be removed is the error. Calling it again
// changes nothing.
func (c *Cluster) Down() error {
	c.stop.Do(func() {
		began := time.Now()
		// The end of the lifeline is what ends nodes, here as after a kill.
		c.lifelineWrite.Close()
		err := c.sweeper.Wait()
		for _, n := range c.Nodes {
			n.wait()
		}
		c.lifelineRead.Close()
		if err != nil {
			c.stopped = fmt.Errorf("clear up after the cluster in %s: %w", c.dir, err)
			return
		}
		c.say(fmt.Sprintf("cluster: down in %.1f s", time.Since(began).Seconds()))
	})
	return c.stopped
}

// ID tells this cluster from others on the machine. It is in the names of its cgroups and of its folder.
func (c *Cluster) ID() string { return filepath.Base(c.dir) }

// Dir is the folder that holds everything of this cluster. Down removes it.
func (c *Cluster) Dir() string { return c.dir }

// Cgroups are the names of the nodes' cgroups.
func (c *Cluster) Cgroups() []string {
	var out []string
	for _, n := range c.Nodes {
		out = append(out, machine.CgroupOf(c.dir, n.Name))
	}
	return out
}

// Tails are the ends of the logs of all programs of the cluster.
func (c *Cluster) Tails() string {
	var out strings.Builder
	for _, n := range c.Nodes {
		for _, d := range n.daemons {
			fmt.Fprintf(&out, "==> %s %s\n%s\n", n.Name, d.name, tail(d.log, 15))
		}
	}
	return out.String()
}

// file is a place in the cluster's folder.
func (c *Cluster) file(parts ...string) string {
	return filepath.Join(append([]string{c.dir}, parts...)...)
}

// mark tells of a step and of the time until it.
func (c *Cluster) mark(format string, args ...any) {
	if c.say != nil {
		c.say(fmt.Sprintf("cluster: %6.1f s  %s", time.Since(c.began).Seconds(), fmt.Sprintf(format, args...)))
	}
}

// tail is the last lines of a file.
func tail(path string, lines int) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// until tries every tenth of a second until it succeeds; the error is that of the last attempt.
func until(ctx context.Context, limit time.Duration, what string, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		err := try(ctx)
		var final *finalError
		switch {
		case err == nil:
			return nil
		case errors.As(err, &final):
			return fmt.Errorf("%s: %w", what, err)
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("%s: not within %s: %w", what, limit, err)
		}
	}
}

// finalError is one that trying again does not change.
type finalError struct{ error }

func (e *finalError) Unwrap() error { return e.error }
