package event

import "strings"

// RepoKey is the identity of a repository: host and path, without scheme,
// user, port of the scheme, trailing slash or ".git". The spellings that git
// accepts for one repository ("https://h/o/r.git", "git@h:o/r",
// "ssh://git@h/o/r") share a key, and so do a local path and its file URL. A
// host is folded to lower case, a path is not. A key is its own key.
func RepoKey(url string) string {
	s := strings.TrimSpace(url)
	if i := strings.Index(s, "://"); i >= 0 {
		host, path, _ := strings.Cut(s[i+3:], "/")
		if host = hostKey(host); path != "" || host == "" {
			path = "/" + path
		}
		s = host + path
		if s = strings.TrimPrefix(s, "/"); !isDrive(s) { // file:///C:/r is C:/r
			s = host + path
		}
	} else if i := strings.IndexByte(s, ':'); i > 0 && !isDrive(s) && !strings.Contains(s[:i], "/") && !isPort(s, i) {
		// scp-like: user@host:path
		s = hostKey(s[:i]) + "/" + strings.TrimPrefix(s[i+1:], "/")
	}
	if isDrive(s) {
		s = strings.ToLower(s[:1]) + strings.ReplaceAll(s[1:], `\`, "/")
	}
	for {
		t := strings.TrimSuffix(strings.TrimRight(s, "/"), ".git")
		if t == s {
			return s
		}
		s = t
	}
}

// hostKey is a host without the user, the password and the port of the scheme.
func hostKey(s string) string {
	s = s[strings.LastIndexByte(s, '@')+1:]
	for _, port := range []string{":443", ":80", ":22"} {
		if t, ok := strings.CutSuffix(s, port); ok {
			s = t
			break
		}
	}
	return strings.ToLower(s)
}

// isDrive reports whether s is a path on a Windows drive.
func isDrive(s string) bool {
	return len(s) > 2 && s[1] == ':' && (s[2] == '\\' || s[2] == '/') && (s[0]|0x20 >= 'a' && s[0]|0x20 <= 'z')
}

// isPort reports whether the colon at i parts a host from a port, as it does in
// a key, and not from a path: digits and a slash follow, and nobody logs in.
func isPort(s string, i int) bool {
	port, _, ok := strings.Cut(s[i+1:], "/")
	return ok && port != "" && strings.Trim(port, "0123456789") == "" && !strings.Contains(s[:i], "@")
}

// RepoName is the last element of a repository's key: a readable name for it.
func RepoName(url string) string {
	k := RepoKey(url)
	return k[strings.LastIndexByte(k, '/')+1:]
}
