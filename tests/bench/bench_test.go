// Package bench measures what the product promises, each figure beside a
// baseline of the same run: machines are noisy, and only the ratio of two
// things measured side by side says something.
//
//	make bench                     # all rows
//	make bench ARGS='-bench Ingest'  # some
//
// Each benchmark does its work once and prints its rows.
package bench

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"
)

// row prints one measured figure, and the baseline that it is to be read
// against.
func row(b *testing.B, name, value, baselineName, baseline string) {
	b.Helper()
	if _, err := fmt.Fprintf(os.Stdout, "%-58s %-44s | %s: %s\n", name, value, baselineName, baseline); err != nil {
		b.Fatal(err)
	}
}

// quantile is the q-quantile of durations, which it sorts.
func quantile(d []time.Duration, q float64) time.Duration {
	slices.Sort(d)
	return d[min(int(q*float64(len(d))), len(d)-1)]
}

func perSecond(n int, d time.Duration) float64 { return float64(n) / d.Seconds() }

func mebibytes(n int64) string { return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20)) }

func ms(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d.Microseconds())/1000) }
