package argocd

import (
	"regexp"
	"strings"
)

// image is a reference to a container image.
type image struct {
	name   string // registry and path, "" for none
	tag    string
	digest string // "sha256:…", "" when the reference has none
}

func parseImage(ref string) image {
	var i image
	ref, i.digest, _ = strings.Cut(strings.TrimSpace(ref), "@")
	if at := strings.LastIndexByte(ref, ':'); at > strings.LastIndexByte(ref, '/') {
		ref, i.tag = ref[:at], ref[at+1:]
	}
	i.name = ref
	return i
}

// is reports whether the image is the one that a mapping names, with or without
// the registry before it.
func (i image) is(name string) bool {
	return i.name == name || strings.HasSuffix(i.name, "/"+name)
}

var (
	wholeHash   = regexp.MustCompile(`^[0-9a-f]{40}$`)
	shaAndHash  = regexp.MustCompile(`^sha-([0-9a-f]{7,40})$`)
	rightDigest = regexp.MustCompile(`^[a-z0-9]+(?:[+._-][a-z0-9]+)*:[0-9a-f]{32,128}$`)
)

// commit is the commit that the tag names, "" when it names none.
func (i image) commit() string {
	if wholeHash.MatchString(i.tag) {
		return i.tag
	}
	if m := shaAndHash.FindStringSubmatch(i.tag); m != nil {
		return m[1]
	}
	return ""
}

// version is what a set of references says of one image.
type version struct {
	digest, commit, ref string
}

// versionOf is what the references agree on: two digests, or two commits, of one
// image tell nothing.
func versionOf(all []image) version {
	var v version
	v.digest = only(all, func(i image) string {
		if !rightDigest.MatchString(i.digest) {
			return ""
		}
		return i.digest
	})
	v.commit = only(all, image.commit)
	v.ref = only(all, func(i image) string {
		if i.tag == "" {
			return i.name
		}
		return i.name + ":" + i.tag
	})
	return v
}

// only is the one value that the images have, "" for none or for several.
func only(all []image, of func(image) string) string {
	found := ""
	for _, i := range all {
		switch v := of(i); {
		case v == "" || v == found:
		case found != "":
			return ""
		default:
			found = v
		}
	}
	return found
}
