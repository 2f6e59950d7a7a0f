package devlake

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"strings"
)

// keeper reads and writes one secret of Vault.
type keeper struct {
	api     *api
	vault   Vault
	version int            // of the secret; 0: there is none
	data    map[string]any // its fields
}

// openVault signs in with the token of the service account, and reads the secret.
func openVault(ctx context.Context, v Vault) (*keeper, error) {
	token, err := os.ReadFile(v.TokenFile)
	if err != nil {
		return nil, fmt.Errorf("read the token of the service account: %w", err)
	}
	var login struct {
		Auth struct {
			ClientToken string `json:"client_token"`
		} `json:"auth"`
	}
	body := map[string]string{"role": v.Role, "jwt": strings.TrimSpace(string(token))}
	if err := newAPI(v.URL, nil).do(ctx, http.MethodPost, "/v1/auth/kubernetes/login", body, &login); err != nil {
		return nil, fmt.Errorf("sign in to Vault as %s: %w", v.Role, err)
	}
	k := &keeper{api: newAPI(v.URL, http.Header{"X-Vault-Token": {login.Auth.ClientToken}}), vault: v}
	var secret struct {
		Data struct {
			Data     map[string]any `json:"data"`
			Metadata struct {
				Version int `json:"version"`
			} `json:"metadata"`
		} `json:"data"`
	}
	err = k.api.do(ctx, http.MethodGet, k.path(), nil, &secret)
	if err != nil && !refused(err, http.StatusNotFound) {
		return nil, fmt.Errorf("read the secret %s of Vault: %w", v.Path, err)
	}
	k.version, k.data = secret.Data.Metadata.Version, secret.Data.Data
	return k, nil
}

func (k *keeper) path() string { return "/v1/" + k.vault.Mount + "/data/" + k.vault.Path }

// value is the field as it was read.
func (k *keeper) value() string {
	text, _ := k.data[k.vault.Field].(string)
	return text
}

// keep writes the field; another writer in between makes it fail, and nothing is lost.
func (k *keeper) keep(ctx context.Context, value string) error {
	data := maps.Clone(k.data)
	if data == nil {
		data = map[string]any{}
	}
	data[k.vault.Field] = value
	body := map[string]any{"options": map[string]any{"cas": k.version}, "data": data}
	if err := k.api.do(ctx, http.MethodPost, k.path(), body, nil); err != nil {
		return fmt.Errorf("write the secret %s of Vault: %w", k.vault.Path, err)
	}
	return nil
}
