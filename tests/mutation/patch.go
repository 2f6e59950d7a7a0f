package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// patch is one committed change of a formula.
type patch struct {
	name     string // the file's name without its ending
	file     string // absolute
	change   string // what it does to the formula
	packages []string
}

// load reads the patches in tests/mutation/patches, in the order of their names.
func load(root string, words []string) ([]patch, error) {
	files, err := filepath.Glob(filepath.Join(root, "tests", "mutation", "patches", "*.patch"))
	if err != nil {
		return nil, err
	}
	var out []patch
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".patch")
		if len(words) > 0 && !slices.ContainsFunc(words, func(w string) bool { return strings.Contains(name, w) }) {
			continue
		}
		p, err := read(name, file)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no patch in tests/mutation/patches is named for %v", words)
	}
	return out, nil
}

func read(name, file string) (patch, error) {
	absolute, err := filepath.Abs(file)
	if err != nil {
		return patch{}, err
	}
	text, err := os.ReadFile(absolute)
	if err != nil {
		return patch{}, err
	}
	p := patch{name: name, file: absolute}
	header, _, ok := strings.Cut(string(text), "\n--- ")
	if !ok {
		return patch{}, fmt.Errorf("%s: no unified diff in it", file)
	}
	for line := range strings.SplitSeq(header, "\n") {
		if v, ok := strings.CutPrefix(line, "Change: "); ok {
			p.change = v
		}
		if v, ok := strings.CutPrefix(line, "Tests: "); ok {
			p.packages = strings.Fields(v)
		}
	}
	if p.change == "" || len(p.packages) == 0 {
		return patch{}, fmt.Errorf("%s: its header needs a line %q and a line %q", file, "Change: …", "Tests: ./package …")
	}
	return p, nil
}

// packagesOf lists each different set of packages once.
func packagesOf(patches []patch) [][]string {
	var out [][]string
	for _, p := range patches {
		if !slices.ContainsFunc(out, func(have []string) bool { return slices.Equal(have, p.packages) }) {
			out = append(out, p.packages)
		}
	}
	return out
}
