package githubexport

import (
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// Files lists the files that some arguments name: a file is itself, whatever its
// name; a folder is every .json, .jsonl and .ndjson below it, packed or not.
func Files(args []string) ([]string, error) {
	var out []string
	for _, arg := range args {
		info, err := os.Stat(arg)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			out = append(out, arg)
			continue
		}
		found := 0
		err = filepath.WalkDir(arg, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.Type().IsRegular() && isExport(path) {
				out = append(out, path)
				found++
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		if found == 0 {
			return nil, fmt.Errorf("%s holds no .json, .jsonl or .ndjson file", arg)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

func isExport(path string) bool {
	switch filepath.Ext(strings.TrimSuffix(strings.ToLower(path), ".gz")) {
	case ".json", ".jsonl", ".ndjson":
		return true
	}
	return false
}

// open opens a file, unpacks it, and turns UTF-16, as some shells write what is
// sent to a file, into UTF-8.
func open(path string) (io.Reader, func(), error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	closeFile := func() { _ = f.Close() } // only read
	var in io.Reader = f
	if strings.HasSuffix(strings.ToLower(path), ".gz") {
		unpacked, err := gzip.NewReader(f)
		if err != nil {
			closeFile()
			return nil, nil, fmt.Errorf("unpack: %w", err)
		}
		in = unpacked
	}
	return transform.NewReader(in, unicode.BOMOverride(transform.Nop)), closeFile, nil
}
