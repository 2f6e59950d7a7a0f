package oci

import "testing"

func TestTheZeroVerifierBelievesNobody(t *testing.T) {
	if (&Verifier{}).verify([]byte("payload"), []byte("signature")) {
		t.Error("a verifier without a key accepted a signature")
	}
}
