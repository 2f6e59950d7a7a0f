package registry

import (
	"regexp"
	"strings"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
)

// kind is which of the protocol's addresses a request goes to.
type kind int

const (
	unknown   kind = iota
	version        // /v2/
	catalog        // /v2/_catalog
	manifests      // /v2/<name>/manifests/<reference>
	blobs          // /v2/<name>/blobs/<digest>
	uploads        // /v2/<name>/blobs/uploads/[<id>]
	tags           // /v2/<name>/tags/list
	referral       // /v2/<name>/referrers/<digest>
)

// route is an address of the protocol, taken apart.
type route struct {
	kind kind
	name string // of the repository
	ref  string // tag, digest or upload id; may be empty
}

// uploadID is what distribution names uploads by; nothing else may become part of a path.
var uploadID = regexp.MustCompile(`^[0-9a-fA-F-]{1,64}$`)

// routeOf takes an address apart. What is in it is safe to make a path of.
func routeOf(path string) route {
	rest, ok := strings.CutPrefix(path, "/v2/")
	if !ok {
		return route{}
	}
	switch rest {
	case "":
		return route{kind: version}
	case "_catalog":
		return route{kind: catalog}
	}
	parts := strings.Split(rest, "/")
	r := split(parts)
	if r.kind == unknown {
		return route{}
	}
	if _, err := reference.WithName(r.name); err != nil {
		return route{}
	}
	return r
}

func split(parts []string) route {
	n := len(parts)
	if n >= 4 && parts[n-3] == "blobs" && parts[n-2] == "uploads" {
		if id := parts[n-1]; id == "" || uploadID.MatchString(id) {
			return route{uploads, strings.Join(parts[:n-3], "/"), id}
		}
		return route{}
	}
	if n < 3 {
		return route{}
	}
	name, last := strings.Join(parts[:n-2], "/"), parts[n-1]
	switch parts[n-2] {
	case "tags":
		if last == "list" {
			return route{tags, name, ""}
		}
	case "manifests":
		if isReference(last) {
			return route{manifests, name, last}
		}
	case "blobs":
		if digest.Digest(last).Validate() == nil {
			return route{blobs, name, last}
		}
	case "referrers":
		if digest.Digest(last).Validate() == nil {
			return route{referral, name, last}
		}
	}
	return route{}
}

var tagPattern = regexp.MustCompile("^" + reference.TagRegexp.String() + "$")

// isReference accepts a tag or a digest.
func isReference(s string) bool {
	return tagPattern.MatchString(s) || digest.Digest(s).Validate() == nil
}
