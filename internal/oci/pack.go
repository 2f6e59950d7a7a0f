package oci

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Pack makes an image. The same spec over the same content gives the same digest, on the same machine and on another
// that has the same certificate bundle and time zones. Layers larger than a few MB are not kept in memory: they are
// read from their sources again when they are pushed, so the sources must stay as they are until then.
func Pack(spec ImageSpec) (v1.Image, error) {
	platform, err := platformOf(spec.Platform)
	if err != nil {
		return nil, fmt.Errorf("pack: %w", err)
	}
	layers, err := contents(spec)
	if err != nil {
		return nil, fmt.Errorf("pack: %w", err)
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	if spec.Base != nil {
		img = spec.Base
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("pack: read the base's configuration: %w", err)
	}
	file = file.DeepCopy()
	configure(file, spec, platform)
	if img, err = mutate.ConfigFile(img, file); err != nil {
		return nil, fmt.Errorf("pack: %w", err)
	}
	for _, l := range layers {
		img, err = mutate.Append(img, mutate.Addendum{
			Layer: l, MediaType: types.OCILayer,
			History: v1.History{CreatedBy: l.about, Created: v1.Time{Time: time.Unix(0, 0).UTC()}},
		})
		if err != nil {
			return nil, fmt.Errorf("pack: %w", err)
		}
	}
	if len(spec.Annotations) > 0 {
		annotated, ok := mutate.Annotations(img, spec.Annotations).(v1.Image)
		if !ok {
			return nil, errors.New("pack: the manifest could not be annotated")
		}
		img = annotated
	}
	return img, nil
}

func contents(spec ImageSpec) ([]*layer, error) {
	var layers []*layer
	there := func(string) bool { return true } // a foreign base may have links where folders are expected
	if spec.Base == nil {
		there = isBaseFolder
		l, err := newLayer("fawkes: minimal base", base(!spec.NoTimeZones), nil)
		if err != nil {
			return nil, fmt.Errorf("make the base: %w", err)
		}
		layers = append(layers, l)
	}
	for _, f := range spec.Folders {
		entries, err := folderEntries(f, spec.Inside)
		if err != nil {
			return nil, err
		}
		l, err := newLayer("fawkes: folder "+f.Target, entries, there)
		if err != nil {
			return nil, fmt.Errorf("pack the folder %s: %w", f.Source, err)
		}
		layers = append(layers, l)
	}
	if len(spec.Files) > 0 {
		entries, err := fileEntries(spec.Files, spec.Inside)
		if err != nil {
			return nil, err
		}
		l, err := newLayer("fawkes: files", entries, there)
		if err != nil {
			return nil, fmt.Errorf("pack files: %w", err)
		}
		layers = append(layers, l)
	}
	return layers, nil
}

func configure(file *v1.ConfigFile, spec ImageSpec, p v1.Platform) {
	created := spec.Created
	if created.IsZero() {
		created = time.Unix(0, 0)
	}
	file.Created = v1.Time{Time: created.UTC().Truncate(time.Second)}
	file.Architecture, file.OS, file.Variant = p.Architecture, p.OS, p.Variant
	c := &file.Config
	if len(spec.Entrypoint) > 0 {
		c.Entrypoint, c.Cmd = spec.Entrypoint, nil
	}
	if len(spec.Cmd) > 0 {
		c.Cmd = spec.Cmd
	}
	c.Env = environment(c.Env, spec.Env)
	switch {
	case spec.WorkingDir != "":
		c.WorkingDir = spec.WorkingDir
	case c.WorkingDir == "":
		c.WorkingDir = "/"
	}
	switch {
	case spec.User != "":
		c.User = spec.User
	case spec.Base == nil:
		c.User = UserNonroot
	}
	for _, port := range spec.Ports {
		if c.ExposedPorts == nil {
			c.ExposedPorts = map[string]struct{}{}
		}
		c.ExposedPorts[strconv.Itoa(port)+"/tcp"] = struct{}{}
	}
	if len(spec.Labels) > 0 {
		labels := maps.Clone(spec.Labels)
		for k, v := range c.Labels {
			if _, set := labels[k]; !set {
				labels[k] = v
			}
		}
		c.Labels = labels
	}
}

// environment lays set over inherited, and makes sure of a PATH.
func environment(inherited, set []string) []string {
	out := slices.Clone(inherited)
	for _, pair := range append([]string{"PATH=" + DefaultPath}, set...) {
		key, _, _ := strings.Cut(pair, "=")
		i := slices.IndexFunc(out, func(have string) bool { return strings.HasPrefix(have, key+"=") })
		switch {
		case i < 0:
			out = append(out, pair)
		case key != "PATH" || slices.Contains(set, pair):
			out[i] = pair
		}
	}
	return out
}

func platformOf(text string) (v1.Platform, error) {
	if text == "" {
		return v1.Platform{OS: "linux", Architecture: runtime.GOARCH}, nil
	}
	p, err := v1.ParsePlatform(text)
	if err != nil || p.OS == "" || p.Architecture == "" {
		return v1.Platform{}, fmt.Errorf("%.60q is not a platform such as linux/amd64", text)
	}
	return *p, nil
}

// inImage checks a target and returns it without the leading slash.
func inImage(target string) (string, error) {
	if !strings.HasPrefix(target, "/") || slices.Contains(strings.Split(target, "/"), "..") {
		return "", fmt.Errorf("the target %.200q is not an absolute path without \"..\"", target)
	}
	return strings.TrimPrefix(path.Clean(target), "/"), nil
}
