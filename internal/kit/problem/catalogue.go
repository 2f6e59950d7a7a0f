package problem

import "net/http"

// Code is the stable, machine-readable name of a kind of problem. Clients branch
// on it; titles and details may be reworded, codes may not.
type Code string

// The codes in use. Catalogue gives each one's status and meaning.
const (
	InvalidBody     Code = "invalid_body"
	InvalidField    Code = "invalid_field"
	UnknownField    Code = "unknown_field"
	InvalidCursor   Code = "invalid_cursor"
	UnknownProject  Code = "unknown_project"
	Unauthenticated Code = "unauthenticated"
	BadSignature    Code = "bad_signature"
	Forbidden       Code = "forbidden"
	NotFound        Code = "not_found"
	MethodNot       Code = "method_not_allowed"
	NotAcceptable   Code = "not_acceptable"
	Conflict        Code = "conflict"
	BeyondHead      Code = "cursor_beyond_head"
	Precondition    Code = "precondition_failed"
	TooLarge        Code = "too_large"
	UnsupportedType Code = "unsupported_media_type"
	RateLimited     Code = "rate_limited"
	SlowBody        Code = "slow_body"
	Canceled        Code = "canceled"
	Internal        Code = "internal"
	Unavailable     Code = "unavailable"
	Timeout         Code = "timeout"
)

// Entry describes one code of the catalogue.
type Entry struct {
	Code    Code
	Status  int
	Title   string
	Meaning string
}

// Catalogue lists every code in a fixed order, for the reference documentation.
func Catalogue() []Entry {
	return []Entry{
		{InvalidBody, http.StatusBadRequest, "The request cannot be read", "The body or the parameters are not in the form the operation reads (broken JSON, a broken compression, a missing body)."},
		{InvalidField, http.StatusUnprocessableEntity, "A value is not valid", "The request was read, but the field that is named holds a value the operation refuses. `errors` lists each of several fields."},
		{UnknownField, http.StatusUnprocessableEntity, "A field is not known", "The request has a field that the operation does not know; nothing is dropped in silence."},
		{InvalidCursor, http.StatusBadRequest, "The cursor is not valid", "The cursor was not made by this list. Start again without one."},
		{UnknownProject, http.StatusNotFound, "The project is not known", "No project has this name, and no event has mentioned it."},
		{Unauthenticated, http.StatusUnauthorized, "Who is asking is not known", "No credential was sent, or the one that was sent is wrong, expired or revoked."},
		{BadSignature, http.StatusUnauthorized, "The signature is wrong", "The delivery is not signed with the secret of its source. Nothing was stored."},
		{Forbidden, http.StatusForbidden, "Not allowed", "The credential is good, but lacks the scope that is named."},
		{NotFound, http.StatusNotFound, "Not found", "Nothing is at this address."},
		{MethodNot, http.StatusMethodNotAllowed, "The method is not allowed", "The address exists, but not for this method."},
		{NotAcceptable, http.StatusNotAcceptable, "No acceptable form", "The answer does not exist in a form that the Accept header allows."},
		{Conflict, http.StatusConflict, "The state has changed", "The request contradicts what is stored."},
		{BeyondHead, http.StatusConflict, "The log ends before this place", "The place to go on from lies behind the end of the log, which `head` tells: the log was restored from an older backup. Forget what was learned after `head`, and go on from there."},
		{Precondition, http.StatusPreconditionFailed, "A precondition failed", "The condition in the request's headers does not hold."},
		{TooLarge, http.StatusRequestEntityTooLarge, "The body is too large", "The body is larger than the operation takes. Send it in parts."},
		{UnsupportedType, http.StatusUnsupportedMediaType, "The media type is not supported", "The operation does not read bodies of this Content-Type or Content-Encoding."},
		{RateLimited, http.StatusTooManyRequests, "Too many requests", "Wait as long as Retry-After says."},
		{SlowBody, http.StatusRequestTimeout, "The body came too slowly", "The body was not sent within its time. The same request may be sent again."},
		{Canceled, 499, "The client went away", "The client closed the request before it was answered."},
		{Internal, http.StatusInternalServerError, "Something went wrong on our side", "The cause is in the log, under the request id."},
		{Unavailable, http.StatusServiceUnavailable, "Not available now", "Something this needs does not answer now. The same request may be sent again."},
		{Timeout, http.StatusGatewayTimeout, "It took too long", "The request was given up after its time limit. A read may be sent again; a write too, if it carries its own id."},
	}
}

func entry(code Code) Entry {
	for _, e := range Catalogue() {
		if e.Code == code {
			return e
		}
	}
	return Entry{Code: code, Status: http.StatusInternalServerError, Title: "Something went wrong on our side"}
}

// ForStatus is the code that stands for a bare HTTP status, for errors made by
// libraries that know only the status.
func ForStatus(status int) Code {
	if status == http.StatusBadRequest {
		return InvalidBody
	}
	if status == http.StatusNotFound {
		return NotFound
	}
	if status == http.StatusUnauthorized {
		return Unauthenticated
	}
	for _, e := range Catalogue() {
		if e.Status == status {
			return e.Code
		}
	}
	if status >= 400 && status < 500 {
		return InvalidBody
	}
	return Internal
}
