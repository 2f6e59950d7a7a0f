package registry

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

// The codes of the protocol that the front answers with.
const (
	codeUnauthorized    = "UNAUTHORIZED"
	codeDenied          = "DENIED"
	codeUnavailable     = "UNAVAILABLE"
	codeUnknown         = "UNKNOWN"
	codeUnsupported     = "UNSUPPORTED"
	codeNameUnknown     = "NAME_UNKNOWN"
	codeManifestUnknown = "MANIFEST_UNKNOWN"
	codeManifestInvalid = "MANIFEST_INVALID"
	codeBlobMissing     = "MANIFEST_BLOB_UNKNOWN"
	codeSize            = "SIZE_INVALID"
)

// fault is an error in the protocol's own form.
type fault struct {
	status  int
	code    string
	message string
}

func faultf(status int, code, format string, args ...any) *fault {
	return &fault{status, code, fmt.Sprintf(format, args...)}
}

// Error is the fault in one line.
func (f *fault) Error() string { return f.code + ": " + f.message }

func (f *fault) write(w http.ResponseWriter) {
	type item struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	text, err := json.Marshal(map[string][]item{"errors": {{f.code, f.message}}})
	if err != nil {
		text = []byte(`{"errors":[{"code":"UNKNOWN","message":""}]}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Docker-Distribution-API-Version", "registry/2.0")
	w.WriteHeader(f.status)
	_, _ = w.Write(append(text, '\n'))
}

// refusal turns what the verifier says into the protocol's form.
func refusal(err error) *fault {
	p := problem.From(err)
	code := codeUnknown
	switch p.Status {
	case http.StatusUnauthorized:
		code = codeUnauthorized
	case http.StatusForbidden:
		code = codeDenied
	case http.StatusServiceUnavailable:
		code = codeUnavailable
	}
	return &fault{p.Status, code, p.Error()}
}

// answer holds a small answer of distribution back, until what it says is true.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func newAnswer() *answer { return &answer{header: http.Header{}} }

// Header is that of the answer.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader keeps the first status.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 && status >= 200 {
		a.status = status
	}
}

// Write keeps the body.
func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(p)
}

func (a *answer) send(w http.ResponseWriter) {
	for k, v := range a.header {
		w.Header()[k] = v
	}
	a.WriteHeader(http.StatusOK)
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body.Bytes())
}
