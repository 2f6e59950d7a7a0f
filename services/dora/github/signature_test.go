package github

import (
	"errors"
	"net/url"
	"strings"
	"testing"
)

func TestVerifySignature(t *testing.T) {
	const secret = "It's a Secret to Everybody"
	body := []byte("Hello, World!")
	// The worked example of GitHub's documentation on validating deliveries.
	const example = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
	if got := Sign(secret, body); got != example {
		t.Errorf("Sign gives %s, want %s", got, example)
	}
	for _, c := range []struct {
		what, secret, header, body string
		want                       error
	}{
		{"the right one", secret, example, "Hello, World!", nil},
		{"in capital digits", secret, "sha256=" + strings.ToUpper(example[7:]), "Hello, World!", nil},
		{"of another body", secret, example, "Hello, World?", ErrSignatureNoMatch},
		{"of another secret", secret + "!", example, "Hello, World!", ErrSignatureNoMatch},
		{"of an empty body", secret, example, "", ErrSignatureNoMatch},
		{"one digit off", secret, example[:len(example)-1] + "8", "Hello, World!", ErrSignatureNoMatch},
		{"missing", secret, "", "Hello, World!", ErrNoSignature},
		{"without a secret", "", example, "Hello, World!", ErrNoSecret},
		{"of the empty secret", "", Sign("", body), "Hello, World!", ErrNoSecret},
		{"SHA-1", secret, "sha1=3dca279e731c97c38e3019a075dee9ebbd0a99f0", "Hello, World!", ErrSignatureForm},
		{"without its name", secret, example[7:], "Hello, World!", ErrSignatureForm},
		{"cut short", secret, example[:40], "Hello, World!", ErrSignatureForm},
		{"an odd number of digits", secret, example[:len(example)-1], "Hello, World!", ErrSignatureForm},
		{"too long", secret, example + "00", "Hello, World!", ErrSignatureForm},
		{"no digits", secret, "sha256=", "Hello, World!", ErrSignatureForm},
		{"not hexadecimal", secret, "sha256=" + strings.Repeat("zz", 32), "Hello, World!", ErrSignatureForm},
		{"two in one", secret, example + "," + example, "Hello, World!", ErrSignatureForm},
		{"another case of its name", secret, "SHA256=" + example[7:], "Hello, World!", ErrSignatureForm},
		{"a space before", secret, " " + example, "Hello, World!", ErrSignatureForm},
	} {
		err := VerifySignature(c.secret, c.header, []byte(c.body))
		if !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("a signature %s: got %v, want %v", c.what, err, c.want)
		}
		if err != nil && (!errors.Is(err, ErrSignature) || strings.Contains(err.Error(), secret)) {
			t.Errorf("a signature %s: %v is not an ErrSignature, or tells the secret", c.what, err)
		}
	}
}

func TestPayloadReadsBothContentTypes(t *testing.T) {
	const doc = `{"zen":"Measure twice & cut once + again"}`
	form := url.Values{"payload": {doc}}.Encode()
	for _, c := range []struct{ contentType, body string }{
		{"application/json", doc},
		{"application/json; charset=utf-8", doc},
		{"", doc},
		{"application/x-www-form-urlencoded", form},
		{"application/x-www-form-urlencoded; charset=utf-8", form},
	} {
		got, err := Payload(c.contentType, []byte(c.body))
		if err != nil || string(got) != doc {
			t.Errorf("%s: got %s, %v", c.contentType, got, err)
		}
	}
	for _, c := range []struct{ contentType, body, field string }{
		{"text/plain", doc, "Content-Type"},
		{"application/json; =", doc, "Content-Type"},
		{"application/x-www-form-urlencoded", "zen=1", "payload"},
		{"application/x-www-form-urlencoded", "payload=%zz", "body"},
	} {
		_, err := Payload(c.contentType, []byte(c.body))
		faulty(t, err, c.field, "", c.contentType, c.body)
	}
}
