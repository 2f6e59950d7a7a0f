package auth

import (
	"sync"
	"time"
)

// cache remembers values until their own expiry and holds at most about limit of them, in two generations:
// when the young one is full it becomes the old one, and the old one is forgotten. What is asked for again moves
// to the young one, so that busy callers stay and a flood of strangers only pushes out strangers and the idle.
type cache[V any] struct {
	mu         sync.Mutex
	half       int
	young, old map[string]cached[V]
}

type cached[V any] struct {
	value   V
	expires time.Time
}

func newCache[V any](limit int) *cache[V] {
	return &cache[V]{half: max(1, limit/2), young: map[string]cached[V]{}}
}

func (c *cache[V]) get(key string, now time.Time) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.young[key]
	if !ok {
		if e, ok = c.old[key]; ok {
			delete(c.old, key)
			c.insert(key, e)
		}
	}
	if !ok || !now.Before(e.expires) {
		delete(c.young, key)
		var none V
		return none, false
	}
	return e.value, true
}

func (c *cache[V]) put(key string, value V, expires time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.insert(key, cached[V]{value, expires})
}

func (c *cache[V]) insert(key string, e cached[V]) {
	if _, there := c.young[key]; !there && len(c.young) >= c.half {
		c.old, c.young = c.young, make(map[string]cached[V], c.half)
	}
	c.young[key] = e
}

func (c *cache[V]) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.young) + len(c.old)
}
