package github

import "testing"

// FuzzSignature wants that a body passes under the signature made for it, and
// under no other header than that in another case of its digits.
func FuzzSignature(f *testing.F) {
	f.Add("It's a Secret to Everybody", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17", []byte("Hello, World!"))
	f.Add("s", "", []byte("{}"))
	f.Add("s", "sha256=", []byte("{}"))
	f.Add("", "sha256=00", []byte("{}"))
	f.Add("s", "sha1=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17", []byte(""))
	f.Fuzz(func(t *testing.T, secret, header string, body []byte) {
		own := Sign(secret, body)
		if secret != "" {
			if err := VerifySignature(secret, own, body); err != nil {
				t.Fatalf("its own signature: %v", err)
			}
			if err := VerifySignature(secret+"x", own, body); err == nil {
				t.Fatal("the signature passes under another secret")
			}
			if err := VerifySignature(secret, own, append(body, 'x')); err == nil {
				t.Fatal("the signature passes for another body")
			}
		}
		if err := VerifySignature(secret, header, body); err == nil && (secret == "" || !sameDigits(header, own)) {
			t.Fatalf("%q passes, the signature is %q", header, own)
		}
	})
}

func sameDigits(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		x, y := a[i], b[i]
		if x >= 'A' && x <= 'F' {
			x += 'a' - 'A'
		}
		if x != y {
			return false
		}
	}
	return true
}
