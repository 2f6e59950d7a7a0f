package image

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAProgramComesWithItsLibraries(t *testing.T) {
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	files, err := Programs("/bin/sh", script)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, f := range files {
		found[f.Target] = true
		if strings.Contains(f.Target, "libc.so") {
			found["libc"] = true
		}
		if strings.Contains(f.Target, "/ld-linux") {
			found["linker"] = true
		}
	}
	for _, want := range []string{"/bin/sh", script, "libc", "linker"} {
		if !found[want] {
			t.Errorf("%s is not among %v", want, files)
		}
	}
	if _, err := Programs("/no/such/program"); err == nil || !strings.Contains(err.Error(), "/no/such/program") {
		t.Errorf("a program that is not there is answered with %v", err)
	}
}
