package identity

import (
	"context"
	"errors"
	"time"
)

// What a store answers beside faults of its own.
var (
	ErrNotFound  = errors.New("not found")
	ErrCode      = errors.New("the sign-in code was used or has expired")
	ErrLastAdmin = errors.New("the last active admin cannot be disabled or lose the role")
	ErrTaken     = errors.New("another replica made this generation of the key")
)

// Page asks for up to Limit rows that come after a position in a list that runs from new to old.
type Page struct {
	Limit int
	After Position // zero: from the start
}

// Position is a place in a list: the time (or sequence) and the id of the last row seen.
type Position struct {
	At int64
	ID string
}

// Store keeps identity's records. Every change writes its audit entry in the same transaction. Nothing here knows
// a secret: codes, sessions and tokens are found by their hash.
type Store interface {
	EnsureOwner(ctx context.Context, owner Person) error
	Person(ctx context.Context, id string) (Person, error)
	People(ctx context.Context, page Page) ([]Person, error)
	AddPerson(ctx context.Context, p Person, e Entry) error
	// ChangePerson applies change to the stored person and stores the result; ErrLastAdmin when no admin would be left.
	ChangePerson(ctx context.Context, id string, change func(*Person) error, e Entry) (Person, error)

	AddCode(ctx context.Context, c Code, e Entry) error
	// SignIn uses up the code and starts s for its person, both or neither; ErrCode when the code is unknown, used or
	// expired, or its person is disabled.
	SignIn(ctx context.Context, codeHash string, s Session) (Person, error)
	Session(ctx context.Context, hash string) (Session, Person, error)
	// Sessions lists those of one person, or of everyone when personID is empty.
	Sessions(ctx context.Context, personID string, page Page) ([]Session, error)
	SessionSeen(ctx context.Context, id string, at time.Time) error
	// EndSession ends the session, if it belongs to personID or personID is empty; ErrNotFound otherwise.
	EndSession(ctx context.Context, id, personID string, e Entry) error

	AddToken(ctx context.Context, t Token, e Entry) error
	Token(ctx context.Context, hash string) (Token, Person, error)
	// Tokens lists those of one person, or of everyone when personID is empty.
	Tokens(ctx context.Context, personID string, page Page) ([]Token, error)
	TokenUsed(ctx context.Context, id string, at time.Time) error
	// RevokeToken revokes the token, if it belongs to personID or personID is empty; ErrNotFound otherwise. Revoking
	// again changes nothing.
	RevokeToken(ctx context.Context, id, personID string, e Entry) error

	Keys(ctx context.Context) ([]Key, error) // newest first
	// AddKey stores the next generation; ErrTaken when it exists already.
	AddKey(ctx context.Context, k Key, e Entry) error
	DeleteKey(ctx context.Context, kid string) error

	Audit(ctx context.Context, page Page) ([]Entry, error)
	Record(ctx context.Context, e Entry) error
	// Purge forgets codes that expired before codes, and sessions that ended or were last seen before the times given.
	Purge(ctx context.Context, codes, ended, seen time.Time) (int64, error)
}
