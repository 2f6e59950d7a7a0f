// Package image takes programs of this machine, with the libraries that they are linked with, into images for the
// test cluster, which has no registry of the world to pull from.
package image

import (
	"bufio"
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fawkes-idp/fawkes/internal/oci"
)

// Programs lists, as files of an image, programs and every library that the dynamic linker would load for them, each where it
// is on this machine. What is no ELF file, such as a script, comes alone.
func Programs(paths ...string) ([]oci.File, error) {
	files := map[string]oci.File{}
	for _, path := range paths {
		real, err := filepath.EvalSymlinks(path)
		if err != nil {
			return nil, fmt.Errorf("take %s into an image: %w", path, err)
		}
		files[path] = oci.File{Source: real, Target: path, Mode: 0o755}
		libraries, err := libraries(real)
		if err != nil {
			return nil, fmt.Errorf("take %s into an image: %w", path, err)
		}
		for _, library := range libraries {
			real, err := filepath.EvalSymlinks(library)
			if err != nil {
				return nil, fmt.Errorf("take %s into an image: %w", path, err)
			}
			// Where the linker looks first in an image without its cache of names.
			files[library] = oci.File{Source: real, Target: library, Mode: 0o755}
		}
	}
	return slices.Collect(maps.Values(files)), nil
}

// libraries asks the dynamic linker what it would load.
func libraries(program string) ([]string, error) {
	f, err := elf.Open(program)
	var format *elf.FormatError
	if errors.As(err, &format) || errors.Is(err, io.EOF) { // it is something else, or too short to be one
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if needed, err := f.ImportedLibraries(); err != nil || len(needed) == 0 {
		return nil, err
	}
	out, err := exec.Command("ldd", program).Output()
	if err != nil {
		return nil, fmt.Errorf("ldd: %w", err)
	}
	var found []string
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		// "libz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x…)", or the linker itself: "/lib64/ld-linux-x86-64.so.2 (0x…)"
		fields := strings.Fields(lines.Text())
		switch {
		case len(fields) >= 3 && fields[1] == "=>" && fields[2] == "not":
			return nil, fmt.Errorf("the library %s is not on this machine", fields[0])
		case len(fields) >= 3 && fields[1] == "=>":
			found = append(found, fields[2])
		case len(fields) >= 1 && strings.HasPrefix(fields[0], "/"):
			found = append(found, fields[0])
		}
	}
	return found, nil
}
