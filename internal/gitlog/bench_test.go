package gitlog

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// BenchmarkWalk walks the repository named by FAWKES_BENCH_REPO (this one otherwise) beside the same
// git walk with its output thrown away; the ratio of the two is what this package adds.
func BenchmarkWalk(b *testing.B) {
	dir := os.Getenv("FAWKES_BENCH_REPO")
	if dir == "" {
		dir = "."
	}
	r, err := Open(context.Background(), Options{Location: dir})
	if err != nil {
		b.Fatal(err)
	}
	branch, err := r.Branch(context.Background(), "")
	if err != nil {
		b.Fatal(err)
	}
	for _, paths := range []bool{false, true} {
		name, flag := "commits", "--no-patch"
		if paths {
			name, flag = "paths", "--name-only"
		}
		b.Run(name+"/events", func(b *testing.B) {
			var line []byte
			n := 0
			for b.Loop() {
				err := r.Walk(context.Background(), Range{From: []string{branch.SHA}, Paths: paths}, func(c *Commit) error {
					line = c.AppendEvent(line[:0], "p", r.Name, paths)
					n++
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "commits/s")
		})
		b.Run(name+"/git", func(b *testing.B) {
			for b.Loop() {
				cmd := exec.Command("git", "-C", dir, "log", "-z", "--topo-order", "--reverse", flag, "--no-renames", recordFormat, "--stdin")
				cmd.Stdin = strings.NewReader(branch.SHA + "\n")
				if err := cmd.Run(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
