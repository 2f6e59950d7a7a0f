//go:build linux

package kit

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/fawkes-idp/fawkes/internal/app"
	"github.com/fawkes-idp/fawkes/internal/platform"
)

// Names of the forge's repositories.
const (
	platformRepository     = "fawkes/platform"
	environmentsRepository = "fawkes/environments"
	branch                 = "main"
)

// profile is what the kit's cluster is given.
const profile = platform.ProfileKit

// writePlatform writes into dir what Argo CD reads: the charts and components of this tree, and the profile as the generator makes it
// for this place.
func writePlatform(ctx context.Context, root, dir string, place platform.Place) error {
	cmd := exec.CommandContext(ctx, "git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "charts", "platform")
	list, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("list the files of the platform: %w", err)
	}
	for name := range strings.SplitSeq(strings.TrimRight(string(list), "\x00"), "\x00") {
		if strings.HasPrefix(name, "platform/profiles/") {
			continue
		}
		if err := copyFile(filepath.Join(root, name), filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(platform.File)))
	if err != nil {
		return err
	}
	var services []platform.Service
	for _, m := range app.Modules() {
		services = append(services, platform.Service{Name: m.Name, Calls: m.Calls, Outbound: m.Outbound, Database: m.Migrations != nil})
	}
	inv, err := platform.Read(text, services)
	if err != nil {
		return err
	}
	files, err := platform.Generate(inv.At(profile, place), services)
	if err != nil {
		return err
	}
	maps.DeleteFunc(files, func(name string, _ []byte) bool { return !strings.HasPrefix(name, "platform/profiles/"+profile+"/") })
	return platform.Write(dir, files)
}

func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	if _, err = io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}
