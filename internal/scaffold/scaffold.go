// Package scaffold writes a folder of embedded files out as the beginning of a repository.
//
// The embedded files are the real files: Go code that compiles where it lies, manifests that Kubernetes would
// take, scripts that run. What must differ from service to service is a word that is valid in each of them, such
// as the DNS label "template-service", and is replaced as a whole word ([Tree.Words]). Two things cannot lie
// under their own names: go.mod, because a folder that has one is another module, which is not embedded, lies as
// go.mod.txt; and what running leaves behind is not written out.
package scaffold

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
)

// Tree is what is written.
type Tree struct {
	Files   fs.FS             // the repository's files, from its root
	Words   map[string]string // whole words and what stands in their place; an empty replacement leaves the word
	Promote []string          // the environments of promote.to in fawkes.yaml; nil leaves what is there
}

// NameError says that a name cannot be a service's.
type NameError struct {
	Field, Name string
	Mend        string
}

func (e *NameError) Error() string {
	return fmt.Sprintf("%s: %q is not a name: it takes small letters, digits and \"-\", begins with a letter, ends with a letter or digit, and has at most %d characters", e.Field, e.Name, longestName)
}

// Advice is how to mend it.
func (e *NameError) Advice() string { return e.Mend }

// longestName leaves room for "-production" and the like within the 63 characters of a DNS label.
const longestName = 52

var label = regexp.MustCompile(`^[a-z]([-a-z0-9]*[a-z0-9])?$`)

// CheckName says what is wrong with a name that becomes a label of DNS, such as a service's; field is what the
// caller calls it.
func CheckName(field, name string) error {
	if len(name) <= longestName && label.MatchString(name) {
		return nil
	}
	mend := "use a name such as shop-cart"
	if near := nearest(name); near != "" {
		mend = "use " + near + ", for example"
	}
	return &NameError{Field: field, Name: name, Mend: mend}
}

// nearest makes a name of what was given, or "".
func nearest(name string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9' && b.Len() > 0:
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	near := strings.Trim(b.String(), "-")
	if len(near) > longestName {
		near = strings.TrimRight(near[:longestName], "-")
	}
	return near
}

// ErrNotEmpty is the reason for which a folder that holds something is not written into.
var ErrNotEmpty = errors.New("the folder is not empty")

// Write writes the tree into dir, which is made; a folder that is there must be empty.
func Write(dir string, t Tree) error {
	present, err := os.ReadDir(dir)
	switch {
	case err == nil && len(present) > 0:
		return fmt.Errorf("write %s: %w", dir, ErrNotEmpty)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("write %s: %w", dir, err)
	}
	words, err := t.words()
	if err != nil {
		return err
	}
	err = fs.WalkDir(t.Files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if leftover(name) {
				return fs.SkipDir
			}
			return os.MkdirAll(filepath.Join(dir, filepath.FromSlash(name)), 0o755)
		}
		text, err := fs.ReadFile(t.Files, name)
		if err != nil {
			return err
		}
		text = words(text)
		if name == "fawkes.yaml" {
			text = t.promoted(text)
		}
		return os.WriteFile(filepath.Join(dir, filepath.FromSlash(written(name))), text, mode(name, text))
	})
	if err != nil {
		return fmt.Errorf("write %s: %w", dir, err)
	}
	return nil
}

// words gives the function that replaces them all.
func (t Tree) words() (func([]byte) []byte, error) {
	var names []string
	for word, by := range t.Words {
		if by != "" && by != word {
			names = append(names, regexp.QuoteMeta(word))
		}
	}
	if len(names) == 0 {
		return func(text []byte) []byte { return text }, nil
	}
	sort.Slice(names, func(i, j int) bool { return len(names[i]) > len(names[j]) })
	pattern, err := regexp.Compile(`\b(?:` + strings.Join(names, "|") + `)\b`)
	if err != nil {
		return nil, fmt.Errorf("words to replace: %w", err)
	}
	return func(text []byte) []byte {
		if bytes.IndexByte(text, 0) >= 0 {
			return text // no text
		}
		return pattern.ReplaceAllFunc(text, func(word []byte) []byte { return []byte(t.Words[string(word)]) })
	}, nil
}

var promoteTo = regexp.MustCompile(`(?m)^(promote:\n\s+to:) .*$`)

func (t Tree) promoted(text []byte) []byte {
	if len(t.Promote) == 0 {
		return text
	}
	to := t.Promote[0]
	if len(t.Promote) > 1 {
		to = "[" + strings.Join(t.Promote, ", ") + "]"
	}
	return promoteTo.ReplaceAll(text, []byte("${1} "+to))
}

// written is the name under which a file is written out.
func written(name string) string {
	if path.Base(name) == "go.mod.txt" {
		return path.Join(path.Dir(name), "go.mod")
	}
	return name
}

// mode makes a file with a line that names its interpreter executable: embedded files have no mode.
func mode(name string, text []byte) fs.FileMode {
	if bytes.HasPrefix(text, []byte("#!")) || strings.HasSuffix(name, ".sh") {
		return 0o755
	}
	return 0o644
}

// leftover says whether a folder is what running leaves behind in the source tree.
func leftover(name string) bool {
	switch path.Base(name) {
	case "__pycache__", "node_modules", "build", ".fawkes":
		return true
	}
	return false
}
