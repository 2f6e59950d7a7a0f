// Package api holds the services' APIs as others see them, all of it generated from the services' code:
//
//   - openapi/<service>.yaml, the OpenAPI 3.1 document;
//   - client/<service>, a Go client;
//   - and outside of this folder docs/API_SURFACE.md, the table of every operation.
//
// A client is made with the address and the HTTP client of internal/kit/peer, and told how to authenticate:
//
//	base, transport := peers.Client("identity")
//	c, err := identity.NewClientWithResponses(base, identity.WithHTTPClient(transport), identity.WithRequestEditorFn(auth.Forward))
//	me, err := c.GetMeWithResponse(ctx)
//
// auth.Forward hands the caller's own credential on; a program with a token of its own sets the Authorization header.
package api

//go:generate go run github.com/fawkes-idp/fawkes/internal/apigen
