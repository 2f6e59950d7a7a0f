package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/fawkes-idp/fawkes/internal/app"
	"github.com/fawkes-idp/fawkes/internal/goldenpath/report"
	"github.com/fawkes-idp/fawkes/internal/oci"
)

const (
	program  = "fawkes-service"
	fileSBOM = program + ".cdx.json"
)

// release makes the layout, and pushes what is in it when it is asked to.
func release(ctx context.Context, o options) (err error) {
	signer, err := signerOf(o.env)
	if err != nil {
		return err
	}
	from, err := sourceOf(ctx, o)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "fawkes-release-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	file := filepath.Join(work, program)
	if err := build(ctx, o, from, file); err != nil {
		return err
	}
	img, err := pack(file, o, from)
	if err != nil {
		return err
	}
	layout, err := oci.NewLayout(o.out)
	if err != nil {
		return err
	}
	digest, err := layout.Add(img, from.version)
	if err != nil {
		return err
	}
	bill, err := sbom(file, digest, o, from)
	if err != nil {
		return err
	}
	if err := layout.Attach(digest, oci.TypeCycloneDX, oci.Blob{MediaType: oci.TypeCycloneDX, Content: bill, Name: fileSBOM}); err != nil {
		return err
	}
	if signer != nil {
		if err := layout.Sign(digest, o.repository, signer, about(from)); err != nil {
			return err
		}
	}
	size, err := sizeOf(img)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(o.log, "layout    %s\nversion   %s\ndigest    %s\nsize      %.1f MB, compressed\nsigned    %t\n", o.out, from.version, digest, float64(size)/1e6, signer != nil); err != nil {
		return err
	}
	if o.push {
		return push(ctx, o, layout, digest, from, signer != nil)
	}
	return nil
}

// pack puts the program into an image that runs as a user without rights.
func pack(file string, o options, from source) (v1.Image, error) {
	_, port, ok := strings.Cut(app.DefaultListen, ":")
	if !ok {
		return nil, fmt.Errorf("the default address %q has no port", app.DefaultListen)
	}
	var number int
	if _, err := fmt.Sscan(port, &number); err != nil {
		return nil, fmt.Errorf("the default address %q has no port: %w", app.DefaultListen, err)
	}
	labels := map[string]string{
		"org.opencontainers.image.title": program, "org.opencontainers.image.version": from.version,
		"org.opencontainers.image.licenses": "MIT",
	}
	if from.revision != "" {
		labels["org.opencontainers.image.revision"] = from.revision
	}
	return oci.Pack(oci.ImageSpec{
		Files:       []oci.File{{Source: file, Target: "/" + program, Mode: 0o755}},
		NoTimeZones: true, // the program carries its own
		Entrypoint:  []string{"/" + program}, Ports: []int{number},
		Labels: labels, Annotations: labels, Platform: o.platform, Created: from.time,
	})
}

func about(from source) map[string]string {
	out := map[string]string{"version": from.version}
	if from.revision != "" {
		out["revision"] = from.revision
	}
	return out
}

// sbom lists what is linked into the program, as the program itself says.
func sbom(file, digest string, o options, from source) ([]byte, error) {
	main, parts, err := report.GoProgram(file, program)
	if err != nil {
		return nil, fmt.Errorf("list what the program is made of: %w", err)
	}
	main.Type, main.Name, main.Version = "application", program, from.version
	main.PURL = report.PURL("oci", "", path.Base(o.repository), digest)
	main.Hashes = map[string]string{"SHA-256": strings.TrimPrefix(digest, "sha256:")}
	var out bytes.Buffer
	if err := report.WriteSBOM(&out, report.SBOM{Main: main, Components: parts, Tool: "fawkes", Version: from.version, Created: from.time}); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// signerOf opens the key that the environment names, as the golden path does; nil when it names none.
func signerOf(env func(string) string) (*oci.Signer, error) {
	file := env("FAWKES_SIGNING_KEY")
	if file == "" {
		return nil, nil
	}
	key, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("FAWKES_SIGNING_KEY: %w", err)
	}
	signer, err := oci.LoadSigner(key, []byte(env("FAWKES_SIGNING_PASSWORD")))
	if err != nil {
		return nil, fmt.Errorf("FAWKES_SIGNING_KEY: %w", err)
	}
	return signer, nil
}

func sizeOf(img v1.Image) (int64, error) {
	manifest, err := img.Manifest()
	if err != nil {
		return 0, err
	}
	size := manifest.Config.Size
	for _, l := range manifest.Layers {
		size += l.Size
	}
	return size, nil
}

// push sends each image of the layout to the repository under its name here; the tag comes last, so that who finds
// the image by it finds its signature too.
func push(ctx context.Context, o options, layout oci.Layout, digest string, from source, signed bool) error {
	registry := oci.Registry{User: o.env("FAWKES_REGISTRY_USER"), Token: o.env("FAWKES_REGISTRY_TOKEN"), Insecure: o.env("FAWKES_REGISTRY_INSECURE") == "true"}
	img, err := layout.Image(from.version)
	if err != nil {
		return err
	}
	if _, err := registry.Push(ctx, o.repository+"@"+digest, img); err != nil {
		return err
	}
	beside := strings.Replace(digest, ":", "-", 1)
	names := []string{beside + ".sbom"}
	if signed {
		names = append(names, beside+".sig")
	}
	for _, name := range append(names, from.version) {
		img, err := layout.Image(name)
		if err != nil {
			return err
		}
		if _, err := registry.Push(ctx, o.repository+":"+name, img); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(o.log, "pushed    %s:%s\n", o.repository, from.version)
	return err
}
