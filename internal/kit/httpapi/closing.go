package httpapi

import "context"

type closingKey struct{}

// WithClosing puts a channel into the context of every request, which is closed
// when the program begins to stop.
func WithClosing(ctx context.Context, closing <-chan struct{}) context.Context {
	return context.WithValue(ctx, closingKey{}, closing)
}

// Closing is closed when the program begins to stop. A stream (server-sent
// events, a long poll) ends then, so that the stop need not wait for it; other
// requests need not look. It is nil, which never closes, where nothing stops.
func Closing(ctx context.Context) <-chan struct{} {
	c, _ := ctx.Value(closingKey{}).(<-chan struct{})
	return c
}
