package httpapi

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

// MaxDepth is how deep the JSON of a body may be nested.
const MaxDepth = 64

// strictJSON reads what every database and every reader behind it can hold.
func strictJSON() huma.Format {
	f := huma.DefaultJSONFormat
	read := f.Unmarshal
	f.Unmarshal = func(data []byte, v any) error {
		if err := CheckJSON(data); err != nil {
			return err
		}
		return read(data, v)
	}
	return f
}

// CheckJSON refuses, before anything is built from it, JSON that is nested deeper
// than MaxDepth, that is not UTF-8, or whose texts hold a NUL, which PostgreSQL
// cannot store. Whether it is JSON at all is left to whoever reads it.
func CheckJSON(data []byte) error {
	if !utf8.Valid(data) {
		return problem.New(problem.InvalidBody, "it is not UTF-8").WithField("body")
	}
	depth, text := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case text && c == '\\':
			if strings.HasPrefix(string(data[i:min(len(data), i+6)]), `\u0000`) {
				return problem.New(problem.InvalidField, "it holds the character NUL, which no text may").WithField(fieldWithNUL(data))
			}
			i++ // what is escaped ends nothing
		case c == '"':
			text = !text
		case text:
		case c == '[', c == '{':
			if depth++; depth > MaxDepth {
				return problem.New(problem.InvalidBody, "it is nested deeper than %d levels", MaxDepth).WithField("body")
			}
		case c == ']', c == '}':
			depth--
		}
	}
	return nil
}

// fieldWithNUL is the path of the first text that holds a NUL, as in body.items[2].name.
func fieldWithNUL(data []byte) string {
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		return "body" // it is no JSON besides
	}
	return pathToNUL("body", v)
}

func pathToNUL(path string, v any) string {
	switch v := v.(type) {
	case string:
		if strings.Contains(v, "\x00") {
			return path
		}
	case []any:
		for i, item := range v {
			if at := pathToNUL(path+"["+strconv.Itoa(i)+"]", item); at != "" {
				return at
			}
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if strings.Contains(name, "\x00") {
				return path
			}
			if at := pathToNUL(path+"."+name, v[name]); at != "" {
				return at
			}
		}
	}
	return ""
}

// unreadableAddress is the fault of an address that holds what no name, number
// or text of ours may hold.
func unreadableAddress(r *http.Request) error {
	if bad(r.URL.Path) {
		return problem.New(problem.InvalidBody, "the address is not UTF-8, or holds the character NUL").WithField("path")
	}
	if strings.Contains(r.URL.RawQuery, "%") {
		for name, values := range r.URL.Query() {
			for _, v := range values {
				if bad(name) || bad(v) {
					return problem.New(problem.InvalidBody, "it is not UTF-8, or holds the character NUL").WithField("query." + strings.ToValidUTF8(strings.ReplaceAll(name, "\x00", ""), "?"))
				}
			}
		}
	}
	return nil
}

func bad(s string) bool { return strings.IndexByte(s, 0) >= 0 || !utf8.ValidString(s) }
