// Command prometheus is what of Prometheus a test needs, made of its own packages: it reads a configuration, scrapes what
// that names, stores it in a TSDB and evaluates PromQL. Each line of standard input is a query; each line of standard
// output its result as the query API writes it, or an error.
//
// It is a module of its own, because Prometheus weighs more than everything that it is to look at.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/tsdb"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: prometheus CONFIGURATION FOLDER")
		os.Exit(2)
	}
	if err := run(context.Background(), os.Args[1], os.Args[2], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, path, folder string, in io.Reader, out io.Writer) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	log := promslog.New(&promslog.Config{Writer: os.Stderr})
	cfg, err := config.Load(string(text), log)
	if err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	db, err := tsdb.Open(folder, log, prometheus.NewRegistry(), tsdb.DefaultOptions(), nil)
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	defer db.Close() //nolint:errcheck // the folder goes with the test
	manager, err := scrape.NewManager(&scrape.Options{}, log, nil, db, nil, prometheus.NewRegistry())
	if err != nil {
		return fmt.Errorf("make the scrape manager: %w", err)
	}
	if err := manager.ApplyConfig(cfg); err != nil {
		return fmt.Errorf("apply the configuration: %w", err)
	}
	targets := make(chan map[string][]*targetgroup.Group, 1)
	targets <- groups(cfg)
	stopped := make(chan error, 1)
	go func() { stopped <- manager.Run(targets) }()
	engine := promql.NewEngine(promql.EngineOpts{Logger: log, MaxSamples: 1e6, Timeout: 10 * time.Second})
	lines := bufio.NewScanner(in)
	write := json.NewEncoder(out)
	for lines.Scan() {
		if err := write.Encode(answer(ctx, engine, db, lines.Text())); err != nil {
			return err
		}
	}
	manager.Stop()
	<-stopped
	return lines.Err()
}

// groups are the targets that the configuration names itself.
func groups(cfg *config.Config) map[string][]*targetgroup.Group {
	out := map[string][]*targetgroup.Group{}
	for _, s := range cfg.ScrapeConfigs {
		for _, d := range s.ServiceDiscoveryConfigs {
			if static, ok := d.(discovery.StaticConfig); ok {
				out[s.JobName] = append(out[s.JobName], static...)
			}
		}
	}
	return out
}

type result struct {
	Type  string `json:"resultType,omitempty"`
	Value any    `json:"result,omitempty"`
	Error string `json:"error,omitempty"`
}

func answer(ctx context.Context, engine *promql.Engine, db *tsdb.DB, text string) result {
	q, err := engine.NewInstantQuery(ctx, db, nil, text, time.Now())
	if err != nil {
		return result{Error: err.Error()}
	}
	defer q.Close()
	r := q.Exec(ctx)
	if r.Err != nil {
		return result{Error: r.Err.Error()}
	}
	return result{Type: string(r.Value.Type()), Value: r.Value}
}
