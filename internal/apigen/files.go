package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/fawkes-idp/fawkes/internal/kit/module"
)

const (
	specFolder   = "api/openapi"
	clientFolder = "api/client"
	surfaceFile  = "docs/API_SURFACE.md"
)

// generate returns every generated file by its path below root, which it does not change.
func generate(ctx context.Context, root string, modules []module.Module) (map[string][]byte, error) {
	all, err := specs(ctx, modules)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for _, s := range all {
		files[path.Join(specFolder, s.service+".yaml")] = s.yaml
		text, err := client(ctx, root, s)
		if err != nil {
			return nil, err
		}
		files[path.Join(clientFolder, packageName(s.service), "client.go")] = text
	}
	if files[surfaceFile], err = surface(all); err != nil {
		return nil, err
	}
	return files, nil
}

// write brings root up to date, and removes specifications and clients of services that are gone.
func write(root string, files map[string][]byte) error {
	gone, err := leftovers(root, files)
	if err != nil {
		return err
	}
	for _, name := range gone {
		if err := os.Remove(filepath.Join(root, name)); err != nil {
			return err
		}
	}
	for name, text := range files {
		target := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil { //nolint:gosec // source files are for everyone
			return err
		}
		if err := os.WriteFile(target, text, 0o644); err != nil { //nolint:gosec // source files are for everyone
			return err
		}
	}
	return nil
}

// drift names each file below root that is not what would be written.
func drift(root string, files map[string][]byte) ([]string, error) {
	var found []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		text, err := os.ReadFile(filepath.Join(root, name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			found = append(found, name+" is missing")
		case err != nil:
			return nil, err
		case !bytes.Equal(text, files[name]):
			found = append(found, fmt.Sprintf("%s is stale, first in line %d", name, firstDifference(text, files[name])))
		}
	}
	gone, err := leftovers(root, files)
	for _, name := range gone {
		found = append(found, name+" is no longer generated")
	}
	return found, err
}

// leftovers are files in the generated folders that nothing generates.
func leftovers(root string, files map[string][]byte) ([]string, error) {
	var found []string
	for _, folder := range []string{specFolder, clientFolder} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(name string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil || d.IsDir() {
				return err
			}
			name, err = filepath.Rel(root, name)
			if err != nil {
				return err
			}
			if _, known := files[filepath.ToSlash(name)]; !known {
				found = append(found, filepath.ToSlash(name))
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// firstDifference is the number of the first line in which a and b differ.
func firstDifference(a, b []byte) int {
	x, y := bytes.Split(a, []byte("\n")), bytes.Split(b, []byte("\n"))
	for i := range min(len(x), len(y)) {
		if !bytes.Equal(x[i], y[i]) {
			return i + 1
		}
	}
	return min(len(x), len(y)) + 1
}
