package sqlstore

// Waiting is how many items wait in the queue, for tests that must know.
func (c *Committer[T, R]) Waiting() int { return len(c.queue) }
