// Command release makes the image that a cluster runs: fawkes-service, linked statically, over a minimal base, in an
// OCI image layout, with its bill of materials and, when there is a key, its signature. It needs no container runtime.
//
//	go run ./internal/release --out bin/image
//
// The same commit gives the same digest: the program is built without paths and without a build id, its time is that
// of the commit, and [oci.Pack] leaves nothing of the machine in but its certificate bundle.
//
// The layout holds, by name: the version; sha256-<hex>.sbom, CycloneDX JSON; sha256-<hex>.sig, as cosign has it. Any
// client pushes them under these names; --push does.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
)

// options are what a person may say.
type options struct {
	root       string // the tree that is built
	out        string
	platform   string
	repository string
	version    string
	push       bool
	env        func(string) string
	log        io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], lookup(os.Environ()), os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// lookup finds a variable in the environment; what is not there is empty.
func lookup(env []string) func(string) string {
	return func(name string) string {
		for _, kv := range env {
			if value, ok := strings.CutPrefix(kv, name+"="); ok {
				return value
			}
		}
		return ""
	}
}

func run(ctx context.Context, args []string, env func(string) string, log io.Writer) error {
	o := options{env: env, log: log}
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	flags.StringVar(&o.root, "root", ".", "the tree that is built")
	flags.StringVar(&o.out, "out", "bin/image", "the folder of the image layout; what is there is replaced")
	flags.StringVar(&o.platform, "platform", "linux/"+runtime.GOARCH, "what it runs on")
	flags.StringVar(&o.repository, "repository", "localhost/fawkes", "where the image is going to be: host/name")
	flags.StringVar(&o.version, "version", "", "the version, which is also the tag; without it, that of the commit")
	flags.BoolVar(&o.push, "push", false, "push to the repository what was made, with FAWKES_REGISTRY_TOKEN")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q is one argument too many", flags.Arg(0))
	}
	return release(ctx, o)
}
