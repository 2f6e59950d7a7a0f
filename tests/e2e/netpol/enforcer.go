//go:build linux

package netpol

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/tests/e2e/cluster"
)

// interval is the time after which a change is seen when nobody waits for it.
const interval = 500 * time.Millisecond

// Enforcer keeps the tables of a cluster's nodes as its policies want them, until its context ends.
type Enforcer struct {
	cluster *cluster.Cluster
	asks    chan chan error
	ended   chan struct{}
	applied map[string]string // by node; only the loop touches it
}

// Enforce begins to enforce the policies of a cluster. It returns when those that are there now are enforced.
func Enforce(ctx context.Context, c *cluster.Cluster) (*Enforcer, error) {
	e := &Enforcer{cluster: c, asks: make(chan chan error), ended: make(chan struct{}), applied: map[string]string{}}
	go e.keep(ctx)
	return e, e.Synced(ctx)
}

// Synced waits until what is enforced is not older than the call.
func (e *Enforcer) Synced(ctx context.Context) error {
	answer := make(chan error, 1)
	select {
	case e.asks <- answer:
	case <-e.ended:
		return errors.New("the policies are not enforced any more")
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Wait returns when the loop has ended, which it does with the context of [Enforce].
func (e *Enforcer) Wait() { <-e.ended }

// keep applies what the API server says, again and again. An error is told to who waits; without one it is tried again:
// the API server may be away for a while.
func (e *Enforcer) keep(ctx context.Context) {
	defer close(e.ended)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		var answer chan error
		select {
		case <-ctx.Done():
			return
		case answer = <-e.asks:
		case <-tick.C:
		}
		err := e.apply(ctx)
		if answer != nil {
			answer <- err
		}
	}
}

// apply reads, and changes the nodes whose table is another now.
func (e *Enforcer) apply(ctx context.Context) error {
	state, err := e.read(ctx)
	if err != nil {
		return err
	}
	for _, n := range e.cluster.Nodes {
		if !n.Running() {
			continue
		}
		rules, err := Rules(state, n.Name)
		if err != nil {
			return err
		}
		if e.applied[n.Name] == rules {
			continue
		}
		if e.applied[n.Name] == "" {
			// Each packet that is not allowed is answered, not one a second. The setting is of the node's network alone.
			if _, err := n.Exec(ctx, "sh", "-c", "echo 0 >/proc/sys/net/ipv4/icmp_ratemask"); err != nil {
				return err
			}
		}
		if err := load(ctx, n, rules); err != nil {
			return err
		}
		e.applied[n.Name] = rules
	}
	return nil
}

func load(ctx context.Context, n *cluster.Node, rules string) error {
	cmd := n.Command(ctx, "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(rules)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("load the rules of %s: %w: %s", n.Name, err, strings.TrimSpace(string(out)))
	}
	return nil
}

func (e *Enforcer) read(ctx context.Context) (State, error) {
	var texts [3][]byte
	for i, path := range []string{"/apis/networking.k8s.io/v1/networkpolicies", "/api/v1/pods", "/api/v1/namespaces"} {
		var err error
		if texts[i], err = e.cluster.Get(ctx, path); err != nil {
			return State{}, fmt.Errorf("read what is to be enforced: %w", err)
		}
	}
	return Decode(texts[0], texts[1], texts[2])
}
