package git

import (
	"fmt"
	"strings"

	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

// mostPart is the most characters of an owner or of a repository's own name.
const mostPart = 64

// ValidName says whether name is "owner/name" as this server takes it. Either part is of lower-case letters, digits,
// '-', '_' and '.', begins with a letter or digit, holds no "..", and ends neither with '.' nor with ".git" or
// ".lock"; so it is one folder's name on every system, whatever it does with case, and never an option or a way up.
func ValidName(name string) bool {
	owner, own, ok := strings.Cut(name, "/")
	return ok && validPart(owner) && validPart(own)
}

func validPart(s string) bool {
	if s == "" || len(s) > mostPart || strings.Contains(s, "..") {
		return false
	}
	for i, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
		case i > 0 && (c == '-' || c == '_' || c == '.'):
		default:
			return false
		}
	}
	return !strings.HasSuffix(s, ".") && !strings.HasSuffix(s, ".git") && !strings.HasSuffix(s, ".lock")
}

func invalidName(name string) error {
	return problem.New(problem.InvalidField, "%q cannot be the name of a repository", clip(name, 140)).WithField("path.name").
		WithMend("use owner/name of lower-case letters, digits, '-', '_' and '.', at most 64 characters each, for example shop/api")
}

// ValidBranch says whether s is a branch's or tag's name, by git's rules for references and a bound of its length.
func ValidBranch(s string) bool {
	if s == "" || len(s) > 200 || s[0] == '-' || s == "@" || strings.Contains(s, "..") || strings.Contains(s, "@{") || strings.HasSuffix(s, ".") {
		return false
	}
	for _, c := range []byte(s) {
		if c <= ' ' || c == 0x7f || strings.IndexByte(`~^:?*[\`, c) >= 0 {
			return false
		}
	}
	for part := range strings.SplitSeq(s, "/") {
		if part == "" || part[0] == '.' || strings.HasSuffix(part, ".lock") {
			return false
		}
	}
	return true
}

// validPattern is a branch's name in which '*' stands for any characters, '/' among them.
func validPattern(s string) bool {
	if s == "" || len(s) > 200 {
		return false
	}
	for _, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("-_./*+@#", c) >= 0:
		default:
			return false
		}
	}
	return s[0] != '-'
}

// validPath says whether s is a path inside a tree, without a slash at either end.
func validPath(s string) bool {
	if len(s) > 4096 || strings.ContainsRune(s, 0) {
		return false
	}
	for part := range strings.SplitSeq(s, "/") {
		if part == "" || part == "." || part == ".." {
			return false
		}
	}
	return true
}

// isSHA says whether s is a full object id in lower case.
func isSHA(s string) bool { return len(s) == 40 && hexadecimal(s) }

func hexadecimal(s string) bool { return s != "" && strings.Trim(s, "0123456789abcdef") == "" }

// clip makes a stranger's text fit into a message.
func clip(s string, n int) string {
	if len(s) > n {
		s = s[:n] + "…"
	}
	return strings.ToValidUTF8(s, "?")
}

// short is a commit as people write it.
func short(sha string) string { return fmt.Sprintf("%.12s", sha) }
