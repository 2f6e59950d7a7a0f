// Package auth answers one question for every service: who is calling, and may they?
//
// It verifies only. services/identity is the one issuer; this package knows identity's wire protocol
// (a JWKS and an RFC 8693 token exchange) and nothing of its storage.
//
// # What a caller may present
//
//   - "Authorization: Bearer <JWT>": a short-lived token signed by identity (Ed25519) and bound to this
//     service's audience. It is checked here, against cached keys, with no call to anyone.
//   - "Authorization: Bearer fwk_…": an opaque API token. It is exchanged at identity for such a JWT.
//   - the cookie fawkes_session: a person's session in a browser, exchanged the same way. Requests that
//     change something and carry the cookie must come from our own pages (Sec-Fetch-Site, Origin).
//   - the static operator token, for a service that runs alone without identity. It has no default.
//
// A result is remembered under the SHA-256 of the credential for at most [MaxCache], so that a busy client costs
// one exchange a minute, and a revoked token or a closed session is refused everywhere within that time.
//
// # When identity is down
//
// Known keys and remembered credentials go on working. A credential not seen before cannot be judged, so it is
// answered with 503 "unavailable" that names identity, never with 401.
//
// # Using it
//
// A plain handler is wrapped by [Verifier.Require]. A huma operation states its scope once, in
// Operation.Security = auth.Needs("dora:read"); [Verifier.Operations] enforces what is stated there, and the
// same line ends up in the OpenAPI document. An operation that states nothing is refused: open ones say so with
// auth.Open(). Handlers read the caller with [FromContext].
package auth
