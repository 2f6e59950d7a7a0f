package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// source says what is built.
type source struct {
	version  string
	revision string    // the commit; empty for a tree that is not exactly one
	time     time.Time // of the commit
}

// sourceOf reads what git knows of the tree. SOURCE_DATE_EPOCH, where it is set, says the time.
func sourceOf(ctx context.Context, o options) (source, error) {
	head, err := git(ctx, o.root, "log", "-1", "--format=%H %ct")
	if err != nil {
		return source{}, err
	}
	changed, err := git(ctx, o.root, "status", "--porcelain")
	if err != nil {
		return source{}, err
	}
	revision, at, _ := strings.Cut(head, " ")
	s := source{version: o.version, revision: revision}
	if len(revision) < 12 {
		return source{}, fmt.Errorf("git says %q of the last commit", head)
	}
	if changed != "" {
		s.revision = ""
	}
	switch {
	case s.version != "":
	case changed != "":
		s.version = "sha-" + revision[:12] + "-changed"
	default:
		s.version = "sha-" + revision[:12]
	}
	if epoch := o.env("SOURCE_DATE_EPOCH"); epoch != "" {
		at = epoch
	}
	seconds, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return source{}, fmt.Errorf("%q is not a time in seconds", at)
	}
	s.time = time.Unix(seconds, 0).UTC()
	return s, nil
}

func git(ctx context.Context, folder string, args ...string) (string, error) {
	var out, said bytes.Buffer
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", folder}, args...)...)
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(said.String()))
	}
	return strings.TrimSpace(out.String()), nil
}

// build links the program statically into file.
func build(ctx context.Context, o options, s source, file string) error {
	system, processor, _ := strings.Cut(o.platform, "/")
	if system != "linux" || processor == "" || strings.Contains(processor, "/") {
		return fmt.Errorf("the platform %q is not one such as linux/amd64", o.platform)
	}
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-mod=readonly",
		"-ldflags", "-s -w -buildid= -X main.version="+s.version, "-o", file, "./cmd/fawkes-service")
	cmd.Dir, cmd.Stdout, cmd.Stderr = o.root, &said, &said
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off", "GOOS="+system, "GOARCH="+processor, "GOAMD64=v1", "GOARM64=v8.0", "GOEXPERIMENT=")
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build the program: %w\n%s", err, said.Bytes())
	}
	return nil
}
