package git_test

import (
	"encoding/hex"
	"math/rand/v2"
	"testing"
)

// noise is text that does not compress well, the same each time.
func noise(n int) string {
	source := rand.NewChaCha8([32]byte{1})
	b := make([]byte, n)
	if _, err := source.Read(b); err != nil {
		return ""
	}
	return string(b)
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
