package httpapi_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/fawkes-idp/fawkes/internal/kit/httpapi"
)

// FuzzCheckJSON wants that JSON which passes holds no NUL and is no deeper than
// the bound, and that JSON which does not pass has one of these faults.
func FuzzCheckJSON(f *testing.F) {
	for _, text := range []string{
		`{}`, `{"a":"\u0000"}`, `{"a":"\\u0000"}`, `{"a":"\\\u0000"}`, `"\"[[["`, "\"\xff\"", strings.Repeat("[", 65) + strings.Repeat("]", 65),
		strings.Repeat("[", 64) + strings.Repeat("]", 64), `{"a":{"b":[1,2,{"c":null}]}}`, `"\`, ``,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		fault := httpapi.CheckJSON(data)
		var v any
		if json.Unmarshal(data, &v) != nil {
			return // whoever reads it refuses it
		}
		depth, nul := shape(v)
		bad := depth > httpapi.MaxDepth || nul || strings.ContainsRune(string(data), '\uFFFD') || !json.Valid(data)
		switch {
		case fault == nil && (depth > httpapi.MaxDepth || nul):
			t.Fatalf("%q passed with depth %d, NUL %v", data, depth, nul)
		case fault != nil && !bad && strings.ToValidUTF8(string(data), "") == string(data) && !strings.Contains(string(data), `\u0000`):
			t.Fatalf("%q: %v", data, fault)
		}
	})
}

// shape is how deep a value is nested and whether a text in it holds a NUL.
func shape(v any) (depth int, nul bool) {
	switch v := v.(type) {
	case string:
		return 0, strings.ContainsRune(v, 0)
	case []any:
		for _, e := range v {
			d, n := shape(e)
			depth, nul = max(depth, d), nul || n
		}
		return depth + 1, nul
	case map[string]any:
		for k, e := range v {
			d, n := shape(e)
			depth, nul = max(depth, d), nul || n || strings.ContainsRune(k, 0)
		}
		return depth + 1, nul
	}
	return 0, false
}
