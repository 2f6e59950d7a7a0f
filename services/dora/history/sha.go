package history

import (
	"crypto/sha1" //nolint:gosec // not for security: it folds long hashes into a map key
	"encoding/hex"
	"fmt"
)

// SHA is a commit's hash as it is kept in memory and in blocks: the 20 bytes of
// SHA-1, which name the commits of nearly every repository. Longer and shorter
// hashes are folded into a key, and their text is kept aside.
type SHA [20]byte

// String is the hash in lower-case hexadecimal.
func (s SHA) String() string { return hex.EncodeToString(s[:]) }

// Text is the hash as its source writes it, given the long hashes beside it.
func (s SHA) Text(long map[SHA]string) string {
	if t, ok := long[s]; ok {
		return t
	}
	return s.String()
}

// foldSHA gives the key of a hash of other than 40 digits.
func foldSHA(text string) SHA { return sha1.Sum([]byte("fawkes:" + text)) } //nolint:gosec // see above

// ParseSHA gives the key of a hash in hexadecimal.
func ParseSHA(text string) SHA {
	if len(text) == 40 {
		if s, ok := decodeSHA([]byte(text)); ok {
			return s
		}
	}
	return foldSHA(text)
}

// decodeSHA reads a hash of 40 digits.
func decodeSHA(text []byte) (s SHA, ok bool) {
	if len(text) != 2*len(s) {
		return s, false
	}
	_, err := hex.Decode(s[:], text)
	return s, err == nil
}

// String implements fmt.Stringer.
func (a AuthorRef) String() string {
	if a == 0 {
		return ""
	}
	return fmt.Sprintf("%016x", uint64(a))
}

var reasonNames = [...]string{"", ReasonNotDeployed, ReasonBaseline, ReasonClockSkew, ReasonReplaced, ReasonCommitUnknown, ReasonPathsUnknown}

// String is the reason as it stands on the wire.
func (r ReasonCode) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return "unknown"
}

// reasonCode is the inverse of ReasonCode.String.
func reasonCode(name string) ReasonCode {
	for i, n := range reasonNames {
		if n == name {
			return ReasonCode(i)
		}
	}
	return 0
}
