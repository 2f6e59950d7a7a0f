package oci_test

import (
	"archive/tar"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/fawkes-idp/fawkes/internal/oci"
)

func BenchmarkUnpackManySmallFiles(b *testing.B) {
	var entries []tar.Header
	for i := range 5000 {
		entries = append(entries, reg(fmt.Sprintf("usr/lib/python3/dist-packages/p%d/f%d.py", i/50, i), "0123456789"))
	}
	img := imageOf(b, tarOf(b, entries...))
	for b.Loop() {
		if _, err := oci.Unpack(b.Context(), img, filepath.Join(b.TempDir(), "root"), oci.UnpackLimits{}); err != nil {
			b.Fatal(err)
		}
	}
}
