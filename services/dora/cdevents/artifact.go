package cdevents

import (
	"net/url"
	"regexp"
	"strings"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/intake"
)

var (
	digestForm = regexp.MustCompile(`^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$`)
	bareDigest = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// artifactOf names an artifact: by its digest, where its package URL (or a
// reference to an image, or the id alone) has one; else by its package URL without
// what tells only where it is stored. vcs is the commit's address, if it has one.
func artifactOf(id string) (digest, vcs string) {
	id = strings.TrimSpace(id)
	name, rest, _ := strings.Cut(id, "?")
	qualifiers, _, _ := strings.Cut(rest, "#")
	if values, err := url.ParseQuery(qualifiers); err == nil {
		vcs = values.Get("vcs_url")
	}
	name, _, _ = strings.Cut(name, "#")
	version := ""
	if at := strings.LastIndexByte(name, '@'); at > 0 && at > strings.LastIndexByte(name, '/') {
		version = name[at+1:]
	}
	if decoded, err := url.PathUnescape(version); err == nil {
		version = decoded
	}
	switch {
	case digestForm.MatchString(strings.ToLower(version)):
		return strings.ToLower(version), vcs
	case digestForm.MatchString(strings.ToLower(id)):
		return strings.ToLower(id), vcs
	case bareDigest.MatchString(strings.ToLower(id)):
		return "sha256:" + strings.ToLower(id), vcs
	case name == "" || len(name) > intake.MostText-len("artifact:") || intake.Clean(name, intake.MostText) != name:
		return "", vcs
	case strings.HasPrefix(name, "pkg:") && version == "":
		return "", vcs // every version of it
	case strings.HasPrefix(name, "pkg:"):
		return name, vcs
	}
	return "artifact:" + name, vcs
}

// madeFrom says from which commit the artifact of this event was made: by its
// change, by its package URL, or by what the sender adds.
func (r *reading) madeFrom(vcs string) (repo, sha string) {
	if c := r.Change; c != nil {
		sha = hashOf(c.ID)
		repo = repositoryOf("", c.Source)
	}
	if vcs != "" {
		address := strings.TrimPrefix(vcs, "git+")
		commit := ""
		if at := strings.LastIndexByte(address, '@'); at > strings.LastIndexByte(address, '/') {
			address, commit = address[:at], hashOf(address[at+1:])
		}
		if repo == "" {
			repo = repositoryOf("", address)
		}
		if sha == "" {
			sha = commit
		}
	}
	if repo == "" {
		repo = r.repo
	}
	if repo == "" {
		repo = r.repository()
	}
	if sha == "" {
		sha = r.sha
	}
	return repo, sha
}

// artifact reports from which commit an artifact was made, where the event tells.
func (r *reading) artifact() error {
	digest, vcs := artifactOf(r.Subject.ID)
	return r.made(digest, vcs, "subject.id")
}

func (r *reading) made(digest, vcs, field string) error {
	repo, sha := r.madeFrom(vcs)
	if digest == "" || repo == "" || sha == "" {
		return nil
	}
	return r.add(r.at.V, &event.Artifact{Digest: digest, Repo: repo, SHA: sha, MadeAt: r.at}, map[string]string{
		"digest": field, "repo": "subject.content.change.source", "sha": "subject.content.change.id",
	})
}
