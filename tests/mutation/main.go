// Command mutation changes one formula of the delivery metrics at a time and requires that a test fails.
//
// Each change is a committed patch in tests/mutation/patches: a unified diff below a short header that
// says what is changed and which packages must notice:
//
//	Change: the median of an even number of values is the upper one
//	Tests: ./services/dora/metrics
//
// For each patch the runner takes a fresh copy of the tree, applies it, checks that the result still
// compiles, and runs the named tests. A patch that no test notices has survived: the formula is not
// tested. A patch that no longer applies or compiles fails by name as well: it must follow the code.
//
//	go run ./tests/mutation             all patches
//	go run ./tests/mutation median …    those whose name contains a word
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, ".", os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "mutation:", err)
		os.Exit(1)
	}
}

// run tries the patches of the tree at root whose names contain one of the words, or all of them.
func run(ctx context.Context, root string, words []string, out io.Writer) error {
	patches, err := load(root, words)
	if err != nil {
		return err
	}
	bench, err := newWorkbench(ctx, root)
	if err != nil {
		return err
	}
	defer bench.remove()

	for _, packages := range packagesOf(patches) {
		if failed, text := bench.test(ctx, packages); failed {
			return fmt.Errorf("the tests of %v fail without any change:\n%s", packages, text)
		}
	}
	survived := 0
	for _, p := range patches {
		v := bench.try(ctx, p)
		fmt.Fprintf(out, "%-10s %-42s %s\n", v.word, p.name, v.detail)
		if !v.killed {
			survived++
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	if survived > 0 {
		return fmt.Errorf("%d of %d patches made no test fail", survived, len(patches))
	}
	fmt.Fprintf(out, "all %d patches made a test fail\n", len(patches))
	return nil
}
