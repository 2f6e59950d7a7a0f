package identity

import (
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
)

// The actions of the audit log.
const (
	ActionPersonAdded    = "person.added"
	ActionPersonChanged  = "person.changed"
	ActionLinkMade       = "signin_link.made"
	ActionSignedIn       = "session.started"
	ActionSignedOut      = "session.ended"
	ActionTokenMade      = "token.made"
	ActionTokenRevoked   = "token.revoked"
	ActionWorkloadIssued = "workload_token.issued"
	ActionKeyRotated     = "key.rotated"
)

// Entry is one line of the audit log. Refused attempts are counted in the metrics and not kept here, so that a
// stranger cannot fill the disk.
type Entry struct {
	Seq    int64
	At     time.Time
	Actor  string // a person's id, a workload's name, or "system"
	Via    string // the token or session used; empty for "system"
	Action string
	Target string // the id of what was acted on
	Detail string // for people to read; never a secret
}

// by makes an entry for what p did.
func by(p auth.Principal, at time.Time, action, target, detail string) Entry {
	return Entry{At: at, Actor: p.Subject, Via: p.TokenID, Action: action, Target: target, Detail: detail}
}
