package gitlog

import (
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
)

// scpLike is git's short form of an SSH address, user@host:path.
var scpLike = regexp.MustCompile(`^(?:[A-Za-z0-9._-]+@)?[A-Za-z0-9.-]{2,}:[^\\]`)

// userinfo finds credentials inside a URL that stands anywhere in a text.
var userinfo = regexp.MustCompile(`([a-z][a-z0-9+.-]*://)[^/@\s'"]+@`)

// IsURL says whether a location is fetched over a transport rather than opened on this disk.
func IsURL(location string) bool {
	if i := strings.Index(location, "://"); i > 0 {
		return true
	}
	return scpLike.MatchString(location) && !filepath.IsAbs(location)
}

// Identity gives the name under which a repository's events are stored: the URL without
// credentials, or, for a clone, the URL of its origin, so that history imported from a clone and
// events sent by the git host are about one repository.
func Identity(location string) string {
	if !strings.Contains(location, "://") {
		return strings.TrimSuffix(location, "/")
	}
	u, err := url.Parse(location)
	if err != nil {
		return maskCredentials(location)
	}
	if u.User != nil && (u.Scheme != "ssh" && u.Scheme != "git+ssh") {
		u.User = nil
	} else if u.User != nil {
		u.User = url.User(u.User.Username())
	}
	u.RawQuery, u.Fragment = "", ""
	return strings.TrimSuffix(u.String(), "/")
}

// maskCredentials takes user names and passwords out of the URLs in a text.
func maskCredentials(s string) string { return userinfo.ReplaceAllString(s, "$1") }
