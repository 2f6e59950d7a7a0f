package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

func openPostgres(ctx context.Context, url string, opts Options) (*DB, error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err) // pgx masks the password
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = 5 * time.Second
	}
	// What the URL says wins over these.
	for key, value := range map[string]string{
		"application_name":                    opts.AppName,
		"statement_timeout":                   strconv.FormatInt(opts.StatementTimeout.Milliseconds(), 10),
		"lock_timeout":                        "15000",
		"idle_in_transaction_session_timeout": "60000",
		"timezone":                            "UTC",
	} {
		if _, set := cfg.RuntimeParams[key]; !set {
			cfg.RuntimeParams[key] = value
		}
	}
	conns := opts.MaxConns
	if conns <= 0 {
		conns = 16
	}
	pool := stdlib.OpenDB(*cfg)
	pool.SetMaxOpenConns(conns)
	pool.SetMaxIdleConns(conns)
	pool.SetConnMaxIdleTime(5 * time.Minute)
	pool.SetConnMaxLifetime(time.Hour)
	if err := pool.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open database: %w", err), pool.Close())
	}
	return &DB{Engine: Postgres, Write: pool, Read: pool, log: opts.Logger, close: sync.OnceValue(pool.Close)}, nil
}
