package registry

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
)

// The annotations by which an image tells where it comes from.
const (
	annotationRevision = "org.opencontainers.image.revision"
	annotationSource   = "org.opencontainers.image.source"
)

// summaries describes the repositories whose name holds q, by name.
func (x *index) summaries(q string) []repositoryInfo {
	x.mu.RLock()
	defer x.mu.RUnlock()
	out := []repositoryInfo{}
	for name, r := range x.repositories {
		if strings.Contains(name, q) {
			out = append(out, r.summary(name))
		}
	}
	slices.SortFunc(out, func(a, b repositoryInfo) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func (r *repository) summary(name string) repositoryInfo {
	info := repositoryInfo{Name: name}
	sizes := map[digest.Digest]int64{}
	aside := map[digest.Digest]bool{}
	for tag, d := range r.tags {
		if _, _, is := about(tag); is {
			aside[d] = true
		} else {
			info.Tags++
		}
	}
	for d, m := range r.manifests {
		sizes[d] = m.Size
		for _, p := range m.parts() {
			sizes[p.Digest] = p.Size
		}
		if m.Subject != "" || aside[d] {
			continue
		}
		info.Manifests++
		if info.Pushed == nil || m.Pushed.After(*info.Pushed) {
			at := m.Pushed
			info.Pushed = &at
		}
	}
	for _, n := range sizes {
		info.Bytes += n
	}
	return info
}

// images describes the images of a repository, the latest first.
func (x *index) images(name string) ([]manifestInfo, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	r := x.repositories[name]
	if r == nil {
		return nil, false
	}
	v := r.view()
	out := []manifestInfo{}
	for _, m := range r.manifests {
		if !v.aside[m.Digest] {
			out = append(out, v.info(m))
		}
	}
	slices.SortFunc(out, latest)
	return out, true
}

// view is a repository turned around: what each manifest is called, and what is said about it.
type view struct {
	tags         map[digest.Digest][]string
	aside        map[digest.Digest]bool // manifests that are about others
	signed, sbom map[digest.Digest]bool
}

func (r *repository) view() view {
	v := view{map[digest.Digest][]string{}, map[digest.Digest]bool{}, map[digest.Digest]bool{}, map[digest.Digest]bool{}}
	for tag, d := range r.tags {
		v.tags[d] = append(v.tags[d], tag)
		subject, as, is := about(tag)
		if !is {
			continue
		}
		v.aside[d] = true
		v.signed[subject] = v.signed[subject] || as == "sig"
		v.sbom[subject] = v.sbom[subject] || as == "sbom"
	}
	for d, m := range r.manifests {
		if m.Subject == "" {
			continue
		}
		v.aside[d] = true
		v.signed[m.Subject] = v.signed[m.Subject] || isSignature(m.ArtifactType)
		v.sbom[m.Subject] = v.sbom[m.Subject] || isSBOM(m.ArtifactType)
	}
	for _, tags := range v.tags {
		slices.Sort(tags)
	}
	return v
}

func isSignature(kind string) bool {
	return strings.Contains(kind, "sigstore") || strings.Contains(kind, "cosign") || strings.Contains(kind, "notary")
}

func isSBOM(kind string) bool {
	return strings.Contains(kind, "cyclonedx") || strings.Contains(kind, "spdx")
}

func (v view) info(m *manifest) manifestInfo {
	info := manifestInfo{
		Digest: m.Digest.String(), Tags: orEmpty(v.tags[m.Digest]), MediaType: m.MediaType, Bytes: m.bytes(), Pushed: m.Pushed,
		Entrypoint: []string{}, Signed: v.signed[m.Digest], SBOM: v.sbom[m.Digest],
		Revision: optional(m.Annotations[annotationRevision]), Source: optional(m.Annotations[annotationSource]),
	}
	if i := m.Image; i != nil {
		info.Created, info.Platform, info.Entrypoint = i.Created, optional(i.Platform), orEmpty(i.Entrypoint)
		if info.Revision == nil {
			info.Revision = optional(i.Labels[annotationRevision])
		}
		if info.Source == nil {
			info.Source = optional(i.Labels[annotationSource])
		}
	}
	return info
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func orEmpty(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

type layerInfo struct {
	Digest    string  `json:"digest"`
	MediaType string  `json:"media_type"`
	Bytes     int64   `json:"size_bytes" doc:"As stored, compressed."`
	Made      *string `json:"created_by" doc:"How it was made, as the image says; null when it does not."`
}

type childInfo struct {
	Digest    string `json:"digest"`
	MediaType string `json:"media_type"`
	Bytes     int64  `json:"size_bytes"`
}

type referrerInfo struct {
	Digest       string    `json:"digest"`
	Kind         string    `json:"kind" enum:"signature,sbom,other" doc:"What it is."`
	ArtifactType *string   `json:"artifact_type"`
	Tag          *string   `json:"tag" doc:"Cosign's tag, when it has one."`
	Bytes        int64     `json:"size_bytes"`
	Pushed       time.Time `json:"pushed_at"`
}

type configInfo struct {
	Entrypoint []string          `json:"entrypoint" nullable:"false"`
	Cmd        []string          `json:"cmd" nullable:"false"`
	Env        []string          `json:"env" nullable:"false"`
	User       *string           `json:"user"`
	WorkingDir *string           `json:"working_dir"`
	Ports      []string          `json:"ports" nullable:"false"`
	Labels     map[string]string `json:"labels" nullable:"false"`
}

type imageInfo struct {
	manifestInfo
	Repository  string            `json:"repository"`
	Config      *configInfo       `json:"config" doc:"Null for an index, and for what is no image."`
	Layers      []layerInfo       `json:"layers" nullable:"false"`
	Manifests   []childInfo       `json:"manifests" nullable:"false" doc:"The images of an index."`
	Annotations map[string]string `json:"annotations" nullable:"false"`
	Referrers   []referrerInfo    `json:"referrers" nullable:"false" doc:"What is stored about the image: signatures, bills of materials."`
}

func (s *service) getImage(ctx context.Context, in *imageInput) (*struct{ Body imageInfo }, error) {
	d, err := s.resolve(ctx, in)
	if err != nil {
		return nil, err
	}
	info, known := s.index.image(in.Repository, d)
	if !known {
		return nil, noRepository(in.Repository)
	}
	return &struct{ Body imageInfo }{info}, nil
}

func (x *index) image(name string, d digest.Digest) (imageInfo, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	r := x.repositories[name]
	if r == nil || r.manifests[d] == nil {
		return imageInfo{}, false
	}
	m := r.manifests[d]
	out := imageInfo{
		manifestInfo: r.view().info(m), Repository: name, Layers: []layerInfo{}, Manifests: []childInfo{},
		Annotations: labels(m.Annotations), Referrers: []referrerInfo{},
	}
	for n, p := range m.Layers {
		l := layerInfo{Digest: p.Digest.String(), MediaType: p.MediaType, Bytes: p.Size}
		if m.Image != nil && n < len(m.Image.History) {
			l.Made = optional(m.Image.History[n])
		}
		out.Layers = append(out.Layers, l)
	}
	for _, p := range m.Children {
		out.Manifests = append(out.Manifests, childInfo{p.Digest.String(), p.MediaType, p.Size})
	}
	if i := m.Image; i != nil {
		out.Config = &configInfo{
			Entrypoint: orEmpty(i.Entrypoint), Cmd: orEmpty(i.Cmd), Env: orEmpty(i.Env), User: optional(i.User),
			WorkingDir: optional(i.WorkingDir), Ports: orEmpty(i.Ports), Labels: labels(i.Labels),
		}
	}
	for _, a := range r.about(d) {
		out.Referrers = append(out.Referrers, a.info())
	}
	return out, true
}

func (a referrer) info() referrerInfo {
	kind := "other"
	switch {
	case a.As == "sig" || isSignature(a.ArtifactType):
		kind = "signature"
	case a.As == "sbom" || isSBOM(a.ArtifactType):
		kind = "sbom"
	}
	return referrerInfo{
		Digest: a.Digest.String(), Kind: kind, ArtifactType: optional(a.ArtifactType), Tag: optional(a.Tag),
		Bytes: a.bytes(), Pushed: a.Pushed,
	}
}

func labels(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}
