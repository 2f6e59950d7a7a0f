package auth

import (
	"context"
	"crypto/ed25519"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/fawkes-idp/fawkes/internal/kit/clock"
)

const (
	keysEvery   = 10 * time.Minute // how old the known keys may grow before they are asked for again
	keysAtMost  = 5 * time.Second  // the shortest time between two questions, whoever provokes them
	issuerLimit = 5 * time.Second  // how long one question to identity may take
)

// keyring holds identity's public keys. An unknown key id makes it ask again, at most once per keysAtMost, so that
// forged key ids cannot be used to flood identity. When identity does not answer, the known keys stay good.
type keyring struct {
	issuer Issuer
	clock  clock.Clock
	log    *slog.Logger
	flight singleflight.Group

	mu      sync.Mutex
	keys    map[string]ed25519.PublicKey
	fetched time.Time // the last success
	asked   time.Time // the last question
	failed  bool      // whether the last question failed
}

// find returns the key named kid; nil without an error when identity says it does not exist.
func (k *keyring) find(ctx context.Context, kid string) (ed25519.PublicKey, error) {
	key, ask := k.look(kid)
	if ask {
		if err := k.refresh(ctx); err != nil && key == nil {
			return nil, err
		}
		key, _ = k.look(kid) // after a failure the known keys are still there, after a success only those that hold
	}
	if key == nil && k.lastFailed() {
		return nil, unavailable()
	}
	return key, nil
}

func (k *keyring) look(kid string) (key ed25519.PublicKey, ask bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.clock.Now()
	key = k.keys[kid]
	stale := now.Sub(k.fetched) >= keysEvery
	return key, (key == nil || stale) && (k.asked.IsZero() || now.Sub(k.asked) >= keysAtMost)
}

func (k *keyring) lastFailed() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.failed
}

// refresh asks identity for its keys; callers that come meanwhile share the answer. The question does not die
// with the request that provoked it.
func (k *keyring) refresh(ctx context.Context) error {
	done := k.flight.DoChan("keys", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), issuerLimit)
		defer cancel()
		set, err := k.issuer.Keys(ctx)
		k.mu.Lock()
		defer k.mu.Unlock()
		k.asked = k.clock.Now()
		k.failed = err != nil
		if err != nil {
			k.log.Warn("identity's keys could not be fetched; the known ones stay in use", "known", len(k.keys), "error", err)
			return nil, unavailable()
		}
		keys := make(map[string]ed25519.PublicKey, len(set.Keys))
		for _, key := range set.Keys {
			if public, ok := key.Key.(ed25519.PublicKey); ok && key.KeyID != "" {
				keys[key.KeyID] = public
			}
		}
		k.keys, k.fetched = keys, k.asked
		return nil, nil
	})
	select {
	case <-ctx.Done():
		return ctx.Err()
	case r := <-done:
		return r.Err
	}
}
