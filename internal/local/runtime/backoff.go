package runtime

import "time"

// Kubernetes' numbers: the first restart is at once, the second waits 10 s, each further one twice as long up to
// 5 min, and 10 min without an end make it begin anew.
const (
	backOffFirst = 10 * time.Second
	backOffMax   = 5 * time.Minute
	backOffReset = 10 * time.Minute
)

// backOff is how long to wait before the next start of what failed.
type backOff struct {
	first time.Duration
	row   int
}

// next is the pause after something that ran for so long has failed.
func (b *backOff) next(ran time.Duration) time.Duration {
	if ran >= backOffReset {
		b.row = 0
	}
	b.row++
	if b.row == 1 {
		return 0
	}
	return b.step(b.row - 2)
}

// step is the pause of the nth wait, from 0.
func (b *backOff) step(n int) time.Duration {
	d := b.first
	for range n {
		if d *= 2; d >= backOffMax {
			return backOffMax
		}
	}
	return d
}
