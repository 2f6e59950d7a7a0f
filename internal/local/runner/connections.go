package runner

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Connections are where a run finds what it needs. Secrets are in them; they lie in the runner's own database only.
type Connections struct {
	Git struct {
		URL   string `json:"url"`
		Token string `json:"token"`
	} `json:"git"`
	Registry struct {
		Host  string `json:"host"`
		Token string `json:"token"`
	} `json:"registry"`
	Environments struct {
		URL    string `json:"url"`
		Branch string `json:"branch"`
		Token  string `json:"token"`
	} `json:"environments"`
	Events struct {
		URL   string `json:"url"`
		Token string `json:"token"`
	} `json:"events"`
	Signing struct {
		KeyFile  string `json:"key_file"`
		Password string `json:"password"`
	} `json:"signing"`
	WebhookSecret string `json:"webhook_secret"`
}

// Ready says whether runs can begin, and what is missing where not.
func (c Connections) Ready() (missing string) {
	if c.Git.URL == "" {
		return "no git server is connected: set git.url with PUT " + base + "/connections"
	}
	return ""
}

// repository is the address from which the repository is fetched. It is made from the connection and not from what a
// webhook says, so that the token goes nowhere else.
func (c Connections) repository(name string) string {
	return strings.TrimRight(c.Git.URL, "/") + "/" + name + ".git"
}

// checkURL accepts an address of a server; files are for a git server that is a folder.
func checkURL(field, text string, files bool) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %q is no address", field, clean(text, 200))
	case u.User != nil:
		return fmt.Errorf("%s: the address holds a password; give it as the token", field)
	case files && u.Scheme == "file" && u.Host == "" && strings.HasPrefix(u.Path, "/"):
		return nil
	case (u.Scheme != "http" && u.Scheme != "https") || u.Host == "":
		return fmt.Errorf("%s: %q is no http or https address", field, clean(text, 200))
	}
	return nil
}

// Connections reads what is connected; all of it is empty before anything was.
func (s *store) Connections(ctx context.Context) (Connections, error) {
	var text string
	var c Connections
	err := s.db.Read.QueryRowContext(ctx, "SELECT text FROM connections WHERE id = 1").Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return c, nil
	}
	if err != nil {
		return c, fmt.Errorf("read the connections: %w", err)
	}
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return c, fmt.Errorf("read the connections: %w", err)
	}
	return c, nil
}

// SetConnections replaces what is connected.
func (s *store) SetConnections(ctx context.Context, c Connections) error {
	text, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("store the connections: %w", err)
	}
	return s.db.Tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO connections (id, text) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET text = excluded.text", string(text))
		if err != nil {
			return fmt.Errorf("store the connections: %w", err)
		}
		return nil
	})
}
