package identity

import (
	"sync"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/clock"
	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore/storetest"
	"github.com/fawkes-idp/fawkes/services/identity/migrations"
)

func ids(keys []Key) []string { return each(keys, func(k Key) string { return k.ID }) }

// A key is published before it signs, signs for its period, and stays until all it signed has expired.
func TestKeyRotation(t *testing.T) {
	ctx, clk := t.Context(), clock.NewManual(noon)
	store := NewStore(storetest.OpenSQLite(t, migrations.FS))
	ring := &keyring{store: store, clock: clk, period: 24 * time.Hour}
	if _, err := ring.sign(ctx, auth.Claims{}); err == nil {
		t.Fatal("something was signed without a key")
	}
	published := func() []string {
		t.Helper()
		set, err := ring.public(ctx)
		must(t, err)
		var out []string
		for _, k := range set.Keys {
			if !k.IsPublic() {
				t.Fatalf("the published key %s is private", k.KeyID)
			}
			out = append(out, k.KeyID)
		}
		return out
	}
	signs := func() string {
		t.Helper()
		k, err := ring.signing(ctx)
		must(t, err)
		return k.ID
	}
	must(t, ring.rotate(ctx))
	must(t, ring.rotate(ctx)) // too early for another
	first := signs()
	same(t, "published at the start", []string{first}, published())

	clk.Advance(24 * time.Hour)
	must(t, ring.rotate(ctx))
	both := published()
	same(t, "number of keys after the rotation", 2, len(both))
	same(t, "the key that signs right after the rotation", first, signs())
	clk.Advance(keyLead + keyCached)
	second := signs()
	same(t, "the key that signs when verifiers know it", both[0], second)

	clk.Set(noon.Add(24*time.Hour + keyLead + auth.MaxJWT)) // the first may have signed an hour's token at its last moment
	must(t, ring.rotate(ctx))
	same(t, "published while old tokens live", both, published())
	clk.Advance(keyCached + keySlack + time.Second)
	must(t, ring.rotate(ctx))
	same(t, "published when they are gone", []string{second}, published())
}

func TestReplicasRotateTogether(t *testing.T) {
	ctx, clk := t.Context(), clock.NewManual(noon)
	store := NewStore(storetest.OpenPostgres(t, migrations.FS))
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			ring := &keyring{store: store, clock: clk, period: time.Hour}
			if err := ring.rotate(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	keys, err := store.Keys(ctx)
	must(t, err)
	if len(keys) != 1 {
		t.Fatalf("eight replicas made the keys %v, want one", ids(keys))
	}
}
