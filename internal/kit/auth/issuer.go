package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/fawkes-idp/fawkes/internal/kit/peer"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

const (
	// KeysPath is where identity publishes its JWKS.
	KeysPath = "/api/identity/v1/jwks.json"
	// ExchangePath is identity's RFC 8693 token exchange.
	ExchangePath = "/api/identity/v1/token"

	maxAnswer = 256 << 10
)

// ErrRefused is what an Issuer answers when it knows the credential to be worthless. Any other error means that
// it could not tell.
var ErrRefused = errors.New("identity refuses the credential")

// Issuer is identity as the verifier needs it. The default speaks HTTP over the peer network; identity itself,
// which verifies its own callers, answers from its store.
type Issuer interface {
	// Keys returns the public keys that may have signed tokens that are still alive.
	Keys(ctx context.Context) (jose.JSONWebKeySet, error)
	// Exchange turns an API token or a session into a JWT for audience.
	Exchange(ctx context.Context, c Credential, audience string) (string, error)
}

// remote is identity over HTTP.
type remote struct{ peers peer.Network }

func (r remote) Keys(ctx context.Context) (jose.JSONWebKeySet, error) {
	base, client := r.peers.Client("identity")
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+KeysPath, nil)
	if err != nil {
		return jose.JSONWebKeySet{}, fmt.Errorf("build the request for identity's keys: %w", err)
	}
	var keys jose.JSONWebKeySet
	if err := call(client, req, &keys); err != nil {
		return jose.JSONWebKeySet{}, fmt.Errorf("fetch identity's keys: %w", err)
	}
	return keys, nil
}

func (r remote) Exchange(ctx context.Context, c Credential, audience string) (string, error) {
	base, client := r.peers.Client("identity")
	form := url.Values{
		"grant_type":         {GrantExchange},
		"subject_token":      {c.Secret},
		"subject_token_type": {c.Type},
		"audience":           {audience},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+ExchangePath, strings.NewReader(form.Encode()))
	if err != nil {
		return "", fmt.Errorf("build the token exchange: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := call(client, req, &answer); err != nil {
		return "", fmt.Errorf("exchange a token at identity: %w", err)
	}
	return answer.AccessToken, nil
}

// call sends req and reads a bounded JSON answer. 401 is ErrRefused; every other status but 200 is a fault.
func call(client *http.Client, req *http.Request, into any) error {
	req.Header.Set("Accept", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch {
	case err != nil:
		return fmt.Errorf("read the answer: %w", err)
	case resp.StatusCode == http.StatusUnauthorized:
		return ErrRefused
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("identity answered %s", resp.Status)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return nil
}

func unavailable() *problem.Problem {
	return problem.New(problem.Unavailable, "identity does not answer, so this credential cannot be checked now").
		WithMend("try again shortly; if it lasts, see whether the identity service runs")
}
