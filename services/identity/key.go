package identity

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/clock"
)

const (
	keyCached = time.Minute      // how long a replica signs with the key it last read
	keyLead   = 15 * time.Minute // how long a new key is published before it signs: verifiers ask every ten minutes
	keySlack  = 10 * time.Minute // how much longer than needed a former key is published
)

// Key signs JWTs. Generations count up from 1. A new one is published for keyLead before it signs, so that every
// verifier knows it by then; a former one is published until everything it signed has expired.
type Key struct {
	Generation int64
	ID         string
	Private    ed25519.PrivateKey
	Created    time.Time
}

// newKey makes the key of a generation.
func newKey(generation int64, now time.Time) (Key, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return Key{}, fmt.Errorf("make a signing key: %w", err)
	}
	// The id tells nothing but which key it is: the start of the public key's hash.
	return Key{Generation: generation, ID: auth.Hash(string(public))[:16], Private: private, Created: now}, nil
}

// keyring signs with the newest key that verifiers can know and looks after the rotation. Several replicas may share one store.
type keyring struct {
	store  Store
	clock  clock.Clock
	period time.Duration

	mu   sync.Mutex
	key  Key
	read time.Time
}

// sign returns the claims as a JWT under the signing key.
func (k *keyring) sign(ctx context.Context, c auth.Claims) (string, error) {
	key, err := k.signing(ctx)
	if err != nil {
		return "", err
	}
	return c.Sign(key.Private, key.ID)
}

func (k *keyring) signing(ctx context.Context) (Key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.clock.Now()
	if k.key.ID != "" && now.Sub(k.read) < keyCached {
		return k.key, nil
	}
	keys, err := k.store.Keys(ctx)
	if err != nil {
		return Key{}, err
	}
	if len(keys) == 0 {
		return Key{}, errors.New("there is no signing key yet")
	}
	k.key, k.read = signer(keys, now), now
	return k.key, nil
}

// signer picks the key that signs at now from keys, newest first: the newest that has been published long enough,
// or the oldest there is, which at the first start is the only one.
func signer(keys []Key, now time.Time) Key {
	for _, key := range keys {
		if now.Sub(key.Created) >= keyLead {
			return key
		}
	}
	return keys[len(keys)-1]
}

// public returns what verifiers need to know of every key that may have signed something still alive.
func (k *keyring) public(ctx context.Context) (jose.JSONWebKeySet, error) {
	keys, err := k.store.Keys(ctx)
	if err != nil {
		return jose.JSONWebKeySet{}, err
	}
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, key := range keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{
			Key: key.Private.Public(), KeyID: key.ID, Algorithm: string(jose.EdDSA), Use: "sig",
		})
	}
	return set, nil
}

// rotate makes the first key, or the next one when the newest is older than the period, and deletes keys whose
// signatures have all expired. It may run on several replicas at once.
func (k *keyring) rotate(ctx context.Context) error {
	keys, err := k.store.Keys(ctx)
	if err != nil {
		return err
	}
	now := k.clock.Now()
	if len(keys) == 0 || now.Sub(keys[0].Created) >= k.period {
		var last int64
		if len(keys) > 0 {
			last = keys[0].Generation
		}
		key, err := newKey(last+1, now)
		if err != nil {
			return err
		}
		e := Entry{At: now, Actor: "system", Action: ActionKeyRotated, Target: key.ID, Detail: fmt.Sprintf("generation %d", key.Generation)}
		if err := k.store.AddKey(ctx, key, e); err != nil && !errors.Is(err, ErrTaken) {
			return err
		}
		k.forget()
		if keys, err = k.store.Keys(ctx); err != nil {
			return err
		}
	}
	// keys[i] stopped signing keyLead after keys[i-1] was made, or a cached minute later on another replica.
	for i := 1; i < len(keys); i++ {
		if now.Sub(keys[i-1].Created) > keyLead+keyCached+auth.MaxJWT+keySlack {
			if err := k.store.DeleteKey(ctx, keys[i].ID); err != nil {
				return err
			}
		}
	}
	return nil
}

func (k *keyring) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.key, k.read = Key{}, time.Time{}
}
