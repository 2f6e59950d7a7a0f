package identity

import (
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/audit"
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

// Entry is one line of the audit log.
type Entry = audit.Entry

// by makes an entry for what p did.
func by(p auth.Principal, at time.Time, action, target, detail string) Entry {
	return audit.By(p, at, action, target, detail)
}
