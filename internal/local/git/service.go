// Package git is the platform's own git server: bare repositories in the state folder, served over smart HTTP by the
// git program's own backend, with GitHub-shaped webhooks. It stands for GitHub on a laptop; whoever listens to its
// hooks cannot tell the difference.
//
// # A push
//
//	git push → POST /git/OWNER/NAME.git/git-receive-pack → git http-backend → pre-receive (branch protection)
//	         → references move → announce: references compared with what was announced → outbox → hooks
//
// References in the repository are the truth. The table announced_refs is what hooks were told; after each push, and at
// each start, the two are compared, and what differs becomes deliveries in the transaction that notes it as announced.
// A crash between a push and its announcement therefore loses nothing and tells nothing twice.
//
// # What is trusted
//
// Nothing that a client sends reaches git as an option or as configuration, and nothing of the machine's own
// configuration counts. Objects are checked before they are kept, hooks inside repositories are never run, and the
// pre-receive hook is the server's own. Who has git:read reads every repository, git:write pushes to every one.
package git

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/clock"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
	"github.com/fawkes-idp/fawkes/internal/kit/webhook"
)

// Config is what can be set.
type Config struct {
	Folder     string // for repositories; made when it is first needed
	PublicURL  string // where people reach the platform, without a slash at the end
	MaxPush    int64  // most bytes of one push
	Processes  int    // most runs of git for clients at once
	PushCreate bool   // whether a push to a repository that is not there makes it
	KeepFor    time.Duration
}

// Service is the git server. It is safe for concurrent use.
type Service struct {
	cfg    Config
	git    program
	store  store
	outbox *webhook.Outbox
	auth   *auth.Verifier
	clock  clock.Clock
	log    *slog.Logger
	locks  *locks
	places chan struct{}
	feed   *feed
	tidy   chan string // repositories to look after
	count  counters

	ready sync.Mutex
	guard *guard // nil until the folder is prepared
}

type counters struct {
	requests   *prometheus.CounterVec
	announced  prometheus.Counter
	deliveries *prometheus.CounterVec
}

// New makes the server. It starts nothing and touches no file.
func New(cfg Config, db *sqlstore.DB, verifier *auth.Verifier, clk clock.Clock, log *slog.Logger, reg prometheus.Registerer) (*Service, error) {
	if cfg.Folder == "" {
		return nil, errors.New("the git server keeps repositories in the state folder, and this program has none")
	}
	path, err := exec.LookPath("git")
	if err != nil {
		return nil, errors.New("the git server needs the program git, version 2.36 or newer: install git")
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, fmt.Errorf("find git: %w", err)
	}
	s := &Service{
		cfg: cfg, git: program{path: path, home: filepath.Join(cfg.Folder, "home")}, store: store{db}, auth: verifier, clock: clk, log: log,
		locks: newLocks(), places: make(chan struct{}, max(cfg.Processes, 1)), feed: newFeed(), tidy: make(chan string, 256),
		count: counters{
			requests:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "fawkes_git_requests_total", Help: "Requests of git clients by what they do and the result."}, []string{"does", "result"}),
			announced:  prometheus.NewCounter(prometheus.CounterOpts{Name: "fawkes_git_announced_refs_total", Help: "References whose change was announced."}),
			deliveries: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "fawkes_git_deliveries_total", Help: "Attempts to deliver to hooks by the result."}, []string{"result"}),
		},
	}
	s.outbox = webhook.New(db, webhook.Options{
		Clock: clk, Log: log, Agent: "GitHub-Hookshot/fawkes", Endpoint: s.endpoint,
		Observe: func(_, result string) { s.count.deliveries.WithLabelValues(result).Inc() },
	})
	for _, c := range []prometheus.Collector{s.count.requests, s.count.announced, s.count.deliveries} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register the git server's metrics: %w", err)
		}
	}
	return s, nil
}

// endpoint says where a hook is now.
func (s *Service) endpoint(ctx context.Context, name string) (webhook.Endpoint, error) {
	h, err := s.store.hook(ctx, name)
	if errors.Is(err, ErrNotFound) {
		return webhook.Endpoint{}, fmt.Errorf("the hook %s: %w", name, webhook.ErrGone)
	}
	return webhook.Endpoint{URL: h.URL, Secret: h.Secret}, err
}

// prepare makes the folder, once: what it needs may be mended while the platform runs.
func (s *Service) prepare(ctx context.Context) (*guard, error) {
	s.ready.Lock()
	defer s.ready.Unlock()
	if s.guard != nil {
		return s.guard, nil
	}
	if err := s.git.check(ctx); err != nil {
		return nil, err
	}
	for _, dir := range []string{s.cfg.Folder, s.repositories(), s.git.home} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("make the git server's folder: %w", err)
		}
	}
	if err := os.RemoveAll(s.temporary()); err != nil { // what a crash left half made
		return nil, fmt.Errorf("clean the git server's folder: %w", err)
	}
	if err := os.MkdirAll(s.temporary(), 0o700); err != nil {
		return nil, fmt.Errorf("make the git server's folder: %w", err)
	}
	if err := s.initialize(ctx, s.empty(), "main"); err != nil {
		return nil, err
	}
	g, err := newGuard(ctx, s.cfg.Folder, rand.Text())
	if err != nil {
		return nil, err
	}
	s.guard = g
	return g, nil
}

func (s *Service) repositories() string { return filepath.Join(s.cfg.Folder, "repositories") }
func (s *Service) temporary() string    { return filepath.Join(s.cfg.Folder, "tmp") }
func (s *Service) empty() string        { return filepath.Join(s.temporary(), "empty", "empty.git") }

// dir is the folder of a repository; the name must be valid.
func (s *Service) dir(name string) string { return filepath.Join(s.repositories(), name+".git") }

const (
	lookAgain = 20 * time.Second // after the start: a git of the former process may have ended meanwhile
	pruneEach = time.Hour
)

// Run does the background work until ctx ends: it announces what a crash left unannounced, delivers, and tidies up.
func (s *Service) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	_, err := s.prepare(ctx)
	if err == nil {
		err = s.recover(ctx)
	}
	if ctx.Err() != nil {
		return nil //nolint:nilerr // it is being stopped
	}
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		if err := s.outbox.Run(ctx); err != nil {
			s.log.Warn("deliveries stopped", "error", err)
		}
	})
	again, prune := time.NewTimer(lookAgain), time.NewTicker(pruneEach)
	defer again.Stop()
	defer prune.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-again.C:
			if err := s.recover(ctx); err != nil && ctx.Err() == nil {
				s.log.Warn("repositories could not be looked through", "error", err)
			}
		case <-prune.C:
			if _, err := s.outbox.Prune(ctx, s.clock.Now().Add(-s.cfg.KeepFor)); err != nil && ctx.Err() == nil {
				s.log.Warn("old deliveries were not forgotten", "error", err)
			}
		case name := <-s.tidy:
			if err := s.collect(ctx, name); err != nil && ctx.Err() == nil {
				s.log.Warn("a repository was not tidied up", "repository", name, "error", err)
			}
		}
	}
}

// recover brings database and folder together, and announces what was not.
func (s *Service) recover(ctx context.Context) error {
	if err := s.adopt(ctx); err != nil {
		return err
	}
	for after := ""; ; {
		page, err := s.store.repositories(ctx, after, "", 100)
		if err != nil {
			return err
		}
		for _, r := range page {
			if err := s.announce(ctx, r.Name, ""); err != nil {
				if ctx.Err() != nil {
					return nil //nolint:nilerr // it is being stopped
				}
				s.log.Warn("pushes to a repository were not announced; it is tried again at the next one", "repository", r.Name, "error", err)
			}
			after = r.Name
		}
		if len(page) < 100 {
			return nil
		}
	}
}

// locks are one lock a repository.
type locks struct {
	mu  sync.Mutex
	all map[string]*lock
}

type lock struct {
	sync.Mutex
	users int
}

func newLocks() *locks { return &locks{all: map[string]*lock{}} }

// take locks a repository and returns what lets go of it.
func (l *locks) take(name string) func() {
	l.mu.Lock()
	k := l.all[name]
	if k == nil {
		k = &lock{}
		l.all[name] = k
	}
	k.users++
	l.mu.Unlock()
	k.Lock()
	return func() {
		k.Unlock()
		l.mu.Lock()
		defer l.mu.Unlock()
		if k.users--; k.users == 0 {
			delete(l.all, name)
		}
	}
}
