package app

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
	"github.com/fawkes-idp/fawkes/internal/kit/telemetry"
)

// Migrate brings the database of the module opts.Target up to the newest schema and starts nothing. Of several
// programs that migrate one PostgreSQL database at once, or start on it, one does the work and the others wait.
func Migrate(ctx context.Context, opts Options) (err error) {
	if err := opts.complete(); err != nil {
		return err
	}
	if opts.Target == All {
		return errors.New("one module is migrated at a time; name it")
	}
	chosen, err := Select(opts.Modules, opts.Target)
	if err != nil {
		return err
	}
	m := chosen[0]
	if m.Migrations == nil {
		return fmt.Errorf("the module %s has no database", m.Name)
	}
	url, err := opts.databaseURL(m.Name)
	if err != nil {
		return err
	}
	log, began := opts.Log.With("module", m.Name), time.Now()
	db, err := sqlstore.Open(ctx, url, sqlstore.Options{Logger: log, AppName: "fawkes-" + m.Name + "-migrate"})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := db.Migrate(ctx, m.Migrations); err != nil {
		return err
	}
	log.Info("the schema is up to date", "engine", string(db.Engine), "seconds", time.Since(began).Seconds())
	return nil
}

// migrate is the command "fawkes-service migrate <module>".
func (s Service) migrate(ctx context.Context, args []string) int {
	if len(args) == 0 {
		s.say(s.Stderr, "fawkes-service: name the module whose database is to be migrated\n")
		return ExitUsage
	}
	opts := Options{Modules: s.Modules, Target: args[0], Env: s.Env, Version: s.Version}
	level := ""
	flags := flag.NewFlagSet("fawkes-service migrate "+args[0], flag.ContinueOnError)
	flags.StringVar(&opts.StateDir, "state", "", stateUsage)
	flags.StringVar(&level, "log-level", "info", levelUsage)
	if code, ok := s.parse(flags, args[1:]); !ok {
		return code
	}
	if !s.isModule(opts.Target) {
		return ExitUsage
	}
	log, err := telemetry.NewLog(s.Stderr, level)
	if err == nil {
		opts.Log = log
		err = Migrate(ctx, opts)
	}
	if err != nil {
		s.say(s.Stderr, "fawkes-service: migrate: %v\n", err)
		return ExitFailed
	}
	return ExitOK
}
