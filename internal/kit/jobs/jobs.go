// Package jobs runs work that must not be lost: what is enqueued in a
// transaction happens if, and only if, that transaction is stored, survives a
// crash, and is tried again when it fails.
//
// It is a small face over River, on the service's own database: on SQLite
// through the same single writer, on PostgreSQL in the same pool. Among several
// replicas one is the leader and plans; all of them work.
//
//	queue, err := jobs.New(ctx, db, jobs.Options{Logger: log})
//	jobs.Handle(queue, func(ctx context.Context, args Relay) error { … })
//	queue.Periodic("relay-sweep", time.Minute, sweep)
//	queue.Start(ctx)                       // in Service.Start
//	queue.EnqueueTx(ctx, tx, Relay{ID: 7}) // in the transaction that causes it
//
// A job may run more than once: a crash between its end and the note of its end
// runs it again. Make it harmless to repeat.
package jobs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/riverqueue/river/rivertype"
)

// Args are the arguments of one kind of job; they are stored as JSON.
type Args interface {
	// Kind names the kind of job, the same for every value of the type. It is stored,
	// so it must not change.
	Kind() string
}

// Options adjusts a Queue. The zero value is good.
type Options struct {
	// Logger hears of failed jobs; slog.Default when nil.
	Logger *slog.Logger
	// Poll is how often the queue is looked at; default 5 seconds, which keeps an
	// idle process idle. Jobs enqueued without a transaction start at once.
	Poll time.Duration
	// Workers is how many jobs run at the same time; default 4.
	Workers int
	// Timeout ends the context of a job that runs longer; default 5 minutes.
	Timeout time.Duration
}

// Queue is the job queue of one service.
type Queue struct {
	client   *river.Client[*sql.Tx]
	workers  *river.Workers
	log      *slog.Logger
	mu       sync.Mutex
	periodic map[string]func(context.Context) error
	started  bool
}

// New makes the queue and brings its tables up to date. Nothing runs before
// Start.
func New(ctx context.Context, db *sqlstore.DB, opts Options) (*Queue, error) {
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	if opts.Poll <= 0 {
		opts.Poll = 5 * time.Second
	}
	if opts.Workers <= 0 {
		opts.Workers = 4
	}
	if opts.Timeout <= 0 {
		opts.Timeout = 5 * time.Minute
	}
	var driver riverdriver.Driver[*sql.Tx] = riversqlite.New(db.Write)
	if db.Engine == sqlstore.Postgres {
		driver = riverdatabasesql.New(db.Write)
	}
	if err := migrate(ctx, db, driver, opts.Logger); err != nil {
		return nil, err
	}
	q := &Queue{workers: river.NewWorkers(), log: opts.Logger, periodic: map[string]func(context.Context) error{}}
	client, err := river.NewClient(driver, &river.Config{
		Logger:            quiet(opts.Logger),
		Workers:           q.workers,
		Queues:            map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: opts.Workers}},
		PollOnly:          true,
		FetchPollInterval: opts.Poll,
		FetchCooldown:     min(100*time.Millisecond, opts.Poll),
		JobTimeout:        opts.Timeout,
		ErrorHandler:      failures{opts.Logger},
		// What is done is kept for an hour: long enough to look at, short enough to
		// keep the table small.
		CompletedJobRetentionPeriod: time.Hour,
	})
	if err != nil {
		return nil, fmt.Errorf("make the job queue: %w", err)
	}
	q.client = client
	if err := river.AddWorkerSafely(q.workers, river.WorkFunc(q.tick)); err != nil {
		return nil, fmt.Errorf("make the job queue: %w", err)
	}
	return q, nil
}

// migrateLock is the key of the advisory lock under which one replica at a time
// brings River's tables up to date.
const migrateLock = 0x6677_6b6a_6f62_7331

func migrate(ctx context.Context, db *sqlstore.DB, driver riverdriver.Driver[*sql.Tx], log *slog.Logger) (err error) {
	if db.Engine == sqlstore.Postgres {
		conn, cerr := db.Write.Conn(ctx)
		if cerr != nil {
			return fmt.Errorf("migrate the job queue: %w", cerr)
		}
		defer func() { err = errors.Join(err, conn.Close()) }()
		if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", int64(migrateLock)); err != nil {
			return fmt.Errorf("migrate the job queue: wait for the other replica: %w", err)
		}
		defer func() {
			_, uerr := conn.ExecContext(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1)", int64(migrateLock))
			err = errors.Join(err, uerr)
		}()
	}
	migrator, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: quiet(log)})
	if err != nil {
		return fmt.Errorf("migrate the job queue: %w", err)
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("migrate the job queue: %w", err)
	}
	return nil
}

// Handle says what to do with jobs of one kind. Call it before Start. An error
// or a panic of fn is noted, and the job is tried again later, with growing
// pauses, up to 25 times in about three weeks.
func Handle[A Args](q *Queue, fn func(ctx context.Context, args A) error) error {
	worker := river.WorkFunc(func(ctx context.Context, job *river.Job[A]) error { return fn(ctx, job.Args) })
	if err := river.AddWorkerSafely(q.workers, worker); err != nil {
		return fmt.Errorf("handle jobs: %w", err)
	}
	return nil
}

// Enqueue stores a job by itself; it starts at once when this process has a free
// worker. Inside a transaction use EnqueueTx: on SQLite Enqueue would wait for
// that very transaction.
func (q *Queue) Enqueue(ctx context.Context, args Args) error {
	if _, err := q.client.Insert(ctx, args, nil); err != nil {
		return fmt.Errorf("enqueue %s: %w", args.Kind(), err)
	}
	return nil
}

// EnqueueTx stores a job in the transaction that causes it. It starts within the
// poll interval after the commit.
func (q *Queue) EnqueueTx(ctx context.Context, tx *sql.Tx, args Args) error {
	if _, err := q.client.InsertTx(ctx, tx, args, nil); err != nil {
		return fmt.Errorf("enqueue %s: %w", args.Kind(), err)
	}
	return nil
}

// Start begins to work; it returns at once. The context bounds the start alone.
func (q *Queue) Start(ctx context.Context) error {
	q.mu.Lock()
	q.started = true
	q.mu.Unlock()
	// Work ends by Stop, which lets the jobs at hand finish, not by the end of the
	// caller's context, which would break them off.
	if err := q.client.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("start the job queue: %w", err)
	}
	return nil
}

// Stop takes no new job, lets those at hand finish, and cancels them when ctx
// ends first; they are tried again after the next start.
func (q *Queue) Stop(ctx context.Context) error {
	q.mu.Lock()
	started := q.started
	q.mu.Unlock()
	if !started {
		return nil
	}
	err := q.client.Stop(ctx)
	if err == nil {
		return nil
	}
	final, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := q.client.StopAndCancel(final); err != nil {
		return fmt.Errorf("stop the job queue: %w", err)
	}
	q.log.Warn("jobs at hand were broken off; they are tried again after the next start", "cause", err)
	return nil
}

type failures struct{ log *slog.Logger }

func (f failures) HandleError(ctx context.Context, job *rivertype.JobRow, err error) *river.ErrorHandlerResult {
	f.log.WarnContext(ctx, "a job failed", "job", job.Kind, "id", job.ID, "attempt", job.Attempt, "of", job.MaxAttempts, "error", err)
	return nil
}

func (f failures) HandlePanic(ctx context.Context, job *rivertype.JobRow, p any, stack string) *river.ErrorHandlerResult {
	f.log.ErrorContext(ctx, "a job panicked", "job", job.Kind, "id", job.ID, "attempt", job.Attempt, "of", job.MaxAttempts, "panic", p, "stack", stack)
	return nil
}
