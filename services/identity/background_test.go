package identity_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/clock"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore/storetest"
	"github.com/fawkes-idp/fawkes/services/identity/migrations"
)

// The running service forgets what has expired and rotates its key by itself.
func TestMaintenanceRunsInTheBackground(t *testing.T) {
	db := storetest.OpenSQLite(t, migrations.FS)
	clk := clock.NewManual(noon)
	p := startOn(t, db, clk, publicURL)
	p.signIn("owner")
	clk.Advance(31 * 24 * time.Hour)

	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.service.Start(ctx) }()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for len(column(t, db, `SELECT id FROM sessions`)) > 0 || len(column(t, db, `SELECT kid FROM signing_keys`)) < 2 {
		select {
		case <-tick.C:
		case err := <-ended:
			t.Fatalf("the background work ended by itself: %v", err)
		case <-deadline:
			t.Fatal("after 30 s the expired session is still there, or the key was not rotated")
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatalf("Start returned %v", err)
	}
	stop, done := context.WithTimeout(t.Context(), 10*time.Second)
	defer done()
	if err := p.service.Stop(stop); err != nil {
		t.Fatal(err)
	}
	for _, c := range p.service.Ready(t.Context()) {
		if c.Err != nil {
			t.Errorf("%s is not ready: %v", c.Name, c.Err)
		}
	}
	p.want(p.call(p.bootstrap, http.MethodGet, api+"/me", ""), 200) // the new key is known to the verifiers
}
