package app

import (
	"strconv"

	"github.com/fawkes-idp/fawkes/internal/kit/config"
	"github.com/fawkes-idp/fawkes/internal/kit/httpapi"
)

// limits bound what clients can make the process hold.
type limits struct {
	connections int
	budget      httpapi.BudgetOptions
}

// Settings are those of the process itself, beside those of its modules.
func Settings() []config.Key {
	return []config.Key{
		{Name: "http.connections", Default: "2000", Check: config.IsInt(16, 1_000_000), Doc: "The most connections at once. One more makes an idle one end; when none is idle, it is answered 503 with Retry-After."},
		{Name: "http.requests", Default: "1000", Check: config.IsInt(8, 1_000_000), Doc: "The most requests that are worked on at once; one more is answered 503 with Retry-After."},
		{Name: "http.body_memory", Default: "64", Check: config.IsInt(8, 1<<20), Doc: "The most MiB that the bodies of requests may take in memory together. One client (a credential at an address) may take half of it and is answered 429 beyond; a part is kept for bodies of at most 64 KiB."},
		{Name: "http.rate", Default: "0", Check: config.IsInt(0, 1_000_000), Doc: "The most requests a second of one client (a credential at an address), beyond which it is answered 429 with Retry-After; 0: no limit."},
	}
}

func limitsOf(c *config.Config) limits {
	number := func(key string) int {
		n, _ := strconv.Atoi(c.String(key)) // checked when it was read
		return n
	}
	return limits{connections: number("http.connections"), budget: httpapi.BudgetOptions{
		Requests: number("http.requests"), Memory: int64(number("http.body_memory")) << 20, Rate: number("http.rate"),
	}}
}
