//go:build linux

// Command hold brings the cluster of the tests up and holds it until Ctrl-C, for a person to look around in, and for the
// tests to see what is left of a cluster whose owner is killed.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/fawkes-idp/fawkes/tests/e2e/cluster"
)

func main() {
	nodes := flag.Int("nodes", 2, "how many nodes")
	flag.Parse()
	if err := hold(*nodes); err != nil {
		fmt.Fprintln(os.Stderr, "hold:", err)
		os.Exit(1)
	}
}

func hold(nodes int) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c, err := cluster.Start(ctx, cluster.Options{Nodes: nodes, Say: func(line string) { fmt.Println(line) }})
	if err != nil {
		return err
	}
	first := c.Nodes[0]
	fmt.Printf("up: %s; its logs and all that is its own: %s\n", c.ID(), c.Dir())
	for _, n := range c.Nodes {
		fmt.Printf("a shell on %s: %s\n", n.Name, strings.Join(n.Command(ctx, "bash").Args, " "))
	}
	fmt.Printf("kubectl:          %s\n", strings.Join(c.KubectlCommand(ctx, "get", "pods", "--all-namespaces").Args, " "))
	fmt.Printf("Ctrl-C ends it (the first process of %s is %d)\n", first.Name, first.PID())
	<-ctx.Done()
	return c.Down()
}
