package hostile

import (
	"net/http"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/fawkes-idp/fawkes/tests/process"
)

// operation is one entry of the specification that the server gives of itself.
type operation struct{ method, path string }

// operations are all that take a body.
func operations(t *testing.T, p *process.Process) []operation {
	t.Helper()
	status, text := specification(t, p)
	if status != http.StatusOK {
		t.Fatalf("the specification: %d", status)
	}
	var spec struct {
		Paths map[string]map[string]struct {
			RequestBody any `yaml:"requestBody"`
		}
	}
	if err := yaml.Unmarshal([]byte(text), &spec); err != nil {
		t.Fatal(err)
	}
	var out []operation
	for path, methods := range spec.Paths {
		for method, op := range methods {
			if op.RequestBody == nil {
				continue
			}
			for strings.Contains(path, "{") {
				from := strings.Index(path, "{")
				path = path[:from] + "1" + path[from+strings.Index(path[from:], "}")+1:]
			}
			out = append(out, operation{strings.ToUpper(method), path})
		}
	}
	if len(out) < 5 {
		t.Fatalf("only %d operations take a body: %v", len(out), out)
	}
	return out
}

func specification(t *testing.T, p *process.Process) (int, string) {
	t.Helper()
	resp, err := http.Get(p.URL + "/api/dora/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	var b strings.Builder
	buf := make([]byte, 32<<10)
	for {
		n, err := resp.Body.Read(buf)
		b.Write(buf[:n])
		if err != nil {
			return resp.StatusCode, b.String()
		}
	}
}

func everywhere(t *testing.T, p *process.Process, bodies map[string]string) {
	t.Helper()
	for _, op := range operations(t, p) {
		for name, body := range bodies {
			status, text := answer(t, p, op.method, op.path, strings.NewReader(body), int64(len(body)), "Content-Type", "application/json")
			// DevLake's own API takes a number for a text, and closes an issue without
			// reading a body: clients made for it rely on that.
			lenient := strings.Contains(op.path, "/plugins/webhook/") && status < 500
			batch := strings.HasSuffix(op.path, "events:batch") && status == http.StatusOK && strings.Contains(text, `"stored":0`)
			if (status < 400 || status >= 500) && !batch && !lenient {
				t.Errorf("%s %s with %s: %d %.200s, want a refusal", op.method, op.path, name, status, text)
			}
		}
	}
}

func deepJSON(t *testing.T, p *process.Process) {
	everywhere(t, p, map[string]string{
		"a million lists":   strings.Repeat("[", 1_000_000),
		"nested objects":    strings.Repeat(`{"a":`, 150_000) + "1" + strings.Repeat("}", 150_000),
		"a deep known name": `{"type":"deployment","name":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`,
	})
}

func wrongTypes(t *testing.T, p *process.Process) {
	everywhere(t, p, map[string]string{
		"nothing":         "",
		"no JSON":         "\x00\x01\x02",
		"a number":        "12345678901234567890123456789012345678901234567890",
		"an exponent":     `{"name":1e999999999}`,
		"null":            "null",
		"a list":          "[[],{},null,1]",
		"wrong names":     `{"zzz":1}`,
		"no UTF-8":        "{\"name\":\"\xff\xfe\"}",
		"a NUL":           `{"name":"a\u0000b","project":"a\u0000b","type":"deployment","id":"a\u0000b"}`,
		"numbers as text": `{"type":1,"id":2,"project":3,"name":4,"spec":5,"kind":6}`,
		"lists as text":   `{"type":[],"id":{},"project":[],"name":{},"spec":[],"kind":{}}`,
		"a broken end":    `{"type":"deployment","id":"x`,
	})
}

func absurdDates(t *testing.T, p *process.Process) {
	for _, at := range []string{
		`"0001-01-01T00:00:00Z"`, `"9999-12-31T23:59:59Z"`, `"+292277026596-12-04T15:30:07Z"`, `"-292277022399-01-01T00:00:00Z"`,
		`"2026-02-30T00:00:00Z"`, `"2026-01-01T00:00:00+99:99"`, `"yesterday"`, `1e300`, `-1`, `9223372036854775807`, `""`, `[]`, `{}`, `true`,
	} {
		for field, body := range map[string]string{
			"finished_at": `{"type":"deployment","id":"d","project":"p","service":"s","environment":"production","outcome":"success","finished_at":` + at + `}`,
			"opened_at":   `{"type":"incident","id":"i","project":"p","service":"s","opened_at":` + at + `}`,
			"created_at":  `{"type":"pull_request","number":"1","project":"p","repo":"https://git.example/a/b","created_at":` + at + `}`,
			"at":          `{"type":"deployment","at":` + at + `,"id":"d","project":"p","service":"s","environment":"production","outcome":"success","finished_at":"2026-01-01T00:00:00Z"}`,
		} {
			status, text := answer(t, p, http.MethodPost, "/api/dora/v1/events", strings.NewReader(body), int64(len(body)))
			if status != http.StatusUnprocessableEntity || !strings.Contains(text, `"field":"`+field+`"`) {
				t.Errorf("%s of %s: %d %.200s, want 422 that names the field", field, at, status, text)
			}
		}
		query := "/api/dora/v1/metrics?project=p&from=" + strings.NewReplacer(`"`, "", "+", "%2B", " ", "").Replace(at)
		if status, text := answer(t, p, http.MethodGet, query, nil, 0); status < 400 || status >= 500 {
			t.Errorf("GET %s: %d %.200s, want a refusal", query, status, text)
		}
	}
}
