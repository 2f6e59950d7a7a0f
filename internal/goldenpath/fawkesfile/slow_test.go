package fawkesfile

import (
	"strings"
	"testing"
	"time"
)

// TestTheLargestFilesAreReadInNoTime has shapes that make readers of YAML slow or deep.
func TestTheLargestFilesAreReadInNoTime(t *testing.T) {
	for _, unit := range []string{"[", "{", "{a: ", "- ", "a:\n", "? ", "[a,", "# c\n", "\"", "'", "&a ", "!!str ", "- - ", "|\n", "a: [", "\t", " ", "%", "-\n", "x: |\n y\n", "a,"} {
		text := strings.Repeat(unit, (MostBytes-1)/len(unit))
		began := time.Now()
		_, _ = Parse([]byte(text)) // whether it is refused is not the question
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%q repeated takes %s", unit, took)
		} else if took > time.Second {
			t.Logf("%q repeated takes %s", unit, took)
		}
	}
}
