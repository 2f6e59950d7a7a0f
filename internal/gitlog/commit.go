package gitlog

import (
	"bytes"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"
)

// Commit is one commit of a walk. Its byte slices belong to the walk and are overwritten by the
// next commit: copy what must live longer.
type Commit struct {
	SHA     []byte
	Parents []byte // as git prints them: hexadecimal names separated by one space
	Author  []byte // the author's name as recorded, the mail address when there is no name
	// Authored and Committed are seconds since 1970, and false when git knows no such date.
	Authored, Committed       int64
	HasAuthored, HasCommitted bool
	// Paths are the files that the commit touched, when they were asked for.
	Paths [][]byte
}

// ParentCount is the number of parents.
func (c *Commit) ParentCount() int {
	if len(c.Parents) == 0 {
		return 0
	}
	return bytes.Count(c.Parents, []byte{' '}) + 1
}

// What one event may carry; the server takes no more.
const (
	maxAuthor = 512
	maxPaths  = 10_000
	maxPath   = 4096
	maxPathed = 400 << 10 // bytes of all paths together: a line may have 1 MiB
)

// AppendEvent appends the commit as one line of bulk events, newline included. A project of ""
// is left out, so that the server takes the repository's project. A commit without a readable
// author date counts from its committer date.
func (c *Commit) AppendEvent(dst []byte, project, repo string, withPaths bool) []byte {
	dst = append(dst, `{"type":"commit",`...)
	if project != "" {
		dst = append(dst, `"project":`...)
		dst = appendString(dst, project)
		dst = append(dst, ',')
	}
	dst = append(dst, `"source":"git","repo":`...)
	dst = appendString(dst, repo)
	dst = append(dst, `,"sha":"`...)
	dst = append(dst, c.SHA...)
	dst = append(dst, `","parents":[`...)
	if len(c.Parents) > 0 {
		dst = append(dst, '"')
		for _, b := range c.Parents {
			if b == ' ' {
				dst = append(dst, `","`...)
			} else {
				dst = append(dst, b)
			}
		}
		dst = append(dst, '"')
	}
	dst = append(dst, `],"author":`...)
	dst = appendString(dst, presentable(c.Author))
	dst = append(dst, `,"authored_at":`...)
	if c.HasAuthored {
		dst = appendTime(dst, c.Authored, true)
	} else {
		dst = appendTime(dst, c.Committed, c.HasCommitted)
	}
	dst = append(dst, `,"committed_at":`...)
	dst = appendTime(dst, c.Committed, c.HasCommitted)
	if withPaths {
		dst = append(dst, `,"paths":[`...)
		for i, p := range c.foldedPaths() {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendString(dst, p)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}', '\n')
}

// presentable gives a name that fits an event: without control characters, and not too long.
func presentable(name []byte) []byte {
	plain := len(name) <= maxAuthor
	for _, b := range name {
		plain = plain && b >= 0x20 && b < 0x7f
	}
	if plain {
		return name
	}
	out := make([]byte, 0, min(len(name), maxAuthor)+8)
	for len(name) > 0 {
		r, size := utf8.DecodeRune(name)
		if unicode.IsControl(r) {
			r = utf8.RuneError
		}
		if len(out)+utf8.RuneLen(r) > maxAuthor {
			break
		}
		out = utf8.AppendRune(out, r)
		name = name[size:]
	}
	return out
}

// Folded says that the commit touches more files than one event may name, so that the event names
// their folders instead.
func (c *Commit) Folded() bool { return tooMany(c.Paths) }

func tooMany(paths [][]byte) bool {
	size := 0
	for _, p := range paths {
		size += len(p)
	}
	return len(paths) > maxPaths || size > maxPathed
}

// foldedPaths are the paths, or the folders they lie in when there are too many of them, going up
// until they fit. git gives paths in order, so equal folders stand together.
func (c *Commit) foldedPaths() [][]byte {
	paths := c.Paths
	for i, p := range paths {
		if len(p) > maxPath {
			paths[i] = p[:bytes.LastIndexByte(p[:maxPath], '/')+1]
		}
	}
	for depth := 64; tooMany(paths); depth /= 2 {
		folded := make([][]byte, 0, len(paths))
		for _, p := range paths {
			folder := upTo(p, depth)
			if len(folded) == 0 || !bytes.Equal(folded[len(folded)-1], folder) {
				folded = append(folded, folder)
			}
		}
		if paths = folded; depth == 0 {
			for tooMany(paths) { // more folders at the top than fit: the first of them
				paths = paths[:len(paths)/2]
			}
			break
		}
	}
	return paths
}

// upTo gives the folder of a path, at most depth levels deep; a file at the top keeps its name.
func upTo(p []byte, depth int) []byte {
	end := bytes.LastIndexByte(p, '/')
	if end < 0 {
		return p
	}
	for i, b := range p[:end] {
		if b == '/' {
			if depth--; depth <= 0 {
				return p[:i]
			}
		}
	}
	return p[:end]
}

// The dates that an event may carry: after the first second of 1970, which is what broken tools write
// for "unknown", and before 2200.
const (
	earliest = 1
	latest   = 7258118399
)

// appendTime appends seconds since 1970 as a JSON string in RFC 3339, UTC, or null.
func appendTime(dst []byte, seconds int64, known bool) []byte {
	if !known || seconds < earliest || seconds > latest {
		return append(dst, "null"...)
	}
	dst = append(dst, '"')
	dst = time.Unix(seconds, 0).UTC().AppendFormat(dst, "2006-01-02T15:04:05Z")
	return append(dst, '"')
}

// parseSeconds reads git's seconds since 1970. What an event cannot carry is unknown.
func parseSeconds(b []byte) (int64, bool) {
	n, err := strconv.ParseInt(string(b), 10, 64)
	return n, err == nil && n >= earliest && n <= latest
}

const hexDigits = "0123456789abcdef"

// appendString appends a JSON string. Bytes that are not UTF-8 become U+FFFD.
func appendString[T string | []byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		b := s[i]
		if b >= 0x20 && b < utf8.RuneSelf && b != '"' && b != '\\' {
			i++
			continue
		}
		if b >= utf8.RuneSelf {
			r, size := decodeRune(s[i:])
			if r == utf8.RuneError && size == 1 {
				dst = append(dst, s[start:i]...)
				dst = append(dst, "\ufffd"...)
				i++
				start = i
				continue
			}
			i += size
			continue
		}
		dst = append(dst, s[start:i]...)
		switch b {
		case '"', '\\':
			dst = append(dst, '\\', b)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[b>>4], hexDigits[b&15])
		}
		i++
		start = i
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

func decodeRune[T string | []byte](s T) (rune, int) {
	return utf8.DecodeRuneInString(string(s[:min(len(s), utf8.UTFMax)]))
}
