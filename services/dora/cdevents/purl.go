package cdevents

import (
	"net/url"
	"regexp"
	"strings"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/intake"
)

var (
	purlForm = regexp.MustCompile(`^pkg:/{0,2}[A-Za-z][A-Za-z0-9.+-]*/[^@?#\s]*[^@?#/\s]@?[^?#\s]*(\?[^#\s]*)?(#\S*)?$`)
	// A name without a package URL, as senders of the specification's early
	// versions write it: an image's reference, or the name of a file with its version.
	plainForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._~%+/@:-]*(\?[^#\s]*)?(#\S*)?$`)
)

// checkArtifact wants that an id names an artifact: a package URL, a digest, an
// image's reference, or a name with a version.
func checkArtifact(field, id string) error {
	id = strings.TrimSpace(id)
	wrong := event.Fault(field, "%q names no artifact: want a package URL such as \"pkg:oci/api@sha256%%3A9c…\"", intake.Clean(id, 120))
	if id == "" || len(id) > intake.MostTitle || intake.Clean(id, intake.MostTitle) != id {
		return wrong
	}
	name, _, _ := strings.Cut(id, "?")
	decoded, err := url.PathUnescape(name)
	if err != nil {
		return wrong
	}
	if at := strings.LastIndexByte(decoded, '@'); at >= 0 {
		if v := strings.ToLower(decoded[at+1:]); strings.HasPrefix(v, "sha256:") || strings.HasPrefix(v, "sha512:") {
			if !digestForm.MatchString(v) {
				return event.Fault(field, "%q has no digest after sha256: or sha512:", intake.Clean(id, 120))
			}
		}
	}
	switch {
	case strings.HasPrefix(id, "pkg:"):
		if !purlForm.MatchString(id) || strings.HasSuffix(name, "@") {
			return wrong
		}
	case !plainForm.MatchString(id) || !strings.ContainsAny(id, "0123456789:"):
		return wrong
	}
	return nil
}
