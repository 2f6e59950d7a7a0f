package registry

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

const (
	maxManifest = 4 << 20 // bytes; distribution's own limit
	maxConfig   = 4 << 20 // bytes of an image's configuration that are looked into
)

// part is something a manifest refers to.
type part struct {
	Digest    digest.Digest
	MediaType string
	Size      int64
	Foreign   bool // it is elsewhere, and need not be here
}

// manifest is what is known of one revision of a repository.
type manifest struct {
	Digest       digest.Digest
	MediaType    string
	ArtifactType string
	Size         int64 // of the manifest itself
	Config       *part
	Layers       []part
	Children     []part // of an index
	Subject      digest.Digest
	Annotations  map[string]string
	Pushed       time.Time
	Image        *image // nil: the configuration is not an image's
}

// image is what an image's configuration says.
type image struct {
	Created    *time.Time
	Platform   string
	Entrypoint []string
	Cmd        []string
	Env        []string
	User       string
	WorkingDir string
	Ports      []string
	Labels     map[string]string
	History    []string // how each layer that has content was made
}

// parts are the blobs that must be here.
func (m *manifest) parts() []part {
	out := make([]part, 0, len(m.Layers)+1)
	if m.Config != nil {
		out = append(out, *m.Config)
	}
	for _, p := range m.Layers {
		if !p.Foreign {
			out = append(out, p)
		}
	}
	return out
}

// bytes is the size of the manifest with all of its parts.
func (m *manifest) bytes() int64 {
	n := m.Size
	for _, p := range m.parts() {
		n += p.Size
	}
	return n
}

// wire is the union of manifests and indexes, of OCI and of Docker.
type wire struct {
	MediaType    string            `json:"mediaType"`
	ArtifactType string            `json:"artifactType"`
	Config       *v1.Descriptor    `json:"config"`
	Layers       []v1.Descriptor   `json:"layers"`
	Manifests    []v1.Descriptor   `json:"manifests"`
	Subject      *v1.Descriptor    `json:"subject"`
	Annotations  map[string]string `json:"annotations"`
}

// parse reads a manifest.
func parse(text []byte) (*manifest, error) {
	var w wire
	if err := json.Unmarshal(text, &w); err != nil {
		return nil, fmt.Errorf("the manifest is not JSON: %w", err)
	}
	m := &manifest{
		Digest: digest.FromBytes(text), MediaType: w.MediaType, ArtifactType: w.ArtifactType,
		Size: int64(len(text)), Annotations: w.Annotations,
	}
	if m.MediaType == "" {
		m.MediaType = v1.MediaTypeImageManifest
		if w.Manifests != nil {
			m.MediaType = v1.MediaTypeImageIndex
		}
	}
	if w.Config != nil {
		p := toPart(*w.Config)
		m.Config = &p
		if m.ArtifactType == "" && w.Config.MediaType != v1.MediaTypeImageConfig && w.Config.MediaType != v1.MediaTypeEmptyJSON {
			m.ArtifactType = w.Config.MediaType
		}
	}
	for _, d := range w.Layers {
		m.Layers = append(m.Layers, toPart(d))
	}
	for _, d := range w.Manifests {
		m.Children = append(m.Children, toPart(d))
	}
	if w.Subject != nil {
		m.Subject = w.Subject.Digest
	}
	for _, d := range m.referred() {
		if err := d.Validate(); err != nil {
			return nil, fmt.Errorf("the manifest refers to the digest %.100q: %w", string(d), err)
		}
	}
	return m, nil
}

func (m *manifest) referred() []digest.Digest {
	var out []digest.Digest
	if m.Config != nil {
		out = append(out, m.Config.Digest)
	}
	for _, p := range m.Layers {
		out = append(out, p.Digest)
	}
	for _, p := range m.Children {
		out = append(out, p.Digest)
	}
	if m.Subject != "" {
		out = append(out, m.Subject)
	}
	return out
}

func toPart(d v1.Descriptor) part {
	foreign := len(d.URLs) > 0 || strings.Contains(d.MediaType, "nondistributable") || strings.Contains(d.MediaType, "foreign")
	return part{Digest: d.Digest, MediaType: d.MediaType, Size: d.Size, Foreign: foreign}
}

// describe reads the image's configuration, where it is one.
func (m *manifest) describe(l layout) {
	if m.Config == nil || m.Config.Size > maxConfig {
		return
	}
	if t := m.Config.MediaType; t != v1.MediaTypeImageConfig && t != "application/vnd.docker.container.image.v1+json" {
		return
	}
	text, err := os.ReadFile(l.blob(m.Config.Digest))
	if err != nil {
		return
	}
	var c v1.Image
	if json.Unmarshal(text, &c) != nil {
		return
	}
	i := &image{
		Entrypoint: c.Config.Entrypoint, Cmd: c.Config.Cmd, Env: c.Config.Env, User: c.Config.User,
		WorkingDir: c.Config.WorkingDir, Labels: c.Config.Labels,
	}
	if c.OS != "" {
		i.Platform = c.OS + "/" + c.Architecture
		if c.Variant != "" {
			i.Platform += "/" + c.Variant
		}
	}
	if c.Created != nil && c.Created.Unix() > 0 {
		at := c.Created.UTC()
		i.Created = &at
	}
	for port := range c.Config.ExposedPorts {
		i.Ports = append(i.Ports, port)
	}
	slices.Sort(i.Ports)
	for _, h := range c.History {
		if !h.EmptyLayer {
			i.History = append(i.History, h.CreatedBy)
		}
	}
	m.Image = i
}
