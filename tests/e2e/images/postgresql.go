// Package images makes images for the test cluster of programs that their projects publish images of, which cannot be had
// without the world's registries. Each is of the same program, from Debian or from its Go module.
package images

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/fawkes-idp/fawkes/internal/oci"
	"github.com/fawkes-idp/fawkes/tests/e2e/image"
)

// debian is where Debian keeps its PostgreSQL.
const debian = "/usr/lib/postgresql/15"

// PostgreSQL describes an image of Debian's PostgreSQL, with what a script needs to run it: it is laid out as Debian lays it
// out, and runs as user 999, as the project's own image does. temp is a folder for files of the image.
func PostgreSQL(temp string) (oci.ImageSpec, error) {
	var programs []string
	for _, name := range []string{"postgres", "initdb", "pg_ctl", "pg_isready", "pg_controldata", "psql", "pg_dump", "pg_restore"} {
		programs = append(programs, filepath.Join(debian, "bin", name))
	}
	for _, name := range []string{"sh", "cat", "rm", "mv", "mkdir", "sed", "sync", "date"} {
		programs = append(programs, "/bin/"+name)
	}
	for _, name := range []string{"wc", "sort", "head", "flock"} {
		programs = append(programs, "/usr/bin/"+name)
	}
	modules, err := filepath.Glob(debian + "/lib/*.so")
	if err != nil || len(modules) == 0 {
		return oci.ImageSpec{}, fmt.Errorf("PostgreSQL has no modules in %s (%w); scripts/prereqs.sh e2e installs it", debian, err)
	}
	files, err := image.Programs(append(programs, modules...)...)
	if err != nil {
		return oci.ImageSpec{}, err
	}
	// A program that asks who it is wants a name.
	passwd := filepath.Join(temp, "passwd")
	if err := os.WriteFile(passwd, []byte("root:x:0:0:root:/:/bin/sh\npostgres:x:999:999:PostgreSQL:/var/lib/postgresql:/bin/sh\n"), 0o644); err != nil {
		return oci.ImageSpec{}, err
	}
	return oci.ImageSpec{
		Files:   append(files, oci.File{Source: passwd, Target: "/etc/passwd", Mode: 0o644}),
		Folders: []oci.Folder{{Source: "/usr/share/postgresql/15", Target: "/usr/share/postgresql/15", Follow: true}},
		User:    "999:999", Entrypoint: []string{"/bin/sh"},
	}, nil
}
