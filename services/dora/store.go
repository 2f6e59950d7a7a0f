package dora

import (
	"context"
	"errors"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/audit"
	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/project"
)

// Sentinel errors of the store.
var (
	errFenced   = errors.New("another replica holds the lease")
	ErrNotFound = errors.New("not found")
	ErrExists   = errors.New("exists already")
)

// Store keeps the event log and what is derived from it.
//
// The log is the only truth: events are appended and never changed. Blocks,
// heads and the checkpoint can be made anew from it at any time.
type Store interface {
	// Append stores events that are not yet in the log, in one transaction, and
	// says of each whether it was new. When it returns they are durable.
	Append(ctx context.Context, records []Record) (stored []bool, err error)
	// LogHead is the number of the last event, 0 for an empty log.
	LogHead(ctx context.Context) (int64, error)
	// Events reads the log after a number, in order, at most limit events.
	Events(ctx context.Context, after int64, limit int) ([]Entry, error)
	// EventsOf reads all events of some origins up to a number, in any order.
	EventsOf(ctx context.Context, origins []int64, upTo int64, yield func(Entry) error) error
	// EventsAbout reads the newest events of some origins about one entity (see
	// Record.Entity), at most limit of each origin.
	EventsAbout(ctx context.Context, origins []int64, entity int64, limit int, yield func(Entry) error) error
	// EventsBefore reads, in order and up to a number, the events whose time is
	// before another.
	EventsBefore(ctx context.Context, before event.Time, upTo int64, yield func(Entry) error) error
	// EntriesOf is EventsOf for one origin, with all that the log holds of an event.
	EntriesOf(ctx context.Context, origin, upTo int64, yield func(Entry) error) error
	// DeleteEvents takes events out of the log, in short transactions. It is for
	// archiving alone.
	DeleteEvents(ctx context.Context, seqs []int64) error
	// Origins lists where the events of the log came from, by id. One of which
	// the log holds no event is not among them.
	Origins(ctx context.Context) ([]Origin, error)

	// Projects lists the declared projects by name.
	Projects(ctx context.Context) ([]Declared, error)
	// Project is one declaration; ErrNotFound when there is none.
	Project(ctx context.Context, name string) (Declared, error)
	// PutProject declares a project, or declares it anew. No two declarations of
	// one project have the same version.
	PutProject(ctx context.Context, spec project.Spec, at event.Time) (Declared, error)
	// DeleteProject withdraws a declaration; ErrNotFound when there is none.
	DeleteProject(ctx context.Context, name string) error

	// Marks is how much there is for projections to take in.
	Marks(ctx context.Context) (progress, error)
	// Newest is the number of the last event of each origin that has any.
	Newest(ctx context.Context) (map[int64]int64, error)
	// CountAfter counts the events of some origins after a number.
	CountAfter(ctx context.Context, origins []int64, after int64) (int64, error)
	// Heads lists the current revision of every project's projection.
	Heads(ctx context.Context) ([]Head, error)
	// Head is that of one project; ErrNotFound when it has none yet.
	Head(ctx context.Context, project string) (Head, error)
	// Follow reads, as of one moment, the head of a project and the blocks that
	// changed since a revision; since is told the head and says which, 0 for all.
	// A nil body says that the block is gone. ErrNotFound when there is no head.
	Follow(ctx context.Context, project string, since func(Head) int64, yield func(key string, body []byte) error) (Head, error)
	// Blocks reads the blocks of a project with from < rev <= to, in order of
	// revision. It is for the projection's only writer: for others, blocks that a
	// newer revision replaces may be missing.
	Blocks(ctx context.Context, project string, from, to int64, yield func(key string, body []byte) error) error
	// PutBlocks writes a revision in short transactions and then moves the head in
	// the last: a reader sees all of it or nothing. Each of the transactions is
	// refused when the lease has another holder by then.
	// The blocks are written as they are handed over.
	PutBlocks(ctx context.Context, l Lease, h Head, blocks blockSource) error
	// DropProjection forgets the blocks and the head of a lease's project.
	DropProjection(ctx context.Context, l Lease) error

	// Beat is a replica's sign of life, good for so long; it lists the replicas that
	// are alive.
	Beat(ctx context.Context, replica string, good time.Duration) (alive []string, err error)
	// Leave ends a replica's life and frees what it holds.
	Leave(ctx context.Context, replica string) error
	// Leases lists who holds the right to project which project.
	Leases(ctx context.Context) ([]Lease, error)
	// Claim gives a replica those of some projects that are free, or whose holder is
	// not alive, or all with force; it removes what the holder before left unfinished.
	Claim(ctx context.Context, replica string, projects []string, force bool) ([]Lease, error)
	// Release frees leases; those that have another holder by now are left alone.
	Release(ctx context.Context, leases []Lease) error

	// Salt is this installation's secret for author references.
	Salt(ctx context.Context) ([]byte, error)

	// Quarantine keeps a delivery that could not be read, within the bounds of
	// space, for which it drops the oldest of whoever takes the most; it says how
	// many those were.
	Quarantine(ctx context.Context, q Quarantined, room Space) (id int64, dropped int, err error)
	// Quarantined lists such deliveries, newest first, before an id (0 for all).
	Quarantined(ctx context.Context, f QuarantineFilter, before int64, limit int) ([]Quarantined, error)
	// CountQuarantined counts them by status, whatever status the filter names.
	CountQuarantined(ctx context.Context, f QuarantineFilter) (map[string]int, error)
	// QuarantinedOne is one of them with its body; ErrNotFound when it is not there.
	QuarantinedOne(ctx context.Context, id int64) (Quarantined, error)
	// SettleQuarantined notes what became of one: Status, Field, Detail, LastError,
	// TriedAt, SettledAt, SettledBy and by how much Attempts grew.
	SettleQuarantined(ctx context.Context, q Quarantined, attempts int) error
	// PurgeQuarantine removes what was replayed or discarded before a time.
	PurgeQuarantine(ctx context.Context, before event.Time) (int64, error)

	// AddSource stores a webhook source; ErrExists when kind and name are taken.
	AddSource(ctx context.Context, s Source) (Source, error)
	// Sources lists the webhook sources by kind and name.
	Sources(ctx context.Context) ([]Source, error)
	// DeleteSource removes one; ErrNotFound when it is not there.
	DeleteSource(ctx context.Context, id int64) error

	// BadgeKey is what signs the addresses of a project's badges; ErrNotFound when
	// none was made. MakeBadgeKey makes it if there is none, DropBadgeKey ends it.
	BadgeKey(ctx context.Context, project string) ([]byte, error)
	MakeBadgeKey(ctx context.Context, project, by string, at event.Time) ([]byte, error)
	DropBadgeKey(ctx context.Context, project string) error

	// LastReceived says of each project and source when the last of its events was
	// stored; the project is the one that reports named, "" for none.
	LastReceived(ctx context.Context) ([]Received, error)

	// Record appends to the audit log; Audit reads it, the newest first.
	Record(ctx context.Context, e audit.Entry) error
	Audit(ctx context.Context, q audit.Query) ([]audit.Entry, error)

	// UserProfiles lists the newest version of each profile that people wrote and
	// did not delete, by name.
	UserProfiles(ctx context.Context) ([]StoredProfile, error)
	// UserProfile is one version of a profile, 0 for the newest, which can say
	// that the profile was deleted; ErrNotFound when there never was one.
	UserProfile(ctx context.Context, name string, version int64) (StoredProfile, error)
	// PutProfile adds the next version, none when the last has the same Spec; one without a Spec deletes the profile,
	// and is ErrNotFound when there is none.
	PutProfile(ctx context.Context, p StoredProfile) (StoredProfile, error)

	// AddAnnotation stores a mark beside the trends and gives it its id.
	AddAnnotation(ctx context.Context, a Annotation) (Annotation, error)
	// Annotations lists those of a project with from <= at < to, by time.
	Annotations(ctx context.Context, project string, from, to event.Time) ([]Annotation, error)
	// DeleteAnnotation removes one; ErrNotFound when the project has none of that id.
	DeleteAnnotation(ctx context.Context, project string, id int64) error

	// Imports lists how far importers have come; repo "" for all of a project.
	Imports(ctx context.Context, project, repo string) ([]Import, error)
	// PutImport stores one importer's progress.
	PutImport(ctx context.Context, i Import) error
}

// Record is an event on its way into the log.
type Record struct {
	Origin     Origin // without its ID
	Key        event.Key
	At         event.Time
	ReceivedAt event.Time
	// Entity tells apart what the events of an origin are about. It is a hash, so
	// two entities may share it; 0 where evidence never asks for it.
	Entity int64
	Body   []byte // packed
}

// Origin is what events have in common: who reported about what.
type Origin struct {
	ID      int64
	Project string // "" when the report named none
	Source  string
	Type    event.Type
	Repo    string
	Service string
}

// Entry is an event in the log.
type Entry struct {
	Seq        int64
	Key        event.Key
	Origin     int64
	At         event.Time
	ReceivedAt event.Time
	Body       []byte
}

// Received is when a source was last heard of.
type Received struct {
	Project, Source string
	At              event.Time
}

// Declared is a project's declaration.
type Declared struct {
	Spec      project.Spec
	Version   int64
	UpdatedAt event.Time
}

// Head says which revision of a project's projection is current.
type Head struct {
	Project     string
	Rev         int64
	Seq         int64 // it holds the project's events up to this number
	Began       int64 // of one projection for as long as it grows: a reader of another begins anew
	SpecVersion int64 // of the declaration that it was derived under, 0 for none
	Origins     int64 // fingerprint of the origins that it was derived from
	Format      int64 // of the blocks; another one means that they are derived anew
	SettledAt   event.Time
}

// Source is a webhook source. Secret signs its deliveries.
type Source struct {
	ID        int64
	Kind      string
	Name      string
	Project   string // events without a project go there; "" for none
	Secret    string
	CreatedAt event.Time
	CreatedBy string
}

// Import is how far an importer has read a repository. State is the importer's
// own, as JSON.
type Import struct {
	Project   string
	Key       string
	Repo      string
	State     string
	UpdatedAt event.Time
}

// Lease is a replica's right to write the projection of one project. Epoch counts
// its holders: a write under an old one is refused.
type Lease struct {
	Project string
	Holder  string
	Epoch   int64
}
