package identity

import "time"

const (
	codeLife = 10 * time.Minute // how long a sign-in link waits to be opened
	seenStep = time.Minute      // how exactly "last used" and "last seen" are kept
	agentMax = 200              // characters of a browser's User-Agent that are kept
)

// Code is a one-time sign-in code; only its hash is known here.
type Code struct {
	Hash     string
	PersonID string
	Created  time.Time
	Expires  time.Time
}

// Session is one browser in which a person is signed in; the cookie's value is known only by its hash.
type Session struct {
	ID       string
	Hash     string
	PersonID string
	Agent    string
	Created  time.Time
	Seen     time.Time
	Expires  time.Time // whatever happens
}

// Alive says whether the session is good at now: before its absolute end, and not left unused for idle.
func (s Session) Alive(now time.Time, idle time.Duration) bool {
	return now.Before(s.Expires) && now.Before(s.Seen.Add(idle))
}
